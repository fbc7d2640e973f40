/* The registry's file for those who only look: `featured check` and `featured backup`. The server
 * may be using it meanwhile. Changes nothing in the file; while nobody uses it, nothing beside it.
 */
#ifndef FEATURED_SERVER_REGISTRY_FILE_H
#define FEATURED_SERVER_REGISTRY_FILE_H

#include "base/error.h"
#include "model/catalog.h"

/* Checks every page, then reads all definitions. The catalog is the caller's: catalog_destroy(). */
MUST_CHECK status registry_file_load(const char *path, bool in_use, const struct catalog **out,
                                     struct error *error);
/* A copy of one instant in a new file, durable when it returns OK. */
MUST_CHECK status registry_file_copy(const char *path, bool in_use, const char *to,
                                     struct error *error);

#endif

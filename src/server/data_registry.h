/* Which registry the values of a data directory belong to. Feature versions have numbers that mean
 * something only in the registry that gave them: with another one, values would be dropped or taken
 * for those of other features. A directory starts with its own registry (registry.db) or is bound,
 * the first time, to a shared one by a file that holds that one's identity. */
#ifndef FEATURED_SERVER_DATA_REGISTRY_H
#define FEATURED_SERVER_DATA_REGISTRY_H

#include "base/error.h"

/* Before registry.db is opened. CONFLICT: the values belong to a shared registry. */
MUST_CHECK status data_registry_use_own(const char *path, struct error *error);
/* CONFLICT: they belong to registry.db, or to another shared registry. Durable when it returns. */
MUST_CHECK status data_registry_use_shared(const char *path, const char *identity,
                                           struct error *error);
/* The shared registry's identity, "" if the directory has its own. */
#define DATA_REGISTRY_IDENTITY_MAX 64
MUST_CHECK status data_registry_read(const char *path, char out[DATA_REGISTRY_IDENTITY_MAX],
                                     struct error *error);
/* In a copy of the directory. */
MUST_CHECK status data_registry_write(const char *path, const char *identity, struct error *error);

#endif

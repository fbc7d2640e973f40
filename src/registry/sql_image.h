/* Everything the registry holds, read in one transaction: the catalog's next image. */
#ifndef FEATURED_REGISTRY_SQL_IMAGE_H
#define FEATURED_REGISTRY_SQL_IMAGE_H

#include "registry/registry.h"
#include "registry/sql.h"

MUST_CHECK status sql_image_load_revision(struct sql_connection *connection, uint64_t *out,
                                          struct error *error);
/* Features of a shared database that were left out of an image. */
struct sql_image_left_out {
    uint32_t count;
    char first[256]; /* why the first of them was */
};

/* The image of what the tables say now. `previous` as in catalog_builder.h. INVALID: a limit of the
 * process is passed (entities, slots), so the change that led here cannot be made. */
MUST_CHECK status sql_image_build(struct sql_connection *connection, const struct catalog *previous,
                                  uint64_t revision, const struct catalog **out,
                                  struct sql_image_left_out *left_out, struct error *error);

#endif

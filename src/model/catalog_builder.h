/* Builds a catalog image from the rows of a registry: begin, add features (each with all its
 * versions) in any order, add services, finish. The builder copies every text. One thread.
 *
 * Entity indexes, slots and `dead_before` of the previous image are carried over by name and
 * version id; what disappeared leaves an empty slot. After a failure the builder can only be
 * destroyed. */
#ifndef FEATURED_MODEL_CATALOG_BUILDER_H
#define FEATURED_MODEL_CATALOG_BUILDER_H

#include "model/catalog.h"

struct catalog_builder;

struct catalog_builder_version {
    uint64_t id;
    uint32_t number;
    enum data_type data_type;
    uint32_t dimension;
    int64_t dead_before_us;
    int64_t created_at_us;
};

struct catalog_builder_feature {
    int64_t id;
    struct feature_definition definition; /* data_type and dimension are the active version's */
    int64_t created_at_us;
    int64_t updated_at_us;
    uint32_t active_version; /* number */
    const struct catalog_builder_version *versions;
    uint32_t version_count;
};

struct catalog_builder_service {
    int64_t id;
    struct service_definition definition;
    const uint64_t *version_ids; /* what each of definition.features meant */
    const str *resolved;         /* "name@2" of each */
    int64_t created_at_us;
    int64_t updated_at_us;
};

/* `previous` may be NULL (first image) and must live until finish. NULL without memory. */
struct catalog_builder *catalog_builder_create(const struct catalog *previous, uint64_t revision);
void catalog_builder_destroy(struct catalog_builder *builder);
MUST_CHECK status catalog_builder_add_feature(struct catalog_builder *builder,
                                              const struct catalog_builder_feature *feature,
                                              struct error *error);
MUST_CHECK status catalog_builder_add_service(struct catalog_builder *builder,
                                              const struct catalog_builder_service *service,
                                              struct error *error);
/* Gives the image and destroys the builder on success. */
MUST_CHECK status catalog_builder_finish(struct catalog_builder *builder,
                                         const struct catalog **out, struct error *error);

/* For who publishes: in an image that nobody else has seen yet, what had expired under `old_ttl_us`
 * by `now_us` stays dead (cell_rule.h). Later images carry it over. Versions that are not in the
 * `published` image never had that TTL and are left alone. */
void catalog_builder_end_ttl(const struct catalog *published, const struct catalog *unpublished,
                             int64_t feature_id, int64_t now_us,
                             int64_t old_ttl_us);

#endif

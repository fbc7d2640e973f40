/* The immutable in-memory image of the registry. Built by catalog_builder.h on the registry's
 * thread, published behind an atomic pointer (struct catalog_ref), read by everyone. An image holds
 * until the reader's next quiescent state (runtime/epoch.h): work that waits longer keeps version
 * ids and looks them up again.
 *
 * Entities and versions get an index and a slot when they first appear in this process; neither is
 * given out again while it runs, so (entity index, slot, version id) finds or misses a version in
 * constant time in any later image. */
#ifndef FEATURED_MODEL_CATALOG_H
#define FEATURED_MODEL_CATALOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash_map.h"
#include "model/definition.h"

struct catalog_feature;
struct catalog_entity;

struct catalog_version {
    uint64_t id;     /* never used again, across restarts too */
    uint32_t number; /* 1, 2, … within the feature: the 2 of "name@2" */
    uint32_t slot;   /* in the entity's row schema */
    enum data_type data_type;
    uint32_t dimension;     /* embeddings; 0: any */
    int64_t dead_before_us; /* cell_rule.h */
    int64_t ttl_us;         /* the feature's, copied here for the read path; 0: never expires */
    const struct catalog_feature *feature;
    const struct catalog_entity *entity;
    int64_t created_at_us;
};

struct catalog_feature {
    int64_t id;
    struct feature_definition definition; /* texts live in the image */
    const struct catalog_entity *entity;
    const struct catalog_version *versions; /* in order of number, numbers may have gaps */
    uint32_t version_count;
    const struct catalog_version *active; /* what the bare name means */
    int64_t created_at_us;
    int64_t updated_at_us;
};

/* One slot of the row schema. The type stays known after the version is gone. */
struct catalog_slot {
    uint64_t version_id;
    const struct catalog_version *version; /* NULL: the version was dropped */
    enum data_type data_type;
    uint32_t dimension;
};

struct catalog_entity {
    str name;
    uint32_t index;
    const struct catalog_slot *slots;
    uint32_t slot_count;
    const struct catalog_version *const *active; /* the active versions, in order of feature id */
    uint32_t active_count;                       /* 0: the entity has no feature any more */
};

struct catalog_service {
    int64_t id;
    str name;
    struct optional_str description;
    str tags_json;
    const str *features;                           /* as written */
    const struct catalog_version *const *versions; /* NULL: was deleted by force */
    const str *resolved;                           /* "name@2" */
    uint32_t feature_count;
    int64_t created_at_us;
    int64_t updated_at_us;
};

struct catalog {
    uint64_t revision;
    const struct catalog_feature *const *features; /* in order of id */
    uint32_t feature_count;
    const struct catalog_entity *const *entities; /* by index; never NULL below entity_count */
    uint32_t entity_count;
    const struct catalog_service *const *services; /* in order of name */
    uint32_t service_count;
    /* private: name → object */
    struct hash_map features_by_name;
    struct hash_map entities_by_name;
    struct hash_map services_by_name;
    struct arena arena;
};

/* Where the current image hangs. */
struct catalog_ref {
    _Atomic(const struct catalog *) image;
};

static inline const struct catalog *catalog_current(const struct catalog_ref *ref)
{
    return atomic_load_explicit(&ref->image, memory_order_acquire);
}

const struct catalog_feature *catalog_find_feature(const struct catalog *catalog, str name);
const struct catalog_feature *catalog_find_feature_id(const struct catalog *catalog, int64_t id);
const struct catalog_entity *catalog_find_entity(const struct catalog *catalog, str name);
const struct catalog_service *catalog_find_service(const struct catalog *catalog, str name);
const struct catalog_version *catalog_feature_version(const struct catalog_feature *feature,
                                                      uint32_t number);
/* "name" (the active version) or "name@2"; NULL if there is none. */
const struct catalog_version *catalog_resolve(const struct catalog *catalog, str reference);
/* The version in this image, or NULL if it was dropped (or another one is meant). */
const struct catalog_version *catalog_version_at(const struct catalog *catalog,
                                                 uint32_t entity_index, uint32_t slot,
                                                 uint64_t version_id);
void catalog_destroy(const struct catalog *catalog);

#endif

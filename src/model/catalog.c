#include "model/catalog.h"

#include <stdint.h>

#include "base/memory.h"

const struct catalog_feature *catalog_find_feature(const struct catalog *catalog, str name)
{
    return hash_map_get(&catalog->features_by_name, name);
}

const struct catalog_feature *catalog_find_feature_id(const struct catalog *catalog, int64_t id)
{
    uint32_t low = 0;
    uint32_t high = catalog->feature_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct catalog_feature *feature = catalog->features[middle];
        if (feature->id == id)
            return feature;
        if (feature->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_entity *catalog_find_entity(const struct catalog *catalog, str name)
{
    return hash_map_get(&catalog->entities_by_name, name);
}

const struct catalog_service *catalog_find_service(const struct catalog *catalog, str name)
{
    return hash_map_get(&catalog->services_by_name, name);
}

const struct catalog_version *catalog_feature_version(const struct catalog_feature *feature,
                                                      uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = feature->version_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct catalog_version *version = &feature->versions[middle];
        if (version->number == number)
            return version;
        if (version->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_version *catalog_resolve(const struct catalog *catalog, str reference)
{
    str name;
    uint32_t number;
    const struct catalog_feature *feature = catalog_find_feature(catalog, reference);
    if (feature != NULL) /* a bare name, nearly always */
        return feature->active;
    if (!definition_parse_reference(reference, &name, &number) || number == 0)
        return NULL;
    feature = catalog_find_feature(catalog, name);
    return feature ? catalog_feature_version(feature, number) : NULL;
}

const struct catalog_version *catalog_version_at(const struct catalog *catalog,
                                                 uint32_t entity_index, uint32_t slot,
                                                 uint64_t version_id)
{
    if (entity_index >= catalog->entity_count)
        return NULL;
    const struct catalog_entity *entity = catalog->entities[entity_index];
    if (slot >= entity->slot_count || entity->slots[slot].version_id != version_id)
        return NULL;
    return entity->slots[slot].version;
}

void catalog_destroy(const struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    /* An image is const to everyone but its builder and the one who frees it. */
    struct catalog *image = (struct catalog *)(uintptr_t)catalog;
    hash_map_fini(&image->features_by_name);
    hash_map_fini(&image->entities_by_name);
    hash_map_fini(&image->services_by_name);
    arena_fini(&image->arena);
    memory_free(image);
}

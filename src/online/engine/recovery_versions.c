#include "online/engine/recovery_versions.h"

#include "base/memory.h"

static uint32_t *place_of(const struct recovery_versions *versions, uint64_t version_id)
{
    uint32_t i = (uint32_t)(version_id * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    for (;; i++) {
        uint32_t *place = &versions->index[i & versions->index_mask];
        if (*place == 0 || versions->list[*place - 1].version->id == version_id)
            return place;
    }
}

static void add(struct recovery_versions *versions, const struct catalog_version *version)
{
    struct recovery_version *added = &versions->list[versions->count++];
    added->version = version;
    statistics_init(&added->statistics);
    *place_of(versions, version->id) = versions->count;
}

static void add_entity(struct recovery_versions *versions, const struct catalog_entity *entity)
{
    for (uint32_t s = 0; s < entity->slot_count; s++)
        if (entity->slots[s].version != NULL)
            add(versions, entity->slots[s].version);
}

bool recovery_versions_init(struct recovery_versions *versions, const struct catalog *catalog)
{
    size_t most = 1;
    size_t index_size = 4;
    for (uint32_t e = 0; e < catalog->entity_count; e++)
        most += catalog->entities[e]->slot_count;
    while (index_size < most * 2)
        index_size *= 2;
    *versions = (struct recovery_versions){.index_mask = (uint32_t)(index_size - 1)};
    versions->list = memory_alloc_array(most, sizeof(*versions->list));
    versions->index = memory_alloc_array(index_size, sizeof(*versions->index));
    if (versions->list == NULL || versions->index == NULL) {
        recovery_versions_fini(versions);
        return false;
    }
    for (uint32_t e = 0; e < catalog->entity_count; e++)
        add_entity(versions, catalog->entities[e]);
    return true;
}

void recovery_versions_fini(struct recovery_versions *versions)
{
    memory_free(versions->list);
    memory_free(versions->index);
    *versions = (struct recovery_versions){0};
}

struct recovery_version *recovery_versions_find(const struct recovery_versions *versions,
                                                uint64_t version_id)
{
    uint32_t number = *place_of(versions, version_id);
    return number != 0 ? &versions->list[number - 1] : NULL;
}

bool recovery_versions_statistics(const struct recovery_versions *versions,
                                  struct statistics_store *out)
{
    statistics_store_init(out);
    for (uint32_t i = 0; i < versions->count; i++) {
        const struct recovery_version *known = &versions->list[i];
        if (known->statistics.count == 0 && known->statistics.null_count == 0)
            continue;
        if (!statistics_store_reserve(out, known->version->id)) {
            statistics_store_fini(out);
            return false;
        }
        *statistics_store_find(out, known->version->id) = known->statistics;
    }
    return true;
}

const char *recovery_cell_mismatch(const struct catalog_version *version,
                                   const struct log_cell *cell)
{
    if (cell->value.type != version->data_type)
        return "a value has another data type than its feature";
    if (version->data_type == DATA_TYPE_EMBEDDING && !cell->is_erased && !cell->value.is_null &&
        version->dimension != 0 && cell->value.embedding.dimension != version->dimension)
        return "an embedding has another dimension than its feature";
    return NULL;
}

#include "online/engine/statistics_store.h"

#include "base/memory.h"

#define FIRST_CAPACITY 64

void statistics_store_init(struct statistics_store *store)
{
    *store = (struct statistics_store){0};
}

void statistics_store_fini(struct statistics_store *store)
{
    memory_free(store->entries);
    statistics_store_init(store);
}

/* The entry of this version, or the free one where it would go. Never full. */
static struct statistics_entry *entry_of(struct statistics_entry *entries, size_t capacity,
                                         uint64_t version_id)
{
    size_t i = (size_t)(version_id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (capacity - 1);
    while (entries[i].version_id != 0 && entries[i].version_id != version_id)
        i = (i + 1) & (capacity - 1);
    return &entries[i];
}

static bool grow(struct statistics_store *store)
{
    size_t capacity = store->capacity ? store->capacity * 2 : FIRST_CAPACITY;
    struct statistics_entry *entries = memory_alloc_array(capacity, sizeof(*entries));
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < store->capacity; i++) {
        const struct statistics_entry *entry = &store->entries[i];
        if (entry->version_id != 0)
            *entry_of(entries, capacity, entry->version_id) = *entry;
    }
    memory_free(store->entries);
    store->entries = entries;
    store->capacity = capacity;
    return true;
}

bool statistics_store_reserve(struct statistics_store *store, uint64_t version_id)
{
    if (statistics_store_find(store, version_id) != NULL)
        return true;
    if (store->count + 1 > store->capacity / 2 && !grow(store))
        return false;
    struct statistics_entry *entry = entry_of(store->entries, store->capacity, version_id);
    entry->version_id = version_id;
    statistics_init(&entry->statistics);
    store->count++;
    return true;
}

struct statistics *statistics_store_find(const struct statistics_store *store, uint64_t version_id)
{
    if (store->capacity == 0)
        return NULL;
    struct statistics_entry *entry = entry_of(store->entries, store->capacity, version_id);
    return entry->version_id != 0 ? &entry->statistics : NULL;
}

uint64_t statistics_store_memory_bytes(const struct statistics_store *store)
{
    return memory_size(store->entries);
}

struct log_statistics *statistics_store_copy(const struct statistics_store *store, uint32_t *count)
{
    struct log_statistics *copy = memory_alloc_array(store->count, sizeof(*copy));
    if (copy == NULL)
        return NULL;
    uint32_t n = 0;
    for (size_t i = 0; i < store->capacity; i++) {
        const struct statistics_entry *entry = &store->entries[i];
        if (entry->version_id != 0 && entry->statistics.count + entry->statistics.null_count > 0)
            copy[n++] = (struct log_statistics){entry->version_id, entry->statistics};
    }
    *count = n;
    return copy;
}

#include "base/hash_map.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/memory.h"

#define HASH_MAP_FIRST_CAPACITY 16

void hash_map_init(struct hash_map *map)
{
    *map = (struct hash_map){0};
}

void hash_map_fini(struct hash_map *map)
{
    memory_free(map->slots);
    hash_map_init(map);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct hash_map_slot *find_slot(struct hash_map_slot *slots, size_t capacity, str key,
                                       uint64_t hash)
{
    for (size_t i = hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        struct hash_map_slot *slot = &slots[i];
        if (slot->value == NULL || (slot->hash == hash && str_eq(slot->key, key)))
            return slot;
    }
}

void *hash_map_get(const struct hash_map *map, str key)
{
    if (map->capacity == 0)
        return NULL;
    return find_slot(map->slots, map->capacity, key, hash_str(key))->value;
}

static bool grow(struct hash_map *map)
{
    size_t capacity = map->capacity ? map->capacity * 2 : HASH_MAP_FIRST_CAPACITY;
    struct hash_map_slot *slots = memory_alloc_array(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct hash_map_slot *old = &map->slots[i];
        if (old->value)
            *find_slot(slots, capacity, old->key, old->hash) = *old;
    }
    memory_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

bool hash_map_put(struct hash_map *map, str key, void *value)
{
    ASSERT(value != NULL);
    if (map->count * 4 >= map->capacity * 3 && !grow(map))
        return false;
    uint64_t hash = hash_str(key);
    struct hash_map_slot *slot = find_slot(map->slots, map->capacity, key, hash);
    if (slot->value == NULL)
        map->count++;
    *slot = (struct hash_map_slot){.hash = hash, .key = key, .value = value};
    return true;
}

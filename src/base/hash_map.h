/* Names to pointers: open addressing, linear probing, grows by doubling. Keys are borrowed and must
 * outlive the map (they live in the same arena or image). For the catalog and the like; the online
 * store has its own table. Readable by many threads once nobody writes. */
#ifndef FEATURED_BASE_HASH_MAP_H
#define FEATURED_BASE_HASH_MAP_H

#include "base/compiler.h"
#include "base/str.h"

struct hash_map_slot {
    uint64_t hash;
    str key;
    void *value; /* NULL: free */
};

struct hash_map {
    struct hash_map_slot *slots;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};

void hash_map_init(struct hash_map *map);
void hash_map_fini(struct hash_map *map);
void *hash_map_get(const struct hash_map *map, str key); /* NULL if absent */
/* Puts or replaces; the value must not be NULL. False without memory: nothing changed. */
MUST_CHECK bool hash_map_put(struct hash_map *map, str key, void *value);

#endif

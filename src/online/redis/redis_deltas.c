/* Statistics by version id: a growing table. One owner, or under its lock. */
#include "base/memory.h"
#include "online/redis/redis_private.h"

#define FIRST_CAPACITY 16u

void redis_deltas_fini(struct redis_deltas *deltas)
{
    memory_free(deltas->items);
    memory_free(deltas->index);
    *deltas = (struct redis_deltas){0};
}

/* Ids are given out in order: their low bits spread well enough. */
static uint32_t *index_place(const struct redis_deltas *deltas, uint64_t version_id)
{
    uint32_t mask = deltas->capacity * 2 - 1;
    for (uint32_t i = (uint32_t)version_id & mask;; i = (i + 1) & mask) {
        uint32_t *place = &deltas->index[i];
        if (*place == 0 || deltas->items[*place - 1].version_id == version_id)
            return place;
    }
}

static bool grow(struct redis_deltas *deltas)
{
    struct redis_deltas larger = {
        .count = deltas->count,
        .capacity = deltas->capacity ? deltas->capacity * 2 : FIRST_CAPACITY,
    };
    larger.items = memory_alloc_array(larger.capacity, sizeof(*larger.items));
    larger.index = memory_alloc_array(larger.capacity * (size_t)2, sizeof(*larger.index));
    if (larger.items == NULL || larger.index == NULL) {
        redis_deltas_fini(&larger);
        return false;
    }
    for (uint32_t i = 0; i < deltas->count; i++) {
        larger.items[i] = deltas->items[i];
        *index_place(&larger, deltas->items[i].version_id) = i + 1;
    }
    redis_deltas_fini(deltas);
    *deltas = larger;
    return true;
}

const struct statistics *redis_deltas_find(const struct redis_deltas *deltas, uint64_t version_id)
{
    uint32_t place = deltas->capacity ? *index_place(deltas, version_id) : 0;
    return place ? &deltas->items[place - 1].delta : NULL;
}

struct statistics *redis_deltas_of(struct redis_deltas *deltas, uint64_t version_id)
{
    if (deltas->count == deltas->capacity && !grow(deltas))
        return NULL;
    uint32_t *place = index_place(deltas, version_id);
    if (*place == 0) {
        struct redis_statistics_delta *delta = &deltas->items[deltas->count++];
        delta->version_id = version_id;
        statistics_init(&delta->delta);
        *place = deltas->count;
    }
    return &deltas->items[*place - 1].delta;
}

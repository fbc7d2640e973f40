/* The feature versions that the present segment describes: a set of version ids, asked once per
 * cell. Private to the log room; owner's thread. */
#ifndef FEATURED_LOG_LOG_SCHEMA_SET_H
#define FEATURED_LOG_LOG_SCHEMA_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct log_schema_set {
    uint64_t *slots; /* 0: free, as no version has that id */
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

static inline uint64_t *log_schema_set_place(const struct log_schema_set *set, uint64_t version_id)
{
    uint32_t mask = set->capacity - 1;
    uint32_t i = (uint32_t)((version_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (set->slots[i] != 0 && set->slots[i] != version_id)
        i = (i + 1) & mask;
    return &set->slots[i];
}

static inline bool log_schema_set_has(const struct log_schema_set *set, uint64_t version_id)
{
    return set->count > 0 && *log_schema_set_place(set, version_id) == version_id;
}

/* False without memory: nothing changed. */
MUST_CHECK bool log_schema_set_add(struct log_schema_set *set, uint64_t version_id);
void log_schema_set_clear(struct log_schema_set *set);
void log_schema_set_fini(struct log_schema_set *set);

#endif

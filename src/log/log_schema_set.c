#include "log/log_schema_set.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

#define FIRST_CAPACITY 64u

static bool grow(struct log_schema_set *set)
{
    struct log_schema_set grown = {.capacity = set->capacity ? set->capacity * 2 : FIRST_CAPACITY};
    grown.slots = memory_alloc_array(grown.capacity, sizeof(*grown.slots));
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < set->capacity; i++)
        if (set->slots[i] != 0)
            *log_schema_set_place(&grown, set->slots[i]) = set->slots[i];
    grown.count = set->count;
    memory_free(set->slots);
    *set = grown;
    return true;
}

bool log_schema_set_add(struct log_schema_set *set, uint64_t version_id)
{
    ASSERT(version_id != 0);
    if ((set->count + 1) * 2 > set->capacity && !grow(set))
        return false;
    uint64_t *place = log_schema_set_place(set, version_id);
    if (*place == 0)
        set->count++;
    *place = version_id;
    return true;
}

void log_schema_set_clear(struct log_schema_set *set)
{
    if (set->count > 0)
        memset(set->slots, 0, set->capacity * sizeof(*set->slots));
    set->count = 0;
}

void log_schema_set_fini(struct log_schema_set *set)
{
    memory_free(set->slots);
    *set = (struct log_schema_set){0};
}

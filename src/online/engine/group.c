#include "online/engine/group.h"

#include "base/assert.h"
#include "base/memory.h"

#define FIRST_CAPACITY 256u

void group_init(struct group *group, struct epoch_limbo *limbo, uint64_t *memory_bytes)
{
    *group = (struct group){.memory = {.bytes = memory_bytes, .limbo = limbo}};
}

void group_fini(struct group *group)
{
    ASSERT(group->row_count == 0);
    memory_free(group->rows);
    memory_free(group->index);
    memory_free(group->staged);
}

uint64_t group_memory_bytes(const struct group *group)
{
    return memory_size(group->rows) + memory_size(group->index) + memory_size(group->staged);
}

/* The place of this id in the index: of its row, or free. */
static uint32_t *index_place(const struct group *group, const struct table *table, uint64_t hash,
                             str entity_id)
{
    uint32_t mask = group->capacity * 2 - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        if (group->index[i] == 0)
            return &group->index[i];
        const struct group_row *row = &group->rows[group->index[i] - 1];
        if (row->hash == hash && row->table == table && str_eq(row->entity_id, entity_id))
            return &group->index[i];
    }
}

static bool grow(struct group *group)
{
    uint32_t capacity = group->capacity ? group->capacity * 2 : FIRST_CAPACITY;
    struct group_row *rows = memory_alloc_array(capacity, sizeof(*rows));
    uint32_t *index = memory_alloc_array(capacity * (size_t)2, sizeof(*index));
    uint32_t *staged = memory_alloc_array(capacity, sizeof(*staged));
    if (rows == NULL || index == NULL || staged == NULL) {
        memory_free(rows);
        memory_free(index);
        memory_free(staged);
        return false;
    }
    if (group->row_count > 0)
        memcpy(rows, group->rows, group->row_count * sizeof(*rows));
    if (group->staged_count > 0)
        memcpy(staged, group->staged, group->staged_count * sizeof(*staged));
    memory_free(group->rows);
    memory_free(group->index);
    memory_free(group->staged);
    group->rows = rows;
    group->index = index;
    group->staged = staged;
    group->capacity = capacity;
    for (uint32_t i = 0; i < group->row_count; i++)
        *index_place(group, rows[i].table, rows[i].hash, rows[i].entity_id) = i + 1;
    return true;
}

struct group_row *group_row_of(struct group *group, struct table *table, str entity_id)
{
    if (group->row_count == group->capacity && !grow(group))
        return NULL;
    uint64_t hash = table_hash(entity_id);
    uint32_t *place = index_place(group, table, hash, entity_id);
    if (*place != 0)
        return &group->rows[*place - 1];
    struct row *held = (struct row *)(uintptr_t)table_find(table, hash, entity_id);
    group->rows[group->row_count] = (struct group_row){
        .table = table,
        .hash = hash,
        .entity_id = entity_id,
        .held = held,
        .prepared = held,
    };
    *place = ++group->row_count;
    return &group->rows[*place - 1];
}

/* Frees a row that was never published. */
static void discard(struct group *group, const struct group_row *at, struct row *row)
{
    if (row != NULL && row != at->held)
        row_destroy(row, group->memory.bytes);
}

static status reserve(struct group *group, struct group_row *at, uint64_t budget_bytes)
{
    /* Publishing must not fail: it retires a row and an array for each at most, an array now. */
    if (!epoch_limbo_reserve(group->memory.limbo, 2 * (size_t)group->row_count + 1))
        return status_of(STATUS_OUT_OF_MEMORY);
    if (at->held != NULL || at->is_reserved)
        return OK;
    TRY(table_reserve(at->table, at->hash, budget_bytes, &group->memory));
    at->is_reserved = true;
    return OK;
}

status group_stage(struct group *group, struct group_row *at, struct row *row,
                   uint64_t budget_bytes)
{
    status result = reserve(group, at, budget_bytes);
    if (!status_is_ok(result)) {
        discard(group, at, row);
        return result;
    }
    if (at->is_staged)
        discard(group, at, at->staged);
    else
        group->staged[group->staged_count++] = (uint32_t)(at - group->rows);
    at->is_staged = true;
    at->staged = row;
    return OK;
}

void group_keep_staged(struct group *group)
{
    for (uint32_t i = 0; i < group->staged_count; i++) {
        struct group_row *at = &group->rows[group->staged[i]];
        discard(group, at, at->prepared);
        at->prepared = at->staged;
        at->is_staged = false;
    }
    group->staged_count = 0;
}

void group_undo_staged(struct group *group)
{
    for (uint32_t i = 0; i < group->staged_count; i++) {
        struct group_row *at = &group->rows[group->staged[i]];
        discard(group, at, at->staged);
        at->is_staged = false;
    }
    group->staged_count = 0;
}

static void free_row(void *context, void *block)
{
    row_destroy(block, context);
}

/* The change in the number of rows. */
static int publish_row(struct group *group, struct group_row *at)
{
    int change = 0;
    if (at->prepared == at->held) {
        ;
    } else if (at->held == NULL) {
        table_insert(at->table, at->hash, at->prepared);
        at->is_reserved = false;
        change = 1;
    } else if (at->prepared != NULL) {
        table_replace(at->table, at->hash, at->held, at->prepared);
    } else {
        table_remove(at->table, at->hash, at->held);
        change = -1;
    }
    if (at->held != NULL && at->prepared != at->held)
        epoch_retire(group->memory.limbo, at->held, memory_size(at->held), free_row,
                     group->memory.bytes);
    if (at->is_reserved)
        table_unreserve(at->table, at->hash);
    if (change < 0)
        table_shrink(at->table, at->hash, &group->memory);
    return change;
}

/* A small group does not pay for the size of the largest one. */
static void clear_index(struct group *group)
{
    if (group->row_count == 0)
        return;
    uint32_t mask = group->capacity * 2 - 1;
    if (group->row_count > group->capacity / 16) {
        memset(group->index, 0, (mask + (size_t)1) * sizeof(*group->index));
        return;
    }
    for (uint32_t n = 0; n < group->row_count; n++) {
        uint32_t i = (uint32_t)group->rows[n].hash & mask;
        while (group->index[i] != n + 1)
            i = (i + 1) & mask;
        group->index[i] = 0;
    }
}

int64_t group_publish(struct group *group)
{
    ASSERT(group->staged_count == 0);
    int64_t change = 0;
    for (uint32_t i = 0; i < group->row_count; i++)
        change += publish_row(group, &group->rows[i]);
    clear_index(group);
    group->row_count = 0;
    return change;
}

void group_abandon(struct group *group)
{
    group_undo_staged(group);
    for (uint32_t i = 0; i < group->row_count; i++) {
        struct group_row *at = &group->rows[i];
        discard(group, at, at->prepared);
        if (at->is_reserved)
            table_unreserve(at->table, at->hash);
    }
    clear_index(group);
    group->row_count = 0;
}

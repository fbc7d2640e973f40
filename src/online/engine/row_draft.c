#include "online/engine/row_draft.h"

#include "base/assert.h"
#include "base/memory.h"
#include "online/engine/row_layout.h"

void row_draft_begin(struct row_draft *draft, str entity_id)
{
    draft->entity_id = entity_id;
    draft->erased_until_us = ROW_NOT_ERASED;
    draft->group_bound = 0;
}

static void draft_cell_from_row(struct row_draft *draft, const struct row *row,
                                const struct row_parts *of, const struct row_group *group,
                                uint32_t bit_index, const struct catalog_entity *entity)
{
    uint32_t bit = 1u << bit_index;
    uint32_t slot = group->index * ROW_GROUP_SLOTS + bit_index;
    ASSERT(slot < entity->slot_count);
    struct row_draft_cell *cell = row_draft_put(draft, slot);
    cell->kind = row_group_kind(group, bit);
    cell->event_time_us = event_time_of(row, of, group, bit);
    cell->has_bytes = false;
    if (group->empty & bit)
        return;
    uint64_t bits = value_bits(of, group, bit);
    if (cell->kind == ROW_CELL_BLOB) {
        cell->blob = blob_from_bits(bits);
    } else if (data_type_has_bytes(entity->slots[slot].data_type)) {
        cell->has_bytes = true;
        cell->bytes = inline_bytes(row, bits);
    } else {
        cell->bits = bits;
    }
}

void row_draft_begin_with(struct row_draft *draft, const struct row *row,
                          const struct catalog_entity *entity)
{
    struct row_group group;
    struct row_parts of = parts(row);
    row_draft_begin(draft, str_of(of.entity_id, row->id_len));
    draft->erased_until_us = row_erased_until(row);
    for (uint32_t n = 0; row_group_next(row, n, &group); n++)
        for (uint32_t left = group.present; left != 0; left &= left - 1)
            draft_cell_from_row(draft, row, &of, &group, (uint32_t)__builtin_ctz(left), entity);
}

struct row_draft_cell *row_draft_find(struct row_draft *draft, uint32_t slot)
{
    uint32_t index = slot / ROW_GROUP_SLOTS;
    if (index >= draft->group_bound || !(draft->present[index] & (1u << (slot % ROW_GROUP_SLOTS))))
        return NULL;
    return &draft->cells[slot];
}

struct row_draft_cell *row_draft_put(struct row_draft *draft, uint32_t slot)
{
    ASSERT(slot < LIMIT_SLOTS_PER_ENTITY);
    uint32_t index = slot / ROW_GROUP_SLOTS;
    while (draft->group_bound <= index)
        draft->present[draft->group_bound++] = 0;
    draft->present[index] |= 1u << (slot % ROW_GROUP_SLOTS);
    return &draft->cells[slot];
}

void row_draft_remove(struct row_draft *draft, uint32_t slot)
{
    ASSERT(row_draft_find(draft, slot) != NULL);
    draft->present[slot / ROW_GROUP_SLOTS] &= ~(1u << (slot % ROW_GROUP_SLOTS));
}

bool row_draft_is_empty(const struct row_draft *draft)
{
    if (draft->erased_until_us != ROW_NOT_ERASED)
        return false;
    for (uint32_t i = 0; i < draft->group_bound; i++)
        if (draft->present[i] != 0)
            return false;
    return true;
}

void row_draft_cell_set(struct row_draft_cell *cell, const struct value *value,
                        int64_t event_time_us)
{
    cell->event_time_us = event_time_us;
    cell->kind = value->is_null ? ROW_CELL_NULL : ROW_CELL_VALUE;
    cell->has_bytes = false;
    if (value->is_null)
        return;
    switch (value->type) {
    case DATA_TYPE_INT:
        cell->bits = (uint64_t)value->integer;
        break;
    case DATA_TYPE_TIMESTAMP:
        cell->bits = (uint64_t)value->timestamp_us;
        break;
    case DATA_TYPE_FLOAT:
        memcpy(&cell->bits, &value->real, sizeof(cell->bits));
        break;
    case DATA_TYPE_BOOLEAN:
        cell->bits = value->boolean;
        break;
    case DATA_TYPE_EMBEDDING:
        cell->has_bytes = true;
        cell->bytes = str_of((const char *)value->embedding.data,
                             value->embedding.dimension * sizeof(float));
        break;
    default:
        cell->has_bytes = true;
        cell->bytes = value->text;
    }
}

struct row_plan {
    unsigned flags;
    uint32_t group_count; /* that hold a cell */
    size_t values;
    size_t own_times;
    size_t inline_bytes;
    int64_t base_event_time_us;
};

static bool is_blob(const struct row_draft_cell *cell)
{
    return cell->kind == ROW_CELL_BLOB ||
           (cell->kind == ROW_CELL_VALUE && cell->has_bytes && cell->bytes.len > ROW_INLINE_MAX);
}

/* The event time that most cells share, if one has the majority (Boyer and Moore's vote): the
 * others have to keep their own. */
static int64_t vote_event_time(const struct row_draft *draft)
{
    int64_t candidate_us = 0;
    uint32_t votes = 0;
    for (uint32_t g = 0; g < draft->group_bound; g++)
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1) {
            const struct row_draft_cell *cell =
                &draft->cells[g * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left)];
            if (votes == 0)
                candidate_us = cell->event_time_us;
            votes += cell->event_time_us == candidate_us ? 1u : -1u;
        }
    return candidate_us;
}

static void plan_cell(const struct row_draft_cell *cell, struct row_plan *plan)
{
    bool has_value = cell->kind == ROW_CELL_VALUE || cell->kind == ROW_CELL_BLOB;
    if (has_value)
        plan->values++;
    else
        plan->flags |= FLAG_EMPTY;
    if (cell->kind == ROW_CELL_ERASED || is_blob(cell))
        plan->flags |= FLAG_MARKED;
    else if (has_value && cell->has_bytes)
        plan->inline_bytes += cell->bytes.len;
    if (cell->event_time_us != plan->base_event_time_us) {
        plan->own_times++;
        plan->flags |= FLAG_OWN_TIMES;
    }
}

static void plan_row(const struct row_draft *draft, struct row_plan *plan)
{
    *plan = (struct row_plan){.base_event_time_us = vote_event_time(draft)};
    for (uint32_t g = 0; g < draft->group_bound; g++) {
        if (draft->present[g] == 0)
            continue;
        plan->group_count++;
        if (g > 0)
            plan->flags |= FLAG_WIDE;
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1)
            plan_cell(&draft->cells[g * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left)], plan);
    }
    if (draft->erased_until_us != ROW_NOT_ERASED)
        plan->flags |= FLAG_ERASED;
    if (plan->flags & FLAG_WIDE)
        plan->flags &= ~(unsigned)(FLAG_EMPTY | FLAG_MARKED | FLAG_OWN_TIMES);
}

/* Where the next part of each kind goes. */
struct row_cursor {
    struct row *row;
    uint64_t *value;
    int64_t *own_time;
    char *bytes;
    uint64_t *memory_bytes;
    bool failed;
};

/* Always stores something, so that the row can be destroyed after a failure: a NULL blob. */
static uint64_t store_value(struct row_cursor *at, const struct row_draft_cell *cell)
{
    if (cell->kind == ROW_CELL_BLOB) {
        blob_hold(cell->blob);
        return (uint64_t)(uintptr_t)cell->blob;
    }
    if (!cell->has_bytes)
        return cell->bits;
    if (is_blob(cell)) {
        struct blob *blob = blob_create(cell->bytes, at->memory_bytes);
        at->failed |= blob == NULL;
        return (uint64_t)(uintptr_t)blob;
    }
    uint64_t offset = (uint64_t)(at->bytes - (char *)at->row);
    if (cell->bytes.len > 0)
        memcpy(at->bytes, cell->bytes.data, cell->bytes.len);
    at->bytes += cell->bytes.len;
    return offset | (uint64_t)cell->bytes.len << 32;
}

static void store_cell(struct row_cursor *at, struct row_group *group, uint32_t bit,
                       const struct row_draft_cell *cell)
{
    group->present |= bit;
    if (cell->kind == ROW_CELL_VALUE || cell->kind == ROW_CELL_BLOB)
        *at->value++ = store_value(at, cell);
    else
        group->empty |= bit;
    if (cell->kind == ROW_CELL_ERASED || is_blob(cell))
        group->marked |= bit;
    if (cell->event_time_us != at->row->base_event_time_us) {
        group->own_time |= bit;
        *at->own_time++ = cell->event_time_us;
    }
}

static void store_narrow(struct row *row, const struct row_group *group)
{
    uint32_t *plane = (uint32_t *)(void *)(row + 1);
    row->present = group->present;
    if (row->flags & FLAG_EMPTY)
        *plane++ = group->empty;
    if (row->flags & FLAG_MARKED)
        *plane++ = group->marked;
    if (row->flags & FLAG_OWN_TIMES)
        *plane++ = group->own_time;
}

static void store_groups(struct row_cursor *at, const struct row_draft *draft)
{
    struct row_group *out = (struct row_group *)(void *)(at->row + 1);
    const uint64_t *first_value = at->value;
    const int64_t *first_time = at->own_time;
    for (uint32_t g = 0; g < draft->group_bound; g++) {
        if (draft->present[g] == 0)
            continue;
        struct row_group group = {
            .index = (uint16_t)g,
            .values_before = (uint16_t)(at->value - first_value),
            .own_times_before = (uint16_t)(at->own_time - first_time),
        };
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1) {
            uint32_t bit_index = (uint32_t)__builtin_ctz(left);
            store_cell(at, &group, 1u << bit_index,
                       &draft->cells[g * ROW_GROUP_SLOTS + bit_index]);
        }
        if (at->row->flags & FLAG_WIDE)
            *out++ = group;
        else
            store_narrow(at->row, &group);
    }
}

struct row *row_create(const struct row_draft *draft, uint64_t *memory_bytes)
{
    struct row_plan plan;
    plan_row(draft, &plan);
    size_t prefix = prefix_size(plan.flags, plan.group_count);
    size_t fixed = prefix + plan.values * sizeof(uint64_t) + plan.own_times * sizeof(int64_t);
    struct row *row = memory_alloc(fixed + draft->entity_id.len + plan.inline_bytes);
    if (row == NULL)
        return NULL;
    *memory_bytes += memory_size(row);
    *row = (struct row){
        .base_event_time_us = plan.base_event_time_us,
        .id_len = (uint16_t)draft->entity_id.len,
        .flags = (uint8_t)plan.flags,
        .group_count = plan.flags & FLAG_WIDE ? (uint8_t)plan.group_count : 0,
    };
    char *base = (char *)row;
    if (plan.flags & FLAG_ERASED)
        memcpy(base + prefix - sizeof(int64_t), &draft->erased_until_us, sizeof(int64_t));
    memcpy(base + fixed, draft->entity_id.data, draft->entity_id.len);
    struct row_cursor at = {
        .row = row,
        .value = (uint64_t *)(void *)(base + prefix),
        .own_time = (int64_t *)(void *)(base + prefix + plan.values * sizeof(uint64_t)),
        .bytes = base + fixed + draft->entity_id.len,
        .memory_bytes = memory_bytes,
    };
    store_groups(&at, draft);
    if (at.failed) {
        row_destroy(row, memory_bytes);
        return NULL;
    }
    return row;
}

#include "online/engine/edit.h"

static bool is_alive_at(const struct catalog_version *version, int64_t event_time_us,
                        int64_t now_us)
{
    return cell_rule_is_alive(event_time_us, now_us, version->ttl_us, version->dead_before_us);
}

/* Calls `keeps` for each cell and removes those that it refuses. */
typedef bool (*keeps_fn)(uint32_t slot, const struct row_draft_cell *cell, const void *context,
                         struct edit_counts *counts);

static void filter(struct row_draft *draft, keeps_fn keeps, const void *context,
                   struct edit_counts *counts)
{
    for (uint32_t g = 0; g < draft->group_bound; g++)
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1) {
            uint32_t slot = g * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left);
            if (keeps(slot, &draft->cells[slot], context, counts))
                continue;
            row_draft_remove(draft, slot);
            counts->changed = true;
        }
}

struct edit_context {
    const struct catalog_entity *entity;
    int64_t time_us;
};

static bool keeps_known(uint32_t slot, const struct row_draft_cell *cell UNUSED,
                        const void *context, struct edit_counts *counts UNUSED)
{
    const struct edit_context *edit = context;
    return edit->entity->slots[slot].version != NULL;
}

void edit_drop_unknown(struct row_draft *draft, const struct catalog_entity *entity,
                       struct edit_counts *counts)
{
    filter(draft, keeps_known, &(struct edit_context){.entity = entity}, counts);
}

/* Whether the erasure of a whole id at that time was one of this version too. */
static bool covers(const struct catalog_version *version, int64_t erased_us)
{
    return version != NULL && version->created_at_us <= erased_us;
}

void edit_write(struct row_draft *draft, const struct catalog_entity *entity,
                const struct online_write_cell *cell, struct edit_counts *counts)
{
    const struct row_draft_cell *held = row_draft_find(draft, cell->slot);
    bool is_late = draft->erased_until_us != ROW_NOT_ERASED &&
                   cell_rule_is_erased(cell->event_time_us, draft->erased_until_us) &&
                   covers(entity->slots[cell->slot].version, draft->erased_until_us);
    if (held != NULL && held->kind == ROW_CELL_ERASED)
        is_late |= cell_rule_is_erased(cell->event_time_us, held->event_time_us);
    else if (held != NULL)
        is_late |= !cell_rule_replaces(held->event_time_us, cell->event_time_us);
    if (is_late) {
        counts->late++;
        return;
    }
    row_draft_cell_set(row_draft_put(draft, cell->slot), &cell->value, cell->event_time_us);
    counts->written++;
    counts->changed = true;
}

static bool counts_as_deleted(const struct catalog_version *version,
                              const struct row_draft_cell *cell, int64_t now_us)
{
    return version != NULL && cell->kind != ROW_CELL_ERASED &&
           is_alive_at(version, cell->event_time_us, now_us);
}

static bool keeps_not_erased(uint32_t slot, const struct row_draft_cell *cell, const void *context,
                             struct edit_counts *counts)
{
    const struct edit_context *edit = context;
    const struct catalog_version *version = edit->entity->slots[slot].version;
    if (!cell_rule_is_erased(cell->event_time_us, edit->time_us) ||
        (version != NULL && !covers(version, edit->time_us)))
        return true;
    counts->erased += counts_as_deleted(version, cell, edit->time_us);
    return false;
}

/* Whether an erasure up to `erased_us` still keeps something out at `now_us`. */
static bool erasure_matters(const struct catalog_entity *entity, int64_t erased_us, int64_t now_us)
{
    for (uint32_t i = 0; i < entity->slot_count; i++) {
        const struct catalog_version *version = entity->slots[i].version;
        if (covers(version, erased_us) && is_alive_at(version, erased_us, now_us))
            return true;
    }
    return false;
}

void edit_erase_all(struct row_draft *draft, const struct catalog_entity *entity, int64_t now_us,
                    struct edit_counts *counts)
{
    filter(draft, keeps_not_erased, &(struct edit_context){entity, now_us}, counts);
    if (erasure_matters(entity, now_us, now_us)) {
        draft->erased_until_us = now_us;
        counts->changed = true;
    }
}

void edit_erase_version(struct row_draft *draft, const struct catalog_version *version,
                        int64_t now_us, struct edit_counts *counts)
{
    struct row_draft_cell *cell = row_draft_find(draft, version->slot);
    if (cell != NULL && !cell_rule_is_erased(cell->event_time_us, now_us))
        return; /* newer: stays, and keeps everything older out by itself */
    if (cell != NULL)
        counts->erased += counts_as_deleted(version, cell, now_us);
    cell = row_draft_put(draft, version->slot);
    *cell = (struct row_draft_cell){.kind = ROW_CELL_ERASED, .event_time_us = now_us};
    counts->changed = true;
}

static bool keeps_swept(uint32_t slot, const struct row_draft_cell *cell, const void *context,
                        struct edit_counts *counts)
{
    const struct edit_context *edit = context;
    const struct catalog_version *version = edit->entity->slots[slot].version;
    if (version == NULL)
        return false;
    if (is_alive_at(version, cell->event_time_us, edit->time_us))
        return true;
    counts->expired += cell->kind != ROW_CELL_ERASED;
    return false;
}

void edit_sweep(struct row_draft *draft, const struct catalog_entity *entity, int64_t cutoff_us,
                struct edit_counts *counts)
{
    filter(draft, keeps_swept, &(struct edit_context){entity, cutoff_us}, counts);
    if (draft->erased_until_us != ROW_NOT_ERASED &&
        !erasure_matters(entity, draft->erased_until_us, cutoff_us)) {
        draft->erased_until_us = ROW_NOT_ERASED;
        counts->changed = true;
    }
}

bool edit_sweep_would_change(const struct row *row, const struct catalog_entity *entity,
                             int64_t cutoff_us)
{
    struct row_group group;
    for (uint32_t n = 0; row_group_next(row, n, &group); n++)
        for (uint32_t left = group.present; left != 0; left &= left - 1) {
            uint32_t bit_index = (uint32_t)__builtin_ctz(left);
            uint32_t slot = group.index * ROW_GROUP_SLOTS + bit_index;
            if (slot >= entity->slot_count)
                continue; /* newer than this image */
            const struct catalog_version *version = entity->slots[slot].version;
            if (version == NULL ||
                !is_alive_at(version, row_cell_event_time(row, &group, 1u << bit_index), cutoff_us))
                return true;
        }
    int64_t erased_until_us = row_erased_until(row);
    return erased_until_us != ROW_NOT_ERASED &&
           !erasure_matters(entity, erased_until_us, cutoff_us);
}

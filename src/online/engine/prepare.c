#include "online/engine/prepare.h"

#include "base/assert.h"
#include "base/memory.h"

#define UNLIMITED UINT64_MAX
#define OVERWRITE_SHARE 64u                        /* of max_memory_bytes */
#define OVERWRITE_BYTES_MAX (UINT64_C(4) << 20) /* a group of rows of two kilobytes */

uint64_t prepare_memory_bytes(const struct prepare *prepare)
{
    return prepare->memory_bytes + prepare->overhead_bytes;
}

uint64_t prepare_budget_bytes(const struct prepare *prepare)
{
    uint64_t waiting = counter_get(&prepare->engine->counters.queued_bytes);
    uint64_t used = prepare_memory_bytes(prepare) + waiting - prepare->request_bytes;
    uint64_t max = prepare->engine->max_memory_bytes;
    return used < max ? max - used : 0;
}

static status failure(const struct prepare *prepare, status result, struct error *error)
{
    if (result.code == STATUS_STORE_FULL)
        return error_set(error, STATUS_STORE_FULL, "store_full",
                         "the online store is full: its limit is %llu bytes (--max-memory); erase "
                         "values, let them expire or raise the limit",
                         (unsigned long long)prepare->engine->max_memory_bytes);
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory for the values of this request");
}

/* The entity's table, made at its first write. */
static status table_for(struct prepare *prepare, uint32_t entity_index, uint64_t budget_bytes,
                        struct table **out)
{
    ASSERT(entity_index < LIMIT_ENTITIES);
    struct table *table = engine_table(prepare->engine, entity_index);
    if (table == NULL) {
        if (budget_bytes < sizeof(*table))
            return status_of(STATUS_STORE_FULL);
        table = table_create(&prepare->group.memory);
        if (table == NULL)
            return status_of(STATUS_OUT_OF_MEMORY);
        atomic_store_explicit(&prepare->engine->tables[entity_index], table, memory_order_release);
    }
    *out = table;
    return OK;
}

/* The row in the group, and the draft of what it is at present. */
static status begin_row(struct prepare *prepare, struct table *table, str entity_id,
                        const struct catalog_entity *entity, struct group_row **out)
{
    struct group_row *at = group_row_of(&prepare->group, table, entity_id);
    if (at == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    const struct row *current = group_row_current(at);
    if (current != NULL)
        row_draft_begin_with(&prepare->draft, current, entity);
    else
        row_draft_begin(&prepare->draft, entity_id);
    *out = at;
    return OK;
}

/* Kept from new ids, so that those that are held can still be written: the old row goes only after
 * the new one has come. */
static uint64_t overwrite_reserve_bytes(const struct prepare *prepare)
{
    uint64_t share = prepare->engine->max_memory_bytes / OVERWRITE_SHARE;
    return share < OVERWRITE_BYTES_MAX ? share : OVERWRITE_BYTES_MAX;
}

static uint64_t budget_for(const struct prepare *prepare, bool is_new)
{
    uint64_t budget = prepare_budget_bytes(prepare);
    uint64_t reserve = is_new ? overwrite_reserve_bytes(prepare) : 0;
    return budget > reserve ? budget - reserve : 0;
}

/* Stages what the draft has become. */
static status finish_row(struct prepare *prepare, struct group_row *at, bool limited)
{
    struct row *row = NULL;
    bool is_new = group_row_current(at) == NULL;
    if (!row_draft_is_empty(&prepare->draft)) {
        row = row_create(&prepare->draft, &prepare->memory_bytes);
        if (row == NULL)
            return status_of(STATUS_OUT_OF_MEMORY);
        if (limited && budget_for(prepare, is_new) == 0) {
            row_destroy(row, &prepare->memory_bytes);
            return status_of(STATUS_STORE_FULL);
        }
    } else if (is_new) {
        return OK;
    }
    uint64_t budget_bytes = limited ? budget_for(prepare, is_new) : UNLIMITED;
    return group_stage(&prepare->group, at, row, budget_bytes);
}

static status check_cell(struct prepare *prepare, const struct online_write_row *row,
                         struct online_write_cell *cell, struct error *error)
{
    if (catalog_version_at(prepare->catalog, row->entity_index, cell->slot, cell->version_id) ==
        NULL)
        return error_set(error, STATUS_NOT_FOUND, "not_registered",
                         "a feature of this request was deleted while it was written");
    if (!statistics_store_reserve(&prepare->statistics, cell->version_id))
        return failure(prepare, status_of(STATUS_OUT_OF_MEMORY), error);
    if (cell->event_time_us == ONLINE_EVENT_TIME_NOW)
        cell->event_time_us = prepare->now_us;
    return OK;
}

static status write_row(struct prepare *prepare, const struct catalog *catalog,
                        const struct online_write_row *row, struct edit_counts *counts)
{
    const struct catalog_entity *entity = catalog->entities[row->entity_index];
    struct table *table;
    struct group_row *at;
    TRY(table_for(prepare, row->entity_index, prepare_budget_bytes(prepare), &table));
    TRY(begin_row(prepare, table, row->entity_id, entity, &at));
    struct edit_counts of_row = {0};
    for (uint32_t i = 0; i < row->cell_count; i++)
        edit_write(&prepare->draft, entity, &row->cells[i], &of_row);
    if (of_row.changed) {
        edit_drop_unknown(&prepare->draft, entity, &of_row);
        TRY(finish_row(prepare, at, true));
    }
    counts->written += of_row.written;
    counts->late += of_row.late;
    return OK;
}

void prepare_begin_group(struct prepare *prepare)
{
    prepare->overhead_bytes = group_memory_bytes(&prepare->group) +
                              statistics_store_memory_bytes(&prepare->statistics) +
                              memory_size(prepare->limbo.items) + prepare->log_bytes;
    prepare->now_us = store_clock_now_us(prepare->engine->clock);
}

void prepare_begin_step(struct prepare *prepare)
{
    prepare->catalog = catalog_current(prepare->engine->catalog);
}

void prepare_expect(const struct prepare *prepare, const struct online_write_row *row)
{
    const struct table *table = engine_table(prepare->engine, row->entity_index);
    if (table != NULL)
        table_prefetch(table, table_hash(row->entity_id));
}

void prepare_keep_record(struct prepare *prepare)
{
    group_keep_staged(&prepare->group);
}

void prepare_keep_erase(struct prepare *prepare)
{
    group_keep_staged(&prepare->group);
    prepare->now_us++;
    store_clock_advance(prepare->engine->clock, prepare->now_us);
}

void prepare_undo(struct prepare *prepare)
{
    group_undo_staged(&prepare->group);
}

status prepare_record(struct prepare *prepare, struct online_write *write, uint32_t first,
                      uint32_t end, struct edit_counts *counts, struct error *error)
{
    const struct catalog *catalog = prepare->catalog;
    struct edit_counts of_record = {0};
    for (uint32_t i = first; i < end; i++)
        for (uint32_t k = 0; k < write->rows[i].cell_count; k++)
            TRY(check_cell(prepare, &write->rows[i], &write->rows[i].cells[k], error));
    for (uint32_t i = first; i < end; i++) {
        status result = write_row(prepare, catalog, &write->rows[i], &of_record);
        if (!status_is_ok(result)) {
            prepare_undo(prepare);
            return failure(prepare, result, error);
        }
    }
    *counts = of_record;
    return OK;
}

bool prepare_has_target(const struct catalog *catalog, const struct online_erase_target *target)
{
    if (target->entity_index >= catalog->entity_count)
        return false;
    /* The values of a version that is gone are gone with it. */
    return target->version_id == 0 || catalog_version_at(catalog, target->entity_index,
                                                         target->slot, target->version_id) != NULL;
}

/* What targets `first` and after do to the id's row in the entity of `first`. */
static void erase_cells(struct prepare *prepare, const struct online_erase *erase, uint32_t first,
                        struct edit_counts *counts)
{
    uint32_t entity_index = erase->targets[first].entity_index;
    const struct catalog_entity *entity = prepare->catalog->entities[entity_index];
    for (uint32_t i = first; i < erase->target_count; i++) {
        const struct online_erase_target *target = &erase->targets[i];
        if (target->entity_index != entity_index || !prepare_has_target(prepare->catalog, target))
            continue;
        if (target->version_id == 0)
            edit_erase_all(&prepare->draft, entity, prepare->now_us, counts);
        else
            edit_erase_version(&prepare->draft, entity->slots[target->slot].version,
                               prepare->now_us, counts);
    }
}

static status erase_row(struct prepare *prepare, const struct online_erase *erase, uint32_t first,
                        struct edit_counts *counts)
{
    uint32_t entity_index = erase->targets[first].entity_index;
    const struct catalog_entity *entity = prepare->catalog->entities[entity_index];
    if (entity->active_count == 0 && engine_table(prepare->engine, entity_index) == NULL)
        return OK; /* no value was ever written that could return */
    /* A row that is there mostly shrinks: a full store must not keep anybody from erasing. */
    struct table *table;
    struct group_row *at;
    TRY(table_for(prepare, entity_index, prepare_budget_bytes(prepare), &table));
    TRY(begin_row(prepare, table, erase->entity_id, entity, &at));
    struct edit_counts of_row = {0};
    edit_drop_unknown(&prepare->draft, entity, &of_row);
    erase_cells(prepare, erase, first, &of_row);
    if (of_row.changed)
        TRY(finish_row(prepare, at, group_row_current(at) == NULL));
    counts->erased += of_row.erased;
    counts->changed |= of_row.changed;
    return OK;
}

status prepare_erase(struct prepare *prepare, const struct online_erase *erase,
                     struct edit_counts *counts, struct error *error)
{
    struct edit_counts of_erase = {0};
    bool is_done[LIMIT_ENTITIES] = {false};
    for (uint32_t i = 0; i < erase->target_count; i++) {
        const struct online_erase_target *target = &erase->targets[i];
        if (!prepare_has_target(prepare->catalog, target) || is_done[target->entity_index])
            continue;
        is_done[target->entity_index] = true;
        status result = erase_row(prepare, erase, i, &of_erase);
        if (!status_is_ok(result)) {
            prepare_undo(prepare);
            return failure(prepare, result, error);
        }
    }
    *counts = of_erase;
    return OK;
}

static void sweep_row(struct prepare *prepare, struct table *table, str entity_id,
                      const struct catalog_entity *entity, int64_t cutoff_us,
                      struct edit_counts *counts)
{
    struct group_row *at;
    if (!status_is_ok(begin_row(prepare, table, entity_id, entity, &at)) ||
        group_row_current(at) == NULL)
        return;
    struct edit_counts of_row = {0};
    edit_sweep(&prepare->draft, entity, cutoff_us, &of_row);
    if (!of_row.changed)
        return;
    if (!status_is_ok(finish_row(prepare, at, false))) {
        group_undo_staged(&prepare->group);
        return;
    }
    group_keep_staged(&prepare->group);
    counts->expired += of_row.expired;
}

void prepare_sweep(struct prepare *prepare, const struct sweep_request *request,
                   struct edit_counts *counts)
{
    const struct catalog *catalog = prepare->catalog;
    struct table *table = engine_table(prepare->engine, request->entity_index);
    ASSERT(table != NULL && request->entity_index < catalog->entity_count);
    for (uint32_t i = 0; i < request->key_count; i++)
        sweep_row(prepare, table, request->keys[i], catalog->entities[request->entity_index],
                  request->cutoff_us, counts);
}

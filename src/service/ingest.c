#include "service/ingest.h"

_Static_assert(ONLINE_EVENT_TIME_NOW == INGEST_EVENT_TIME_NOW,
               "a time left open stays open on its way to the writer");

/* Records without cells gave the store nothing to do: they count when their turn has come. */
static uint32_t count_applied(const struct ingest *ingest, uint32_t written)
{
    uint32_t applied = 0;
    while (applied < ingest->record_count) {
        if (ingest->records[applied].cell_count > 0 && written-- == 0)
            break;
        applied++;
    }
    return applied;
}

static void write_done(struct online_write *write)
{
    struct ingest *ingest = write->user;
    ingest->records_applied = count_applied(ingest, write->records_applied);
    ingest->values_written = write->values_written;
    ingest->values_late = write->values_late;
    ingest->status = write->status;
    ingest->error = write->error;
    ingest->done(ingest);
}

static uint32_t count_cells(const struct ingest_record *record, uint32_t entity_index)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < record->cell_count; i++)
        count += record->cells[i].entity_index == entity_index;
    return count;
}

static bool entity_came_before(const struct ingest_record *record, uint32_t cell)
{
    for (uint32_t i = 0; i < cell; i++) {
        if (record->cells[i].entity_index == record->cells[cell].entity_index)
            return true;
    }
    return false;
}

static void fill_row(struct online_write_row *row, const struct ingest_record *record,
                     uint32_t entity_index, struct online_write_cell *cells)
{
    *row = (struct online_write_row){
        .entity_index = entity_index, .entity_id = record->entity_id, .cells = cells};
    for (uint32_t i = 0; i < record->cell_count; i++) {
        const struct ingest_cell *cell = &record->cells[i];
        if (cell->entity_index != entity_index)
            continue;
        cells[row->cell_count++] = (struct online_write_cell){
            .version_id = cell->version_id,
            .slot = cell->slot,
            .value = cell->value,
            .event_time_us = cell->event_time_us,
        };
    }
}

/* Nearly always one row; one per entity that the record names. */
static uint32_t fill_record(struct online_write_row *rows, const struct ingest_record *record,
                            struct online_write_cell *cells)
{
    uint32_t row_count = 0;
    uint32_t left = record->cell_count;
    for (uint32_t i = 0; left > 0; i++) {
        if (row_count > 0 && entity_came_before(record, i))
            continue;
        fill_row(&rows[row_count], record, record->cells[i].entity_index, cells);
        cells += rows[row_count].cell_count;
        left -= rows[row_count].cell_count;
        row_count++;
    }
    if (row_count > 0)
        rows[row_count - 1].ends_record = true;
    return row_count;
}

/* How many rows a record becomes: the number of its entities. */
static uint32_t count_rows(const struct ingest_record *record)
{
    uint32_t rows = 0;
    uint32_t left = record->cell_count;
    for (uint32_t i = 0; left > 0; i++) {
        if (rows > 0 && entity_came_before(record, i))
            continue;
        left -= count_cells(record, record->cells[i].entity_index);
        rows++;
    }
    return rows;
}

status ingest_submit(struct ingest *ingest, struct service *service, struct arena *arena,
                     const struct ingest_record *records, uint32_t record_count, struct loop *loop,
                     void (*done)(struct ingest *ingest), void *user)
{
    size_t cell_count = 0;
    size_t row_count = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        cell_count += records[i].cell_count;
        row_count += count_rows(&records[i]);
    }
    struct online_write_row *rows = arena_alloc(arena, row_count * sizeof(*rows));
    struct online_write_cell *cells = arena_alloc(arena, cell_count * sizeof(*cells));
    if (rows == NULL || cells == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    ingest->done = done;
    ingest->user = user;
    ingest->records = records;
    ingest->record_count = record_count;
    ingest->write = (struct online_write){
        .loop = loop, .done = write_done, .user = ingest, .rows = rows};
    for (uint32_t i = 0; i < record_count; i++) {
        ingest->write.row_count += fill_record(rows + ingest->write.row_count, &records[i], cells);
        cells += records[i].cell_count;
    }
    online_write(service->online, &ingest->write);
    return OK;
}

static void erase_done(struct online_erase *erase)
{
    struct ingest_erase *request = erase->user;
    request->values_deleted = erase->values_deleted;
    request->status = erase->status;
    request->error = erase->error;
    request->done(request);
}

struct target_list {
    struct online_erase_target *items;
    uint32_t count;
};

static void add_version(struct target_list *targets, const struct catalog_version *version)
{
    targets->items[targets->count++] = (struct online_erase_target){
        .entity_index = version->entity->index, .version_id = version->id, .slot = version->slot};
}

/* A bare name means all versions of the feature: nothing of it may stay. */
static status add_named(struct target_list *targets, const struct catalog *catalog, str name,
                        str entity, struct error *error)
{
    const struct catalog_feature *feature = catalog_find_feature(catalog, name);
    const struct catalog_version *one = feature ? NULL : catalog_resolve(catalog, name);
    const struct catalog_entity *owner = feature ? feature->entity : one ? one->entity : NULL;
    if (owner == NULL || (entity.len && !str_eq(owner->name, entity)))
        return error_set(error, STATUS_NOT_FOUND, "not_registered", "Feature '%.*s' not registered",
                         STR_ARG(name));
    if (one)
        add_version(targets, one);
    for (uint32_t i = 0; feature && i < feature->version_count; i++)
        add_version(targets, &feature->versions[i]);
    return OK;
}

/* A name given twice is one target: each costs the writer a new row. */
static status add_all_named(struct target_list *targets, const struct catalog *catalog, str entity,
                            const str *names, uint32_t name_count, struct error *error)
{
    struct hash_map seen;
    status result = OK;
    hash_map_init(&seen);
    for (uint32_t i = 0; i < name_count && status_is_ok(result); i++) {
        if (hash_map_get(&seen, names[i]))
            continue;
        result = add_named(targets, catalog, names[i], entity, error);
        if (status_is_ok(result) && !hash_map_put(&seen, names[i], targets))
            result = error_no_memory(error);
    }
    hash_map_fini(&seen);
    return result;
}

static size_t targets_needed(const struct catalog *catalog, const str *names, uint32_t name_count)
{
    size_t needed = names ? name_count : catalog->entity_count;
    for (uint32_t i = 0; names && i < name_count; i++) {
        const struct catalog_feature *feature = catalog_find_feature(catalog, names[i]);
        needed += feature ? feature->version_count : 0;
    }
    return needed;
}

static status add_targets(struct target_list *targets, const struct catalog *catalog, str entity,
                          const str *names, uint32_t name_count, struct error *error)
{
    if (entity.len && !catalog_find_entity(catalog, entity))
        return error_set(error, STATUS_NOT_FOUND, "not_registered", "Entity '%.*s' not registered",
                         STR_ARG(entity));
    if (names)
        TRY(add_all_named(targets, catalog, entity, names, name_count, error));
    for (uint32_t i = 0; !names && i < catalog->entity_count; i++) {
        if (entity.len == 0 || str_eq(catalog->entities[i]->name, entity))
            targets->items[targets->count++] = (struct online_erase_target){.entity_index = i};
    }
    return OK;
}

status ingest_erase_submit(struct ingest_erase *erase, struct service *service,
                           struct arena *arena, str entity_id, str entity, const str *names,
                           uint32_t name_count, struct loop *loop,
                           void (*done)(struct ingest_erase *erase), void *user,
                           struct error *error)
{
    const struct catalog *catalog = service_catalog(service);
    struct target_list targets = {0};
    targets.items =
        arena_alloc(arena, targets_needed(catalog, names, name_count) * sizeof(*targets.items));
    if (targets.items == NULL)
        return error_no_memory(error);
    TRY(add_targets(&targets, catalog, entity, names, name_count, error));
    erase->done = done;
    erase->user = user;
    erase->erase = (struct online_erase){.loop = loop,
                                         .done = erase_done,
                                         .user = erase,
                                         .entity_id = entity_id,
                                         .targets = targets.items,
                                         .target_count = targets.count};
    online_erase(service->online, &erase->erase);
    return OK;
}

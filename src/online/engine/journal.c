#include "online/engine/journal.h"

#include "base/assert.h"
#include "log/log_row.h"
#include "online/engine/prepare.h"

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory to write this request to the log");
}

static size_t cells_size_max(const struct online_write_row *row)
{
    size_t size = 0;
    for (uint32_t k = 0; k < row->cell_count; k++)
        size += log_cell_size_max(&row->cells[k].value);
    return size;
}

static status add_schema(struct log_writer *log, const struct catalog_version *version,
                         uint64_t lsn, struct error *error)
{
    struct log_schema schema = log_schema_of(version);
    return log_writer_add_schema(log, &schema, lsn) ? OK : no_memory(error);
}

static status add_schemas(struct log_writer *log, const struct catalog *catalog,
                          const struct online_write_row *row, uint64_t lsn, struct error *error)
{
    for (uint32_t k = 0; k < row->cell_count; k++) {
        const struct online_write_cell *cell = &row->cells[k];
        if (log_writer_has_schema(log, cell->version_id))
            continue;
        const struct catalog_version *version =
            catalog_version_at(catalog, row->entity_index, cell->slot, cell->version_id);
        ASSERT(version != NULL); /* the same image as it was checked with */
        TRY(add_schema(log, version, lsn, error));
    }
    return OK;
}

static void encode_row(struct buffer *out, const struct online_write_row *row)
{
    struct log_row_encoder encoder;
    int64_t event_time_us = row->cells[0].event_time_us;
    log_row_begin(&encoder, out, row->entity_id, event_time_us, LOG_ROW_NOT_ERASED,
                  row->cell_count, cells_size_max(row));
    for (uint32_t k = 0; k < row->cell_count; k++) {
        const struct online_write_cell *cell = &row->cells[k];
        struct log_cell encoded = {
            .version_id = cell->version_id,
            .event_time_us = cell->event_time_us,
            .value = cell->value,
        };
        log_row_cell(&encoder, &encoded);
    }
    log_row_end(&encoder);
}

status journal_write(struct log_writer *log, const struct catalog *catalog,
                     const struct online_write *write, uint32_t first, uint32_t end,
                     int64_t clock_us, uint64_t *last_lsn, struct error *error)
{
    uint64_t lsn = *last_lsn + 1;
    TRY(log_writer_begin(log, lsn, clock_us, error));
    for (uint32_t i = first; i < end; i++)
        TRY(add_schemas(log, catalog, &write->rows[i], lsn, error));
    struct buffer *out = log_writer_record(log, LOG_WRITE, lsn);
    for (uint32_t i = first; i < end; i++)
        if (write->rows[i].cell_count > 0)
            encode_row(out, &write->rows[i]);
    if (!status_is_ok(log_writer_record_end(log)))
        return no_memory(error);
    *last_lsn = lsn;
    return OK;
}

/* Goes through the entities of an erasure, each with its targets. */
struct erase_cursor {
    const struct catalog *catalog;
    const struct online_erase *erase;
    uint32_t next;
    bool is_done[LIMIT_ENTITIES];
    /* the present one */
    const struct catalog_entity *entity;
    uint32_t first;         /* target */
    uint32_t version_count; /* targets */
    bool is_all;            /* one of them is the whole id */
};

static bool is_of_entity(const struct erase_cursor *at, uint32_t i)
{
    const struct online_erase_target *target = &at->erase->targets[i];
    return target->entity_index == at->entity->index && prepare_has_target(at->catalog, target);
}

static void count_targets(struct erase_cursor *at)
{
    at->version_count = 0;
    at->is_all = false;
    for (uint32_t i = at->first; i < at->erase->target_count; i++)
        if (is_of_entity(at, i)) {
            at->version_count++;
            at->is_all |= at->erase->targets[i].version_id == 0;
        }
}

static bool next_entity(struct erase_cursor *at)
{
    for (; at->next < at->erase->target_count; at->next++) {
        const struct online_erase_target *target = &at->erase->targets[at->next];
        if (!prepare_has_target(at->catalog, target) || at->is_done[target->entity_index])
            continue;
        at->is_done[target->entity_index] = true;
        at->entity = at->catalog->entities[target->entity_index];
        at->first = at->next++;
        count_targets(at);
        return true;
    }
    return false;
}

static void encode_erase(struct buffer *out, const struct erase_cursor *at,
                         int64_t erased_until_us)
{
    size_t begin = log_erase_begin(out, at->entity->name, at->erase->entity_id, erased_until_us,
                                   at->is_all ? 1 : at->version_count);
    uint32_t end = at->is_all ? at->first : at->erase->target_count;
    if (at->is_all)
        log_erase_version(out, 0);
    for (uint32_t i = at->first; i < end; i++)
        if (is_of_entity(at, i))
            log_erase_version(out, at->erase->targets[i].version_id);
    log_erase_end(out, begin);
}

status journal_erase(struct log_writer *log, const struct catalog *catalog,
                     const struct online_erase *erase, int64_t erased_until_us,
                     uint64_t *last_lsn, struct error *error)
{
    struct erase_cursor at = {.catalog = catalog, .erase = erase};
    uint64_t lsn = *last_lsn + 1;
    TRY(log_writer_begin(log, lsn, erased_until_us, error));
    struct buffer *out = log_writer_record(log, LOG_ERASE, lsn);
    while (next_entity(&at))
        encode_erase(out, &at, erased_until_us);
    if (!status_is_ok(log_writer_record_end(log)))
        return no_memory(error);
    *last_lsn = lsn;
    return OK;
}

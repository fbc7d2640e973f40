#include "codec/csv_table.h"

#include <inttypes.h>

#include "codec/json_document.h"
#include "codec/json_value.h"

status csv_table_open(struct bulk_columns *columns, char *row, struct csv_scanner *fields,
                      struct error *error)
{
    if (fields->problem)
        return error_set(error, STATUS_INVALID, "csv_invalid", "the header line is not CSV: %s",
                         fields->problem);
    uint32_t stored = fields->count < BULK_COLUMNS_MAX ? fields->count : BULK_COLUMNS_MAX;
    str *names = arena_alloc_array(&columns->arena, stored, sizeof(*names));
    if (names == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < stored; i++)
        names[i] = csv_field_text(row, &fields->fields[i]);
    return bulk_columns_open(columns, names, fields->count, error);
}

static status read_time(const struct bulk_columns *columns, str text, int64_t now_us, int64_t *out,
                        struct error *error)
{
    if (text.len == 0)
        return OK;
    if (unlikely(!csv_decode_time(text, out))) {
        error_loc_name(error, columns->time_name);
        return event_time_malformed(error, "the event time");
    }
    return bulk_columns_check_time(columns, *out, now_us, error);
}

static status read_feature(const struct bulk_column *column, str text, bool quoted,
                           struct arena *arena, struct ingest_cell *cell, struct error *error)
{
    size_t loc_len = error ? error->loc_len : 0;
    cell->name = column->name;
    ingest_cell_set_version(cell, column->version);
    status decoded =
        csv_decode_value(text, quoted, column->version, column->name, arena, &cell->value, error);
    if (unlikely(!status_is_ok(decoded)) && error) {
        error->loc_len = loc_len; /* without the item of an embedding: the place is the column */
        error_loc_name(error, column->name);
    }
    return decoded;
}

static status read_fields(const struct bulk_columns *columns, char *row, struct csv_scanner *fields,
                          int64_t now_us, struct arena *arena, struct ingest_record *record,
                          struct error *error)
{
    int64_t event_time_us = INGEST_EVENT_TIME_NOW;
    struct ingest_cell *cell = record->cells;
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct bulk_column *column = &columns->columns[i];
        if (column->kind == BULK_COLUMN_SKIPPED)
            continue;
        bool quoted = fields->fields[i].quoted;
        str text = csv_field_text(row, &fields->fields[i]);
        if (likely(column->kind == BULK_COLUMN_FEATURE))
            TRY(read_feature(column, text, quoted, arena, cell++, error));
        else if (column->kind == BULK_COLUMN_ID)
            TRY(bulk_columns_take_id(columns, text, arena, &record->entity_id, error));
        else
            TRY(read_time(columns, text, now_us, &event_time_us, error));
    }
    for (uint32_t i = 0; i < record->cell_count; i++)
        record->cells[i].event_time_us = event_time_us;
    return OK;
}

status csv_table_record(const struct bulk_columns *columns, char *row, struct csv_scanner *fields,
                        int64_t now_us, struct arena *arena, struct ingest_record *out,
                        struct error *error)
{
    struct ingest_record record = {.cell_count = columns->feature_count};
    if (unlikely(fields->problem != NULL))
        return error_set(error, STATUS_INVALID, "csv_invalid", "the row is not CSV: %s",
                         fields->problem);
    if (unlikely(fields->count != columns->count))
        return error_set(error, STATUS_INVALID, "csv_invalid",
                         "the row has %" PRIu32 " columns, the header %" PRIu32, fields->count,
                         columns->count);
    record.cells = arena_alloc(arena, columns->feature_count * sizeof(*record.cells));
    if (record.cells == NULL)
        return error_no_memory(error);
    TRY(read_fields(columns, row, fields, now_us, arena, &record, error));
    *out = record;
    return OK;
}

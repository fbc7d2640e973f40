#include "codec/csv_table.h"

#include <inttypes.h>

#include "codec/json_document.h"
#include "codec/json_value.h"
#include "model/limits.h"

enum column_kind { COLUMN_SKIPPED, COLUMN_ID, COLUMN_TIME, COLUMN_FEATURE };

struct csv_column {
    enum column_kind kind;
    str name;
    const struct catalog_version *version; /* features */
};

void csv_table_init(struct csv_table *table, const struct bulk_options *options)
{
    *table = (struct csv_table){.options = options};
    table->id_name = options->id_column.len ? options->id_column : STR("entity_id");
    table->time_name =
        options->timestamp_column.len ? options->timestamp_column : STR("event_timestamp");
    arena_init(&table->arena, SIZE_MAX);
}

void csv_table_fini(struct csv_table *table)
{
    arena_fini(&table->arena);
}

static status column_error(struct error *error, str column, const char *type, const char *format)
{
    error_loc_name(error, column);
    return error_set(error, STATUS_INVALID, type, format, STR_ARG(column));
}

static bool is_listed(const struct bulk_options *options, str name)
{
    if (options->columns == NULL)
        return true;
    for (uint32_t i = 0; i < options->column_count; i++) {
        if (str_eq(options->columns[i], name))
            return true;
    }
    return false;
}

static enum column_kind kind_of(const struct csv_table *table, str name)
{
    if (str_eq(name, table->id_name))
        return COLUMN_ID;
    if (str_eq(name, table->time_name))
        return COLUMN_TIME;
    return is_listed(table->options, name) ? COLUMN_FEATURE : COLUMN_SKIPPED;
}

static status require_column(const struct hash_map *names, str name, struct error *error)
{
    if (hash_map_get(names, name))
        return OK;
    return column_error(error, name, "missing", "the header has no column '%.*s'");
}

static status require_columns(const struct csv_table *table, const struct hash_map *names,
                              struct error *error)
{
    const struct bulk_options *options = table->options;
    TRY(require_column(names, table->id_name, error));
    if (options->timestamp_column.len)
        TRY(require_column(names, table->time_name, error));
    for (uint32_t i = 0; options->columns && i < options->column_count; i++)
        TRY(require_column(names, options->columns[i], error));
    return OK;
}

static status read_names(struct csv_table *table, char *row, struct csv_scanner *fields,
                         struct hash_map *names, struct error *error)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        struct csv_column *column = &table->columns[i];
        str name = csv_field_text(row, &fields->fields[i]);
        if (!arena_copy_str(&table->arena, name, &column->name))
            return json_no_memory(error);
        if (hash_map_get(names, column->name))
            return column_error(error, column->name, "value_error",
                                "the header names the column '%.*s' twice");
        if (!hash_map_put(names, column->name, column))
            return json_no_memory(error);
        column->kind = kind_of(table, column->name);
        table->feature_count += column->kind == COLUMN_FEATURE;
    }
    return require_columns(table, names, error);
}

status csv_table_open(struct csv_table *table, char *row, struct csv_scanner *fields,
                      struct error *error)
{
    struct hash_map names;
    if (fields->problem)
        return error_set(error, STATUS_INVALID, "csv_invalid", "the header line is not CSV: %s",
                         fields->problem);
    if (fields->count > BULK_COLUMNS_MAX)
        return error_set(error, STATUS_INVALID, "too_long",
                         "the header has %" PRIu32 " columns, at most %u are taken", fields->count,
                         BULK_COLUMNS_MAX);
    table->columns = arena_alloc_array(&table->arena, fields->count, sizeof(*table->columns));
    if (table->columns == NULL)
        return json_no_memory(error);
    table->column_count = fields->count;
    hash_map_init(&names);
    status read = read_names(table, row, fields, &names, error);
    hash_map_fini(&names);
    return read;
}

static status resolve_column(const struct csv_table *table, const struct catalog *catalog,
                             struct csv_column *column, struct error *error)
{
    str entity = table->options->entity;
    column->version = catalog_resolve(catalog, column->name);
    if (column->version == NULL) {
        error_loc_name(error, column->name);
        return error_set(error, STATUS_NOT_FOUND, "not_registered",
                         "the column '%.*s' is not a registered feature", STR_ARG(column->name));
    }
    if (entity.len == 0 || str_eq(entity, column->version->entity->name))
        return OK;
    error_loc_name(error, column->name);
    return error_set(error, STATUS_INVALID, "value_error",
                     "feature '%.*s' belongs to entity '%.*s', not '%.*s'", STR_ARG(column->name),
                     STR_ARG(column->version->entity->name), STR_ARG(entity));
}

status csv_table_resolve(struct csv_table *table, const struct catalog *catalog,
                         struct error *error)
{
    if (likely(table->catalog == catalog && table->revision == catalog->revision))
        return OK;
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind == COLUMN_FEATURE)
            TRY(resolve_column(table, catalog, &table->columns[i], error));
    }
    table->catalog = catalog;
    table->revision = catalog->revision;
    return OK;
}

static status read_id(const struct csv_table *table, str text, struct arena *arena, str *out,
                      struct error *error)
{
    if (unlikely(!entity_id_is_valid(text))) {
        error_loc_name(error, table->id_name);
        return error_set(error, STATUS_INVALID,
                         text.len ? "string_too_long" : "string_too_short",
                         "%.*s must be 1 to %u bytes long, not %zu", STR_ARG(table->id_name),
                         LIMIT_ENTITY_ID_BYTES, text.len);
    }
    if (unlikely(!str_is_utf8(text)))
        return column_error(error, table->id_name, "string_unicode", "%.*s must be UTF-8");
    return arena_copy_str(arena, text, out) ? OK : json_no_memory(error);
}

static status read_time(const struct csv_table *table, str text, int64_t now_us, int64_t *out,
                        struct error *error)
{
    if (text.len == 0)
        return OK;
    if (unlikely(!csv_decode_time(text, out))) {
        error_loc_name(error, table->time_name);
        return event_time_malformed(error, "the event time");
    }
    if (unlikely(*out > now_us + LIMIT_FUTURE_US)) {
        error_loc_name(error, table->time_name);
        return event_time_ahead(error, "the event time");
    }
    return OK;
}

static status read_feature(const struct csv_column *column, str text, bool quoted,
                           struct arena *arena, struct ingest_cell *cell, struct error *error)
{
    size_t loc_len = error ? error->loc_len : 0;
    cell->name = column->name;
    ingest_cell_set_version(cell, column->version);
    status decoded = csv_decode_value(text, quoted, column->version, column->name, arena,
                                      &cell->value, error);
    if (unlikely(!status_is_ok(decoded)) && error) {
        error->loc_len = loc_len; /* without the item of an embedding: the place is the column */
        error_loc_name(error, column->name);
    }
    return decoded;
}

static status read_fields(const struct csv_table *table, char *row, struct csv_scanner *fields,
                          int64_t now_us, struct arena *arena, struct ingest_record *record,
                          struct error *error)
{
    int64_t event_time_us = INGEST_EVENT_TIME_NOW;
    struct ingest_cell *cell = record->cells;
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct csv_column *column = &table->columns[i];
        if (column->kind == COLUMN_SKIPPED)
            continue;
        bool quoted = fields->fields[i].quoted;
        str text = csv_field_text(row, &fields->fields[i]);
        if (likely(column->kind == COLUMN_FEATURE))
            TRY(read_feature(column, text, quoted, arena, cell++, error));
        else if (column->kind == COLUMN_ID)
            TRY(read_id(table, text, arena, &record->entity_id, error));
        else
            TRY(read_time(table, text, now_us, &event_time_us, error));
    }
    for (uint32_t i = 0; i < record->cell_count; i++)
        record->cells[i].event_time_us = event_time_us;
    return OK;
}

status csv_table_record(const struct csv_table *table, char *row, struct csv_scanner *fields,
                        int64_t now_us, struct arena *arena, struct ingest_record *out,
                        struct error *error)
{
    struct ingest_record record = {.cell_count = table->feature_count};
    if (unlikely(fields->problem != NULL))
        return error_set(error, STATUS_INVALID, "csv_invalid", "the row is not CSV: %s",
                         fields->problem);
    if (unlikely(fields->count != table->column_count))
        return error_set(error, STATUS_INVALID, "csv_invalid",
                         "the row has %" PRIu32 " columns, the header %" PRIu32, fields->count,
                         table->column_count);
    record.cells = arena_alloc(arena, table->feature_count * sizeof(*record.cells));
    if (record.cells == NULL)
        return json_no_memory(error);
    TRY(read_fields(table, row, fields, now_us, arena, &record, error));
    *out = record;
    return OK;
}

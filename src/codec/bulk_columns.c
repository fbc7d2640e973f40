#include "codec/bulk_columns.h"

#include <inttypes.h>

#include "base/hash_map.h"
#include "codec/json_document.h"
#include "codec/json_value.h"
#include "model/limits.h"

void bulk_columns_init(struct bulk_columns *columns, const struct bulk_options *options,
                       const char *where)
{
    *columns = (struct bulk_columns){.options = options, .where = where};
    columns->id_name = options->id_column.len ? options->id_column : STR("entity_id");
    columns->time_name =
        options->timestamp_column.len ? options->timestamp_column : STR("event_timestamp");
    arena_init(&columns->arena, SIZE_MAX);
}

void bulk_columns_fini(struct bulk_columns *columns)
{
    arena_fini(&columns->arena);
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

static enum bulk_column_kind kind_of(const struct bulk_columns *columns, str name)
{
    if (str_eq(name, columns->id_name))
        return BULK_COLUMN_ID;
    if (str_eq(name, columns->time_name))
        return BULK_COLUMN_TIME;
    return is_listed(columns->options, name) ? BULK_COLUMN_FEATURE : BULK_COLUMN_SKIPPED;
}

static status require_column(const struct bulk_columns *columns, const struct hash_map *names,
                             str name, struct error *error)
{
    if (hash_map_get(names, name))
        return OK;
    error_loc_name(error, name);
    return error_set(error, STATUS_INVALID, "missing", "the %s has no column '%.*s'",
                     columns->where, STR_ARG(name));
}

static status require_columns(const struct bulk_columns *columns, const struct hash_map *names,
                              struct error *error)
{
    const struct bulk_options *options = columns->options;
    TRY(require_column(columns, names, columns->id_name, error));
    if (options->timestamp_column.len)
        TRY(require_column(columns, names, columns->time_name, error));
    for (uint32_t i = 0; options->columns && i < options->column_count; i++)
        TRY(require_column(columns, names, options->columns[i], error));
    return OK;
}

static status take_name(struct bulk_columns *columns, struct hash_map *seen,
                        struct bulk_column *column, str name, struct error *error)
{
    if (!arena_copy_str(&columns->arena, name, &column->name))
        return error_no_memory(error);
    if (hash_map_get(seen, column->name)) {
        error_loc_name(error, column->name);
        return error_set(error, STATUS_INVALID, "value_error",
                         "the %s names the column '%.*s' twice", columns->where,
                         STR_ARG(column->name));
    }
    if (!hash_map_put(seen, column->name, column))
        return error_no_memory(error);
    column->kind = kind_of(columns, column->name);
    columns->feature_count += column->kind == BULK_COLUMN_FEATURE;
    return OK;
}

static status take_names(struct bulk_columns *columns, const str *names, struct hash_map *seen,
                         struct error *error)
{
    for (uint32_t i = 0; i < columns->count; i++)
        TRY(take_name(columns, seen, &columns->columns[i], names[i], error));
    return require_columns(columns, seen, error);
}

status bulk_columns_open(struct bulk_columns *columns, const str *names, uint32_t count,
                         struct error *error)
{
    struct hash_map seen;
    if (count > BULK_COLUMNS_MAX)
        return error_set(error, STATUS_INVALID, "too_long",
                         "the %s has %" PRIu32 " columns, at most %u are taken", columns->where,
                         count, BULK_COLUMNS_MAX);
    columns->columns = arena_alloc_array(&columns->arena, count, sizeof(*columns->columns));
    if (columns->columns == NULL)
        return error_no_memory(error);
    columns->count = count;
    hash_map_init(&seen);
    status taken = take_names(columns, names, &seen, error);
    hash_map_fini(&seen);
    return taken;
}

static status resolve_column(const struct bulk_columns *columns, const struct catalog *catalog,
                             struct bulk_column *column, struct error *error)
{
    str entity = columns->options->entity;
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

status bulk_columns_resolve(struct bulk_columns *columns, const struct catalog *catalog,
                            struct error *error)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        if (columns->columns[i].kind == BULK_COLUMN_FEATURE)
            TRY(resolve_column(columns, catalog, &columns->columns[i], error));
    }
    columns->catalog = catalog;
    columns->revision = catalog->revision;
    return OK;
}

status bulk_columns_take_id(const struct bulk_columns *columns, str text, struct arena *arena,
                            str *out, struct error *error)
{
    if (unlikely(!entity_id_is_valid(text))) {
        error_loc_name(error, columns->id_name);
        return error_set(error, STATUS_INVALID, text.len ? "string_too_long" : "string_too_short",
                         "%.*s must be 1 to %u bytes long, not %zu", STR_ARG(columns->id_name),
                         LIMIT_ENTITY_ID_BYTES, text.len);
    }
    if (unlikely(!str_is_utf8(text))) {
        error_loc_name(error, columns->id_name);
        return error_set(error, STATUS_INVALID, "string_unicode", "%.*s must be UTF-8",
                         STR_ARG(columns->id_name));
    }
    return arena_copy_str(arena, text, out) ? OK : error_no_memory(error);
}

status bulk_columns_check_time(const struct bulk_columns *columns, int64_t time_us, int64_t now_us,
                               struct error *error)
{
    if (likely(time_us <= now_us + LIMIT_FUTURE_US))
        return OK;
    error_loc_name(error, columns->time_name);
    return event_time_ahead(error, "the event time");
}

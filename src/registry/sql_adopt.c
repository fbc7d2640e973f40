#include "registry/sql_adopt.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/limits.h"
#include "registry/sql_rows.h"

static const char *const COLUMN_NAMES[SQL_ADOPTED_COLUMN_COUNT] = {
    "id",        "name",           "data_type",  "entity",     "is_nullable", "ttl_seconds",
    "min_value", "max_value",      "mean_value", "std_dev",    "description", "feature_group",
    "source",    "transformation", "tags",       "created_at", "updated_at",
};

/* Quoted, in one line, whole characters only. */
static void show_text(str text, char out[SQL_ADOPT_VALUE_BYTES])
{
    size_t len = 0;
    out[len++] = '\'';
    while (text.len > 0 && len < SQL_ADOPT_VALUE_BYTES - 8) {
        size_t n = 1;
        while (n < text.len && ((unsigned char)text.data[n] & 0xC0) == 0x80)
            n++;
        bool is_fit = n <= 4 && str_is_utf8(str_of(text.data, n)) &&
                      (unsigned char)text.data[0] >= ' ' && text.data[0] != 0x7F;
        memcpy(out + len, is_fit ? text.data : "?", is_fit ? n : 1);
        len += is_fit ? n : 1;
        text = str_of(text.data + n, text.len - n);
    }
    snprintf(out + len, SQL_ADOPT_VALUE_BYTES - len, "%s'", text.len > 0 ? "..." : "");
}

void sql_adopt_show(const struct sql_value *value, char out[SQL_ADOPT_VALUE_BYTES])
{
    switch (value->type) {
    case SQL_NULL:
        snprintf(out, SQL_ADOPT_VALUE_BYTES, "NULL");
        return;
    case SQL_INTEGER:
        snprintf(out, SQL_ADOPT_VALUE_BYTES, "%" PRId64, value->integer);
        return;
    case SQL_REAL:
        snprintf(out, SQL_ADOPT_VALUE_BYTES, "%.17g", value->real);
        return;
    case SQL_TEXT:
        break;
    }
    show_text(value->text, out);
}

void sql_adopt_refuse(struct sql_adoption *adoption, const struct sql_value *columns,
                      const char *format, ...)
{
    if (adoption->refused++ >= SQL_ADOPT_COMPLAINTS_MAX)
        return;
    char id[SQL_ADOPT_VALUE_BYTES];
    size_t len = strlen(adoption->complaints);
    size_t end = len + SQL_ADOPT_COMPLAINT_BYTES;
    sql_adopt_show(&columns[SQL_ADOPTED_ID], id);
    len += (size_t)snprintf(adoption->complaints + len, end - len, "%srow id %s, ",
                            len > 0 ? "; " : "", id);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(adoption->complaints + len, end - len, format, arguments);
    va_end(arguments);
}

static bool is_integer_in(const struct sql_value *value, int64_t min, int64_t max)
{
    int64_t integer;
    return value->type != SQL_NULL && sql_as_integer(value, &integer) && integer >= min &&
           integer <= max;
}

static bool is_readable_text(const struct sql_value *value)
{
    return value->type == SQL_NULL || (value->type == SQL_TEXT && str_is_utf8(value->text));
}

/* What keeps the column from being served, or NULL. */
static const char *find_fault(enum sql_adopted_column column, const struct sql_value *value)
{
    enum data_type data_type;
    int64_t us;
    switch (column) {
    case SQL_ADOPTED_ID:
        return is_integer_in(value, 1, INT64_MAX) ? NULL : "a whole number from 1";
    case SQL_ADOPTED_NAME:
    case SQL_ADOPTED_ENTITY:
        return definition_name_is_valid(sql_as_text(value))
                   ? NULL
                   : "a letter or '_', then up to 127 of A-Z, a-z, 0-9, '_', '.' and '-'";
    case SQL_ADOPTED_DATA_TYPE:
        return data_type_parse(sql_as_text(value), &data_type)
                   ? NULL
                   : "int, float, boolean, string, timestamp, embedding or json";
    case SQL_ADOPTED_IS_NULLABLE:
        return is_integer_in(value, INT64_MIN, INT64_MAX) ? NULL : "0 or 1";
    case SQL_ADOPTED_TTL_SECONDS:
        return is_integer_in(value, 0, LIMIT_TTL_SECONDS) ? NULL : "0 (never) to 3155760000";
    case SQL_ADOPTED_MIN_VALUE:
    case SQL_ADOPTED_MAX_VALUE:
    case SQL_ADOPTED_MEAN_VALUE:
    case SQL_ADOPTED_STD_DEV:
        return value->type != SQL_TEXT ? NULL : "a number";
    case SQL_ADOPTED_CREATED_AT:
    case SQL_ADOPTED_UPDATED_AT:
        return value->type == SQL_NULL || sql_read_time(value, &us)
                   ? NULL
                   : "a time (RFC 3339, or seconds since 1970 as a number)";
    default:
        return is_readable_text(value) ? NULL : "UTF-8 text";
    }
}

bool sql_adopt_check(struct sql_adoption *adoption, const struct sql_value *columns)
{
    char value[SQL_ADOPT_VALUE_BYTES];
    for (unsigned i = 0; i < SQL_ADOPTED_COLUMN_COUNT; i++) {
        const char *expected = find_fault((enum sql_adopted_column)i, &columns[i]);
        if (expected == NULL)
            continue;
        sql_adopt_show(&columns[i], value);
        sql_adopt_refuse(adoption, columns, "column %s: expected %s, found %s", COLUMN_NAMES[i],
                         expected, value);
        return false;
    }
    return true;
}

status sql_adopt_result(const struct sql_adoption *adoption, struct error *error)
{
    char more[48] = "";
    if (adoption->refused == 0)
        return OK;
    if (adoption->refused > SQL_ADOPT_COMPLAINTS_MAX)
        snprintf(more, sizeof(more), "; and %" PRIu64 " more rows",
                 adoption->refused - SQL_ADOPT_COMPLAINTS_MAX);
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     SQL_ADOPT_CANNOT "correct or delete these rows there, or %s: %s%s",
                     adoption->instead, adoption->complaints, more);
}

static status check_limit(const struct sql_adoption *adoption, int64_t count, int64_t most,
                          const char *what, struct error *error)
{
    if (count <= most)
        return OK;
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     SQL_ADOPT_CANNOT "it has %" PRId64 " %s, and there can be at most %" PRId64
                                      ": delete some there, or %s",
                     count, what, most, adoption->instead);
}

status sql_adopt_check_limits(const struct sql_adoption *adoption, int64_t features,
                              int64_t entities, int64_t of_one_entity, struct error *error)
{
    TRY(check_limit(adoption, features, LIMIT_FEATURES, "features", error));
    TRY(check_limit(adoption, entities, LIMIT_ENTITIES, "entities", error));
    return check_limit(adoption, of_one_entity, LIMIT_SLOTS_PER_ENTITY, "features of one entity",
                       error);
}

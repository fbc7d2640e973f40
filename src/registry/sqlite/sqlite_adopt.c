#include "registry/sqlite/sqlite_adopt.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/limits.h"
#include "registry/sql_rows.h"

#define COMPLAINTS_MAX 3 /* told in full; more do not fit into an error */
#define COMPLAINT_BYTES 256
#define VALUE_BYTES 64 /* of a value that is shown */

/* Tags that are no JSON object become an empty one: nobody reads them as anything else. */
static const char READ_ROWS[] =
    "SELECT id, name, data_type, coalesce(entity, 'user'), coalesce(is_nullable, 1),"
    " coalesce(ttl_seconds, 0), min_value, max_value, mean_value, std_dev,"
    " CAST(description AS TEXT), CAST(feature_group AS TEXT), CAST(source AS TEXT),"
    " CAST(transformation AS TEXT), CASE WHEN json_valid(tags) THEN"
    " CASE json_type(tags) WHEN 'object' THEN json(tags) ELSE '{}' END ELSE '{}' END,"
    " created_at, coalesce(updated_at, created_at) FROM " SQLITE_ADOPTED_TABLE;

enum column {
    ID,
    NAME,
    DATA_TYPE,
    ENTITY,
    IS_NULLABLE,
    TTL_SECONDS,
    MIN_VALUE,
    MAX_VALUE,
    MEAN_VALUE,
    STD_DEV,
    DESCRIPTION,
    FEATURE_GROUP,
    SOURCE,
    TRANSFORMATION,
    TAGS,
    CREATED_AT,
    UPDATED_AT,
    COLUMN_COUNT,
};

static const char *const COLUMN_NAMES[COLUMN_COUNT] = {
    "id",        "name",           "data_type",  "entity",     "is_nullable", "ttl_seconds",
    "min_value", "max_value",      "mean_value", "std_dev",    "description", "feature_group",
    "source",    "transformation", "tags",       "created_at", "updated_at",
};

static const char INSERT_ROW[] =
    "INSERT INTO features (id, name, data_type, entity, is_nullable, ttl_seconds, min_value,"
    " max_value, mean_value, std_dev, description, feature_group, source, transformation, tags,"
    " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, 0), ?7, ?8, ?9, ?10, ?11,"
    " ?12, ?13, ?14, ?15, ?16, ?17)";

/* Ids of rows that the other service deleted are known to be used if it counted them. */
static const char FINISH[] =
    "INSERT INTO feature_versions (feature_id, version_number, data_type, dead_before_us,"
    " created_at) SELECT id, 1, data_type, -9223372036854775808, created_at FROM features"
    " ORDER BY id;"
    "INSERT INTO entities (name, join_keys, created_at) SELECT entity,"
    " json_array(json_object('name', entity || '_id', 'data_type', 'string')), min(created_at)"
    " FROM features GROUP BY entity;"
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'features', 0 WHERE NOT EXISTS"
    " (SELECT 1 FROM sqlite_sequence WHERE name = 'features');"
    "UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence"
    " WHERE name IN ('features', '" SQLITE_ADOPTED_TABLE "')) WHERE name = 'features';";

struct adoption {
    struct sqlite_connection *connection;
    int64_t now_us;
    uint64_t refused; /* rows */
    char complaints[COMPLAINTS_MAX * COMPLAINT_BYTES];
};

/* Quoted, in one line, whole characters only. */
static void show_text(str text, char out[VALUE_BYTES])
{
    size_t len = 0;
    out[len++] = '\'';
    while (text.len > 0 && len < VALUE_BYTES - 8) {
        size_t n = 1;
        while (n < text.len && ((unsigned char)text.data[n] & 0xC0) == 0x80)
            n++;
        bool is_fit = n <= 4 && str_is_utf8(str_of(text.data, n)) &&
                      (unsigned char)text.data[0] >= ' ' && text.data[0] != 0x7F;
        memcpy(out + len, is_fit ? text.data : "?", is_fit ? n : 1);
        len += is_fit ? n : 1;
        text = str_of(text.data + n, text.len - n);
    }
    snprintf(out + len, VALUE_BYTES - len, "%s'", text.len > 0 ? "..." : "");
}

static void show(const struct sql_value *value, char out[VALUE_BYTES])
{
    switch (value->type) {
    case SQL_NULL:
        snprintf(out, VALUE_BYTES, "NULL");
        return;
    case SQL_INTEGER:
        snprintf(out, VALUE_BYTES, "%" PRId64, value->integer);
        return;
    case SQL_REAL:
        snprintf(out, VALUE_BYTES, "%.17g", value->real);
        return;
    case SQL_TEXT:
        break;
    }
    show_text(value->text, out);
}

/* Always OK: the other rows are looked at too. */
PRINTF_LIKE(3, 4)
static status refuse(struct adoption *adoption, const struct sql_value *columns, const char *format,
                     ...)
{
    if (adoption->refused++ >= COMPLAINTS_MAX)
        return OK;
    char id[VALUE_BYTES];
    size_t len = strlen(adoption->complaints);
    size_t end = len + COMPLAINT_BYTES;
    show(&columns[ID], id);
    len += (size_t)snprintf(adoption->complaints + len, end - len, "%srow id %s, ",
                            len > 0 ? "; " : "", id);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(adoption->complaints + len, end - len, format, arguments);
    va_end(arguments);
    return OK;
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
static const char *find_fault(enum column column, const struct sql_value *value)
{
    enum data_type data_type;
    int64_t us;
    switch (column) {
    case ID:
        return is_integer_in(value, 1, INT64_MAX) ? NULL : "a whole number from 1";
    case NAME:
    case ENTITY:
        return definition_name_is_valid(sql_as_text(value))
                   ? NULL
                   : "a letter or '_', then up to 127 of A-Z, a-z, 0-9, '_', '.' and '-'";
    case DATA_TYPE:
        return data_type_parse(sql_as_text(value), &data_type)
                   ? NULL
                   : "int, float, boolean, string, timestamp, embedding or json";
    case IS_NULLABLE:
        return is_integer_in(value, INT64_MIN, INT64_MAX) ? NULL : "0 or 1";
    case TTL_SECONDS:
        return is_integer_in(value, 0, LIMIT_TTL_SECONDS) ? NULL : "0 (never) to 3155760000";
    case MIN_VALUE:
    case MAX_VALUE:
    case MEAN_VALUE:
    case STD_DEV:
        return value->type != SQL_TEXT ? NULL : "a number";
    case CREATED_AT:
    case UPDATED_AT:
        return value->type == SQL_NULL || sql_read_time(value, &us)
                   ? NULL
                   : "a time (RFC 3339, or seconds since 1970 as a number)";
    default:
        return is_readable_text(value) ? NULL : "UTF-8 text";
    }
}

/* The columns as our table holds them; times go into `times`. */
static void convert(const struct adoption *adoption, struct sql_value *columns,
                    struct sql_time times[2])
{
    enum data_type data_type;
    if (data_type_parse(columns[DATA_TYPE].text, &data_type))
        columns[DATA_TYPE] = sql_text(str_from_cstr(data_type_name(data_type)));
    for (unsigned i = 0; i < 2; i++) {
        int64_t us = adoption->now_us;
        struct sql_value *time = &columns[CREATED_AT + i];
        if (time->type == SQL_NULL || sql_read_time(time, &us))
            *time = sql_time_of(us, &times[i]);
    }
}

static status adopt_row(void *user, const struct sql_value *columns, unsigned count,
                        struct error *error)
{
    struct adoption *adoption = user;
    struct sql_value row[COLUMN_COUNT];
    struct sql_time times[2];
    char value[VALUE_BYTES];
    for (unsigned i = 0; i < COLUMN_COUNT; i++) {
        const char *expected = find_fault((enum column)i, &columns[i]);
        if (expected == NULL)
            continue;
        show(&columns[i], value);
        return refuse(adoption, columns, "column %s: expected %s, found %s", COLUMN_NAMES[i],
                      expected, value);
    }
    memcpy(row, columns, sizeof(row));
    convert(adoption, row, times);
    status s = sqlite_connection_run(adoption->connection, INSERT_ROW, row, count, NULL, error);
    if (s.code != STATUS_INTERNAL)
        return s;
    show(&columns[NAME], value);
    return refuse(adoption, columns, "column name: another row has the same name %s or id", value);
}

#define CANNOT                                                                                     \
    "another service's table 'features' in it cannot be adopted, and nothing was changed: "
#define DO_INSTEAD "start with another --data"

/* What one server cannot hold would keep it from starting for ever. */
static status check_limit(struct sqlite_connection *connection, const char *sql, int64_t most,
                          const char *what, struct error *error)
{
    int64_t count;
    TRY(sqlite_connection_integer(connection, sql, 0, &count, error));
    if (count <= most)
        return OK;
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     CANNOT "it has %" PRId64 " %s, and there can be at most %" PRId64
                            ": delete some there, or " DO_INSTEAD,
                     count, what, most);
}

static status check_limits(struct sqlite_connection *connection, struct error *error)
{
    TRY(check_limit(connection, "SELECT count(*) FROM features", LIMIT_FEATURES, "features",
                    error));
    TRY(check_limit(connection, "SELECT count(*) FROM entities", LIMIT_ENTITIES, "entities",
                    error));
    return check_limit(connection,
                       "SELECT max(n) FROM (SELECT count(*) AS n FROM features GROUP BY entity)",
                       LIMIT_SLOTS_PER_ENTITY, "features of one entity", error);
}

static status copy_rows(struct adoption *adoption, struct error *error)
{
    struct sql_receiver receiver = {adopt_row, adoption};
    struct error reason;
    error_clear(&reason);
    status s = sqlite_connection_run(adoption->connection, READ_ROWS, NULL, 0, &receiver, &reason);
    if (s.code == STATUS_INTERNAL) /* a column is not there */
        return error_set(error, STATUS_UNAVAILABLE, "registry", CANNOT "%s: " DO_INSTEAD,
                         reason.detail);
    if (!status_is_ok(s) && error)
        *error = reason;
    return s;
}

status sqlite_adopt_features(struct sqlite_connection *connection, struct error *error)
{
    struct adoption adoption = {.connection = connection, .now_us = clock_wall_us()};
    char more[48] = "";
    TRY(copy_rows(&adoption, error));
    if (adoption.refused > COMPLAINTS_MAX)
        snprintf(more, sizeof(more), "; and %" PRIu64 " more rows",
                 adoption.refused - COMPLAINTS_MAX);
    if (adoption.refused > 0)
        return error_set(error, STATUS_UNAVAILABLE, "registry",
                         CANNOT "correct or delete these rows there, or " DO_INSTEAD ": %s%s",
                         adoption.complaints, more);
    TRY(sqlite_connection_script(connection, FINISH, error));
    return check_limits(connection, error);
}

#include "registry/sqlite/sqlite_adopt.h"

#include "model/definition.h"
#include "registry/sql_adopt.h"
#include "registry/sql_rows.h"

#define DO_INSTEAD "start with another --data"

/* Tags that are no JSON object become an empty one: nobody reads them as anything else. */
static const char READ_ROWS[] =
    "SELECT id, name, data_type, coalesce(entity, 'user'), coalesce(is_nullable, 1),"
    " coalesce(ttl_seconds, 0), min_value, max_value, mean_value, std_dev,"
    " CAST(description AS TEXT), CAST(feature_group AS TEXT), CAST(source AS TEXT),"
    " CAST(transformation AS TEXT), CASE WHEN json_valid(tags) THEN"
    " CASE json_type(tags) WHEN 'object' THEN json(tags) ELSE '{}' END ELSE '{}' END,"
    " created_at, coalesce(updated_at, created_at) FROM " SQLITE_ADOPTED_TABLE;

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
    struct sql_adoption checks;
    struct sqlite_connection *connection;
    int64_t now_us;
};

/* The columns as our table holds them; times go into `times`. */
static void convert(const struct adoption *adoption, struct sql_value *columns,
                    struct sql_time times[2])
{
    enum data_type data_type;
    if (data_type_parse(columns[SQL_ADOPTED_DATA_TYPE].text, &data_type))
        columns[SQL_ADOPTED_DATA_TYPE] = sql_text(str_from_cstr(data_type_name(data_type)));
    for (unsigned i = 0; i < 2; i++) {
        int64_t us = adoption->now_us;
        struct sql_value *time = &columns[SQL_ADOPTED_CREATED_AT + i];
        if (time->type == SQL_NULL || sql_read_time(time, &us))
            *time = sql_time_of(us, &times[i]);
    }
}

static status adopt_row(void *user, const struct sql_value *columns, unsigned count,
                        struct error *error)
{
    struct adoption *adoption = user;
    struct sql_value row[SQL_ADOPTED_COLUMN_COUNT];
    struct sql_time times[2];
    char name[SQL_ADOPT_VALUE_BYTES];
    if (!sql_adopt_check(&adoption->checks, columns))
        return OK; /* the other rows are looked at too */
    memcpy(row, columns, sizeof(row));
    convert(adoption, row, times);
    status s = sqlite_connection_run(adoption->connection, INSERT_ROW, row, count, NULL, error);
    if (s.code != STATUS_INTERNAL)
        return s;
    sql_adopt_show(&columns[SQL_ADOPTED_NAME], name);
    sql_adopt_refuse(&adoption->checks, columns,
                     "column name: another row has the same name %s or id", name);
    return OK;
}

static status copy_rows(struct adoption *adoption, struct error *error)
{
    struct sql_receiver receiver = {adopt_row, adoption};
    struct error reason;
    error_clear(&reason);
    status s = sqlite_connection_run(adoption->connection, READ_ROWS, NULL, 0, &receiver, &reason);
    if (s.code == STATUS_INTERNAL) /* a column is not there */
        return error_set(error, STATUS_UNAVAILABLE, "registry", SQL_ADOPT_CANNOT "%s: " DO_INSTEAD,
                         reason.detail);
    if (!status_is_ok(s) && error)
        *error = reason;
    return s;
}

static status check_limits(const struct adoption *adoption, struct error *error)
{
    static const char *const COUNTS[] = {
        "SELECT count(*) FROM features",
        "SELECT count(*) FROM entities",
        "SELECT max(n) FROM (SELECT count(*) AS n FROM features GROUP BY entity)",
    };
    int64_t counts[ARRAY_LEN(COUNTS)];
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++)
        TRY(sqlite_connection_integer(adoption->connection, COUNTS[i], 0, &counts[i], error));
    return sql_adopt_check_limits(&adoption->checks, counts[0], counts[1], counts[2], error);
}

status sqlite_adopt_features(struct sqlite_connection *connection, struct error *error)
{
    struct adoption adoption = {
        .checks = {.instead = DO_INSTEAD},
        .connection = connection,
        .now_us = clock_wall_us(),
    };
    TRY(copy_rows(&adoption, error));
    TRY(sql_adopt_result(&adoption.checks, error));
    TRY(sqlite_connection_script(connection, FINISH, error));
    return check_limits(&adoption, error);
}

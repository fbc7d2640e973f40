#include "registry/sqlite/sqlite_schema.h"

#include <inttypes.h>

#include "base/clock.h"

/* AUTOINCREMENT: an id is never given twice, not even after the last row was deleted. */
static const char CREATE_TABLES[] =
    "CREATE TABLE features ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " description TEXT,"
    " data_type TEXT NOT NULL,"
    " entity TEXT NOT NULL,"
    " feature_group TEXT,"
    " is_nullable INTEGER NOT NULL DEFAULT 1,"
    " source TEXT,"
    " transformation TEXT,"
    " min_value REAL,"
    " max_value REAL,"
    " mean_value REAL,"
    " std_dev REAL,"
    " ttl_seconds INTEGER," /* NULL: never expires */
    " tags TEXT NOT NULL DEFAULT '{}',"
    " created_at TEXT NOT NULL," /* RFC 3339, UTC */
    " updated_at TEXT NOT NULL,"
    " active_version INTEGER NOT NULL DEFAULT 1);" /* feature_versions.version_number */
    "CREATE TABLE feature_versions ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " feature_id INTEGER NOT NULL REFERENCES features (id) ON DELETE CASCADE,"
    " version_number INTEGER NOT NULL,"
    " data_type TEXT NOT NULL,"
    " dimension INTEGER NOT NULL DEFAULT 0,"
    " dead_before_us INTEGER NOT NULL,"
    " created_at TEXT NOT NULL,"
    " UNIQUE (feature_id, version_number));"
    "CREATE TABLE entities ("
    " name TEXT PRIMARY KEY,"
    " join_keys TEXT NOT NULL," /* JSON, in order */
    " created_at TEXT NOT NULL);"
    "CREATE TABLE feature_services ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " description TEXT,"
    " tags TEXT NOT NULL DEFAULT '{}',"
    " created_at TEXT NOT NULL,"
    " updated_at TEXT NOT NULL);"
    "CREATE TABLE feature_service_features ("
    " service_id INTEGER NOT NULL REFERENCES feature_services (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " feature TEXT NOT NULL,"  /* as written */
    " resolved TEXT NOT NULL," /* name@version */
    " version_id INTEGER REFERENCES feature_versions (id) ON DELETE SET NULL,"
    " PRIMARY KEY (service_id, position));"
    "CREATE INDEX feature_service_features_by_version"
    " ON feature_service_features (version_id);"
    "CREATE TABLE feature_statistics ("
    " version_id INTEGER PRIMARY KEY REFERENCES feature_versions (id) ON DELETE CASCADE,"
    " value_count INTEGER NOT NULL,"
    " null_count INTEGER NOT NULL,"
    " min_value REAL,"
    " max_value REAL,"
    " mean_value REAL,"
    " m2 REAL," /* NULL: beyond what a number holds */
    " last_event_time_us INTEGER);"
    "CREATE TABLE catalog_revision (revision INTEGER NOT NULL);"
    "INSERT INTO catalog_revision (revision) VALUES (0);";

/* What is not a JSON object becomes an empty one: nobody reads it as anything else. */
static const char ADOPT_ROWS[] =
    "INSERT INTO features (id, name, description, data_type, entity, feature_group, is_nullable,"
    " source, transformation, min_value, max_value, mean_value, std_dev, ttl_seconds, tags,"
    " created_at, updated_at) SELECT id, name, description, data_type, coalesce(entity, 'user'),"
    " feature_group, coalesce(is_nullable, 1), source, transformation, min_value, max_value,"
    " mean_value, std_dev, nullif(ttl_seconds, 0),"
    " CASE WHEN json_valid(tags) AND json_type(tags) = 'object' THEN json(tags) ELSE '{}' END,"
    " coalesce(created_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),"
    " coalesce(updated_at, created_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
    " FROM features_before_featured;"
    "INSERT INTO feature_versions (feature_id, version_number, data_type, dead_before_us,"
    " created_at) SELECT id, 1, data_type, -9223372036854775808, created_at FROM features;"
    "INSERT INTO entities (name, join_keys, created_at) SELECT entity,"
    " json_array(json_object('name', entity || '_id', 'data_type', 'string')), min(created_at)"
    " FROM features GROUP BY entity;";

static status create_tables(struct sqlite_connection *connection, struct error *error)
{
    int64_t adopted;
    TRY(sqlite_connection_integer(connection,
                                  "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND "
                                  "name = 'features'",
                                  0, &adopted, error));
    if (adopted)
        TRY(sqlite_connection_script(
            connection, "ALTER TABLE features RENAME TO features_before_featured", error));
    TRY(sqlite_connection_script(connection, CREATE_TABLES, error));
    return adopted ? sqlite_connection_script(connection, ADOPT_ROWS, error) : OK;
}

/* Only ever appended to: number = place in the list. */
static const struct migration {
    const char *name;
    status (*apply)(struct sqlite_connection *connection, struct error *error);
} MIGRATIONS[] = {
    {"create the registry", create_tables},
};

static status record_migration(struct sqlite_connection *connection, int number, const char *name,
                               struct error *error)
{
    char now[CLOCK_RFC3339_MAX];
    size_t now_len = clock_format_rfc3339(clock_wall_us(), now);
    char *sql = sqlite3_mprintf("INSERT INTO schema_migrations (version, name, applied_at) "
                                "VALUES (%d, %Q, '%.*s')",
                                number, name, (int)now_len, now);
    if (sql == NULL)
        return sqlite_connection_failure(connection, SQLITE_NOMEM, error);
    status s = sqlite_connection_script(connection, sql, error);
    sqlite3_free(sql);
    return s;
}

static status apply_migration(struct sqlite_connection *connection, int number, struct error *error)
{
    const struct migration *migration = &MIGRATIONS[number - 1];
    TRY(sqlite_connection_script(connection, "BEGIN IMMEDIATE", error));
    status s = migration->apply(connection, error);
    if (status_is_ok(s))
        s = record_migration(connection, number, migration->name, error);
    if (status_is_ok(s))
        s = sqlite_connection_script(connection, "COMMIT", error);
    if (!status_is_ok(s) && !sqlite3_get_autocommit(connection->database))
        sqlite3_exec(connection->database, "ROLLBACK", NULL, NULL, NULL);
    return s;
}

status sqlite_schema_migrate(struct sqlite_connection *connection, struct error *error)
{
    int64_t version;
    const int newest = (int)ARRAY_LEN(MIGRATIONS);
    TRY(sqlite_connection_script(connection,
                                 "CREATE TABLE IF NOT EXISTS schema_migrations ("
                                 " version INTEGER PRIMARY KEY,"
                                 " name TEXT NOT NULL,"
                                 " applied_at TEXT NOT NULL)",
                                 error));
    TRY(sqlite_connection_integer(
        connection, "SELECT coalesce(max(version), 0) FROM schema_migrations", 0, &version, error));
    if (version > newest)
        return error_set(error, STATUS_UNAVAILABLE, "registry",
                         "it was written by a newer release (schema %" PRId64
                         ", this one knows %d): start that release, or restore a backup",
                         version, newest);
    for (int number = (int)version + 1; number <= newest; number++)
        TRY(apply_migration(connection, number, error));
    return OK;
}

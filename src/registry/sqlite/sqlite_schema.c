#include "registry/sqlite/sqlite_schema.h"

#include <inttypes.h>

#include "registry/sql_rows.h"
#include "registry/sqlite/sqlite_adopt.h"

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

static status create_tables(struct sqlite_connection *connection, struct error *error)
{
    int64_t adopted;
    TRY(sqlite_connection_integer(connection,
                                  "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND "
                                  "name = 'features'",
                                  0, &adopted, error));
    if (adopted)
        TRY(sqlite_connection_script(
            connection, "ALTER TABLE features RENAME TO " SQLITE_ADOPTED_TABLE, error));
    TRY(sqlite_connection_script(connection, CREATE_TABLES, error));
    return adopted ? sqlite_adopt_features(connection, error) : OK;
}

/* Which of its merges of statistics each server has made last (sql_statistics.h). */
static status create_merges(struct sqlite_connection *connection, struct error *error)
{
    return sqlite_connection_script(connection,
                                    "CREATE TABLE statistics_merges ("
                                    " source TEXT PRIMARY KEY,"
                                    " number INTEGER NOT NULL,"
                                    " merged_at TEXT NOT NULL)",
                                    error);
}

/* Only ever appended to: number = place in the list. */
static const struct migration {
    const char *name;
    status (*apply)(struct sqlite_connection *connection, struct error *error);
} MIGRATIONS[] = {
    {"create the registry", create_tables},
    {"remember merges of statistics", create_merges},
};

static status record_migration(struct sqlite_connection *connection, int number, const char *name,
                               struct error *error)
{
    struct sql_time now;
    const struct sql_value row[] = {sql_integer(number), sql_text(str_from_cstr(name)),
                                    sql_time_of(clock_wall_us(), &now)};
    TRY(sqlite_connection_script(connection,
                                 "CREATE TABLE IF NOT EXISTS schema_migrations ("
                                 " version INTEGER PRIMARY KEY,"
                                 " name TEXT NOT NULL,"
                                 " applied_at TEXT NOT NULL)",
                                 error));
    return sqlite_connection_run(
        connection, "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
        row, ARRAY_LEN(row), NULL, error);
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

/* The number of the last migration; 0 for a file that is not ours yet. */
static status read_version(struct sqlite_connection *connection, int64_t *out, struct error *error)
{
    int64_t is_ours;
    TRY(sqlite_connection_integer(connection,
                                  "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND "
                                  "name = 'schema_migrations'",
                                  0, &is_ours, error));
    *out = 0;
    if (!is_ours)
        return OK;
    return sqlite_connection_integer(
        connection, "SELECT coalesce(max(version), 0) FROM schema_migrations", 0, out, error);
}

status sqlite_schema_migrate(struct sqlite_connection *connection, struct error *error)
{
    int64_t version;
    const int newest = (int)ARRAY_LEN(MIGRATIONS);
    TRY(read_version(connection, &version, error));
    if (version > newest)
        return error_set(error, STATUS_UNAVAILABLE, "registry",
                         "it was written by a newer release (schema %" PRId64
                         ", this one knows %d): start that release, or restore a backup",
                         version, newest);
    for (int number = (int)version + 1; number <= newest; number++)
        TRY(apply_migration(connection, number, error));
    return OK;
}

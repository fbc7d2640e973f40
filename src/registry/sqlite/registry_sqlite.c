#include "registry/sqlite/registry_sqlite.h"

#include "registry/sql_registry.h"
#include "registry/sqlite/sqlite_connection.h"
#include "registry/sqlite/sqlite_schema.h"

static status open_and_migrate(const char *path, struct sqlite_connection **out,
                               struct error *error)
{
    struct sqlite_connection *connection;
    TRY(sqlite_connection_open(path, &connection, error));
    status s = sqlite_schema_migrate(connection, error);
    if (status_is_ok(s))
        s = sqlite_connection_prepare(connection, error);
    if (!status_is_ok(s)) {
        sqlite_connection_close(connection);
        return s;
    }
    *out = connection;
    return OK;
}

status registry_sqlite_open(const char *path, struct epoch *epoch, struct store_clock *clock,
                            struct catalog_ref *catalog, struct registry **out,
                            struct error *error)
{
    struct sqlite_connection *connection;
    struct error reason;
    error_clear(&reason);
    status s = open_and_migrate(path, &connection, &reason);
    if (status_is_ok(s))
        s = sql_registry_open("sqlite", &connection->connection, epoch, clock, catalog, out,
                              &reason);
    if (status_is_ok(s))
        return OK;
    return error_set(error, s.code, reason.type, "cannot open the registry '%s': %s", path,
                     reason.detail);
}

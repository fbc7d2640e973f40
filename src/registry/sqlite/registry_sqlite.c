#include "registry/sqlite/registry_sqlite.h"

#include "registry/sql_registry.h"
#include "registry/sqlite/sqlite_connection.h"
#include "registry/sqlite/sqlite_schema.h"

status registry_sqlite_open(const char *path, struct epoch *epoch, struct catalog_ref *catalog,
                            struct registry **out, struct error *error)
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
    return sql_registry_open("sqlite", &connection->connection, epoch, catalog, out, error);
}

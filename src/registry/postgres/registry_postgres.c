#include "registry/postgres/registry_postgres.h"

#include "registry/postgres/postgres_connection.h"
#include "registry/sql_registry.h"

static status open_and_migrate(const char *url, char identity[POSTGRES_IDENTITY_MAX],
                               struct postgres_connection **out, struct error *error)
{
    struct postgres_connection *connection;
    TRY(postgres_connection_open(url, &connection, error));
    status s = postgres_schema_migrate(connection, error);
    if (status_is_ok(s))
        s = postgres_schema_identity(connection, identity, error);
    if (status_is_ok(s))
        s = postgres_connection_prepare(connection, error);
    if (!status_is_ok(s)) {
        postgres_connection_close(connection);
        return s;
    }
    *out = connection;
    return OK;
}

status registry_postgres_open(const char *url, struct epoch *epoch, struct store_clock *clock,
                              struct catalog_ref *catalog, char identity[POSTGRES_IDENTITY_MAX],
                              struct registry **out, struct error *error)
{
    struct postgres_connection *connection;
    char shown[POSTGRES_URL_SHOWN_MAX];
    struct error reason;
    error_clear(&reason);
    TRY(postgres_url_check(url, shown, error));
    status s = open_and_migrate(url, identity, &connection, &reason);
    if (status_is_ok(s))
        s = sql_registry_open("postgresql", &connection->connection, epoch, clock, catalog, out,
                              &reason);
    if (status_is_ok(s))
        return OK;
    return error_set(error, s.code, reason.type, "cannot open the registry '%s': %s", shown,
                     reason.detail);
}

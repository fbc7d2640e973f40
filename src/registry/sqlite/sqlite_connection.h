/* registry/sql.h over one SQLite database. */
#ifndef FEATURED_REGISTRY_SQLITE_SQLITE_CONNECTION_H
#define FEATURED_REGISTRY_SQLITE_SQLITE_CONNECTION_H

#include <sqlite3.h>

#include "registry/sql.h"

struct sqlite_connection {
    struct sql_connection connection; /* first */
    sqlite3 *database;
    sqlite3_stmt *statements[SQL_STATEMENT_COUNT];
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
};

/* Opens or creates the file, checks its every page, sets what a connection needs. The schema is
 * next (sqlite_schema.h), then sqlite_connection_prepare(). */
MUST_CHECK status sqlite_connection_open(const char *path, struct sqlite_connection **out,
                                         struct error *error);
MUST_CHECK status sqlite_connection_prepare(struct sqlite_connection *self, struct error *error);
/* Takes NULL. */
void sqlite_connection_close(struct sqlite_connection *self);

/* One statement, run once, with parameters ?1, ?2, …; `receiver` may be NULL. */
MUST_CHECK status sqlite_connection_run(struct sqlite_connection *self, const char *sql,
                                        const struct sql_value *parameters, unsigned count,
                                        const struct sql_receiver *receiver, struct error *error);
/* One or more statements without parameters. */
MUST_CHECK status sqlite_connection_script(struct sqlite_connection *self, const char *sql,
                                           struct error *error);
/* The first column of the first row; `absent` if there is no row. */
MUST_CHECK status sqlite_connection_integer(struct sqlite_connection *self, const char *sql,
                                            int64_t absent, int64_t *out, struct error *error);
/* What the result code of the last call on the database means, in words for whoever runs it. */
MUST_CHECK status sqlite_connection_failure(const struct sqlite_connection *self, int code,
                                            struct error *error);

#endif

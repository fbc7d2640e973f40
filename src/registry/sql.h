/* What the registry asks of a SQL database: numbered statements (sql_statements.h) with parameters,
 * and transactions. Narrow, so that what is decided and written (sql_change.c, sql_image.c,
 * sql_registry.c) is the same for every driver. A connection belongs to one thread at a time. */
#ifndef FEATURED_REGISTRY_SQL_H
#define FEATURED_REGISTRY_SQL_H

#include "base/error.h"
#include "registry/sql_statements.h"

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT };

struct sql_value {
    enum sql_type type;
    union {
        int64_t integer;
        double real;
        str text; /* borrowed: parameters from the caller, columns until the receiver returns */
    };
};

/* Called per row of an answer; a failure ends the statement and is handed on. */
struct sql_receiver {
    status (*row)(void *user, const struct sql_value *columns, unsigned count, struct error *error);
    void *user;
};

struct sql_connection {
    const struct sql_connection_driver *driver;
};

/* Failures of the database itself (disk full, damaged, locked, gone) are UNAVAILABLE, BUSY or
 * OUT_OF_MEMORY, with a text that says what to do; after one the transaction can only be rolled
 * back. INTERNAL: a statement and the schema do not fit together. */
struct sql_connection_driver {
    /* Others change the same database: what they did is looked for, and rows of theirs that cannot
     * be served are left out of the catalog. */
    bool is_shared;
    /* Takes the write lock at once: what is read afterwards holds until commit. Failing, it leaves
     * no transaction behind. */
    status (*begin)(struct sql_connection *connection, struct error *error) MUST_CHECK;
    /* What is read until rollback() is of one instant. Failing, as begin. */
    status (*begin_read)(struct sql_connection *connection, struct error *error) MUST_CHECK;
    status (*commit)(struct sql_connection *connection, struct error *error) MUST_CHECK;
    void (*rollback)(struct sql_connection *connection);
    /* `receiver` may be NULL: rows are dropped. */
    status (*execute)(struct sql_connection *connection, enum sql_statement statement,
                      const struct sql_value *parameters, unsigned count,
                      const struct sql_receiver *receiver, struct error *error) MUST_CHECK;
    void (*close)(struct sql_connection *connection);

    /* The rest only if is_shared. */
    /* OK at once if there is a connection, else tries to make a new one; bounded by timeouts. */
    status (*reconnect)(struct sql_connection *connection, struct error *error) MUST_CHECK;
    /* Readable when others have changed something or the connection has ended; -1: not connected.
     */
    int (*descriptor)(const struct sql_connection *connection);
    /* Takes in what has come, without waiting. True: others may have changed something. */
    bool (*take_hints)(struct sql_connection *connection);
};

/* The one way statements are run: sql_run(connection, STATEMENT, receiver, error, values…). */
#define sql_run(connection, statement, receiver, error, ...)                                       \
    sql_run_values((connection), (statement), (receiver), (error),                                 \
                   (const struct sql_value[]){__VA_ARGS__},                                        \
                   sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value))

MUST_CHECK static inline status sql_run_values(struct sql_connection *connection,
                                               enum sql_statement statement,
                                               const struct sql_receiver *receiver,
                                               struct error *error,
                                               const struct sql_value *parameters, size_t count)
{
    return connection->driver->execute(connection, statement, parameters, (unsigned)count, receiver,
                                       error);
}

static inline struct sql_value sql_null(void)
{
    return (struct sql_value){.type = SQL_NULL};
}

static inline struct sql_value sql_integer(int64_t value)
{
    return (struct sql_value){.type = SQL_INTEGER, .integer = value};
}

static inline struct sql_value sql_real(double value)
{
    return (struct sql_value){.type = SQL_REAL, .real = value};
}

static inline struct sql_value sql_text(str value)
{
    return (struct sql_value){.type = SQL_TEXT, .text = value};
}

#endif

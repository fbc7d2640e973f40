#include "registry/sqlite/sqlite_connection.h"

#include "base/assert.h"
#include "base/memory.h"

#define BUSY_TIMEOUT_MS 5000
#define COLUMNS_MAX 32

static struct sqlite_connection *self_of(struct sql_connection *connection)
{
    return (struct sqlite_connection *)(void *)connection;
}

struct failure {
    enum status_code code;
    const char *text;
};

/* By SQLite's primary result code. */
static struct failure describe(int code)
{
    switch (code) {
    case SQLITE_FULL:
        return (struct failure){STATUS_UNAVAILABLE, "its disk is full: free some space"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return (struct failure){STATUS_UNAVAILABLE,
                                "it cannot be written: check the permissions of the file and of "
                                "its directory"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return (struct failure){STATUS_UNAVAILABLE,
                                "the file is damaged or is no SQLite database: restore it from a "
                                "backup"};
    case SQLITE_CANTOPEN:
        return (struct failure){STATUS_UNAVAILABLE,
                                "it cannot be opened: check that the directory exists and is "
                                "writable"};
    case SQLITE_IOERR:
        return (struct failure){STATUS_UNAVAILABLE, "reading or writing its file failed"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return (struct failure){STATUS_BUSY, "another process holds its lock"};
    case SQLITE_NOMEM:
        return (struct failure){STATUS_OUT_OF_MEMORY, "there is no memory"};
    default:
        return (struct failure){STATUS_INTERNAL, "a statement failed"};
    }
}

status sqlite_connection_failure(const struct sqlite_connection *self, int code,
                                 struct error *error)
{
    struct failure failure = describe(code & 0xFF);
    const char *message = self->database ? sqlite3_errmsg(self->database) : sqlite3_errstr(code);
    return error_set(error, failure.code, "registry", "the registry failed: %s (SQLite: %s)",
                     failure.text, message);
}

status sqlite_connection_script(struct sqlite_connection *self, const char *sql,
                                struct error *error)
{
    int code = sqlite3_exec(self->database, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : sqlite_connection_failure(self, code, error);
}

static status prepare(struct sqlite_connection *self, const char *sql, sqlite3_stmt **out,
                      struct error *error)
{
    int code = sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return code == SQLITE_OK ? OK : sqlite_connection_failure(self, code, error);
}

status sqlite_connection_integer(struct sqlite_connection *self, const char *sql, int64_t absent,
                                 int64_t *out, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    status s = OK;
    TRY(prepare(self, sql, &statement, error));
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else if (code == SQLITE_DONE)
        *out = absent;
    else
        s = sqlite_connection_failure(self, code, error);
    sqlite3_finalize(statement);
    return s;
}

/* Statements number their parameters by first appearance ($1, $2, …), as SQLite does. */
static void check_parameters(sqlite3_stmt *statement)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        int64_t number;
        const char *name = sqlite3_bind_parameter_name(statement, i);
        ASSERT(name && str_to_int64(str_from_cstr(name + 1), &number) && number == i);
    }
}

status sqlite_connection_prepare(struct sqlite_connection *self, struct error *error)
{
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        TRY(prepare(self, SQL_STATEMENTS[i], &self->statements[i], error));
        check_parameters(self->statements[i]);
    }
    TRY(prepare(self, "BEGIN IMMEDIATE", &self->begin, error));
    TRY(prepare(self, "COMMIT", &self->commit, error));
    return OK;
}

static int bind_value(sqlite3_stmt *statement, int index, const struct sql_value *value)
{
    switch (value->type) {
    case SQL_NULL:
        return sqlite3_bind_null(statement, index);
    case SQL_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case SQL_REAL:
        return sqlite3_bind_double(statement, index, value->real);
    case SQL_TEXT:
        break;
    }
    return sqlite3_bind_text64(statement, index, value->text.data ? value->text.data : "",
                               value->text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static struct sql_value column_value(sqlite3_stmt *statement, int index)
{
    switch (sqlite3_column_type(statement, index)) {
    case SQLITE_NULL:
        return sql_null();
    case SQLITE_INTEGER:
        return sql_integer(sqlite3_column_int64(statement, index));
    case SQLITE_FLOAT:
        return sql_real(sqlite3_column_double(statement, index));
    default:
        break;
    }
    const char *text = (const char *)sqlite3_column_text(statement, index);
    size_t len = text ? (size_t)sqlite3_column_bytes(statement, index) : 0;
    return sql_text(str_of(text, len));
}

static status step_all(struct sqlite_connection *self, sqlite3_stmt *statement,
                       const struct sql_receiver *receiver, struct error *error)
{
    struct sql_value columns[COLUMNS_MAX];
    int code;
    int count = sqlite3_column_count(statement);
    ASSERT(count <= COLUMNS_MAX);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; receiver && i < count; i++)
            columns[i] = column_value(statement, i);
        if (receiver)
            TRY(receiver->row(receiver->user, columns, (unsigned)count, error));
    }
    return code == SQLITE_DONE ? OK : sqlite_connection_failure(self, code, error);
}

static status run(struct sqlite_connection *self, sqlite3_stmt *statement,
                  const struct sql_value *parameters, unsigned count,
                  const struct sql_receiver *receiver, struct error *error)
{
    ASSERT((int)count == sqlite3_bind_parameter_count(statement));
    for (unsigned i = 0; i < count; i++) {
        int code = bind_value(statement, (int)i + 1, &parameters[i]);
        if (code != SQLITE_OK)
            return sqlite_connection_failure(self, code, error);
    }
    return step_all(self, statement, receiver, error);
}

status sqlite_connection_run(struct sqlite_connection *self, const char *sql,
                             const struct sql_value *parameters, unsigned count,
                             const struct sql_receiver *receiver, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(prepare(self, sql, &statement, error));
    status s = run(self, statement, parameters, count, receiver, error);
    sqlite3_finalize(statement);
    return s;
}

static status execute(struct sql_connection *connection, enum sql_statement statement,
                      const struct sql_value *parameters, unsigned count,
                      const struct sql_receiver *receiver, struct error *error)
{
    struct sqlite_connection *self = self_of(connection);
    sqlite3_stmt *prepared = self->statements[statement];
    status s = run(self, prepared, parameters, count, receiver, error);
    sqlite3_reset(prepared);
    sqlite3_clear_bindings(prepared);
    return s;
}

static status step_once(struct sqlite_connection *self, sqlite3_stmt *statement,
                        struct error *error)
{
    status s = step_all(self, statement, NULL, error);
    sqlite3_reset(statement);
    return s;
}

static status begin(struct sql_connection *connection, struct error *error)
{
    struct sqlite_connection *self = self_of(connection);
    return step_once(self, self->begin, error);
}

static status begin_read(struct sql_connection *connection, struct error *error)
{
    return sqlite_connection_script(self_of(connection), "BEGIN", error);
}

static status commit(struct sql_connection *connection, struct error *error)
{
    struct sqlite_connection *self = self_of(connection);
    return step_once(self, self->commit, error);
}

/* A failure may have ended the transaction already. */
static void rollback(struct sql_connection *connection)
{
    struct sqlite_connection *self = self_of(connection);
    if (!sqlite3_get_autocommit(self->database))
        sqlite3_exec(self->database, "ROLLBACK", NULL, NULL, NULL);
}

static void close_connection(struct sql_connection *connection)
{
    sqlite_connection_close(self_of(connection));
}

static const struct sql_connection_driver DRIVER = {
    .begin = begin,
    .begin_read = begin_read,
    .commit = commit,
    .rollback = rollback,
    .execute = execute,
    .close = close_connection,
};

void sqlite_connection_close(struct sqlite_connection *self)
{
    if (self == NULL)
        return;
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++)
        sqlite3_finalize(self->statements[i]);
    sqlite3_finalize(self->begin);
    sqlite3_finalize(self->commit);
    sqlite3_close(self->database);
    memory_free(self);
}

/* "ok", or what is wrong with the first damaged page. */
static status check_pages(struct sqlite_connection *self, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    status s = OK;
    TRY(prepare(self, "PRAGMA quick_check(1)", &statement, error));
    int code = sqlite3_step(statement);
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (code != SQLITE_ROW)
        s = sqlite_connection_failure(self, code, error);
    else if (text == NULL || strcmp(text, "ok") != 0)
        s = error_set(error, STATUS_UNAVAILABLE, "registry",
                      "the registry failed: the file is damaged: restore it from a backup "
                      "(SQLite: %s)",
                      text ? text : "");
    sqlite3_finalize(statement);
    return s;
}

static status configure(struct sqlite_connection *self, struct error *error)
{
    sqlite3_busy_timeout(self->database, BUSY_TIMEOUT_MS);
    TRY(check_pages(self, error));
    return sqlite_connection_script(self,
                                    "PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = FULL;"
                                    "PRAGMA foreign_keys = ON;",
                                    error);
}

status sqlite_connection_open(const char *path, struct sqlite_connection **out, struct error *error)
{
    struct sqlite_connection *self = memory_alloc_zero(sizeof(*self));
    if (self == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the registry");
    self->connection.driver = &DRIVER;
    /* One thread at a time uses it; who hands it over synchronises. */
    int code = sqlite3_open_v2(path, &self->database,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_EXRESCODE,
                               NULL);
    /* What cannot be written is opened for reading without a word. */
    if (code == SQLITE_OK && sqlite3_db_readonly(self->database, "main") == 1)
        code = SQLITE_READONLY;
    status s =
        code == SQLITE_OK ? configure(self, error) : sqlite_connection_failure(self, code, error);
    if (!status_is_ok(s)) {
        sqlite_connection_close(self);
        return s;
    }
    *out = self;
    return OK;
}

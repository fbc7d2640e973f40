#include "registry/postgres/postgres_connection.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "registry/postgres/postgres_failure.h"
#include "registry/sql_rows.h"

#define PATIENCE_MS 3000
#define DRIP_FACTOR 10 /* an answer that keeps coming gets so much patience */
#define PROGRESS_BYTES 1024 /* less within our patience is no progress, but a drip */
#define CHANGE_MS 10000 /* a whole transaction that changes something, image included */
#define COLUMNS_MAX 32
#define PARAMETERS_MAX SQL_STATISTICS_PUT_PARAMETERS
#define PARAMETER_BYTES_MAX ((size_t)64 << 20)
#define PREPARE_BYTES_MAX ((size_t)64 << 10)

/* What the server calls the types we read otherwise than as text (pg_type.oid, fixed for ever). */
enum type_oid {
    TYPE_BOOL = 16,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_FLOAT4 = 700,
    TYPE_FLOAT8 = 701,
    TYPE_TIMESTAMPTZ = 1184,
    TYPE_NUMERIC = 1700,
};

static struct postgres_connection *self_of(struct sql_connection *connection)
{
    return (struct postgres_connection *)(void *)connection;
}

static void drop(struct postgres_connection *self)
{
    PQfinish(self->pg);
    self->pg = NULL;
}

static status lost(struct postgres_connection *self, struct error *error)
{
    status s = postgres_failure_lost(self->pg, error);
    drop(self);
    return s;
}

static status silent(struct postgres_connection *self, struct error *error)
{
    drop(self);
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     "the registry failed: PostgreSQL has not answered in time");
}

struct wait {
    int64_t silent_until_ns;
    int64_t end_ns;
    int64_t bytes; /* that came since silence was last counted from the beginning */
};

static struct wait wait_begin(const struct postgres_connection *self)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t patience_ns = self->patience_ms * 1000000;
    int64_t end_ns = now_ns + DRIP_FACTOR * patience_ns;
    if (self->change_end_ns && self->change_end_ns < end_ns)
        end_ns = self->change_end_ns;
    return (struct wait){now_ns + patience_ns, end_ns, 0};
}

/* False when patience is at an end. */
static bool wait_for(const struct postgres_connection *self, const struct wait *wait, short events)
{
    struct pollfd fd = {.fd = PQsocket(self->pg), .events = events};
    int64_t until_ns = wait->silent_until_ns < wait->end_ns ? wait->silent_until_ns : wait->end_ns;
    for (;;) {
        int64_t left_ns = until_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return false;
        int ready = poll(&fd, 1, (int)(left_ns / 1000000) + 1);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

/* What is about to be read. */
static void note_progress(const struct postgres_connection *self, struct wait *wait)
{
    int available = 0;
    if (ioctl(PQsocket(self->pg), FIONREAD, &available) == 0)
        wait->bytes += available;
    if (wait->bytes < PROGRESS_BYTES)
        return;
    wait->bytes = 0;
    wait->silent_until_ns = clock_monotonic_ns() + self->patience_ms * 1000000;
}

static status send_all(struct postgres_connection *self, struct error *error)
{
    struct wait wait = wait_begin(self);
    int left;
    while ((left = PQflush(self->pg)) > 0) {
        if (!wait_for(self, &wait, POLLIN | POLLOUT))
            return silent(self, error);
        if (PQconsumeInput(self->pg) == 0)
            return lost(self, error);
    }
    return left == 0 ? OK : lost(self, error);
}

static status await_result(struct postgres_connection *self, struct wait *wait, struct error *error)
{
    while (PQisBusy(self->pg)) {
        if (!wait_for(self, wait, POLLIN))
            return silent(self, error);
        note_progress(self, wait);
        if (PQconsumeInput(self->pg) == 0)
            return lost(self, error);
    }
    return OK;
}

/* Times are in UTC: the session says so. */
static struct sql_value value_of(Oid type, const char *text, size_t len)
{
    int64_t integer;
    switch ((enum type_oid)type) {
    case TYPE_BOOL:
        return sql_integer(text[0] == 't');
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        if (str_to_int64(str_of(text, len), &integer))
            return sql_integer(integer);
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
        return sql_real(strtod(text, NULL));
    case TYPE_TIMESTAMPTZ:
        if (len > 3 && memcmp(text + len - 3, "+00", 3) == 0)
            return sql_text(str_of(text, len - 3));
        break;
    }
    return sql_text(str_of(text, len));
}

static status give_rows(const PGresult *result, const struct sql_receiver *receiver,
                        struct error *error)
{
    struct sql_value columns[COLUMNS_MAX];
    int count = PQnfields(result);
    ASSERT(count <= COLUMNS_MAX);
    for (int row = 0; row < PQntuples(result); row++) {
        for (int i = 0; i < count; i++)
            columns[i] = PQgetisnull(result, row, i)
                             ? sql_null()
                             : value_of(PQftype(result, i), PQgetvalue(result, row, i),
                                        (size_t)PQgetlength(result, row, i));
        TRY(receiver->row(receiver->user, columns, (unsigned)count, error));
    }
    return OK;
}

static status take_result(struct postgres_connection *self, const PGresult *result,
                          const struct sql_receiver *receiver, struct error *error)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        return receiver ? give_rows(result, receiver, error) : OK;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return OK;
    default:
        return postgres_failure_of(result, self->pg, error);
    }
}

/* All answers to what was sent; the first failure is told. The connection is dropped if it cannot
 * be used after it. */
static status take_results(struct postgres_connection *self, int sent,
                           const struct sql_receiver *receiver, struct error *error)
{
    struct wait wait = wait_begin(self);
    struct error ignored;
    status s = OK;
    PGresult *result;
    bool is_over = false;
    if (!sent)
        return lost(self, error);
    TRY(send_all(self, error));
    for (;;) {
        TRY(await_result(self, &wait, status_is_ok(s) ? error : &ignored));
        result = PQgetResult(self->pg);
        if (result == NULL)
            break;
        if (status_is_ok(s))
            s = take_result(self, result, receiver, error);
        is_over = is_over || postgres_failure_ends_connection(result);
        PQclear(result);
    }
    if (is_over || PQstatus(self->pg) != CONNECTION_OK)
        drop(self);
    return s;
}

static status check_connected(const struct postgres_connection *self, struct error *error)
{
    return self->pg ? OK
                    : error_set(error, STATUS_UNAVAILABLE, "registry",
                                "the registry failed: the connection to PostgreSQL was lost");
}

status postgres_connection_script(struct postgres_connection *self, const char *sql,
                                  struct error *error)
{
    TRY(check_connected(self, error));
    return take_results(self, PQsendQuery(self->pg, sql), NULL, error);
}

static status refuse_nul(struct error *error)
{
    error_loc_name(error, STR("body"));
    return error_set(error, STATUS_INVALID, "value_error",
                     "PostgreSQL, which holds the registry, cannot hold the character U+0000 in a "
                     "text");
}

/* Offsets first: the buffer may move while it grows. */
static status write_parameters(struct postgres_connection *self, const struct sql_value *parameters,
                               unsigned count, const char **values, struct error *error)
{
    size_t offsets[PARAMETERS_MAX];
    ASSERT(count <= PARAMETERS_MAX);
    buffer_reset(&self->scratch, (size_t)1 << 20);
    for (unsigned i = 0; i < count; i++) {
        offsets[i] = self->scratch.len;
        if (parameters[i].type == SQL_INTEGER)
            buffer_append_int64(&self->scratch, parameters[i].integer);
        else if (parameters[i].type == SQL_REAL)
            buffer_append_format(&self->scratch, "%.17g", parameters[i].real);
        else if (parameters[i].type == SQL_TEXT)
            buffer_append_str(&self->scratch, parameters[i].text);
        buffer_append_char(&self->scratch, '\0');
        if (parameters[i].type == SQL_TEXT && parameters[i].text.len > 0 &&
            memchr(parameters[i].text.data, '\0', parameters[i].text.len))
            return refuse_nul(error);
    }
    if (!status_is_ok(buffer_status(&self->scratch)))
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the registry");
    for (unsigned i = 0; i < count; i++)
        values[i] = parameters[i].type == SQL_NULL ? NULL : self->scratch.data + offsets[i];
    return OK;
}

status postgres_connection_run(struct postgres_connection *self, const char *sql,
                               const struct sql_value *parameters, unsigned count,
                               const struct sql_receiver *receiver, struct error *error)
{
    const char *values[PARAMETERS_MAX];
    TRY(check_connected(self, error));
    TRY(write_parameters(self, parameters, count, values, error));
    int sent = PQsendQueryParams(self->pg, sql, (int)count, NULL, values, NULL, NULL, 0);
    return take_results(self, sent, receiver, error);
}

status postgres_connection_integer(struct postgres_connection *self, const char *sql, int64_t *out,
                                   struct error *error)
{
    struct sql_one_integer found = {0};
    struct sql_receiver receiver = {sql_receive_integer, &found};
    TRY(postgres_connection_run(self, sql, NULL, 0, &receiver, error));
    *out = found.value;
    return OK;
}

/* These take no parameters and are no queries: they are sent as they are. */
static bool is_plain(enum sql_statement statement)
{
    return statement == SQL_SAVEPOINT || statement == SQL_RELEASE || statement == SQL_ROLLBACK_TO;
}

static status execute(struct sql_connection *connection, enum sql_statement statement,
                      const struct sql_value *parameters, unsigned count,
                      const struct sql_receiver *receiver, struct error *error)
{
    struct postgres_connection *self = self_of(connection);
    const char *values[PARAMETERS_MAX];
    char name[16];
    if (is_plain(statement))
        return postgres_connection_script(self, SQL_STATEMENTS[statement], error);
    TRY(check_connected(self, error));
    TRY(write_parameters(self, parameters, count, values, error));
    snprintf(name, sizeof(name), "s%d", (int)statement);
    int sent = PQsendQueryPrepared(self->pg, name, (int)count, values, NULL, NULL, 0);
    return take_results(self, sent, receiver, error);
}

static void rollback(struct sql_connection *connection)
{
    struct postgres_connection *self = self_of(connection);
    self->change_end_ns = 0;
    if (self->pg && PQtransactionStatus(self->pg) != PQTRANS_IDLE &&
        !status_is_ok(postgres_connection_script(self, "ROLLBACK", NULL)) && self->pg)
        drop(self);
}

static status begin_by(struct sql_connection *connection, const char *sql, struct error *error)
{
    status s = postgres_connection_script(self_of(connection), sql, error);
    if (!status_is_ok(s))
        rollback(connection);
    return s;
}

/* The row's lock puts all servers in a line; what is read afterwards is what the one before wrote.
 */
static status begin(struct sql_connection *connection, struct error *error)
{
    self_of(connection)->change_end_ns = clock_monotonic_ns() + CHANGE_MS * INT64_C(1000000);
    return begin_by(connection,
                    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
                    "SELECT revision FROM catalog_revision FOR UPDATE",
                    error);
}

static status begin_read(struct sql_connection *connection, struct error *error)
{
    return begin_by(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
}

static status commit(struct sql_connection *connection, struct error *error)
{
    struct postgres_connection *self = self_of(connection);
    struct error reason;
    /* In a transaction that failed, COMMIT rolls back and calls it a success. */
    if (self->pg && PQtransactionStatus(self->pg) != PQTRANS_INTRANS)
        return error_set(error, STATUS_INTERNAL, "registry", "the registry's transaction failed");
    error_clear(&reason);
    status s = postgres_connection_script(self, "COMMIT", &reason);
    self->change_end_ns = 0;
    if (!status_is_ok(s) && self->pg == NULL)
        return error_set(error, s.code, reason.type,
                         "%s; whether the change was made is not known: look before trying again",
                         reason.detail);
    if (!status_is_ok(s) && error)
        *error = reason;
    return s;
}

static status prepare_all(struct postgres_connection *self, struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, PREPARE_BYTES_MAX);
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        if (!is_plain((enum sql_statement)i))
            buffer_append_format(&sql, "PREPARE s%d AS %s;", i, SQL_STATEMENTS[i]);
    }
    buffer_append_char(&sql, '\0');
    status s = buffer_status(&sql);
    if (status_is_ok(s))
        s = postgres_connection_script(self, sql.data, error);
    else
        s = error_set(error, s.code, "out_of_memory", "no memory for the registry");
    buffer_fini(&sql);
    return s;
}

/* What the server says beside its answers: a line of the log, not lines of libpq's on standard error. */
static void on_notice(void *user, const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    (void)user;
    log_event(LOG_INFO, "registry_notice", "severity=%s reason=\"%s\"", severity ? severity : "",
              text ? text : "");
}

/* The settings of every session. featured.registry tells the triggers of postgres_schema.c that
 * this is a featured, which takes a revision itself. */
static status begin_session(struct postgres_connection *self, struct error *error)
{
    PQsetnonblocking(self->pg, 1);
    PQsetNoticeReceiver(self->pg, on_notice, NULL);
    TRY(postgres_connection_script(self,
                                   "SET featured.registry = 'on';"
                                   "SET TimeZone = 'UTC';"
                                   "SET DateStyle = 'ISO, YMD';"
                                   "SET extra_float_digits = 1;"
                                   "SET idle_in_transaction_session_timeout = '10s';"
                                   "LISTEN " POSTGRES_CHANNEL,
                                   error));
    return postgres_connection_be_patient(self, 0, error);
}

static status connect_session(struct postgres_connection *self, struct error *error)
{
    /* The later of two wins: what the URL says over what comes before it. */
    static const char *const KEYWORDS[] = {
        "connect_timeout",     "keepalives_idle",
        "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",    "target_session_attrs",
        "application_name",    "dbname",
        "client_encoding",     NULL,
    };
    const char *const values[] = {
        "3", "5", "2", "3", "5000", "read-write", "featured", self->url, "UTF8", NULL,
    };
    _Static_assert(ARRAY_LEN(KEYWORDS) == ARRAY_LEN(values), "a value for each keyword");
    self->pg = PQconnectdbParams(KEYWORDS, values, 1);
    if (self->pg == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the registry");
    if (PQstatus(self->pg) != CONNECTION_OK)
        return lost(self, error);
    status s = begin_session(self, error);
    if (status_is_ok(s) && self->serves)
        s = prepare_all(self, error);
    if (!status_is_ok(s) && self->pg)
        drop(self);
    return s;
}

static status reconnect(struct sql_connection *connection, struct error *error)
{
    struct postgres_connection *self = self_of(connection);
    return self->pg ? OK : connect_session(self, error);
}

static int descriptor(const struct sql_connection *connection)
{
    const struct postgres_connection *self = (const void *)connection;
    return self->pg ? PQsocket(self->pg) : -1;
}

static bool take_hints(struct sql_connection *connection)
{
    struct postgres_connection *self = self_of(connection);
    bool hinted = false;
    PGnotify *note;
    if (self->pg == NULL)
        return false;
    if (PQconsumeInput(self->pg) == 0 || PQstatus(self->pg) != CONNECTION_OK) {
        drop(self);
        return true; /* whoever looks finds out */
    }
    while ((note = PQnotifies(self->pg)) != NULL) {
        hinted = hinted || note->be_pid != PQbackendPID(self->pg);
        PQfreemem(note);
    }
    return hinted;
}

static void close_connection(struct sql_connection *connection)
{
    postgres_connection_close(self_of(connection));
}

static const struct sql_connection_driver DRIVER = {
    .is_shared = true,
    .begin = begin,
    .begin_read = begin_read,
    .commit = commit,
    .rollback = rollback,
    .execute = execute,
    .close = close_connection,
    .reconnect = reconnect,
    .descriptor = descriptor,
    .take_hints = take_hints,
};

status postgres_connection_be_patient(struct postgres_connection *self, int64_t patience_ms,
                                      struct error *error)
{
    char sql[128];
    self->patience_ms = patience_ms ? patience_ms : PATIENCE_MS;
    /* Below our patience: the connection outlives a lock of others. */
    snprintf(sql, sizeof(sql), "SET statement_timeout = %" PRId64 "; SET lock_timeout = %" PRId64,
             self->patience_ms * 5 / 6, self->patience_ms * 4 / 6);
    return postgres_connection_script(self, sql, error);
}

status postgres_connection_prepare(struct postgres_connection *self, struct error *error)
{
    TRY(prepare_all(self, error));
    self->serves = true;
    return OK;
}

void postgres_connection_close(struct postgres_connection *self)
{
    if (self == NULL)
        return;
    PQfinish(self->pg);
    if (self->url)
        explicit_bzero(self->url, strlen(self->url));
    memory_free(self->url);
    buffer_fini(&self->scratch);
    memory_free(self);
}

status postgres_connection_open(const char *url, struct postgres_connection **out,
                                struct error *error)
{
    struct postgres_connection *self = memory_alloc_zero(sizeof(*self));
    char *copy = memory_alloc(strlen(url) + 1);
    if (self == NULL || copy == NULL) {
        memory_free(self);
        memory_free(copy);
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the registry");
    }
    strcpy(copy, url);
    self->url = copy;
    self->connection.driver = &DRIVER;
    self->patience_ms = PATIENCE_MS;
    buffer_init(&self->scratch, PARAMETER_BYTES_MAX);
    status s = connect_session(self, error);
    if (!status_is_ok(s)) {
        postgres_connection_close(self);
        return s;
    }
    *out = self;
    return OK;
}

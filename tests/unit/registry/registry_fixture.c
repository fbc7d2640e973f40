#include "registry_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "postgres_server.h"

#include "base/clock.h"

#define WALL_IS_REAL INT64_MIN

static _Atomic int64_t wall_us;

void fixture_set_wall(int64_t now_us)
{
    atomic_store(&wall_us, now_us);
}

static int64_t fixture_wall_us(void)
{
    int64_t now_us = atomic_load(&wall_us);
    return now_us == WALL_IS_REAL ? clock_wall_us() : now_us;
}

static bool on_postgres;

/* A schema of its own stands for a database of its own, and is made sooner. */
static void make_schema(struct fixture *f)
{
    static int made;
    char sql[64];
    int number = ++made;
    const char *url = postgres_server_url();
    f->is_postgres = true;
    snprintf(f->url, sizeof(f->url), "%s", url);
    snprintf(sql, sizeof(sql), "CREATE SCHEMA test_%d", number);
    run_sql(f, sql);
    snprintf(f->url, sizeof(f->url), "%s&options=-csearch_path%%3Dtest_%d", url, number);
}

int run_registry_test_array(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    on_postgres = argc > 1 && strcmp(argv[1], "postgres") == 0;
    if (on_postgres && !postgres_server_is_installed())
        return 77;
    return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
}

int set_up(void **state)
{
    struct fixture *f = aligned_alloc(CACHE_LINE_BYTES, (sizeof(*f) + 63) / 64 * 64);
    if (f == NULL)
        return -1;
    memset(f, 0, sizeof(*f));
    snprintf(f->directory, sizeof(f->directory), "/tmp/featured-registry-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/registry.db", f->directory);
    if (on_postgres)
        make_schema(f);
    epoch_init(&f->epoch);
    fixture_set_wall(WALL_IS_REAL);
    store_clock_init(&f->clock, fixture_wall_us);
    if (!status_is_ok(loop_init(&f->loop, &f->epoch, 0)))
        return -1;
    *state = f;
    return 0;
}

void remove_files(const struct fixture *f)
{
    static const char *const SUFFIXES[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", f->path, SUFFIXES[i]);
        unlink(path);
    }
}

void close_registry(struct fixture *f)
{
    if (f->registry)
        f->registry->driver->close(f->registry);
    f->registry = NULL;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    close_registry(f);
    loop_fini(&f->loop);
    remove_files(f);
    rmdir(f->directory);
    free(f);
    return 0;
}

status try_open(struct fixture *f, struct error *error)
{
    if (f->is_postgres)
        return registry_postgres_open(f->url, &f->epoch, &f->clock, &f->catalog, f->identity,
                                      &f->registry, error);
    return registry_sqlite_open(f->path, &f->epoch, &f->clock, &f->catalog, &f->registry, error);
}

void open_registry(struct fixture *f)
{
    struct error error;
    error_clear(&error);
    status s = try_open(f, &error);
    if (!status_is_ok(s))
        fail_msg("open: %s", error.detail);
}

void reopen(struct fixture *f)
{
    close_registry(f);
    open_registry(f);
}

void refuse_open(struct fixture *f, const char *text)
{
    struct error error;
    error_clear(&error);
    status s = try_open(f, &error);
    assert_false(status_is_ok(s));
    assert_null(f->registry);
    if (!str_contains(str_from_cstr(error.detail), str_from_cstr(text)) ||
        !str_contains(str_from_cstr(error.detail),
                      f->is_postgres ? STR("'postgresql://featured@") : str_from_cstr(f->path)))
        fail_msg("the refusal says: %s", error.detail);
}

static void count_down(struct registry_request *request)
{
    int *pending = request->user;
    --*pending;
}

void wait_for(struct fixture *f, const int *pending)
{
    while (*pending > 0)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    epoch_offline(f->loop.reader);
}

void submit(struct fixture *f, struct registry_request *request, int *pending)
{
    ++*pending;
    request->loop = &f->loop;
    request->done = count_down;
    request->user = pending;
    registry_submit(f->registry, request);
}

struct registry_request *run(struct fixture *f, struct registry_request *request)
{
    int pending = 0;
    submit(f, request, &pending);
    wait_for(f, &pending);
    return request;
}

struct feature_definition feature(const char *name, const char *entity, enum data_type data_type)
{
    return (struct feature_definition){
        .name = str_from_cstr(name),
        .entity = str_from_cstr(entity),
        .data_type = data_type,
        .is_nullable = true,
        .tags_json = STR("{}"),
    };
}

struct registry_request run_definition(struct fixture *f, enum registry_operation operation,
                                       const struct feature_definition *definition)
{
    struct registry_request request = {.operation = operation, .definition = definition};
    run(f, &request);
    return request;
}

int64_t must_register(struct fixture *f, const char *name, const char *entity,
                      enum data_type data_type)
{
    struct feature_definition definition = feature(name, entity, data_type);
    struct registry_request request = run_definition(f, REGISTRY_REGISTER_FEATURE, &definition);
    if (!status_is_ok(request.status))
        fail_msg("register: %s", request.error.detail);
    return request.id;
}

struct registry_request run_activate(struct fixture *f, const char *name, uint32_t version)
{
    struct registry_request request = {
        .operation = REGISTRY_ACTIVATE_VERSION, .name = str_from_cstr(name), .version = version};
    run(f, &request);
    return request;
}

struct registry_request run_delete(struct fixture *f, int64_t id, bool force)
{
    struct registry_request request = {
        .operation = REGISTRY_DELETE_FEATURE, .feature_id = id, .force = force};
    run(f, &request);
    return request;
}

struct registry_request run_service(struct fixture *f, enum registry_operation operation,
                                    const char *name, str *features, uint32_t count)
{
    struct service_definition service = {.name = str_from_cstr(name),
                                         .features = features,
                                         .feature_count = count,
                                         .description = {true, STR("a model")},
                                         .tags_json = STR("{\"a\":1}")};
    struct registry_request request = {.operation = operation, .service = &service};
    run(f, &request);
    request.service = NULL;
    return request;
}

void assert_says(const struct registry_request *request, enum status_code code, const char *text)
{
    assert_int_equal(request->status.code, code);
    assert_int_equal(request->error.code, code);
    if (!str_contains(str_from_cstr(request->error.detail), str_from_cstr(text)))
        fail_msg("the answer says: %s", request->error.detail);
}

const struct catalog *catalog_of(struct fixture *f)
{
    return catalog_current(&f->catalog);
}

/* Another connection to the same database, as a curious administrator has. */

static PGconn *connect_postgres(const struct fixture *f)
{
    PGconn *pg = PQconnectdb(f->url);
    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    return pg;
}

static sqlite3 *connect_sqlite(const struct fixture *f)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(f->path, &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 5000);
    return database;
}

static int64_t ask_postgres(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    int64_t value = 0;
    if (PQntuples(result) > 0) {
        const char *text = PQgetvalue(result, 0, 0);
        value = text[0] == 't' ? 1 : strtoll(text, NULL, 10);
    }
    PQclear(result);
    return value;
}

static void run_sqlite(sqlite3 *database, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

void run_sql(const struct fixture *f, const char *sql)
{
    if (f->is_postgres) {
        PGconn *pg = connect_postgres(f);
        (void)ask_postgres(pg, sql);
        PQfinish(pg);
        return;
    }
    sqlite3 *database = connect_sqlite(f);
    run_sqlite(database, sql);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static int64_t ask_sqlite(const struct fixture *f, const char *sql)
{
    sqlite3_stmt *statement;
    sqlite3 *database = connect_sqlite(f);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return value;
}

int64_t query(const struct fixture *f, const char *sql)
{
    if (!f->is_postgres)
        return ask_sqlite(f, sql);
    PGconn *pg = connect_postgres(f);
    int64_t value = ask_postgres(pg, sql);
    PQfinish(pg);
    return value;
}

void take_lock(struct fixture *f)
{
    if (f->is_postgres) {
        f->lock = connect_postgres(f);
        (void)ask_postgres(f->lock, "BEGIN");
        (void)ask_postgres(f->lock, "SELECT revision FROM catalog_revision FOR UPDATE");
    } else {
        f->lock = connect_sqlite(f);
        run_sqlite(f->lock, "BEGIN IMMEDIATE");
    }
}

void give_lock_back(struct fixture *f)
{
    if (f->is_postgres) {
        PQfinish(f->lock);
    } else {
        run_sqlite(f->lock, "ROLLBACK");
        sqlite3_close(f->lock);
    }
    f->lock = NULL;
}

void await_health(struct fixture *f)
{
    int64_t until_ns = clock_monotonic_ns() + INT64_C(30000000000);
    struct error error;
    while (!status_is_ok(f->registry->driver->check(f->registry, &error))) {
        if (clock_monotonic_ns() > until_ns)
            fail_msg("the registry stays away: %s", error.detail);
        usleep(1000);
    }
}

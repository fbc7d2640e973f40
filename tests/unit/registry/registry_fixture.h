/* What every test of the registry stands on: a registry in a file of its own, or in a schema of its
 * own of a PostgreSQL that the test program starts; a loop that gets the answers, and requests that
 * are waited for. */
#ifndef FEATURED_TESTS_REGISTRY_FIXTURE_H
#define FEATURED_TESTS_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/postgres/registry_postgres.h"
#include "registry/sqlite/registry_sqlite.h"

struct fixture {
    bool is_postgres;
    char directory[64];
    char path[96];
    char url[256];
    char identity[POSTGRES_IDENTITY_MAX];
    void *lock; /* another connection that holds the database's write lock */
    struct epoch epoch;
    struct store_clock clock;
    struct loop loop;
    struct catalog_ref catalog;
    struct registry *registry;
};

/* What the clock is made of: the wall clock, or from fixture_set_wall() on what it was told. */
void fixture_set_wall(int64_t now_us);
/* Runs the tests on SQLite, or on PostgreSQL if that is the program's one argument. 77: it is not
 * installed. */
#define run_registry_tests(argc, argv, tests)                                                      \
    run_registry_test_array((argc), (argv), (tests), ARRAY_LEN(tests))
int run_registry_test_array(int argc, char **argv, const struct CMUnitTest *tests, size_t count);
int set_up(void **state);
/* The database and what SQLite keeps beside it. */
void remove_files(const struct fixture *f);
void close_registry(struct fixture *f);
int tear_down(void **state);
void open_registry(struct fixture *f);
void reopen(struct fixture *f);
status try_open(struct fixture *f, struct error *error);
/* Opening fails with an error that holds `text` and the path. */
void refuse_open(struct fixture *f, const char *text);
/* Requests count `pending` down when they are done. */
void wait_for(struct fixture *f, const int *pending);
void submit(struct fixture *f, struct registry_request *request, int *pending);
struct registry_request *run(struct fixture *f, struct registry_request *request);
struct feature_definition feature(const char *name, const char *entity, enum data_type data_type);
struct registry_request run_definition(struct fixture *f, enum registry_operation operation,
                                       const struct feature_definition *definition);
int64_t must_register(struct fixture *f, const char *name, const char *entity,
                      enum data_type data_type);
struct registry_request run_activate(struct fixture *f, const char *name, uint32_t version);
struct registry_request run_delete(struct fixture *f, int64_t id, bool force);
struct registry_request run_service(struct fixture *f, enum registry_operation operation,
                                    const char *name, str *features, uint32_t count);
void assert_says(const struct registry_request *request, enum status_code code, const char *text);
const struct catalog *catalog_of(struct fixture *f);
/* Through another connection to the same file, as a curious administrator has. */
void run_sql(const struct fixture *f, const char *sql);
/* The first column of the first row; true is 1. */
int64_t query(const struct fixture *f, const char *sql);
/* Keeps everybody else from writing. */
void take_lock(struct fixture *f);
void give_lock_back(struct fixture *f);
/* Until the registry says that all is well. */
void await_health(struct fixture *f);

#define REGISTRY_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif

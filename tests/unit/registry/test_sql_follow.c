/* A registry that others change too: two of them on one schema of a PostgreSQL. */
#include "registry_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/cell_rule.h"

#define SECOND_US INT64_C(1000000)

/* A second server of the same registry; tear_down() ends it. */
static struct fixture *open_another(struct fixture *f)
{
    void *state;
    assert_int_equal(set_up(&state), 0);
    struct fixture *other = state;
    strcpy(other->url, f->url);
    open_registry(other);
    return other;
}

static void close_another(struct fixture *other)
{
    void *state = other;
    tear_down(&state);
}

static struct registry_request refresh(struct fixture *f)
{
    struct registry_request request = {.operation = REGISTRY_REFRESH};
    run(f, &request);
    return request;
}

/* The registry publishes by itself here: an image holds only while its reader is online. */
static uint64_t revision_of(struct fixture *f)
{
    epoch_online(&f->epoch, f->loop.reader);
    uint64_t revision = catalog_of(f)->revision;
    epoch_offline(f->loop.reader);
    return revision;
}

static void await_revision(struct fixture *f, uint64_t revision)
{
    int64_t until_ns = clock_monotonic_ns() + INT64_C(30000000000);
    while (revision_of(f) < revision) {
        assert_true(clock_monotonic_ns() < until_ns);
        usleep(1000);
    }
}

static void a_refresh_sees_what_another_has_just_done(void **state)
{
    struct fixture *a = *state;
    open_registry(a);
    struct fixture *b = open_another(a);
    assert_string_equal(a->identity, b->identity);
    assert_true(a->registry->driver->is_shared);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        must_register(a, name, "user", DATA_TYPE_INT);
        assert_int_equal(refresh(b).status.code, STATUS_OK);
        assert_non_null(catalog_find_feature(catalog_of(b), str_from_cstr(name)));
    }
    assert_int_equal(catalog_of(b)->revision, 20);
    struct feature_definition d = feature("f3", "user", DATA_TYPE_INT);
    struct registry_request request = run_definition(b, REGISTRY_REGISTER_FEATURE, &d);
    assert_says(&request, STATUS_CONFLICT, "already exists");
    close_another(b);
}

/* One change waits for the other, and takes the revision after its. */
static void changes_of_two_servers_take_two_revisions(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("a", "user", DATA_TYPE_INT);
    struct registry_request request = {.operation = REGISTRY_REGISTER_FEATURE, .definition = &d};
    int pending = 0;
    open_registry(f);
    take_lock(f);
    PQclear(PQexec(f->lock, "UPDATE catalog_revision SET revision = revision + 1"));
    submit(f, &request, &pending);
    while (!query(f, "SELECT count(*) FROM pg_locks WHERE NOT granted"))
        usleep(1000);
    PQclear(PQexec(f->lock, "COMMIT"));
    wait_for(f, &pending);
    give_lock_back(f);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_int_equal(query(f, "SELECT revision FROM catalog_revision"), 2);
    assert_int_equal(catalog_of(f)->revision, 2);
}

/* Thousands that ask at once share a look. */
static void all_who_wait_share_a_look(void **state)
{
    enum { WAITING = 5000 };
    struct fixture *a = *state;
    struct registry_request *requests = calloc(WAITING, sizeof(*requests));
    int pending = 0;
    assert_non_null(requests);
    open_registry(a);
    int64_t begin_ns = clock_monotonic_ns();
    for (int i = 0; i < WAITING; i++) {
        requests[i].operation = REGISTRY_REFRESH;
        submit(a, &requests[i], &pending);
    }
    wait_for(a, &pending);
    assert_true(clock_monotonic_ns() - begin_ns < INT64_C(2000000000));
    for (int i = 0; i < WAITING; i++)
        assert_int_equal(requests[i].status.code, STATUS_OK);
    free(requests);
}

/* Until it is told, a server serves by the old TTL: what that let expire stays dead. */
static void a_ttl_that_another_changes_leaves_the_expired_dead(void **state)
{
    struct fixture *a = *state;
    struct feature_definition d = feature("clicks", "user", DATA_TYPE_INT);
    open_registry(a);
    struct fixture *b = open_another(a);
    d.ttl_seconds = 10;
    run_definition(a, REGISTRY_REGISTER_FEATURE, &d);
    await_revision(b, 1);
    int64_t dead_us = clock_wall_us() + 90 * SECOND_US;
    d.ttl_seconds = 0;
    fixture_set_wall(dead_us + 10 * SECOND_US); /* b's clock is the same */
    run_definition(a, REGISTRY_PUT_FEATURE, &d);
    await_revision(b, 2);
    const struct catalog_version *version = catalog_resolve(catalog_of(b), STR("clicks"));
    assert_int_equal(version->ttl_us, 0);
    assert_true(version->dead_before_us >= dead_us);
    close_another(b);
}

/* Somebody restored a backup: the revision is an older one, then grows again. */
static void a_database_with_another_past_is_believed(void **state)
{
    struct fixture *a = *state;
    open_registry(a);
    must_register(a, "kept", "user", DATA_TYPE_INT);
    must_register(a, "lost", "user", DATA_TYPE_INT);
    run_sql(a, "SET featured.registry = 'on'; DELETE FROM features WHERE name = 'lost';"
               "UPDATE catalog_revision SET revision = 1");
    assert_int_equal(refresh(a).status.code, STATUS_OK);
    assert_null(catalog_find_feature(catalog_of(a), STR("lost")));
    assert_int_equal(catalog_of(a)->revision, 3); /* of this process: never back */
    must_register(a, "new", "user", DATA_TYPE_INT);
    assert_int_equal(catalog_of(a)->revision, 4);
    assert_int_equal(query(a, "SELECT revision FROM catalog_revision"), 2);
    run_sql(a, "SET featured.registry = 'on'; DELETE FROM features WHERE name = 'new'");
    run_sql(a, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
               "'featured'");
    await_revision(a, 5); /* although the database's is the one it was */
    assert_null(catalog_find_feature(catalog_of(a), STR("new")));
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    close_registry(f);
    run_sql(f, "INSERT INTO schema_migrations VALUES (99, 'of the future', now())");
    refuse_open(f, "newer release");
}

static void rows_of_others_that_cannot_be_served_are_left_out(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    must_register(f, "ours", "user", DATA_TYPE_INT);
    run_sql(f, "INSERT INTO features (name, data_type, entity) VALUES ('theirs', 'float', 'user'),"
               "('a:b', 'int', 'user'), ('blob', 'blob', 'user'), ('nowhere', 'int', '')");
    assert_int_equal(refresh(f).status.code, STATUS_OK);
    assert_int_equal(catalog_of(f)->feature_count, 2);
    assert_non_null(catalog_find_feature(catalog_of(f), STR("theirs"))->active);
    must_register(f, "more", "user", DATA_TYPE_INT);
    reopen(f);
    assert_int_equal(catalog_of(f)->feature_count, 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_refresh_sees_what_another_has_just_done),
        REGISTRY_TEST(changes_of_two_servers_take_two_revisions),
        REGISTRY_TEST(all_who_wait_share_a_look),
        REGISTRY_TEST(a_ttl_that_another_changes_leaves_the_expired_dead),
        REGISTRY_TEST(a_database_with_another_past_is_believed),
        REGISTRY_TEST(a_newer_schema_is_refused),
        REGISTRY_TEST(rows_of_others_that_cannot_be_served_are_left_out),
    };
    return run_registry_tests(argc, argv, tests);
}

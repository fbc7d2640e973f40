/* Statistics that servers share: merged exactly once, whatever happens to the answers. */
#include "registry_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_US INT64_C(1000000)
#define MANY 40 /* more rows than one statement writes */

static uint64_t version_of(struct fixture *f, const char *name)
{
    return catalog_resolve(catalog_of(f), str_from_cstr(name))->id;
}

static uint64_t must_make(struct fixture *f, const char *name)
{
    must_register(f, name, "user", DATA_TYPE_FLOAT);
    return version_of(f, name);
}

static void count_value(struct statistics *statistics, double number, int64_t event_time_us)
{
    struct value value = {.type = DATA_TYPE_FLOAT, .real = number};
    statistics_add(statistics, &value, event_time_us);
}

static struct statistics statistics_of(double first, double second)
{
    struct statistics statistics;
    statistics_init(&statistics);
    count_value(&statistics, first, 10 * SECOND_US);
    count_value(&statistics, second, 20 * SECOND_US);
    return statistics;
}

static struct registry_request run_merge(struct fixture *f,
                                         const struct registry_statistics *statistics)
{
    struct registry_request request = {.operation = REGISTRY_STATISTICS, .statistics = statistics};
    run(f, &request);
    return request;
}

/* Merges one version's delta and gives what the registry then holds of it. */
static struct statistics merge_one(struct fixture *f, const char *source, uint64_t number,
                                   uint64_t version_id, struct statistics delta)
{
    struct statistics out;
    struct registry_statistics_delta one = {version_id, delta};
    struct registry_statistics statistics = {
        .deltas = &one,
        .delta_count = 1,
        .source = str_from_cstr(source),
        .number = number,
        .version_ids = &version_id,
        .count = 1,
        .out = &out,
    };
    struct registry_request request = run_merge(f, &statistics);
    if (!status_is_ok(request.status))
        fail_msg("merge: %s", request.error.detail);
    return out;
}

static struct statistics read_one(struct fixture *f, uint64_t version_id)
{
    struct statistics out;
    struct registry_statistics statistics = {.version_ids = &version_id, .count = 1, .out = &out};
    struct registry_request request = run_merge(f, &statistics);
    assert_int_equal(request.status.code, STATUS_OK);
    return out;
}

static void assert_same(struct statistics got, struct statistics expected)
{
    assert_true(got.count == expected.count && got.null_count == expected.null_count);
    assert_true(got.min == expected.min && got.max == expected.max);
    assert_true(got.mean == expected.mean && got.m2 == expected.m2);
    assert_true(got.last_event_time_us == expected.last_event_time_us);
}

static void deltas_are_added_and_kept(void **state)
{
    struct fixture *f = *state;
    struct statistics expected = statistics_of(0.1, -7e300);
    struct statistics delta = statistics_of(1.0 / 3, 5e-324);
    open_registry(f);
    uint64_t id = must_make(f, "a");
    uint64_t revision = catalog_of(f)->revision;
    struct statistics empty;
    statistics_init(&empty);
    assert_same(read_one(f, id), empty);
    assert_same(merge_one(f, "one", 1, id, expected), expected);
    statistics_merge(&expected, &delta);
    assert_same(merge_one(f, "two", 1, id, delta), expected);
    assert_int_equal(catalog_of(f)->revision, revision);
    reopen(f);
    assert_same(read_one(f, id), expected);
    assert_int_equal(catalog_of(f)->revision, revision);
}

/* Only nulls: there is no least number, and it is not 0 either once one comes. */
static void nulls_are_counted(void **state)
{
    struct fixture *f = *state;
    struct value null = {.is_null = true, .type = DATA_TYPE_FLOAT};
    struct statistics nulls;
    statistics_init(&nulls);
    statistics_add(&nulls, &null, 5 * SECOND_US);
    open_registry(f);
    uint64_t id = must_make(f, "a");
    assert_same(merge_one(f, "one", 1, id, nulls), nulls);
    struct statistics got = merge_one(f, "one", 2, id, statistics_of(3, 4));
    assert_int_equal(got.null_count, 1);
    assert_true(got.min == 3 && got.max == 4);
}

static void the_same_number_is_added_once(void **state)
{
    struct fixture *f = *state;
    struct statistics delta = statistics_of(1, 2);
    open_registry(f);
    uint64_t id = must_make(f, "a");
    merge_one(f, "one", 7, id, delta);
    assert_same(merge_one(f, "one", 7, id, delta), delta);
    assert_same(merge_one(f, "one", 6, id, delta), delta);
    reopen(f);
    assert_same(merge_one(f, "one", 7, id, delta), delta);
    assert_int_equal(merge_one(f, "one", 8, id, delta).count, 4);
    assert_int_equal(merge_one(f, "another", 7, id, delta).count, 6);
}

static void many_versions_go_in_one_merge(void **state)
{
    struct fixture *f = *state;
    struct registry_statistics_delta deltas[MANY];
    uint64_t ids[MANY + 1];
    struct statistics out[MANY + 1];
    struct registry_statistics statistics = {
        .deltas = deltas,
        .delta_count = MANY,
        .source = STR("one"),
        .number = 1,
        .version_ids = ids,
        .count = MANY + 1,
        .out = out,
    };
    open_registry(f);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        int place = MANY - 1 - i; /* neither is in the order of ids */
        ids[place] = must_make(f, name);
        deltas[place] = (struct registry_statistics_delta){ids[place], statistics_of(i, i + 1)};
    }
    ids[MANY] = ids[0];
    assert_int_equal(run_merge(f, &statistics).status.code, STATUS_OK);
    for (int i = 0; i < MANY; i++)
        assert_same(out[i], deltas[i].delta);
    assert_same(out[MANY], deltas[0].delta);
    assert_int_equal(query(f, "SELECT count(*) FROM feature_statistics"), MANY);
}

static void versions_that_are_gone_are_passed_over(void **state)
{
    struct fixture *f = *state;
    struct statistics out[2];
    struct statistics empty;
    statistics_init(&empty);
    open_registry(f);
    int64_t gone = must_register(f, "gone", "user", DATA_TYPE_FLOAT);
    uint64_t ids[2] = {version_of(f, "gone"), 0};
    merge_one(f, "one", 1, ids[0], statistics_of(1, 2));
    ids[1] = must_make(f, "kept");
    assert_int_equal(run_delete(f, gone, false).status.code, STATUS_OK);
    struct registry_statistics_delta deltas[2] = {{ids[0], statistics_of(1, 2)},
                                                  {ids[1], statistics_of(3, 4)}};
    struct registry_statistics statistics = {
        .deltas = deltas,
        .delta_count = 2,
        .source = STR("one"),
        .number = 2,
        .version_ids = ids,
        .count = 2,
        .out = out,
    };
    assert_int_equal(run_merge(f, &statistics).status.code, STATUS_OK);
    assert_same(out[0], empty);
    assert_same(out[1], deltas[1].delta);
    assert_int_equal(query(f, "SELECT count(*) FROM feature_statistics"), 1);
}

/* Beyond what a number holds stays so: null in the table. */
static void what_overflows_stays_overflowed(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    uint64_t id = must_make(f, "a");
    struct statistics got = merge_one(f, "one", 1, id, statistics_of(-1e308, 1e308));
    assert_true(isinf(got.m2));
    assert_int_equal(query(f, "SELECT count(*) FROM feature_statistics WHERE m2 IS NULL"), 1);
    got = merge_one(f, "one", 2, id, statistics_of(1, 2));
    assert_true(isinf(got.m2) && isfinite(got.mean) && got.min == -1e308);
}

static void old_sources_are_forgotten(void **state)
{
    struct fixture *f = *state;
    const int64_t day_us = 24 * 3600 * SECOND_US;
    const int64_t start_us = INT64_C(2000000000) * SECOND_US;
    open_registry(f);
    uint64_t id = must_make(f, "a");
    fixture_set_wall(start_us);
    merge_one(f, "ended", 1, id, statistics_of(1, 2));
    fixture_set_wall(start_us + 6 * day_us);
    merge_one(f, "running", 1, id, statistics_of(1, 2));
    assert_int_equal(query(f, "SELECT count(*) FROM statistics_merges"), 2);
    fixture_set_wall(start_us + 8 * day_us);
    merge_one(f, "new", 1, id, statistics_of(1, 2));
    assert_int_equal(query(f, "SELECT count(*) FROM statistics_merges WHERE source = 'ended'"), 0);
    assert_int_equal(query(f, "SELECT count(*) FROM statistics_merges"), 2);
}

static void a_merge_waits_for_a_database_that_was_away(void **state)
{
    struct fixture *f = *state;
    struct registry_statistics_delta delta = {0, statistics_of(1, 2)};
    struct registry_statistics statistics = {
        .deltas = &delta, .delta_count = 1, .source = STR("one"), .number = 1};
    open_registry(f);
    delta.version_id = must_make(f, "a");
    take_lock(f);
    struct registry_request request = run_merge(f, &statistics);
    assert_int_equal(request.status.code, STATUS_BUSY);
    if (f->is_postgres) {
        request = run_merge(f, &statistics);
        assert_int_equal(request.status.code, STATUS_UNAVAILABLE);
    }
    give_lock_back(f);
    if (f->is_postgres)
        await_health(f);
    assert_same(merge_one(f, "one", 1, delta.version_id, delta.delta), delta.delta);
}

/* Until commits wait for a standby that there is not: they are written, but not answered. */
static void keep_answers_back(struct fixture *f)
{
    static const char WAITING[] =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    PGconn *pg = PQconnectdb(f->url);
    run_sql(f, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    run_sql(f, "SELECT pg_reload_conf()");
    while (!query(f, WAITING)) {
        if (PQtransactionStatus(pg) == PQTRANS_IDLE)
            assert_true(PQsendQuery(pg, "CREATE TABLE IF NOT EXISTS away (n int);"
                                        "INSERT INTO away VALUES (1)"));
        while (PQconsumeInput(pg) && !PQisBusy(pg) && PQtransactionStatus(pg) != PQTRANS_IDLE)
            PQclear(PQgetResult(pg));
    }
    PQfinish(pg);
}

static void let_answers_go(struct fixture *f)
{
    run_sql(f, "ALTER SYSTEM RESET synchronous_standby_names");
    run_sql(f, "SELECT pg_reload_conf()");
}

static void a_commit_without_an_answer_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    struct registry_statistics_delta delta = {0, statistics_of(1, 2)};
    struct registry_statistics statistics = {
        .deltas = &delta, .delta_count = 1, .source = STR("one"), .number = 1};
    open_registry(f);
    if (!f->is_postgres) /* there the answer cannot be lost */
        return;
    delta.version_id = must_make(f, "a");
    keep_answers_back(f);
    struct registry_request request = run_merge(f, &statistics);
    let_answers_go(f);
    assert_says(&request, STATUS_UNAVAILABLE, "whether the change was made is not known");
    await_health(f);
    assert_int_equal(query(f, "SELECT count(*) FROM feature_statistics"), 1);
    assert_same(merge_one(f, "one", 1, delta.version_id, delta.delta), delta.delta);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(deltas_are_added_and_kept),
        REGISTRY_TEST(nulls_are_counted),
        REGISTRY_TEST(the_same_number_is_added_once),
        REGISTRY_TEST(many_versions_go_in_one_merge),
        REGISTRY_TEST(versions_that_are_gone_are_passed_over),
        REGISTRY_TEST(what_overflows_stays_overflowed),
        REGISTRY_TEST(old_sources_are_forgotten),
        REGISTRY_TEST(a_merge_waits_for_a_database_that_was_away),
        REGISTRY_TEST(a_commit_without_an_answer_is_not_repeated),
    };
    return run_registry_tests(argc, argv, tests);
}

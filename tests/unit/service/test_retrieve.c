/* Plans of columns: which names become which columns, and what a plan reads when the catalog moves. */
#include "service_fixture.h"

#include "late_store.h"

#include <stdio.h>

#include "service/retrieve.h"

static void count_done(struct retrieve *retrieve)
{
    (*(int *)retrieve->user)++;
}

/* Reads one id; the row holds until the fixture's loop turns. */
static const struct cell *read_row(struct service_fixture *f, struct retrieve *retrieve,
                                   const char *id)
{
    static str ids[1];
    int calls = 0;
    ids[0] = str_from_cstr(id);
    loop_enter(&f->store->loop);
    retrieve_slice(retrieve, ids, 1, count_done, &calls, &f->error);
    assert_int_equal(calls, 1);
    assert_true(status_is_ok(retrieve->status));
    return retrieve_row(retrieve, 0);
}

static void plan(struct service_fixture *f, struct retrieve *retrieve, const str *names,
                 uint32_t count, bool unique)
{
    loop_enter(&f->store->loop);
    retrieve_init(retrieve, &f->service, &f->arena, &f->store->loop);
    assert_true(status_is_ok(
        retrieve_plan_names(retrieve, names, count, str_of(NULL, 0), unique, &f->error)));
}

static void columns_follow_the_names(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t rating = fixture_add(f->store, "driver", DATA_TYPE_INT, 0);
    uint32_t clicks = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    fixture_put(f->store, "x", age, value_int(1), 10);
    fixture_put(f->store, "x", rating, value_int(2), 20);
    str names[] = {feature_name(f, clicks), STR("nobody"), feature_name(f, rating),
                   feature_name(f, age)};
    plan(f, &retrieve, names, 4, true);
    const struct cell *row = read_row(f, &retrieve, "x");
    assert_int_equal(retrieve.column_count, 4);
    assert_true(retrieve_has_unknown(&retrieve));
    assert_int_equal(retrieve.unregistered_count, 1);
    retrieve_count_unregistered(&retrieve);
    assert_int_equal(row[0].state, CELL_NOT_FOUND);
    assert_int_equal(row[1].state, CELL_NOT_REGISTERED);
    assert_int_equal(row[2].value.integer, 2);
    assert_int_equal(row[3].value.integer, 1);
    assert_int_equal(f->service.counters[0].names_unregistered, 1);
    service_fixture_close(f);
}

static void a_name_asked_twice_is_one_column_if_so_wished(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    str names[80]; /* long lists go another way */
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = i % 2 ? feature_name(f, age) : STR("other");
    plan(f, &retrieve, names, 4, true);
    assert_int_equal(retrieve.column_count, 2);
    plan(f, &retrieve, names, ARRAY_LEN(names), true);
    assert_int_equal(retrieve.column_count, 2);
    plan(f, &retrieve, names, ARRAY_LEN(names), false);
    assert_int_equal(retrieve.column_count, ARRAY_LEN(names));
    service_fixture_close(f);
}

static void the_entity_decides_what_is_registered(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    str names[] = {feature_name(f, age)};
    loop_enter(&f->store->loop);
    retrieve_init(&retrieve, &f->service, &f->arena, &f->store->loop);
    assert_true(status_is_ok(
        retrieve_plan_names(&retrieve, names, 1, STR("driver"), true, &f->error)));
    assert_int_equal(retrieve.unregistered_count, 1);
    service_fixture_close(f);
}

/* Between two slices of a large batch, a feature is deleted. */
static void a_plan_follows_the_catalog(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t clicks = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    fixture_put(f->store, "x", age, value_int(1), 10);
    fixture_put(f->store, "x", clicks, value_int(2), 10);
    str names[] = {feature_name(f, age), feature_name(f, clicks)};
    plan(f, &retrieve, names, 2, true);
    const struct cell *row = read_row(f, &retrieve, "x");
    assert_int_equal(row[0].value.integer, 1);
    fixture_drop(f->store, age);
    row = read_row(f, &retrieve, "x");
    assert_int_equal(row[0].state, CELL_NOT_REGISTERED);
    assert_int_equal(row[1].value.integer, 2);
    fixture_drop(f->store, clicks);
    row = read_row(f, &retrieve, "x");
    assert_int_equal(row[0].state, CELL_NOT_REGISTERED);
    assert_int_equal(row[1].state, CELL_NOT_REGISTERED);
    service_fixture_close(f);
}

static void everything_an_entity_has(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    fixture_add(f->store, "driver", DATA_TYPE_INT, 0);
    fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    static const struct {
        const char *entity;
        uint32_t columns;
    } CASES[] = {{"user", 2}, {"driver", 1}, {"plane", 0}, {"", 3}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        loop_enter(&f->store->loop);
        retrieve_init(&retrieve, &f->service, &f->arena, &f->store->loop);
        assert_true(status_is_ok(
            retrieve_plan_all(&retrieve, str_from_cstr(CASES[i].entity), &f->error)));
        assert_int_equal(retrieve.column_count, CASES[i].columns);
        read_row(f, &retrieve, "x");
    }
    service_fixture_close(f);
}

/* Where others write, an entity needs no registration to have values; a name asked for does. */
static void an_entity_that_others_fill_is_not_unknown(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct late_store late;
    struct retrieve retrieve;
    str name = STR("nobody");
    fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    late_store_init(&late, f->store->store);
    for (int others = 0; others < 2; others++) {
        loop_enter(&f->store->loop);
        retrieve_init(&retrieve, &f->service, &f->arena, &f->store->loop);
        assert_true(status_is_ok(retrieve_plan_all(&retrieve, STR("plane"), &f->error)));
        assert_int_equal(retrieve_has_unknown(&retrieve), !others);
        assert_int_equal(retrieve.group_count, others);
        retrieve_init(&retrieve, &f->service, &f->arena, &f->store->loop);
        assert_true(status_is_ok(
            retrieve_plan_names(&retrieve, &name, 1, STR("plane"), true, &f->error)));
        assert_true(retrieve_has_unknown(&retrieve));
        f->service.online = &late.store;
    }
    service_fixture_close(f);
}

static void strict_names_every_stranger(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    str names[500];
    names[0] = STR("a");
    names[1] = STR("b");
    plan(f, &retrieve, names, 2, true);
    assert_int_equal(retrieve_require_registered(&retrieve, &f->error).code, STATUS_NOT_FOUND);
    assert_string_equal(f->error.detail, "Features 'a', 'b' not registered");
    plan(f, &retrieve, names, 1, true);
    assert_int_equal(retrieve_require_registered(&retrieve, &f->error).code, STATUS_NOT_FOUND);
    assert_string_equal(f->error.detail, "Feature 'a' not registered");
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = STR("a_rather_long_name_of_a_feature");
    plan(f, &retrieve, names, ARRAY_LEN(names), false);
    assert_int_equal(retrieve_require_registered(&retrieve, &f->error).code, STATUS_NOT_FOUND);
    assert_true(str_is_utf8(str_from_cstr(f->error.detail)));
    service_fixture_close(f);
}

static void planning_without_memory_says_so(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct retrieve retrieve;
    struct arena small;
    str names[2000];
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = STR("x");
    arena_init(&small, 8192);
    loop_enter(&f->store->loop);
    retrieve_init(&retrieve, &f->service, &small, &f->store->loop);
    assert_int_equal(retrieve_plan_names(&retrieve, names, ARRAY_LEN(names), str_of(NULL, 0),
                                         false, &f->error)
                         .code,
                     STATUS_OUT_OF_MEMORY);
    arena_fini(&small);
    service_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_follow_the_names),
        cmocka_unit_test(a_name_asked_twice_is_one_column_if_so_wished),
        cmocka_unit_test(the_entity_decides_what_is_registered),
        cmocka_unit_test(a_plan_follows_the_catalog),
        cmocka_unit_test(everything_an_entity_has),
        cmocka_unit_test(an_entity_that_others_fill_is_not_unknown),
        cmocka_unit_test(strict_names_every_stranger),
        cmocka_unit_test(planning_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/copy_verify.h"

#define HORIZON 1000

static struct copy_verify verify;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    copy_verify_init(&verify, HORIZON);
    buffer_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    copy_verify_fini(&verify);
    buffer_fini(&text);
    return 0;
}

static struct copy_cell cell(const char *name, const char *value, int64_t event_time_us)
{
    return (struct copy_cell){.name = str_from_cstr(name),
                              .text = str_from_cstr(value),
                              .event_time_us = event_time_us,
                              .end_us = COPY_NEVER_ENDS};
}

static void add_cells(enum copy_side side, const char *id, struct copy_cell *cells, uint32_t count)
{
    const struct copy_row row = {.entity = STR("user"),
                                 .id = str_from_cstr(id),
                                 .cells = cells,
                                 .cell_count = count,
                                 .key_end_us = COPY_LIFE_UNKNOWN};
    assert_true(copy_verify_add(&verify, side, &row));
}

static void add(enum copy_side side, const char *id, const char *name, const char *value,
                int64_t event_time_us)
{
    struct copy_cell one = cell(name, value, event_time_us);
    add_cells(side, id, &one, 1);
}

static uint32_t differences(struct copy_difference found[COPY_DIFFERENCES_MAX])
{
    uint32_t count;
    uint64_t all = copy_verify_differences(&verify, found, &count);
    assert_int_equal(all, count);
    return count;
}

static void order_and_repetition_do_not_matter(void **state)
{
    struct copy_difference found[COPY_DIFFERENCES_MAX];
    (void)state;
    add(COPY_FROM, "a", "f", "1", 1);
    add(COPY_FROM, "b", "f", "2", 2);
    add(COPY_FROM, "b", "f", "2", 2);
    add(COPY_FROM, "c", "f", "3", 3);
    add(COPY_TO, "c", "f", "3", 3);
    add(COPY_TO, "a", "f", "1", 1);
    add(COPY_TO, "a", "f", "1", 1);
    add(COPY_TO, "b", "f", "2", 2);
    assert_true(copy_verify_compare(&verify, &text));
    assert_true(str_contains(buffer_str(&text), STR("user    from  3    3 ")));
    assert_int_equal(differences(found), 0);
}

/* Each of these alone. */
static void every_part_counts(void **state)
{
    static const struct {
        const char *id, *name, *value;
        int64_t event_time_us;
        bool is_null;
    } OTHERS[] = {
        {"b", "f", "1", 1, false}, {"a", "g", "1", 1, false}, {"a", "f", "2", 1, false},
        {"a", "f", "1", 2, false}, {"a", "f", "1", 1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
        struct copy_difference found[COPY_DIFFERENCES_MAX];
        struct copy_cell other = cell(OTHERS[i].name, OTHERS[i].value, OTHERS[i].event_time_us);
        other.is_null = OTHERS[i].is_null;
        add(COPY_FROM, "a", "f", "1", 1);
        add(COPY_FROM, "z", "g", "1", 1);
        add(COPY_TO, "z", "g", "1", 1);
        add_cells(COPY_TO, OTHERS[i].id, &other, 1);
        assert_false(copy_verify_compare(&verify, &text));
        assert_int_equal(differences(found), i == 0 ? 2 : 1);
        assert_true(found[0].is_in[COPY_FROM] || found[1].is_in[COPY_FROM]);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void values_that_die_before_the_horizon_are_left_out(void **state)
{
    struct copy_cell cells[] = {cell("f", "1", 1), cell("g", "1", 1)};
    (void)state;
    cells[0].end_us = HORIZON;
    cells[1].end_us = HORIZON + 1;
    add_cells(COPY_FROM, "a", cells, 2);
    add_cells(COPY_TO, "a", cells + 1, 1);
    assert_true(copy_verify_compare(&verify, &text));
    assert_int_equal(verify.values_ending, 1);
    assert_true(str_contains(buffer_str(&text), STR("user    to    1    1 ")));
}

static void features_of_the_second_side_alone_are_left_out(void **state)
{
    (void)state;
    add(COPY_FROM, "a", "f", "1", 1);
    add(COPY_TO, "a", "f", "1", 1);
    add(COPY_TO, "b", "h", "1", 1);
    assert_true(copy_verify_compare(&verify, &text));
    assert_int_equal(verify.values_beside, 1);
}

static void times_that_nobody_kept_do_not_count(void **state)
{
    struct copy_cell timeless = cell("f", "1", COPY_TIME_UNKNOWN);
    struct copy_difference found[COPY_DIFFERENCES_MAX];
    (void)state;
    timeless.is_timeless = true;
    add_cells(COPY_FROM, "a", &timeless, 1);
    add(COPY_TO, "a", "f", "1", 77);
    assert_true(copy_verify_compare(&verify, &text));
    assert_int_equal(differences(found), 0);
}

static void ids_do_not_run_into_names(void **state)
{
    (void)state;
    add(COPY_FROM, "ab", "c", "1", 1);
    add(COPY_FROM, "x", "bc", "1", 1);
    add(COPY_TO, "a", "bc", "1", 1);
    add(COPY_TO, "x", "bc", "1", 1);
    assert_false(copy_verify_compare(&verify, &text));
}

static void only_some_differences_are_given(void **state)
{
    struct copy_difference found[COPY_DIFFERENCES_MAX];
    uint32_t count;
    char id[16];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        add(COPY_FROM, id, "f", "1", 1);
    }
    assert_false(copy_verify_compare(&verify, &text));
    assert_int_equal(copy_verify_differences(&verify, found, &count), 100);
    assert_int_equal(count, COPY_DIFFERENCES_MAX);
    assert_true(found[0].is_in[COPY_FROM] && !found[0].is_in[COPY_TO]);
}

static void nothing_is_the_same_as_nothing(void **state)
{
    (void)state;
    assert_true(copy_verify_compare(&verify, &text));
    assert_int_equal(text.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_and_repetition_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_part_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_that_die_before_the_horizon_are_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(features_of_the_second_side_alone_are_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(times_that_nobody_kept_do_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_do_not_run_into_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_some_differences_are_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_the_same_as_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("copy_verify", tests, NULL, NULL);
}

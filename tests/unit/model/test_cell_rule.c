/* Holds cell_rule.c to tests/vectors/cell_rule.json, as every other store is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/clock.h"
#include "model/cell_rule.h"
#include "model/limits.h"

static yyjson_doc *vectors;

static int load(void **state)
{
    (void)state;
    vectors = yyjson_read_file(VECTORS_FILE, 0, NULL, NULL);
    return vectors == NULL;
}

static int unload(void **state)
{
    (void)state;
    yyjson_doc_free(vectors);
    return 0;
}

static int64_t number(yyjson_val *vector, const char *key)
{
    yyjson_val *value = yyjson_obj_get(vector, key);
    assert_true(yyjson_is_int(value));
    return yyjson_get_sint(value);
}

static yyjson_val *table(const char *name, size_t at_least)
{
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(vectors), name);
    assert_true(yyjson_arr_size(list) >= at_least);
    return list;
}

static void expect_bool(yyjson_val *vector, bool got)
{
    yyjson_val *expect = yyjson_obj_get(vector, "expect");
    assert_true(yyjson_is_bool(expect));
    if (got != yyjson_get_bool(expect))
        fail_msg("%s: got %s", yyjson_get_str(yyjson_obj_get(vector, "why")),
                 got ? "true" : "false");
}

static void test_replaces(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *vector;
    yyjson_arr_foreach(table("replaces", 9), i, n, vector)
        expect_bool(vector, cell_rule_replaces(number(vector, "held_event_time_us"),
                                               number(vector, "new_event_time_us")));
}

static void test_is_alive(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *vector;
    yyjson_arr_foreach(table("is_alive", 19), i, n, vector)
        expect_bool(vector, cell_rule_is_alive(number(vector, "event_time_us"),
                                               number(vector, "now_us"), number(vector, "ttl_us"),
                                               number(vector, "dead_before_us")));
}

static void test_dead_before(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *vector;
    yyjson_arr_foreach(table("dead_before", 8), i, n, vector)
    {
        int64_t got = cell_rule_dead_before(number(vector, "dead_before_us"),
                                            number(vector, "now_us"), number(vector, "old_ttl_us"));
        if (got != number(vector, "expect"))
            fail_msg("%s: got %lld", yyjson_get_str(yyjson_obj_get(vector, "why")), (long long)got);
    }
}

static void test_is_erased(void **state)
{
    (void)state;
    size_t i, n;
    yyjson_val *vector;
    yyjson_arr_foreach(table("is_erased", 5), i, n, vector)
        expect_bool(vector, cell_rule_is_erased(number(vector, "event_time_us"),
                                                number(vector, "erased_us")));
}

/* What the vectors take as the bounds of time and TTL. */
static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(CLOCK_MIN_US, INT64_C(-62135596800000000));
    assert_int_equal(CLOCK_MAX_US, INT64_C(253402300799999999));
    assert_int_equal(LIMIT_TTL_SECONDS, INT64_C(3155760000));
    assert_int_equal(CELL_NEVER_DEAD, INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaces), cmocka_unit_test(test_is_alive),
        cmocka_unit_test(test_dead_before), cmocka_unit_test(test_is_erased),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, load, unload);
}

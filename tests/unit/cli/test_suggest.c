#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/suggest.h"

static void distance_counts_slips(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance(STR("listen"), STR("listen")), 0);
    assert_int_equal(suggest_distance(STR("lisen"), STR("listen")), 1);
    assert_int_equal(suggest_distance(STR("lsiten"), STR("listen")), 1);
    assert_int_equal(suggest_distance(STR("listem"), STR("listen")), 1);
    assert_int_equal(suggest_distance(STR(""), STR("abc")), 3);
    assert_int_equal(suggest_distance(STR("abc"), STR("")), 3);
    assert_int_equal(suggest_distance(STR("kitten"), STR("sitting")), 3);
}

static str nearest(const char *wanted)
{
    struct suggestion near = suggestion_of(str_from_cstr(wanted));
    suggestion_offer(&near, STR("serve"));
    suggestion_offer(&near, STR("simulate"));
    suggestion_offer(&near, STR("ingest"));
    return near.best;
}

static void the_nearest_is_offered_and_nothing_far(void **state)
{
    (void)state;
    assert_true(str_eq(nearest("srve"), STR("serve")));
    assert_true(str_eq(nearest("sim"), STR("simulate")));
    assert_true(str_eq(nearest("igenst"), STR("ingest")));
    assert_int_equal(nearest("frobnicate").len, 0);
    assert_int_equal(nearest("x").len, 0);
    assert_int_equal(nearest("").len, 0);
    assert_int_equal(
        nearest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_slips),
        cmocka_unit_test(the_nearest_is_offered_and_nothing_far),
    };
    return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}

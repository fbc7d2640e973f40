#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static unsigned bucket_of(uint64_t duration_ns)
{
    struct histogram histogram = {0};
    histogram_add(&histogram, duration_ns);
    assert_int_equal(histogram.sum_ns, duration_ns);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram.counts[i])
            return i;
    }
    fail();
    return 0;
}

static void test_bounds_rise(void **state)
{
    (void)state;
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
        assert_true(histogram_bound_ns(i) > histogram_bound_ns(i - 1));
    assert_true(histogram_bound_ns(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

/* Every whole microsecond lies below its bucket's bound and not below the one before. */
static void test_values_lie_in_their_bucket(void **state)
{
    (void)state;
    for (uint64_t us = 1; us < 200000000; us += us / 50 + 1) {
        unsigned bucket = bucket_of(us * 1000);
        assert_true(us * 1000 < histogram_bound_ns(bucket));
        if (bucket > 0 && us >= 4)
            assert_true(us * 1000 >= histogram_bound_ns(bucket - 1));
    }
    assert_int_equal(bucket_of(0), 0);
    assert_int_equal(bucket_of(UINT64_MAX / 2), HISTOGRAM_BUCKETS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_rise),
        cmocka_unit_test(test_values_lie_in_their_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

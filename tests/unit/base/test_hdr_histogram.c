#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hdr_histogram.h"

static struct hdr_histogram histogram, other;

static int reset(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    memset(&other, 0, sizeof(other));
    return 0;
}

static void buckets_follow_each_other_without_gap(void **state)
{
    (void)state;
    assert_int_equal(hdr_histogram_low_ns(0), 0);
    for (size_t i = 1; i < HDR_BUCKETS; i++)
        assert_int_equal(hdr_histogram_low_ns(i), hdr_histogram_high_ns(i - 1) + 1);
    assert_int_equal(hdr_histogram_high_ns(HDR_BUCKETS - 1), (UINT64_C(1) << HDR_TOP_BITS) - 1);
}

/* Three significant digits: what comes back is never less, and at most a 1024th more. */
static void a_value_comes_back_to_three_digits(void **state)
{
    for (uint64_t ns = 0; ns < UINT64_C(1) << HDR_TOP_BITS; ns += ns / 97 + 1) {
        reset(state);
        hdr_histogram_add(&histogram, ns);
        hdr_histogram_add(&histogram, UINT64_C(1) << 50);
        uint64_t back = hdr_histogram_quantile_ns(&histogram, 0.5);
        assert_true(back >= ns && back - ns <= ns / 1024);
    }
}

static void quantiles_count_values(void **state)
{
    (void)state;
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0.5), 0);
    for (uint64_t ns = 1; ns <= 1000; ns++)
        hdr_histogram_add(&histogram, ns);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0), 1);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0.5), 500);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0.99), 990);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0.999), 999);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 0.9999), 1000);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 1), 1000);
    assert_int_equal(hdr_histogram_count_from(&histogram, 901), 100);
}

static void what_is_beyond_the_last_bucket_counts(void **state)
{
    (void)state;
    hdr_histogram_add(&histogram, 5);
    hdr_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(hdr_histogram_quantile_ns(&histogram, 1), UINT64_MAX);
    assert_int_equal(hdr_histogram_count_from(&histogram, 6), 1);
}

static void a_merge_is_as_if_one_had_counted_all(void **state)
{
    (void)state;
    hdr_histogram_merge(&histogram, &other);
    assert_int_equal(histogram.count, 0);
    hdr_histogram_add(&other, 70);
    hdr_histogram_merge(&histogram, &other);
    hdr_histogram_add(&histogram, 30);
    hdr_histogram_merge(&other, &histogram);
    assert_int_equal(other.count, 3);
    assert_int_equal(other.min_ns, 30);
    assert_int_equal(other.max_ns, 70);
    assert_true(other.sum_ns == 170);
    assert_int_equal(other.counts[70], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buckets_follow_each_other_without_gap, reset),
        cmocka_unit_test_setup(a_value_comes_back_to_three_digits, reset),
        cmocka_unit_test_setup(quantiles_count_values, reset),
        cmocka_unit_test_setup(what_is_beyond_the_last_bucket_counts, reset),
        cmocka_unit_test_setup(a_merge_is_as_if_one_had_counted_all, reset),
    };
    return cmocka_run_group_tests_name("hdr_histogram", tests, NULL, NULL);
}

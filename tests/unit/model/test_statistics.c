#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/statistics.h"

#define COUNT 5000

static struct value real_value(double real)
{
    return (struct value){.type = DATA_TYPE_FLOAT, .real = real};
}

static void add_real(struct statistics *statistics, double real)
{
    struct value value = real_value(real);
    statistics_add(statistics, &value, 0);
}

static double *random_numbers(unsigned seed, size_t count, double offset, double spread)
{
    double *numbers = calloc(count, sizeof(*numbers));
    assert_non_null(numbers);
    srand48((long)seed);
    for (size_t i = 0; i < count; i++)
        numbers[i] = offset + spread * (drand48() - 0.5);
    return numbers;
}

static unsigned print_seed(void)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u (FEATURED_TEST_SEED)\n", seed);
    return seed;
}

static void assert_two_pass(const struct statistics *statistics, const double *numbers,
                            size_t count)
{
    long double sum = 0;
    long double squares = 0;
    double min = numbers[0];
    double max = numbers[0];
    for (size_t i = 0; i < count; i++) {
        sum += numbers[i];
        min = fmin(min, numbers[i]);
        max = fmax(max, numbers[i]);
    }
    double mean = (double)(sum / count);
    for (size_t i = 0; i < count; i++)
        squares += ((long double)numbers[i] - mean) * ((long double)numbers[i] - mean);
    double std_dev = (double)sqrtl(squares / count);
    assert_int_equal(statistics->count, count);
    assert_true(statistics->min == min && statistics->max == max);
    assert_true(fabs(statistics->mean - mean) <= 1e-12 * fabs(mean) + 1e-12);
    assert_true(fabs(statistics_std_dev(statistics) - std_dev) <= 1e-6 * std_dev + 1e-12);
}

static void agrees_with_two_passes(void **state)
{
    static const double OFFSETS[] = {0, 1e6, -1e9};
    unsigned seed = print_seed();
    (void)state;
    for (size_t o = 0; o < ARRAY_LEN(OFFSETS); o++) {
        struct statistics statistics;
        double *numbers = random_numbers(seed + (unsigned)o, COUNT, OFFSETS[o], 100);
        statistics_init(&statistics);
        for (size_t i = 0; i < COUNT; i++)
            add_real(&statistics, numbers[i]);
        assert_two_pass(&statistics, numbers, COUNT);
        free(numbers);
    }
}

static void merging_agrees_with_adding(void **state)
{
    unsigned seed = print_seed();
    double *numbers = random_numbers(seed, COUNT, 5e5, 1000);
    (void)state;
    for (size_t cut = 0; cut <= COUNT; cut += COUNT / 10) {
        struct statistics a;
        struct statistics b;
        statistics_init(&a);
        statistics_init(&b);
        for (size_t i = 0; i < COUNT; i++)
            add_real(i < cut ? &a : &b, numbers[i]);
        statistics_merge(&a, &b);
        assert_two_pass(&a, numbers, COUNT);
    }
    free(numbers);
}

static void empty_and_single(void **state)
{
    struct statistics statistics;
    (void)state;
    statistics_init(&statistics);
    assert_int_equal(statistics.count, 0);
    assert_true(statistics.last_event_time_us == STATISTICS_NO_EVENT);
    assert_true(statistics_std_dev(&statistics) == 0);
    add_real(&statistics, -3.5);
    assert_true(statistics.min == -3.5 && statistics.max == -3.5 && statistics.mean == -3.5);
    assert_true(statistics_std_dev(&statistics) == 0);
}

/* SQLite gives 0.0 back for -0.0: a registry need not tell them apart. */
static void zero_has_no_sign(void **state)
{
    struct statistics statistics;
    (void)state;
    statistics_init(&statistics);
    add_real(&statistics, -0.0);
    assert_false(signbit(statistics.min) || signbit(statistics.max) || signbit(statistics.mean));
}

static void constant_values_have_no_deviation(void **state)
{
    struct statistics statistics;
    (void)state;
    statistics_init(&statistics);
    for (int i = 0; i < 1000; i++)
        add_real(&statistics, 0.1);
    assert_true(statistics.mean == 0.1);
    assert_true(statistics_std_dev(&statistics) == 0);
}

static void nulls_and_event_times(void **state)
{
    struct value null = {.type = DATA_TYPE_FLOAT, .is_null = true};
    struct value one = real_value(1);
    struct statistics statistics;
    struct statistics other;
    (void)state;
    statistics_init(&statistics);
    statistics_init(&other);
    statistics_add(&statistics, &one, 100);
    statistics_add(&statistics, &null, 50);
    assert_int_equal(statistics.count, 1);
    assert_int_equal(statistics.null_count, 1);
    assert_true(statistics.last_event_time_us == 100);
    statistics_add(&other, &null, 300);
    statistics_merge(&statistics, &other);
    assert_int_equal(statistics.count, 1);
    assert_int_equal(statistics.null_count, 2);
    assert_true(statistics.last_event_time_us == 300);
    assert_true(statistics.min == 1 && statistics.max == 1);
}

static void types(void **state)
{
    float data[2] = {3, -4};
    struct value embedding = {.type = DATA_TYPE_EMBEDDING, .embedding = {data, 2}};
    struct value integer = {.type = DATA_TYPE_INT, .integer = INT64_MIN};
    struct value text = {.type = DATA_TYPE_STRING, .text = STR("12")};
    struct value time_value = {.type = DATA_TYPE_TIMESTAMP, .timestamp_us = 5};
    struct statistics statistics;
    (void)state;
    statistics_init(&statistics);
    statistics_add(&statistics, &embedding, 1);
    assert_true(statistics.mean == 5 && statistics.min == 5);
    statistics_init(&statistics);
    statistics_add(&statistics, &integer, 1);
    assert_true(statistics.min == -0x1p63);
    statistics_init(&statistics);
    statistics_add(&statistics, &text, 1);
    statistics_add(&statistics, &time_value, 1);
    assert_int_equal(statistics.count, 2);
    assert_true(statistics.min == 0 && statistics.max == 0 && statistics.mean == 0);
}

/* The mean of finite numbers is finite; only the deviation may be out of reach. */
static void extremes_do_not_poison_the_mean(void **state)
{
    struct statistics statistics;
    struct statistics other;
    (void)state;
    statistics_init(&statistics);
    statistics_init(&other);
    add_real(&statistics, DBL_MAX);
    add_real(&statistics, -DBL_MAX);
    assert_true(fabs(statistics.mean) < 1e300);
    assert_true(statistics_std_dev(&statistics) > 0); /* a NaN is not */
    assert_true(statistics.min == -DBL_MAX && statistics.max == DBL_MAX);
    add_real(&other, -DBL_MAX);
    statistics_init(&statistics);
    add_real(&statistics, DBL_MAX);
    statistics_merge(&statistics, &other);
    assert_true(fabs(statistics.mean) <= DBL_MAX);
    assert_true(statistics.m2 > 0); /* a NaN is not */
    for (int i = 0; i < 100; i++)
        add_real(&statistics, i % 2 ? DBL_MAX : -DBL_MAX);
    assert_true(fabs(statistics.mean) <= DBL_MAX);
    assert_true(statistics_std_dev(&statistics) > 0); /* a NaN is not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_two_passes),
        cmocka_unit_test(merging_agrees_with_adding),
        cmocka_unit_test(empty_and_single),
        cmocka_unit_test(zero_has_no_sign),
        cmocka_unit_test(constant_values_have_no_deviation),
        cmocka_unit_test(nulls_and_event_times),
        cmocka_unit_test(types),
        cmocka_unit_test(extremes_do_not_poison_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

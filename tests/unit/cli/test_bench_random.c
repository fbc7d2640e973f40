#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "cli/bench_random.h"

enum { DRAWS = 400000, RANKS = 100 };

static struct bench_random random_seeded(void)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
    print_message("FEATURED_TEST_SEED=%llu\n", (unsigned long long)seed);
    return (struct bench_random){seed};
}

/* Pearson's chi-squared against the exact distribution. With 99 degrees of freedom a true sampler
 * exceeds 200 once in 10^8 runs; rank probabilities that are 3 % off exceed it nearly always. */
static void draws_match_the_exact_distribution(struct bench_random *random, double exponent)
{
    static uint64_t seen[RANKS + 1];
    struct bench_zipf zipf;
    double total = 0, chi_squared = 0;
    for (size_t k = 0; k <= RANKS; k++)
        seen[k] = 0;
    bench_zipf_init(&zipf, RANKS, exponent);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = bench_zipf_next(&zipf, random);
        assert_in_range(rank, 1, RANKS);
        seen[rank]++;
    }
    for (int k = 1; k <= RANKS; k++)
        total += pow(k, -exponent);
    for (int k = 1; k <= RANKS; k++) {
        double expected = DRAWS * pow(k, -exponent) / total;
        double difference = (double)seen[k] - expected;
        chi_squared += difference * difference / expected;
    }
    print_message("exponent %g: chi-squared %.1f\n", exponent, chi_squared);
    assert_true(chi_squared < 200);
}

static void zipf_is_exact(void **state)
{
    static const double EXPONENTS[] = {0.2, 0.5, 0.99, 1.0, 1.2, 1.5};
    struct bench_random random = random_seeded();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(EXPONENTS); i++)
        draws_match_the_exact_distribution(&random, EXPONENTS[i]);
}

static void zipf_keeps_to_its_ranks(void **state)
{
    static const uint64_t COUNTS[] = {1, 2, 3, 1000000000};
    struct bench_random random = random_seeded();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        for (double exponent = 0.1; exponent < 10; exponent += 0.3) {
            struct bench_zipf zipf;
            bench_zipf_init(&zipf, COUNTS[i], exponent);
            for (int draw = 0; draw < 1000; draw++)
                assert_in_range(bench_zipf_next(&zipf, &random), 1, COUNTS[i]);
        }
    }
}

static void uniform_reaches_all(void **state)
{
    struct bench_random random = random_seeded();
    uint64_t seen[10] = {0};
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        double unit = bench_random_unit(&random);
        assert_true(unit > 0 && unit <= 1);
        seen[bench_random_below(&random, 10)]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(seen[i], DRAWS / 10 - 1500, DRAWS / 10 + 1500); /* 8 standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_is_exact),
        cmocka_unit_test(zipf_keeps_to_its_ranks),
        cmocka_unit_test(uniform_reaches_all),
    };
    return cmocka_run_group_tests_name("bench_random", tests, NULL, NULL);
}

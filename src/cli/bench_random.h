/* Random numbers of a load: which entity the next request is about. One owner, one thread. */
#ifndef FEATURED_CLI_BENCH_RANDOM_H
#define FEATURED_CLI_BENCH_RANDOM_H

#include <stdint.h>

struct bench_random {
    uint64_t state;
};

uint64_t bench_random_next(struct bench_random *random);
/* 0 to bound - 1. */
uint64_t bench_random_below(struct bench_random *random, uint64_t bound);
/* In (0, 1]. */
double bench_random_unit(struct bench_random *random);

/* Ranks 1 to `count`, rank k with a probability proportional to k^-exponent, exactly: the
 * rejection-inversion of W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996. It needs no table, however many
 * ranks there are, unlike the approximation of Gray et al. (SIGMOD 1994), whose sum over all ranks
 * it also saves. */
struct bench_zipf {
    uint64_t count;
    double exponent;  /* above 0 */
    double area_low;  /* H(1.5) - h(1) */
    double area_high; /* H(count + 0.5) */
    double sure;      /* as close to a rank as this, a candidate needs no test */
};

void bench_zipf_init(struct bench_zipf *zipf, uint64_t count, double exponent);
uint64_t bench_zipf_next(const struct bench_zipf *zipf, struct bench_random *random);

#endif

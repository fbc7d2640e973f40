#include "cli/bench_random.h"

#include <math.h>

/* SplitMix64 (Steele, Lea, Flood 2014): a few lines, any seed will do. */
uint64_t bench_random_next(struct bench_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t bench_random_below(struct bench_random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)bench_random_next(random) * bound) >> 64);
}

double bench_random_unit(struct bench_random *random)
{
    return (double)((bench_random_next(random) >> 11) + 1) * 0x1p-53;
}

/* (e^x - 1) / x and ln(1 + x) / x, also at and around 0, where the exponent is 1. */
static double exp_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2 * (1 + x / 3);
}

static double log_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

/* h(x) = x^-exponent */
static double density(const struct bench_zipf *zipf, double x)
{
    return exp(-zipf->exponent * log(x));
}

/* H(x), the integral of h from 1 to x */
static double area(const struct bench_zipf *zipf, double x)
{
    double log_x = log(x);
    return exp_ratio((1 - zipf->exponent) * log_x) * log_x;
}

static double area_inverse(const struct bench_zipf *zipf, double y)
{
    double t = y * (1 - zipf->exponent);
    return exp(log_ratio(t < -1 ? -1 : t) * y); /* below -1 only by rounding */
}

void bench_zipf_init(struct bench_zipf *zipf, uint64_t count, double exponent)
{
    *zipf = (struct bench_zipf){.count = count, .exponent = exponent};
    zipf->area_low = area(zipf, 1.5) - 1;
    zipf->area_high = area(zipf, (double)count + 0.5);
    zipf->sure = 2 - area_inverse(zipf, area(zipf, 2.5) - density(zipf, 2));
}

uint64_t bench_zipf_next(const struct bench_zipf *zipf, struct bench_random *random)
{
    for (;;) {
        double u = zipf->area_high + bench_random_unit(random) * (zipf->area_low - zipf->area_high);
        double x = area_inverse(zipf, u);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > (double)zipf->count ? (double)zipf->count : rank;
        if (rank - x <= zipf->sure || u >= area(zipf, rank + 0.5) - density(zipf, rank))
            return (uint64_t)rank;
    }
}

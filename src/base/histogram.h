/* Counts of durations in buckets that grow by about 25 %, from 1 µs to 67 s: one owner thread adds,
 * any thread may read (counts are relaxed atomics and may be a moment old). */
#ifndef FEATURED_BASE_HISTOGRAM_H
#define FEATURED_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 108 /* four per power of two, 2^0 to 2^26 µs, and one beyond */

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_ns;
};

void histogram_add(struct histogram *histogram, uint64_t duration_ns);
/* The upper bound of a bucket in nanoseconds; UINT64_MAX for the last. */
uint64_t histogram_bound_ns(unsigned bucket);

#endif

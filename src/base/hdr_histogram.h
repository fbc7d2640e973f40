/* Counts of durations to three significant digits (a bucket is at most 1/1024 of its values wide),
 * from 1 ns to 18 minutes, for percentiles far into the tail. The log-linear layout is that of Gil
 * Tene's HdrHistogram. Some 250 KB, of which only the buckets that are used are touched; one owner,
 * one thread (base/histogram.h is the small one that other threads may read). */
#ifndef FEATURED_BASE_HDR_HISTOGRAM_H
#define FEATURED_BASE_HDR_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Values below 2^11 have a bucket each; every power of two from there to 2^40 has 2^10. */
#define HDR_LINEAR_BITS 11u
#define HDR_HALF (1u << (HDR_LINEAR_BITS - 1))
#define HDR_TOP_BITS 40u
#define HDR_BUCKETS ((size_t)(HDR_TOP_BITS - HDR_LINEAR_BITS + 2) * HDR_HALF)

struct hdr_histogram {
    uint64_t count;
    uint64_t min_ns; /* undefined while count is 0 */
    uint64_t max_ns; /* exact, also beyond the last bucket */
    double sum_ns;
    uint64_t counts[HDR_BUCKETS];
};

/* A histogram of zeroes is an empty one. */
void hdr_histogram_add(struct hdr_histogram *histogram, uint64_t duration_ns);
void hdr_histogram_merge(struct hdr_histogram *to, const struct hdr_histogram *from);
/* The least and the greatest value of a bucket; of the last one all that is greater, too. */
uint64_t hdr_histogram_low_ns(size_t bucket);
uint64_t hdr_histogram_high_ns(size_t bucket);
/* The value that `share` (0 to 1) of all values do not exceed; 0 if there are none. */
uint64_t hdr_histogram_quantile_ns(const struct hdr_histogram *histogram, double share);
/* How many values lie in buckets that begin at this duration or later. */
uint64_t hdr_histogram_count_from(const struct hdr_histogram *histogram, uint64_t duration_ns);

#endif

#include "base/hdr_histogram.h"

static size_t bucket_of(uint64_t ns)
{
    if (ns < (UINT64_C(1) << HDR_LINEAR_BITS))
        return (size_t)ns;
    if (ns >> HDR_TOP_BITS != 0)
        return HDR_BUCKETS - 1;
    unsigned shift = 64U - HDR_LINEAR_BITS - (unsigned)__builtin_clzll(ns);
    return (size_t)shift * HDR_HALF + (size_t)(ns >> shift);
}

static unsigned shift_of(size_t bucket)
{
    return bucket < 2 * HDR_HALF ? 0 : (unsigned)(bucket / HDR_HALF) - 1;
}

uint64_t hdr_histogram_low_ns(size_t bucket)
{
    unsigned shift = shift_of(bucket);
    return (uint64_t)(bucket - (size_t)shift * HDR_HALF) << shift;
}

uint64_t hdr_histogram_high_ns(size_t bucket)
{
    return hdr_histogram_low_ns(bucket) + (UINT64_C(1) << shift_of(bucket)) - 1;
}

void hdr_histogram_add(struct hdr_histogram *histogram, uint64_t duration_ns)
{
    histogram->counts[bucket_of(duration_ns)]++;
    if (histogram->count++ == 0 || duration_ns < histogram->min_ns)
        histogram->min_ns = duration_ns;
    if (duration_ns > histogram->max_ns)
        histogram->max_ns = duration_ns;
    histogram->sum_ns += (double)duration_ns;
}

void hdr_histogram_merge(struct hdr_histogram *to, const struct hdr_histogram *from)
{
    if (from->count == 0)
        return;
    if (to->count == 0 || from->min_ns < to->min_ns)
        to->min_ns = from->min_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    for (size_t i = 0; i < HDR_BUCKETS; i++)
        to->counts[i] += from->counts[i];
}

uint64_t hdr_histogram_quantile_ns(const struct hdr_histogram *histogram, double share)
{
    /* the small step back is for products such as 1000 × 0.999 that end up just above */
    double wanted = share * (double)histogram->count - 1e-6;
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted;
    rank += wanted > (double)rank;
    uint64_t seen = 0;
    for (size_t i = 0; i < HDR_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->counts[i];
        if (seen >= rank) {
            uint64_t high = i + 1 == HDR_BUCKETS ? UINT64_MAX : hdr_histogram_high_ns(i);
            return high < histogram->max_ns ? high : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

uint64_t hdr_histogram_count_from(const struct hdr_histogram *histogram, uint64_t duration_ns)
{
    uint64_t count = 0;
    for (size_t i = HDR_BUCKETS; i-- > 0 && hdr_histogram_low_ns(i) >= duration_ns;)
        count += histogram->counts[i];
    return count;
}

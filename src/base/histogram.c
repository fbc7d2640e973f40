#include "base/histogram.h"

/* Bucket 4e + q holds [2^e + q·2^e/4, 2^e + (q+1)·2^e/4) microseconds. */
static unsigned bucket_of(uint64_t us)
{
    if (us == 0)
        return 0;
    unsigned exponent = 63U - (unsigned)__builtin_clzll(us);
    unsigned quarter = exponent >= 2 ? (unsigned)(us >> (exponent - 2)) & 3U
                                     : (unsigned)(us << (2 - exponent)) & 3U;
    unsigned bucket = exponent * 4 + quarter;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
    _Atomic uint64_t *count = &histogram->counts[bucket_of(duration_ns / 1000)];
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    atomic_store_explicit(&histogram->sum_ns, sum + duration_ns, memory_order_relaxed);
}

uint64_t histogram_bound_ns(unsigned bucket)
{
    if (bucket >= HISTOGRAM_BUCKETS - 1)
        return UINT64_MAX;
    uint64_t base_ns = (UINT64_C(1) << bucket / 4) * 1000;
    return base_ns + base_ns * (bucket % 4 + 1) / 4;
}

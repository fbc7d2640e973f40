/* The store's clock: the wall clock, except that it never steps back; while the wall clock is
 * behind, it stands still. Microseconds since 1970. Any thread.
 *
 * A process has one, shared by the online store and the registry: what expires (TTL) and what a
 * changed TTL leaves dead are measured by the same clock, else a value could come back. */
#ifndef FEATURED_RUNTIME_STORE_CLOCK_H
#define FEATURED_RUNTIME_STORE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

struct store_clock {
    int64_t (*wall_us)(void);
    _Alignas(CACHE_LINE_BYTES) _Atomic int64_t latest_us; /* highest time anybody was told */
};

static inline void store_clock_init(struct store_clock *clock, int64_t (*wall_us)(void))
{
    clock->wall_us = wall_us;
    atomic_init(&clock->latest_us, INT64_MIN);
}

/* From now on the clock is at least `at_least_us`. Returns what it is. */
static inline int64_t store_clock_advance(struct store_clock *clock, int64_t at_least_us)
{
    int64_t latest_us = atomic_load_explicit(&clock->latest_us, memory_order_relaxed);
    while (at_least_us > latest_us)
        if (atomic_compare_exchange_weak(&clock->latest_us, &latest_us, at_least_us))
            return at_least_us;
    return latest_us;
}

static inline int64_t store_clock_now_us(struct store_clock *clock)
{
    return store_clock_advance(clock, clock->wall_us());
}

#endif

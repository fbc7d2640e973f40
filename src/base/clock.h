/* Times: microseconds since 1970-01-01T00:00:00Z for what is true in the world, nanoseconds of the
 * monotonic clock for how long something takes. Text form: RFC 3339. */
#ifndef FEATURED_BASE_CLOCK_H
#define FEATURED_BASE_CLOCK_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

/* Event times lie in years 0001 to 9999; both bounds included. */
#define CLOCK_MIN_US INT64_C(-62135596800000000)
#define CLOCK_MAX_US INT64_C(253402300799999999)

/* The wall clock. May step back: the store's clock (runtime/store_clock.h) does not. */
int64_t clock_wall_us(void);
int64_t clock_monotonic_ns(void);

/* RFC 3339 with offset ("2026-01-02T03:04:05.123456Z", "…+02:00", lower case t and z, a space for
 * T); more than six fraction digits are cut, second 60 is refused. False on anything else. */
MUST_CHECK bool clock_parse_rfc3339(str text, int64_t *out_us);

/* "2026-01-02T03:04:05.123456Z"; without a fraction where it is 0. Writes at most
 * CLOCK_RFC3339_MAX bytes, not terminated, and returns how many. `us` is in the bounds above. */
#define CLOCK_RFC3339_MAX 27
size_t clock_format_rfc3339(int64_t us, char out[CLOCK_RFC3339_MAX]);

#endif

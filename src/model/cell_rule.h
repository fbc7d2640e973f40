/* The one place that decides whether a value replaces another and whether it is served (promises 3
 * and 4 of design.md §5). Pure: no clock, no memory. tests/vectors/cell_rule.json holds it, and every
 * other store, to the same table. */
#ifndef FEATURED_MODEL_CELL_RULE_H
#define FEATURED_MODEL_CELL_RULE_H

#include <stdbool.h>
#include <stdint.h>

#define CELL_NEVER_DEAD INT64_MIN /* `dead_before_us` of a version whose TTL was never shortened */

/* A newly arrived value (it has the higher LSN) against the one held. False: it is late. */
bool cell_rule_replaces(int64_t held_event_time_us, int64_t new_event_time_us);

/* Served while now < event time + TTL (ttl_us 0: never expires) and event time > dead_before. Here,
 * because a read asks it for every cell. */
static inline bool cell_rule_is_alive(int64_t event_time_us, int64_t now_us, int64_t ttl_us,
                                      int64_t dead_before_us)
{
    int64_t end_us;
    if (event_time_us <= dead_before_us)
        return false;
    /* An end beyond the end of time is never reached. */
    return ttl_us == 0 || __builtin_add_overflow(event_time_us, ttl_us, &end_us) ||
           now_us < end_us;
}

/* What `dead_before` becomes when a TTL `old_ttl_us` (0: none) is replaced at `now_us`: whatever had
 * expired by then stays dead under any later TTL. */
int64_t cell_rule_dead_before(int64_t dead_before_us, int64_t now_us, int64_t old_ttl_us);

/* An erasure up to `erased_us` (included) lets only later events back in. */
bool cell_rule_is_erased(int64_t event_time_us, int64_t erased_us);

#endif

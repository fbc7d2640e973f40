#include "model/cell_rule.h"

bool cell_rule_replaces(int64_t held_event_time_us, int64_t new_event_time_us)
{
    return new_event_time_us >= held_event_time_us;
}

int64_t cell_rule_dead_before(int64_t dead_before_us, int64_t now_us, int64_t old_ttl_us)
{
    int64_t expired_us;
    /* Before the beginning of time nothing can have expired. */
    if (old_ttl_us == 0 || __builtin_sub_overflow(now_us, old_ttl_us, &expired_us))
        return dead_before_us;
    return expired_us > dead_before_us ? expired_us : dead_before_us;
}

bool cell_rule_is_erased(int64_t event_time_us, int64_t erased_us)
{
    return event_time_us <= erased_us;
}

/* One step of the walk through all rows: what there is to know of some of them is asked for, a few
 * at a time, and tidy.lua is called where something is left to do (redis_tidy_row.h). Loop 0. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_TIDY_STEP_H
#define FEATURED_ONLINE_REDIS_REDIS_TIDY_STEP_H

#include "online/redis/redis_private.h"

struct redis_tidy_step_row;

struct redis_tidy_step {
    struct redis_loop *on;
    struct arena *arena; /* the owner's: for all of the step */
    void (*done)(struct redis_tidy_step *step);
    bool has_missed; /* out: some row was not reached, or changed whenever it was looked at */
    /* private */
    uint64_t largest_id;
    struct redis_tidy_step_row *rows;
    uint32_t row_count;
    uint32_t next;
    uint32_t in_flight;
    bool is_submitting;
};

/* Looks at the rows with these keys, which are copied; `done` is called once, perhaps before it
 * returns. `largest_id` as in redis_tidy_row. */
void redis_tidy_step_begin(struct redis_tidy_step *step, const redisReply *keys,
                           uint64_t largest_id);

static inline bool redis_tidy_step_is_running(const struct redis_tidy_step *step)
{
    return step->in_flight > 0;
}

/* The store is being closed: nothing is begun any more. */
static inline bool redis_tidy_is_ended(const struct redis_loop *on)
{
    return on->store->is_draining || on->client == NULL;
}

#endif

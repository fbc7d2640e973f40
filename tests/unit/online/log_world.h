/* What the tests of the engine and its log share: a store on a simulated file system, with three
 * features to write, read and erase. */
#ifndef FEATURED_TESTS_LOG_WORLD_H
#define FEATURED_TESTS_LOG_WORLD_H

#include "engine_fixture.h"
#include "sim_files.h"

struct world {
    struct sim_files *sim;
    struct fixture *f;
    uint32_t age;  /* of user, int */
    uint32_t city; /* of user, string */
    uint32_t rank; /* of driver, int */
};

void world_open(struct world *world, enum log_fsync fsync);
void world_close(struct world *world);
/* The next process: what was on the disk when this one was killed. */
void world_kill(struct world *world);

/* A record of one value; `error` may be NULL. */
status try_put(struct world *world, const char *id, uint32_t feature, int64_t value,
               int64_t event_time_us, struct error *error);
/* -1: there is none. */
int64_t int_of(struct world *world, const char *id, uint32_t feature);
status erase_targets(struct world *world, const char *id,
                     const struct online_erase_target *targets, uint32_t count,
                     uint64_t *deleted);
/* The feature, or the whole entity that it belongs to. */
struct online_erase_target target_of(struct world *world, uint32_t feature, bool whole);

#endif

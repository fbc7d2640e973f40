/* From what the data directory holds to the state of the store: the newest whole snapshot, then the
 * log after it (design.md §6). Runs on the writer's thread before its loop, while nobody else looks
 * at the tables. */
#ifndef FEATURED_ONLINE_ENGINE_RECOVERY_H
#define FEATURED_ONLINE_ENGINE_RECOVERY_H

#include "log/log_scan.h"
#include "online/engine/engine_state.h"
#include "online/engine/statistics_store.h"

struct recovery_result {
    uint64_t *memory_bytes; /* in: the writer's; what the tables hold is added */
    /* out */
    struct statistics_store statistics; /* as of the last LSN; the caller's from now on */
    uint64_t entities;                  /* rows in the tables */
    uint64_t last_lsn;                  /* 0: nothing was ever written */
    struct log_scan scan;               /* for log_writer_open(); the caller's */
    struct engine_recovery facts;
};

/* Fills engine->tables, advances engine->clock beyond everything that was given a time, keeps
 * engine->recovery_permille. Looks at engine->closing now and then and gives up with UNAVAILABLE. On
 * failure there is nothing to free and no table is left; MALFORMED: damage, IO: a file could not be
 * read, OUT_OF_MEMORY. */
MUST_CHECK status recovery_run(struct engine *engine, const struct engine_options *options,
                               struct recovery_result *out, struct error *error);

#endif

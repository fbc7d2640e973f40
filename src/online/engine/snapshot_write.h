/* Writes the live tables into a snapshot file (design.md §6, docs/decisions/0005). Readers and the
 * writer go on meanwhile: rows may be newer than the start, which replaying the log from there
 * makes good. One thread at a time, which registered `reader`. */
#ifndef FEATURED_ONLINE_ENGINE_SNAPSHOT_WRITE_H
#define FEATURED_ONLINE_ENGINE_SNAPSHOT_WRITE_H

#include "log/log_record.h"
#include "online/engine/engine_state.h"

/* What is written, of one instant: see struct snapshot_request. */
struct snapshot_source {
    struct engine *engine;
    struct epoch_reader *reader; /* offline */
    uint64_t start_lsn;
    int64_t clock_us;
    const struct log_statistics *statistics;
    uint32_t statistics_count;
    const _Atomic bool *cancelled; /* gives up soon after it has become true */
};

struct snapshot_written {
    uint64_t bytes;
    uint64_t rows;
    uint64_t end_lsn;
};

/* UNAVAILABLE: cancelled, or the log is closed; IO, OUT_OF_MEMORY. A failure leaves no file. */
MUST_CHECK status snapshot_write(const struct snapshot_source *source,
                                 struct snapshot_written *out, struct error *error);

#endif

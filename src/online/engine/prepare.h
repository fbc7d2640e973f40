/* The first phase of the writer: requests become rows of a group that nobody sees yet, everything
 * allocated, so that publishing cannot fail. The writer's thread, online in the epoch.
 *
 * A record or an erasure is staged; once it is in the log too it is kept, or else undone. */
#ifndef FEATURED_ONLINE_ENGINE_PREPARE_H
#define FEATURED_ONLINE_ENGINE_PREPARE_H

#include "online/engine/edit.h"
#include "online/engine/engine_state.h"
#include "online/engine/group.h"
#include "online/engine/statistics_store.h"
#include "online/engine/writer.h"

/* The writer's own data. */
struct prepare {
    struct engine *engine;
    struct epoch_limbo limbo;
    struct group group;
    struct statistics_store statistics;
    struct row_draft draft;
    const struct catalog *catalog; /* of the present step: prepare_begin_step() */
    /* Of the group: what is written or erased now gets this time. It is the clock that the log notes
     * for the group, and one more after each erasure. */
    int64_t now_us;
    uint64_t request_bytes; /* of the request being prepared: among the waiting ones, soon gone */
    uint64_t memory_bytes;   /* tables, rows, blobs, retired ones too */
    uint64_t log_bytes;      /* of the last group in the log's buffer */
    uint64_t overhead_bytes; /* what is held beside the tables, since prepare_begin_group() */
};

/* What max_memory_bytes is compared with, without what waits in the queue. */
uint64_t prepare_memory_bytes(const struct prepare *prepare);

/* What may still be allocated under max_memory_bytes. */
uint64_t prepare_budget_bytes(const struct prepare *prepare);

/* A new group: it gets its time. */
void prepare_begin_group(struct prepare *prepare);
/* Each step sees one image of the catalog. */
void prepare_begin_step(struct prepare *prepare);

/* Stages rows first … end - 1 of the request: one record. On failure nothing is staged, and `error`
 * says why. On success event times are set, and *counts tells of this record alone. */
MUST_CHECK status prepare_record(struct prepare *prepare, struct online_write *write,
                                 uint32_t first, uint32_t end, struct edit_counts *counts,
                                 struct error *error);
/* Stages the erasure up to `now_us`; counts->changed tells whether it does anything at all. */
MUST_CHECK status prepare_erase(struct prepare *prepare, const struct online_erase *erase,
                                struct edit_counts *counts, struct error *error);
/* Whether the target is still there to be erased. */
bool prepare_has_target(const struct catalog *catalog, const struct online_erase_target *target);
/* A hint that this row is staged soon. */
void prepare_expect(const struct prepare *prepare, const struct online_write_row *row);
void prepare_keep_record(struct prepare *prepare);
/* Writes that follow, even in the same group, come after the erasure. */
void prepare_keep_erase(struct prepare *prepare);
void prepare_undo(struct prepare *prepare);
/* Best effort: what there is no memory for stays for the next sweep. */
void prepare_sweep(struct prepare *prepare, const struct sweep_request *request,
                   struct edit_counts *counts);

#endif

/* The first phase of the writer: requests become rows of a group that nobody sees yet, everything
 * allocated, so that publishing cannot fail. The writer's thread, online in the epoch. */
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
    uint64_t request_bytes; /* of the request being prepared: among the waiting ones, soon gone */
    uint64_t memory_bytes; /* tables, rows, blobs, retired ones too */
};

/* What may still be allocated under max_memory_bytes. */
uint64_t prepare_budget_bytes(const struct prepare *prepare);

/* Rows first … end - 1 of the request: one record. On failure nothing has changed, and `error` says
 * why. On success event times are set, and *counts tells of this record alone. */
MUST_CHECK status prepare_record(struct prepare *prepare, struct online_write *write,
                                 uint32_t first, uint32_t end, struct edit_counts *counts,
                                 struct error *error);
MUST_CHECK status prepare_erase(struct prepare *prepare, struct online_erase *erase,
                                struct edit_counts *counts, struct error *error);
/* Best effort: what there is no memory for stays for the next sweep. */
void prepare_sweep(struct prepare *prepare, const struct sweep_request *request,
                   struct edit_counts *counts);

#endif

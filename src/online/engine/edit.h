/* What a write, an erasure and a sweep do to one row: decisions on a draft, by model/cell_rule.h and
 * the catalog image of the moment. No memory, no table; the writer's thread.
 *
 * Erasure (promise 7). The erasure of single versions leaves ERASED cells, that of a whole id an
 * "erased until" on the row; both let only later event times back in, and both count against the
 * memory limit. They are exact, and go when they no longer matter: once a value with the event time
 * of the erasure would be past its TTL, no value up to it can ever be served again (cell_rule.h:
 * what has expired stays dead under any later TTL). Versions that never expire keep them for good:
 * that costs a slot and a row of 24 bytes and the id for each erased id. An id that the store does not
 * hold is marked too: a late copy of its values may be under way. A version that was made after the
 * erasure is not covered: it depends on nothing but the three times whether a value is kept out, so
 * that a replay of the log, under a later catalog and without the sweeps, comes to the same. */
#ifndef FEATURED_ONLINE_ENGINE_EDIT_H
#define FEATURED_ONLINE_ENGINE_EDIT_H

#include "online/engine/row_draft.h"
#include "online/online.h"

struct edit_counts {
    uint64_t written;
    uint64_t late;
    uint64_t expired;
    uint64_t erased; /* alive until then */
    bool changed;    /* the draft */
};

/* All of these add to the counts. */

/* Cells of versions that the image no longer has; their slots are never used again. */
void edit_drop_unknown(struct row_draft *draft, const struct catalog_entity *entity,
                       struct edit_counts *counts);
/* One value with a known event time: newest wins, erased stays erased. */
void edit_write(struct row_draft *draft, const struct catalog_entity *entity,
                const struct online_write_cell *cell, struct edit_counts *counts);
/* All values up to `now_us`. */
void edit_erase_all(struct row_draft *draft, const struct catalog_entity *entity, int64_t now_us,
                    struct edit_counts *counts);
/* The same of one version. */
void edit_erase_version(struct row_draft *draft, const struct catalog_version *version,
                        int64_t now_us, struct edit_counts *counts);
/* What had expired at `cutoff_us`, erasures that no longer matter, unknown versions. */
void edit_sweep(struct row_draft *draft, const struct catalog_entity *entity, int64_t cutoff_us,
                struct edit_counts *counts);
/* Whether edit_sweep() would change the row. Any thread that is online. */
bool edit_sweep_would_change(const struct row *row, const struct catalog_entity *entity,
                             int64_t cutoff_us);

#endif

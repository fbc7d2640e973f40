/* One row of input: decoded, typed, resolved, not yet given to the store. It keeps no pointer into the
 * catalog image it was resolved by, so it may wait for its turn; whether its versions still exist is
 * asked again by who writes it. Memory: the caller's arena. */
#ifndef FEATURED_MODEL_INGEST_H
#define FEATURED_MODEL_INGEST_H

#include "model/catalog.h"
#include "model/value.h"

#define INGEST_EVENT_TIME_NOW INT64_MIN /* none was written: the store's writer gives it one */

struct ingest_cell {
    str name; /* as written: "user_age", "emb@2" */
    uint64_t version_id;
    uint32_t slot;
    uint32_t entity_index;
    struct value value;
    int64_t event_time_us; /* or INGEST_EVENT_TIME_NOW */
};

static inline void ingest_cell_set_version(struct ingest_cell *cell,
                                           const struct catalog_version *version)
{
    cell->version_id = version->id;
    cell->slot = version->slot;
    cell->entity_index = version->entity->index;
}

struct ingest_record {
    str entity_id;
    struct ingest_cell *cells; /* in the order written; may name several entities' features */
    uint32_t cell_count;
};

#endif

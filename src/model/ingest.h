/* One accepted-looking row of input: decoded, typed, resolved against one catalog image (so it does
 * not outlive the reader's present epoch), not yet given to the store. Memory: the caller's arena. */
#ifndef FEATURED_MODEL_INGEST_H
#define FEATURED_MODEL_INGEST_H

#include "model/catalog.h"
#include "model/value.h"

#define INGEST_EVENT_TIME_NOW INT64_MIN /* none was written: the store's writer gives it one */

struct ingest_cell {
    str name; /* as written: "user_age", "emb@2" */
    const struct catalog_version *version;
    struct value value;
    int64_t event_time_us; /* or INGEST_EVENT_TIME_NOW */
};

struct ingest_record {
    str entity_id;
    struct ingest_cell *cells; /* in the order written; may name several entities' features */
    uint32_t cell_count;
};

#endif

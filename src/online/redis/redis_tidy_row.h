/* What is left to do in one row once features were dropped or their TTL has changed: pure. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_TIDY_ROW_H
#define FEATURED_ONLINE_REDIS_REDIS_TIDY_ROW_H

#include "base/buffer.h"
#include "model/catalog.h"
#include "online/redis/redis_row.h"

struct redis_tidy_row {
    /* in */
    const struct catalog_entity *entity; /* NULL: nobody registered it */
    uint64_t largest_id; /* of all versions the catalog knows: later ones are news, not leftovers */
    str event_times;     /* the field; NULL data: there is none */
    const str *fields;   /* of the hash, that one included */
    uint32_t field_count;
    int64_t ttl_ms; /* PTTL: -1 without expiry */
    int64_t now_us;
    struct arena *arena;
    /* out */
    bool changes;
    str new_event_times; /* empty: the row goes */
    const str *dropped;  /* fields to remove */
    uint32_t dropped_count;
    bool keeps_expiry;
    int64_t end_ms; /* unless keeps_expiry; REDIS_NEVER_MS */
};

/* False: no memory. A row that cannot be understood is left alone. */
MUST_CHECK bool redis_tidy_row_decide(struct redis_tidy_row *row);

#endif

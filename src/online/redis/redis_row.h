/* A row of the store as Redis keeps it (spec/redis-layout.md): its key, its fields, their texts, and the
 * way back to cells. Pure: no connection, no clock. What comes from Redis is hostile until parsed. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_ROW_H
#define FEATURED_ONLINE_REDIS_REDIS_ROW_H

#include <hiredis/hiredis.h>

#include "base/buffer.h"
#include "model/limits.h"
#include "online/online.h"
#include "online/redis/redis_entries.h"

#define REDIS_KEY_SUFFIX ":features"
#define REDIS_FIELD_MAX (LIMIT_NAME_BYTES + 12u) /* "@4294967295" */
/* Fields of others that one answer shows; a row with more is taken for damaged. */
#define REDIS_OTHERS_MAX 10000u
/* A key outlives its last value by so long. Until then a reader is told that it expired rather than that
 * it never was (as the embedded store's sweeper has it), a TTL that is made longer finds its values still
 * there, and clocks that differ a little hide nothing. */
#define REDIS_KEY_GRACE_US INT64_C(60000000)
#define REDIS_NEVER_MS INT64_MAX

/* `user` and `u1`: "user:u1:features", in the arena. */
MUST_CHECK bool redis_row_key(struct arena *arena, str entity_name, str entity_id, str *out);
/* Its length; the same where there is room for it: where it ends. */
size_t redis_row_key_len(str entity_name, str entity_id);
char *redis_row_put_key(char *at, str entity_name, str entity_id);
/* The id in such a key; false: it is none of this entity. */
MUST_CHECK bool redis_row_id(str key, str entity_name, str *out);
/* "clicks", or "clicks@2" of a later version. A feature called __event_times has "__event_times@1". */
str redis_row_field(const struct catalog_version *version, char out[static REDIS_FIELD_MAX]);

/* When a key may go that holds a value with this end of life, in ms: event time + TTL + the grace, rounded
 * up. REDIS_NEVER_MS without TTL. */
int64_t redis_row_end_ms(int64_t event_time_us, int64_t ttl_us);

/* What a reader needs to know of a version once its catalog image may have gone. */
struct redis_column {
    str field;
    uint64_t version_id;
    int64_t ttl_us;
    int64_t dead_before_us;
    enum data_type data_type;
    uint32_t dimension;
    uint32_t first; /* the first column of the same field: mostly itself */
};

struct redis_columns {
    struct redis_column *items;
    uint32_t count;
    /* private */
    uint32_t *index; /* hash of the field → number of the column + 1 */
    uint32_t mask;
    struct redis_pattern *pattern; /* of the entries of the last row; NULL: none is made */
    struct redis_entry *entries;   /* of the row at hand, by column */
    str *texts;                    /* the same; NULL data: no such field */
};

/* Everything in the arena. False: no memory. */
MUST_CHECK bool redis_columns_init(struct redis_columns *columns,
                                   const struct catalog_version *const *versions, uint32_t count,
                                   struct arena *arena);
/* Many rows will be read: what is alike in them is looked at once. False: no memory. */
MUST_CHECK bool redis_columns_expect_many(struct redis_columns *columns, struct arena *arena);

/* The reply to HMGET key FIELD… __event_times (`others` NULL), or to HGETALL. Texts go to the arena.
 * OUT_OF_MEMORY; UNAVAILABLE for a reply of another shape. */
MUST_CHECK status redis_row_read(struct redis_columns *columns, const redisReply *reply,
                                 int64_t now_us, struct arena *arena, struct cell *cells,
                                 struct online_others *others, bool *is_damaged,
                                 struct error *error);
void redis_row_none(const struct redis_columns *columns, struct cell *cells,
                    struct online_others *others);

#endif

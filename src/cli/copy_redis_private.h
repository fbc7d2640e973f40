/* Private to copy_redis*.c: reading and writing share the connections. */
#ifndef FEATURED_CLI_COPY_REDIS_PRIVATE_H
#define FEATURED_CLI_COPY_REDIS_PRIVATE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/copy_row.h"
#include "cli/redis_keys.h"

#define RUN_ID_MAX 64u
#define COPY_REDIS_WORDS 6144u

struct copy_redis {
    struct copy_end end; /* first */
    struct redis_masters masters;
    /* reading */
    struct redis_keys keys;
    char run_id[RUN_ID_MAX]; /* of the process at hand: another one's cursors are of no use */
    /* writing */
    struct arena arena;    /* of rows not yet acknowledged */
    struct buffer pending; /* of struct copy_pending */
    bool script_loaded;
    str words[COPY_REDIS_WORDS]; /* of the command at hand */
};

static inline struct copy_redis *copy_redis_of(struct copy_end *end)
{
    return (struct copy_redis *)end;
}

status copy_redis_write(struct copy_end *end, const struct copy_row *row,
                        struct error *error) MUST_CHECK;
status copy_redis_flush(struct copy_end *end, struct error *error) MUST_CHECK;

#endif

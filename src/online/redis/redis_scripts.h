/* The Lua scripts that write one row at one instant, and how they are called: by EVALSHA, and once more
 * with the whole text if the server does not know it. Arguments and answers stand at the head of each
 * script. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_SCRIPTS_H
#define FEATURED_ONLINE_REDIS_REDIS_SCRIPTS_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "online/redis/redis_client.h"

struct redis_script {
    str text;
    str sha; /* SHA-1 in hexadecimal digits: its name in Redis */
};

extern const struct redis_script redis_script_write;
extern const struct redis_script redis_script_erase;
extern const struct redis_script redis_script_tidy;

/* The first number of their answers. */
#define REDIS_SCRIPT_DONE 0
#define REDIS_SCRIPT_NOT_UNDERSTOOD (-1)
#define REDIS_SCRIPT_ANOTHER_TYPE (-2)

struct redis_call {
    struct redis_command command; /* private; first */
    struct redis_client *client;
    const struct redis_script *script;
    struct buffer bytes;
    _Atomic uint64_t *loads; /* counts the texts sent; may be NULL */
    bool in_full;
    void (*done)(struct redis_call *call, enum redis_outcome outcome, const redisReply *reply);
    void *user;
};

void redis_call_init(struct redis_call *call, struct redis_client *client, _Atomic uint64_t *loads);
void redis_call_fini(struct redis_call *call);
/* A call with this key and so many arguments, which redis_call_add() then gives. May be repeated once
 * the one before is done. */
void redis_call_begin(struct redis_call *call, const struct redis_script *script, str key,
                      uint32_t argument_count);
void redis_call_add(struct redis_call *call, str argument);
/* OUT_OF_MEMORY, and nothing is sent; else `done` is called once, perhaps before this returns. On
 * REDIS_LANE_WRITE. */
MUST_CHECK status redis_call_submit(struct redis_call *call,
                                    void (*done)(struct redis_call *call,
                                                 enum redis_outcome outcome,
                                                 const redisReply *reply),
                                    void *user);

/* "$3\r\nabc\r\n" */
void redis_append_bulk(struct buffer *out, str argument);

#endif

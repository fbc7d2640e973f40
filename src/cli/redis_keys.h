/* The keys of a Redis, page by page, by SCAN on one master after the other. A key that is there all
 * the time comes at least once. */
#ifndef FEATURED_CLI_REDIS_KEYS_H
#define FEATURED_CLI_REDIS_KEYS_H

#include "cli/redis_masters.h"

#define REDIS_CURSOR_MAX 24u

struct redis_keys {
    struct redis_masters *masters;
    const char *match;
    const char *type; /* "string", "hash" */
    uint32_t
        order[REDIS_NODES_MAX]; /* of the masters: by name, so that a kept position finds its own */
    uint32_t count;
    uint32_t at;                   /* in `order`; `count`: all were given */
    char cursor[REDIS_CURSOR_MAX]; /* of the next page there */
};

void redis_keys_begin(struct redis_keys *keys, struct redis_masters *masters, const char *match,
                      const char *type);
/* The master at hand. */
static inline struct redis_master *redis_keys_master(const struct redis_keys *keys)
{
    return &keys->masters->nodes[keys->order[keys->at]];
}
/* The next keys: an array of strings in reply->element[1]; the caller frees the reply. Then
 * redis_keys_advance(), when they are done with. */
MUST_CHECK status redis_keys_page(struct redis_keys *keys, redisReply **reply, struct error *error);
/* *changed: it goes on at the beginning of another master, or at the end. UNAVAILABLE at the end of
 * a cluster whose slots have other owners now: keys may have been missed. */
MUST_CHECK status redis_keys_advance(struct redis_keys *keys, const redisReply *reply,
                                     bool *changed, struct error *error);
static inline bool redis_keys_are_done(const struct redis_keys *keys)
{
    return keys->at == keys->count;
}
/* How many keys there are, whatever their names. */
MUST_CHECK status redis_keys_count(struct redis_keys *keys, uint64_t *out, struct error *error);
/* An error reply about one key: OK if it is of another type by now, else why nothing can go on. */
MUST_CHECK status redis_keys_refusal(const struct redis_master *master, const redisReply *reply,
                                     struct error *error);

#endif

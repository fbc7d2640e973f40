/* Redis or Valkey for commands that copy: blocking connections, to one server or to every master of
 * a cluster. One owner, one thread. Passwords never reach a message. */
#ifndef FEATURED_CLI_REDIS_MASTERS_H
#define FEATURED_CLI_REDIS_MASTERS_H

#include <hiredis/hiredis.h>

#include "online/redis/redis_slots.h"
#include "online/redis/redis_url.h"

#define REDIS_MASTER_NAME_MAX (REDIS_HOST_MAX + 16)

struct redis_master {
    redisContext *context;
    char name[REDIS_MASTER_NAME_MAX]; /* "host:port" or the socket's path, for messages */
    struct redis_address address;
};

struct redis_masters {
    struct redis_url url;
    char name[REDIS_MASTER_NAME_MAX]; /* of the one that was asked first */
    void *tls;                        /* NULL: none */
    struct redis_master *nodes;
    uint32_t count;
    bool is_cluster;
    struct redis_slots
        *slots; /* of a cluster; its nodes are ours by index, NULL context: a replica */
};

/* Whether the text begins as a URL of a Redis does. */
bool redis_masters_is_url(const char *text);
MUST_CHECK status redis_masters_open(const char *url, struct redis_masters *out,
                                     struct error *error);
/* UNAVAILABLE if slots of the cluster have other owners than when it was opened. */
MUST_CHECK status redis_masters_check_slots(struct redis_masters *masters, struct error *error);
void redis_masters_close(struct redis_masters *masters);

/* Queues a command; redis_master_reply() sends what is queued and gives one answer after the other.
 */
MUST_CHECK status redis_master_queue(struct redis_master *node, int count, const str *words,
                                     struct error *error);
/* OK with any answer, an error of the command among them (REDIS_REPLY_ERROR); else the connection
 * is of no more use. The caller frees it with freeReplyObject(). */
MUST_CHECK status redis_master_reply(struct redis_master *node, redisReply **out,
                                     struct error *error);
/* UNAVAILABLE, with what the server said in an error answer, but for the arguments it repeats. */
status redis_master_refused(const struct redis_master *node, const redisReply *reply,
                            struct error *error);
/* Both, and an error answer is a failure. */
MUST_CHECK status redis_master_call(struct redis_master *node, int count, const str *words,
                                    redisReply **out, struct error *error);

static inline str redis_reply_str(const redisReply *reply)
{
    return str_of(reply->str, reply->len);
}

#endif

/* The parts of a link: connecting (redis_link_connect.c), the first words with the server
 * (redis_link_hello.c), commands (redis_link.c) and what is answered (redis_link_receive.c). */
#ifndef FEATURED_ONLINE_REDIS_REDIS_LINK_PRIVATE_H
#define FEATURED_ONLINE_REDIS_REDIS_LINK_PRIVATE_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "online/redis/redis_client.h"
#include "online/redis/redis_link.h"
#include "online/redis/redis_replies.h"
#include "online/redis/redis_socket.h"

#define REDIS_BACKOFF_MIN_MS 50
#define REDIS_BACKOFF_MAX_MS 5000
/* READY for so long, a link that is lost is tried again after the shortest delay. */
#define REDIS_STEADY_MS 1000
/* A flush waits for no more, and no longer: some 50 small commands, so many iterations of the loop. */
#define REDIS_FLUSH_BYTES ((size_t)8 << 10)
#define REDIS_FLUSH_TURNS 3u
/* Of a name: more are not tried. */
#define REDIS_ADDRESSES_MAX 8

enum redis_hello_step {
    REDIS_HELLO_HELLO, /* protocol 3, with user and password */
    REDIS_HELLO_AUTH,  /* where HELLO is not known or not allowed */
    REDIS_HELLO_INFO,  /* the same: whether it is a cluster */
    REDIS_HELLO_SELECT,
    REDIS_HELLO_READONLY,
    REDIS_HELLO_PING,
    REDIS_HELLO_DONE,
};

struct redis_endpoint {
    struct sockaddr_storage address;
    socklen_t len;
};

/* A name being resolved: outlives the attempt, and the link, that asked. */
struct redis_resolve;

struct redis_command_list {
    struct redis_command *first;
    struct redis_command *last;
};

static inline struct redis_command *redis_command_take_first(struct redis_command_list *list)
{
    struct redis_command *command = list->first;
    if (command)
        list->first = command->next;
    return command;
}

struct redis_link {
    struct redis_link_options options;
    enum redis_link_state state;
    bool was_ready_or_failed; /* commands no longer wait for it */
    struct error failure;
    uv_timer_t timer; /* CONNECTING: of the attempt; READY: of the oldest command; else the delay */
    unsigned holders; /* handles and tasks that point here: freed with the last */
    bool closing;
    void (*closed)(void *user);
    void *closed_user;

    /* connecting */
    struct redis_resolve *resolve;
    struct redis_endpoint endpoints[REDIS_ADDRESSES_MAX];
    unsigned endpoint_count;
    unsigned endpoint_next;
    int64_t attempt_end_ms;
    unsigned failures; /* in a row */
    uint64_t random;
    int64_t ready_ms;

    /* the connection: NULL when there is none */
    struct redis_socket *socket;
    struct redis_replies replies;
    struct buffer out; /* commands; the first out_written bytes have gone */
    size_t out_written;
    uint64_t given;   /* bytes put into `out` since it was connected */
    uint64_t written; /* of them */
    bool is_blocked;  /* the socket is full: `writable` will come */
    struct loop_task flush;
    bool flush_is_due;
    uint64_t answered_at_flush; /* the last one */
    uint32_t unflushed;         /* commands since then */
    uint32_t unflushed_before;  /* of them, a turn of the loop ago */
    unsigned turns_waited;      /* since the first of them */
    bool timer_is_set;          /* while READY */

    /* hello */
    enum redis_hello_step step;
    struct redis_command hello;
    struct arena hello_arena;
    bool speaks_resp3;
    bool is_cluster;

    /* commands */
    struct redis_command_list sent;    /* or in `out`: in the order of their answers */
    struct redis_command_list waiting; /* for the first READY */
    uint32_t pending;
    uint64_t pending_bytes;
    uint64_t answered;
};

static inline int64_t redis_link_now_ms(const struct redis_link *link)
{
    return (int64_t)uv_now(&link->options.loop->uv);
}

void redis_link_hold(struct redis_link *link);
/* The last one frees it. */
void redis_link_release(struct redis_link *link);

/* redis_link.c */
/* Behind all that was sent, whatever the state. False: no memory. */
MUST_CHECK bool redis_link_put(struct redis_link *link, struct redis_command *command);
/* The command leaves the link. */
void redis_link_finish(struct redis_link *link, struct redis_command *command,
                       enum redis_outcome outcome, const redisReply *reply);
/* What is on the other side does not do: another address, or as redis_link_lost(). */
void redis_link_fail(struct redis_link *link, const struct error *error);
/* The connection is no more: goes into BACKOFF and answers what was unanswered. */
void redis_link_lost(struct redis_link *link, const struct error *error);
void redis_link_set_ready(struct redis_link *link);
extern const struct redis_socket_callbacks REDIS_LINK_CALLBACKS;

/* redis_link_receive.c */
/* Takes what has come. The connection may be another one then, or the link closed. */
void redis_link_receive(struct redis_link *link);

/* redis_link_connect.c */
/* A new attempt, with all addresses of the name. */
void redis_link_connect(struct redis_link *link);
/* An address did not do: the next one, or BACKOFF. */
void redis_link_connect_next(struct redis_link *link, const struct error *error);
/* Nothing comes of the attempt any more. */
void redis_link_connect_abandon(struct redis_link *link);
void redis_link_drop_socket(struct redis_link *link);
int64_t redis_link_backoff_ms(struct redis_link *link);
/* Trying again soon would not help. */
bool redis_link_is_lasting(const struct error *error);

/* redis_link_hello.c */
void redis_link_hello(struct redis_link *link);

#endif

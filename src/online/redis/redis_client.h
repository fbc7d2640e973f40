/* Sends each command to the node that owns its slot, on one event loop: a single server, or a
 * cluster whose slots it learns (CLUSTER SLOTS), and whose MOVED, ASK, TRYAGAIN, CLUSTERDOWN,
 * LOADING and READONLY it follows until the command's time is up. Two links per node, one per lane;
 * with `read_from_replica` a third one to a replica of each, for REDIS_LANE_READ.
 *
 * A command is sent again only if it was surely not executed (refused, redirected). */
#ifndef FEATURED_ONLINE_REDIS_REDIS_CLIENT_H
#define FEATURED_ONLINE_REDIS_REDIS_CLIENT_H

#include <stdatomic.h>

#include "online/redis/redis_command.h"
#include "online/redis/redis_url.h"
#include "runtime/loop.h"

/* Written by one loop, read by whoever answers /metrics. */
struct redis_counters {
    /* kept by the links */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t commands; /* sent */
    _Atomic uint64_t batches; /* writes to sockets: commands / batches is the pipelining */
    _Atomic uint64_t bytes_sent;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t timeouts; /* connections ended because of one */
    _Atomic uint64_t connects; /* connections that got ready */
    _Atomic uint64_t connect_failures;
    _Atomic uint64_t links; /* now open */
    _Atomic uint64_t links_ready;
    /* kept by the client */
    _Atomic uint64_t refused; /* handed on as such: away, breaker open, too much waiting */
    _Atomic uint64_t lost;    /* handed on as such */
    _Atomic uint64_t errors;  /* error replies handed on */
    _Atomic uint64_t moved;
    _Atomic uint64_t asked;
    _Atomic uint64_t retried;   /* TRYAGAIN, CLUSTERDOWN, LOADING, READONLY */
    _Atomic uint64_t refreshes; /* of the slot map */
    _Atomic uint64_t nodes;     /* now known */
    _Atomic uint64_t pending;   /* now waiting for an answer */
};

struct redis_client;

struct redis_client_options {
    struct loop *loop;
    const struct redis_url *url; /* outlives the client */
    void *tls;
    bool read_from_replica;
    int64_t timeout_ms;   /* of a command, redirections and waiting included */
    uint32_t max_pending; /* commands of this loop */
    uint64_t max_pending_bytes;
    struct redis_counters *counters;
    /* Called when redis_client_check() may have changed its mind. May be NULL. */
    void (*changed)(void *user, struct redis_client *client);
    void *user;
};

/* On the loop's thread; begins to connect. NULL: no memory. */
struct redis_client *redis_client_create(const struct redis_client_options *options);
/* Ends what is under way (LOST, REFUSED) in this call; `closed` once the handles are. */
void redis_client_close(struct redis_client *client, void (*closed)(void *user), void *user);
/* `done` may be called before it returns. */
void redis_client_submit(struct redis_client *client, struct redis_command *command);
/* OK when every slot has a node whose links are ready, else why not. */
MUST_CHECK status redis_client_check(const struct redis_client *client, struct error *error);
bool redis_client_is_cluster(const struct redis_client *client);
/* For what has to go to every master (SCAN): their number, and a command to the i-th of them (never
 * redirected). Numbers hold while the topology revision does. */
uint32_t redis_client_masters(const struct redis_client *client, uint64_t *revision);
void redis_client_submit_to(struct redis_client *client, uint32_t master,
                            struct redis_command *command);

#endif

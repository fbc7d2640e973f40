/* Sends each command to the node that owns its slot, on one event loop.
 *
 * A single server: two links, one per lane. Absence and overload are answered at once (REFUSED),
 * error replies are handed on.
 *
 * A cluster, named so by the URL or found by what the server says: slots are learnt by CLUSTER
 * SLOTS, again each 30 s, each second while something is wrong, and soon after an answer that does
 * not fit. MOVED and ASK are followed. After TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY,
 * or when a node is away, a command is tried again until its time is up, then REFUSED; at most a
 * quarter of `max_pending` waits so, the others' commands go on. A command is sent again only if it
 * was surely not executed; LOST is handed on as it is.
 *
 * With `read_from_replica`, REDIS_LANE_READ goes to the replicas of its slot in turn, to the master
 * if none is ready. Replicas lag: such a read may be stale, also behind a write of the same client.
 */
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

/* Of a counter with one writer, who needs no locked instruction; `change` may be negative. */
static inline void redis_count(_Atomic uint64_t *counter, int64_t change)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + (uint64_t)change, memory_order_relaxed);
}

struct redis_client;

struct redis_client_options {
    struct loop *loop;
    const struct redis_url *url; /* outlives the client */
    void *tls;
    bool read_from_replica;
    /* A command that was not sent by then is REFUSED; one that was sent has as long again to be
     * answered. */
    int64_t timeout_ms;
    uint32_t max_pending; /* commands of this loop */
    uint64_t max_pending_bytes;
    struct redis_counters *counters;
    /* Called when redis_client_check() may have changed its mind: at most once per iteration of the
     * loop, never from within another function of the client. May be NULL. */
    void (*changed)(void *user, struct redis_client *client);
    void *user;
};

/* On the loop's thread; begins to connect. NULL: no memory. */
struct redis_client *redis_client_create(const struct redis_client_options *options);
/* Once. Ends what is under way (LOST, REFUSED) in this call; what `done` then submits is REFUSED.
 * The client is gone when `closed` is called, as the handles are closed; it may be NULL. */
void redis_client_close(struct redis_client *client, void (*closed)(void *user), void *user);
/* `done` may be called before it returns. */
void redis_client_submit(struct redis_client *client, struct redis_command *command);
/* OK when every slot has a master whose links are ready and none of them lately said that it cannot
 * serve; else UNAVAILABLE, and what is wrong where. */
MUST_CHECK status redis_client_check(const struct redis_client *client, struct error *error);
/* Something can be asked: in a cluster, what lies on the nodes that are there. */
bool redis_client_serves(const struct redis_client *client);
bool redis_client_is_cluster(const struct redis_client *client);
/* For what has to go to every master (SCAN): their number, and a command to the i-th of them (never
 * redirected, never tried again). Numbers hold while the revision does, in other clients of the same
 * cluster too: it is that of the set of masters, not of the slots that move between them. */
uint32_t redis_client_masters(const struct redis_client *client, uint64_t *revision);
void redis_client_submit_to(struct redis_client *client, uint32_t master,
                            struct redis_command *command);

#endif

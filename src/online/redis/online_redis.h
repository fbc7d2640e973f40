/* The online store in Redis, Valkey, or a cluster of either (design.md §9; layout in
 * spec/redis-layout.md). Nothing is held in the process but connections: N servers share one store.
 *
 * One client per event loop; all work for a request is done on the request's loop. Durability is what
 * that Redis is configured for. */
#ifndef FEATURED_ONLINE_REDIS_ONLINE_REDIS_H
#define FEATURED_ONLINE_REDIS_ONLINE_REDIS_H

#include "online/online.h"
#include "online/redis/redis_url.h"
#include "runtime/store_clock.h"

struct redis_statistics_delta {
    uint64_t version_id;
    struct statistics delta;
};

/* Merges deltas into the statistics that all servers share, then reads some of them. The server joins
 * it to the registry: neither knows the other. */
struct redis_statistics_request {
    const struct redis_statistics_delta *deltas; /* all or nothing, and at most once for each */
    uint32_t delta_count;                        /* (source, number) */
    str source;      /* this process: 32 random hexadecimal digits */
    uint64_t number; /* 1, 2, …: a request sent again has the same */
    const uint64_t *version_ids;
    uint32_t count;
    struct statistics *out; /* of each of them, after the merge; of unknown ones empty */
    struct loop *loop;
    void (*done)(struct redis_statistics_request *request); /* on that loop, once */
    void *user;
    void *sink; /* private to who carries it out */
    status status; /* out */
    struct error error;
};

struct redis_store_options {
    const struct redis_url *url; /* outlives the store */
    bool read_from_replica;
    int64_t timeout_ms;
    uint32_t max_pending; /* commands waiting for an answer, per loop */
    struct loop *loops;
    unsigned loop_count;
    struct store_clock *clock;
    const struct catalog_ref *catalog;
    str registry_identity; /* a store belongs to one registry: refused if it names another */
    void (*statistics)(void *user, struct redis_statistics_request *request);
    /* Once, on loops[0]: the store has been reached and is ours, or never can be (another registry's,
     * wrong password). A Redis that is merely away is waited for. */
    void (*opened)(void *user, status result, const struct error *error);
    void *user; /* of both */
};

/* Before the loops run: no handle is opened yet. */
MUST_CHECK status redis_store_open(const struct redis_store_options *options,
                                   struct online_store **out, struct error *error);
/* On loops[0], once they run: begins to connect on every loop. */
void redis_store_start(struct online_store *store);

#endif

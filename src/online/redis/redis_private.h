/* Private to the driver: the store and what it has on each event loop. A struct redis_loop is touched by
 * its loop alone, but for counters (atomic), `reach` and the statistics (each under its lock). */
#ifndef FEATURED_ONLINE_REDIS_REDIS_PRIVATE_H
#define FEATURED_ONLINE_REDIS_REDIS_PRIVATE_H

#include <pthread.h>

#include "online/redis/online_redis.h"
#include "online/redis/redis_client.h"
#include "online/redis/redis_row.h"
#include "online/redis/redis_scripts.h"

#define REDIS_REGISTRY_KEY "featured:registry"
#define REDIS_PENDING_BYTES_MAX ((uint64_t)64 << 20) /* of one loop's commands */
#define REDIS_TICK_MS 1000
#define REDIS_WINDOW_MAX 256u

/* Written by one loop, read by whoever answers /metrics. */
struct redis_row_counters {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t values_written;
    _Atomic uint64_t values_late;
    _Atomic uint64_t values_erased;
    _Atomic uint64_t rows_damaged;
    _Atomic uint64_t script_loads;
    int64_t damage_logged_ns; /* not shared */
    int64_t refusal_logged_ns; /* the same */
};

/* What was accepted since it was last collected, by version. */
struct redis_deltas {
    struct redis_statistics_delta *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *index; /* hash of the version id → place + 1; twice the capacity */
};

struct redis_store;

struct redis_loop {
    struct redis_counters counters; /* the client's */
    struct redis_row_counters rows;
    struct redis_store *store;
    struct loop *loop;
    struct redis_client *client; /* NULL before start, after drain, or without memory */
    pthread_mutex_t reach_lock;
    status reach; /* under the lock: OK, or why Redis cannot be reached from this loop */
    bool serves;  /* the same: perhaps in part */
    struct error reach_error;
    pthread_mutex_t statistics_lock;
    struct redis_deltas deltas; /* under the lock */
    struct loop_task start;
    struct loop_task end;     /* may be posted before `start` has run */
    struct loop_task reached; /* tells loop 0, once */
    bool has_reached;
};

enum redis_store_state {
    REDIS_STORE_OPENING,
    REDIS_STORE_READY,
    REDIS_STORE_FOREIGN, /* belongs to another registry, or cannot be asked */
};

struct redis_binding;
struct redis_keeper;
struct redis_tidy;

struct redis_store {
    struct online_store store; /* first */
    struct redis_store_options options;
    void *tls;
    struct redis_loop *loops;
    _Atomic int state; /* enum redis_store_state */
    pthread_mutex_t failure_lock;
    struct error failure; /* of FOREIGN; under the lock */
    _Atomic bool is_cluster;
    _Atomic int64_t clock_offset_us;
    _Atomic uint64_t rows_tidied;
    _Atomic uint64_t statistics_failures; /* of all loops */
    /* of loop 0 */
    uv_timer_t tick;
    struct redis_binding *binding;
    struct redis_keeper *keeper; /* statistics */
    struct redis_tidy *tidy;
    bool is_draining;
    _Atomic unsigned loops_open;
    struct loop_task drained_task;
    void (*drained)(void *user);
    void *drained_user;
};

static inline struct redis_store *redis_store_of(struct online_store *store)
{
    return CONTAINER_OF(store, struct redis_store, store);
}

static inline enum redis_store_state redis_store_state(struct redis_store *store)
{
    return (enum redis_store_state)atomic_load_explicit(&store->state, memory_order_acquire);
}

static inline struct redis_loop *redis_loop_of(struct online_store *store, const struct loop *loop)
{
    return &redis_store_of(store)->loops[loop->index];
}

static inline const struct catalog *redis_catalog(const struct redis_loop *on)
{
    return catalog_current(on->store->options.catalog);
}

/* OK if commands can be given to on->client. Its own loop. */
MUST_CHECK status redis_loop_check(const struct redis_loop *on, struct error *error);
/* How many commands of one request may wait at a time: enough to keep the server busy, little for others
 * to wait behind, and several requests fit in what may wait at all. */
static inline uint32_t redis_loop_window(const struct redis_loop *on)
{
    uint32_t share = on->store->options.max_pending / 4;
    return share < 1 ? 1 : share < REDIS_WINDOW_MAX ? share : REDIS_WINDOW_MAX;
}
/* A row that is damaged was met: counted, and logged once a minute. */
void redis_loop_damaged(struct redis_loop *on, str key);
/* What to answer about `outcome` and `reply`: OK only for an answer that is no error. */
MUST_CHECK status redis_answer_check(enum redis_outcome outcome, const redisReply *reply,
                                     struct error *error);
/* The first number of a script's answer of at least `elements`: OK for DONE, else why not. The words of
 * an error reply (OOM, READONLY, NOREPLICAS …) are logged, once a minute. */
MUST_CHECK status redis_script_check(struct redis_loop *on, enum redis_outcome outcome,
                                     const redisReply *reply, size_t elements, str key,
                                     struct error *error);
status redis_no_memory(struct error *error);

/* The set of all ids, for other readers: best effort, not in a cluster. */
void redis_all_set_add(struct redis_loop *on, str entity_name, str entity_id);
void redis_all_set_remove(struct redis_loop *on, str entity_name, str entity_id);

/* The operations (online.h). */
void redis_store_read(struct online_store *store, struct online_read *read);
void redis_store_write(struct online_store *store, struct online_write *write);
void redis_store_erase(struct online_store *store, struct online_erase *erase);
void redis_store_scan(struct online_store *store, struct online_scan *scan);
void redis_store_statistics(struct online_store *store, struct online_statistics *request);

/* Whose store it is (redis_binding.c); loop 0. */
struct redis_binding *redis_binding_create(struct redis_store *store);
void redis_binding_destroy(struct redis_binding *binding);
void redis_binding_tick(struct redis_binding *binding);
/* Tells that the store is open, once it is ours and every loop has reached all of it; or, if not
 * `wholly`, some of its nodes. */
void redis_binding_tell(struct redis_binding *binding, bool wholly);
/* Whether every loop reaches all of it, or if not `wholly` some of its nodes. Any thread. */
bool redis_store_is_reached(struct redis_store *store, bool wholly);

/* Statistics (redis_statistics.c). Any loop: a value was accepted. */
void redis_statistics_add(struct redis_loop *on, uint64_t version_id, const struct value *value,
                          int64_t event_time_us);
void redis_deltas_fini(struct redis_deltas *deltas);
/* The sum of this version, empty at first; NULL without memory. Holds until the next call. */
struct statistics *redis_deltas_of(struct redis_deltas *deltas, uint64_t version_id);
const struct statistics *redis_deltas_find(const struct redis_deltas *deltas, uint64_t version_id);
struct redis_keeper *redis_keeper_create(struct redis_store *store);
void redis_keeper_destroy(struct redis_keeper *keeper);
void redis_keeper_tick(struct redis_keeper *keeper); /* loop 0 */
/* Loop 0: hands on what is left, as far as that goes at once; then calls. */
void redis_keeper_drain(struct redis_keeper *keeper, void (*drained)(struct redis_store *store));

/* The paced scan (redis_tidy.c); loop 0. */
struct redis_tidy *redis_tidy_create(struct redis_store *store);
void redis_tidy_destroy(struct redis_tidy *tidy);
void redis_tidy_tick(struct redis_tidy *tidy); /* each second */

#endif

/* What the parts of the engine share. Private to the folder (and its tests).
 *
 * Readers (event loops) use `tables`, `clock` and the counters; the writer thread alone changes
 * tables; the maintenance thread reads tables and proposes. */
#ifndef FEATURED_ONLINE_ENGINE_ENGINE_STATE_H
#define FEATURED_ONLINE_ENGINE_ENGINE_STATE_H

#include "log/log_writer.h"
#include "model/limits.h"
#include "online/engine/engine.h"
#include "online/engine/table.h"
#include "runtime/store_clock.h"

/* Stored by the writer (the queue's by whoever submits), read by anybody, each on its own. */
struct engine_counters {
    _Atomic uint64_t entities;
    _Atomic uint64_t memory_bytes; /* without the queue's */
    _Atomic uint64_t values_written;
    _Atomic uint64_t values_late;
    _Atomic uint64_t values_expired;
    _Atomic uint64_t values_erased;
    _Atomic uint64_t lsn;
    _Atomic uint64_t queued_requests;
    _Atomic uint64_t queued_bytes;
    _Atomic uint64_t log_failures;
};

enum engine_state { ENGINE_RECOVERING, ENGINE_READY, ENGINE_FAILED };

/* What recovery found. */
struct engine_recovery {
    uint64_t duration_ns;
    uint64_t rows;    /* of the snapshot */
    uint64_t records; /* of the log after it */
    uint64_t cut_bytes;
    uint64_t snapshot_lsn;   /* 0: there was none */
    uint64_t snapshot_bytes; /* of that one */
    uint64_t log_bytes;      /* in the log after it */
};

struct engine {
    struct online_store store; /* first: what callers hold */
    struct epoch *epoch;
    const struct catalog_ref *catalog;
    uint64_t max_memory_bytes;
    struct store_clock *clock;
    struct engine_options options; /* as given */
    struct engine_counters counters;
    _Atomic(struct table *) tables[LIMIT_ENTITIES]; /* by entity index; NULL until first written */
    _Atomic enum engine_state state; /* stored by the writer, after what depends on it */
    _Atomic unsigned recovery_permille;
    _Atomic bool closing;
    struct error failure;            /* ENGINE_FAILED: why */
    struct engine_recovery recovery; /* ENGINE_READY */
    struct log_writer *log;          /* ENGINE_READY; NULL without a directory */
    struct writer *writer;
    struct sweeper *sweeper;
    struct snapshotter *snapshotter; /* NULL without a directory */
};

static inline enum engine_state engine_state(const struct engine *engine)
{
    return atomic_load_explicit(&engine->state, memory_order_acquire);
}

/* OK, or UNAVAILABLE: the store is not, or never will be, ready. */
MUST_CHECK status engine_check_ready(const struct engine *engine, struct error *error);

static inline struct table *engine_table(const struct engine *engine, uint32_t entity_index)
{
    return atomic_load_explicit(&engine->tables[entity_index], memory_order_acquire);
}

static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif

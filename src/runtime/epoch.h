/* Quiescent-state reclamation: how a reader follows pointers that another thread replaces, without
 * a lock and without counting references.
 *
 * A reader thread is online while it may hold shared pointers and offline while it sleeps. Whoever
 * replaces a pointer retires the old block into its own limbo; the block is freed once every reader
 * that was online at that time has been offline, or quiescent, since. No shared pointer outlives
 * the stretch between epoch_online() and epoch_offline().
 *
 * Event loops are online from the first callback of an iteration until just before they poll
 * (runtime/loop.h does both). After: T. Hart et al., "Performance of memory reclamation for
 * lockless synchronization", 2007 (QSBR). Only C11 atomics, so that ThreadSanitizer follows it. */
#ifndef FEATURED_RUNTIME_EPOCH_H
#define FEATURED_RUNTIME_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define EPOCH_READERS_MAX                                                                          \
    256 /* event loops, writer, registry, maintenance; loops are at most 128 */

struct epoch_reader {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t seen; /* 0: offline */
    _Atomic bool used;
};

/* One per process (a test may have several). */
struct epoch {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t now; /* starts at 1 */
    _Atomic unsigned reader_bound;                   /* places from here on were never taken */
    struct epoch_reader readers[EPOCH_READERS_MAX];
};

void epoch_init(struct epoch *epoch);

/* A place for one reader thread, offline; NULL if all are taken. Any thread. */
MUST_CHECK struct epoch_reader *epoch_register(struct epoch *epoch);
void epoch_unregister(struct epoch_reader *reader); /* must be offline */

static inline bool epoch_is_online(const struct epoch_reader *reader)
{
    return atomic_load_explicit(&reader->seen, memory_order_relaxed) != 0;
}

/* Marks the reader online (again: a no-op), or moves it to the present epoch. */
void epoch_online(struct epoch *epoch, struct epoch_reader *reader);
void epoch_offline(struct epoch_reader *reader);

/* Blocks that one thread has retired, in order. Owned by that thread. */
struct epoch_limbo {
    struct epoch *epoch;
    struct epoch_retired *items; /* ring buffer */
    size_t capacity;
    size_t head;
    size_t count;
    size_t held_bytes; /* what the callers said the items occupy */
};

typedef void (*epoch_free_fn)(void *context, void *block);

void epoch_limbo_init(struct epoch_limbo *limbo, struct epoch *epoch);
/* Frees everything at once: only when no reader is left. */
void epoch_limbo_fini(struct epoch_limbo *limbo);
/* Makes sure that the next `count` retirements cannot fail; false without memory. */
MUST_CHECK bool epoch_limbo_reserve(struct epoch_limbo *limbo, size_t count);
/* The block must already be unreachable for new readers; room must have been reserved. */
void epoch_retire(struct epoch_limbo *limbo, void *block, size_t size_bytes, epoch_free_fn free_fn,
                  void *context);
/* Frees what no reader can hold any more; returns how many items are left. Cheap when nothing can
 * be freed. Advances the epoch. */
size_t epoch_reclaim(struct epoch_limbo *limbo);

#endif

/* One entity's rows: id → row, by open addressing in many small shards, so that growing one is
 * short (design.md §5).
 *
 * A shard is a power-of-two array of 16-byte slots (hash, row). The hash of a slot never changes
 * once set; its row may be replaced, or become the tombstone. An array that is too full, or too
 * empty, is replaced by a new one and retired. Readers follow what they find without a lock: they
 * must be online in the epoch from the lookup until they have read the row.
 *
 * One thread writes (all functions but those that say otherwise); at recovery several may, each its
 * own shards. Inserting is in two steps: the reservation may fail, the insertion cannot. */
#ifndef FEATURED_ONLINE_ENGINE_TABLE_H
#define FEATURED_ONLINE_ENGINE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "online/engine/row.h"
#include "runtime/epoch.h"

#define TABLE_SHARD_BITS 10
#define TABLE_SHARDS (1u << TABLE_SHARD_BITS)

/* Of the thread that writes: what it holds, and where it leaves arrays that readers may still see.
 * Outlives the tables it was used for, limbo included. */
struct table_memory {
    uint64_t *bytes;           /* rows, arrays and tables are added and taken away */
    struct epoch_limbo *limbo; /* NULL: there is no reader yet, nothing has to wait */
};

struct table_slot {
    _Atomic uint64_t hash; /* 0: free */
    _Atomic(struct row *) row;
};

struct table_shard {
    /* Slots, aligned to 64 bytes; the low six bits are the log2 of their number. 0: no array.
     * Together, because a reader must get a pair that fits, with one load. */
    _Atomic uintptr_t array;
    _Atomic uint32_t generation; /* of the array: counted before a new one is stored */
    uint32_t used;     /* slots whose hash is set, tombstones too */
    uint32_t live;
    uint32_t reserved; /* insertions to come */
};

struct table {
    struct table_shard shards[TABLE_SHARDS];
};

MUST_CHECK struct table *table_create(const struct table_memory *memory);
/* Frees every row too: no reader is left. `bytes` as in struct table_memory. */
void table_destroy(struct table *table, uint64_t *bytes);

/* Whose one owner may be told apart from others. */
static inline uint32_t table_shard_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - TABLE_SHARD_BITS));
}

/* What finds an id: never 0. */
static inline uint64_t table_hash(str entity_id)
{
    uint64_t hash = hash_str(entity_id);
    return hash ? hash : 1;
}

/* Any thread that is online. NULL if absent. */
const struct row *table_find(const struct table *table, uint64_t hash, str entity_id);

/* The same for many ids at once, at the speed of memory bandwidth and not of its latency. */
#define TABLE_BATCH_MAX 256u
void table_find_batch(const struct table *table, const str *entity_ids, uint32_t count,
                      const struct row **out);

/* Any thread, a hint that `hash` is looked up soon. */
void table_prefetch(const struct table *table, uint64_t hash);

/* Makes sure that one more table_insert() of this hash succeeds. A new array of more than
 * `budget_bytes` is STORE_FULL, one without memory OUT_OF_MEMORY. May retire one array: the caller
 * has reserved room in the limbo. */
MUST_CHECK status table_reserve(struct table *table, uint64_t hash, uint64_t budget_bytes,
                                const struct table_memory *memory);
void table_unreserve(struct table *table, uint64_t hash);
/* The id is absent and was reserved. */
void table_insert(struct table *table, uint64_t hash, struct row *row);
/* `held` is in the table. Neither frees `held`. */
void table_replace(struct table *table, uint64_t hash, const struct row *held, struct row *row);
void table_remove(struct table *table, uint64_t hash, const struct row *held);
/* After removals: a smaller array, where that is worth it and there is memory. May retire one. */
void table_shrink(struct table *table, uint64_t hash, const struct table_memory *memory);
/* Gives a shard without an array one that has room for `count` rows; false without memory. */
MUST_CHECK bool table_presize(struct table *table, uint32_t shard, uint32_t count,
                              const struct table_memory *memory);

/* Walks a shard: the row at *position or after it, and moves *position behind it; NULL at the end.
 * Any thread that stays online in between; over a new array it may see rows twice or miss them. */
const struct row *table_walk(const struct table *table, uint32_t shard, uint32_t *position);

/* A walk of one shard in stretches: between two of them the thread may be offline. */
struct table_walk {
    const struct table *table;
    uint32_t shard;
    uint32_t position;
    uint32_t generation;
    uintptr_t array;
};

void table_walk_begin(struct table_walk *walk, const struct table *table, uint32_t shard);
/* Begins a stretch, online from here on. False: the shard has another array than at the first
 * stretch, and the walk begins anew; so every row that was there all the time is seen. */
bool table_walk_resume(struct table_walk *walk);
/* The next row, NULL at the end. */
const struct row *table_walk_next(struct table_walk *walk);
/* The next one whose hash is from `first` to `last`; the others' memory is not touched. */
const struct row *table_walk_next_between(struct table_walk *walk, uint64_t first, uint64_t last);

#endif

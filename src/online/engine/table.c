#include "online/engine/table.h"

#include "base/assert.h"
#include "base/memory.h"

#define FIRST_CAPACITY_LOG2 2u /* one cache line */
#define ARRAY_ALIGN 64u
#define CAPACITY_MASK ((uintptr_t)ARRAY_ALIGN - 1)

/* Stands for a row that was removed; never followed. */
static struct row tombstone;

static inline struct table_slot *slots_of(uintptr_t array)
{
    return (struct table_slot *)(array & ~CAPACITY_MASK);
}

static inline uint32_t mask_of(uintptr_t array)
{
    return (1u << (array & CAPACITY_MASK)) - 1;
}

static inline uintptr_t load_array(const struct table_shard *shard)
{
    return atomic_load_explicit(&shard->array, memory_order_acquire);
}

/* Slots may be filled up to 3/4: at 7/8 a miss would look at 32 of them. */
static inline uint32_t fill_limit(uint32_t capacity_log2)
{
    return 3u << capacity_log2 >> 2;
}

struct table *table_create(const struct table_memory *memory)
{
    struct table *table = memory_alloc_zero(sizeof(*table));
    if (table == NULL)
        return NULL;
    *memory->bytes += memory_size(table);
    return table;
}

static void free_array(void *context, void *block)
{
    uint64_t *bytes = context;
    *bytes -= memory_size(block);
    memory_free(block);
}

static void destroy_shard(struct table_shard *shard, uint64_t *bytes)
{
    uintptr_t array = load_array(shard);
    if (array == 0)
        return;
    for (uint32_t i = 0; i <= mask_of(array); i++) {
        struct row *row = atomic_load_explicit(&slots_of(array)[i].row, memory_order_relaxed);
        if (row != NULL && row != &tombstone)
            row_destroy(row, bytes);
    }
    free_array(bytes, slots_of(array));
}

void table_destroy(struct table *table, uint64_t *bytes)
{
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < TABLE_SHARDS; i++)
        destroy_shard(&table->shards[i], bytes);
    *bytes -= memory_size(table);
    memory_free(table);
}

static inline const struct row *probe(uintptr_t array, uint64_t hash, str entity_id)
{
    const struct table_slot *slots = slots_of(array);
    uint32_t mask = mask_of(array);
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint64_t held = atomic_load_explicit(&slots[i].hash, memory_order_acquire);
        if (held == 0)
            return NULL;
        if (held != hash)
            continue;
        const struct row *row = atomic_load_explicit(&slots[i].row, memory_order_acquire);
        if (row != &tombstone && row_has_id(row, entity_id))
            return row;
    }
}

const struct row *table_find(const struct table *table, uint64_t hash, str entity_id)
{
    uintptr_t array = load_array(&table->shards[table_shard_of(hash)]);
    return array == 0 ? NULL : probe(array, hash, entity_id);
}

void table_prefetch(const struct table *table, uint64_t hash)
{
    uintptr_t array = load_array(&table->shards[table_shard_of(hash)]);
    if (array != 0)
        __builtin_prefetch(&slots_of(array)[(uint32_t)hash & mask_of(array)]);
}

/* The first row with this hash. With 64 bits it is nearly always the one; ids are compared later,
 * when its first line has arrived. */
static inline const struct row *candidate(uintptr_t array, uint64_t hash)
{
    const struct table_slot *slots = slots_of(array);
    uint32_t mask = mask_of(array);
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint64_t held = atomic_load_explicit(&slots[i].hash, memory_order_acquire);
        if (held == 0)
            return NULL;
        if (held == hash)
            return atomic_load_explicit(&slots[i].row, memory_order_acquire);
    }
}

void table_find_batch(const struct table *table, const str *entity_ids, uint32_t count,
                      const struct row **out)
{
    ASSERT(count <= TABLE_BATCH_MAX);
    uint64_t hashes[TABLE_BATCH_MAX];
    uintptr_t arrays[TABLE_BATCH_MAX];
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = table_hash(entity_ids[i]);
        arrays[i] = load_array(&table->shards[table_shard_of(hashes[i])]);
        if (arrays[i] != 0)
            __builtin_prefetch(&slots_of(arrays[i])[(uint32_t)hashes[i] & mask_of(arrays[i])]);
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = arrays[i] != 0 ? candidate(arrays[i], hashes[i]) : NULL;
        __builtin_prefetch(out[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        if (out[i] != NULL && (out[i] == &tombstone || !row_has_id(out[i], entity_ids[i])))
            out[i] = probe(arrays[i], hashes[i], entity_ids[i]);
}

static const struct row *walk_array(uintptr_t array, uint32_t *position)
{
    if (array == 0)
        return NULL;
    while (*position <= mask_of(array)) {
        const struct row *row =
            atomic_load_explicit(&slots_of(array)[(*position)++].row, memory_order_acquire);
        if (row != NULL && row != &tombstone)
            return row;
    }
    return NULL;
}

const struct row *table_walk(const struct table *table, uint32_t shard, uint32_t *position)
{
    return walk_array(load_array(&table->shards[shard]), position);
}

/* The array before its generation, while online. The writer does it the other way round. So if a
 * later array came to lie at the same address it has another generation: it was made, and counted,
 * only after this thread had gone offline. */
static void look(const struct table_walk *walk, uintptr_t *array, uint32_t *generation)
{
    const struct table_shard *shard = &walk->table->shards[walk->shard];
    *array = load_array(shard);
    *generation = atomic_load_explicit(&shard->generation, memory_order_acquire);
}

void table_walk_begin(struct table_walk *walk, const struct table *table, uint32_t shard)
{
    *walk = (struct table_walk){.table = table, .shard = shard};
}

bool table_walk_resume(struct table_walk *walk)
{
    uintptr_t array;
    uint32_t generation;
    look(walk, &array, &generation);
    bool same = walk->position == 0 || (array == walk->array && generation == walk->generation);
    if (!same)
        walk->position = 0;
    walk->array = array;
    walk->generation = generation;
    return same;
}

const struct row *table_walk_next(struct table_walk *walk)
{
    return walk_array(walk->array, &walk->position);
}

const struct row *table_walk_next_between(struct table_walk *walk, uint64_t first, uint64_t last)
{
    if (walk->array == 0)
        return NULL;
    while (walk->position <= mask_of(walk->array)) {
        struct table_slot *slot = &slots_of(walk->array)[walk->position++];
        uint64_t hash = atomic_load_explicit(&slot->hash, memory_order_acquire);
        if (hash == 0 || hash < first || hash > last)
            continue;
        const struct row *row = atomic_load_explicit(&slot->row, memory_order_acquire);
        if (row != &tombstone)
            return row;
    }
    return NULL;
}

static void put_row(uintptr_t array, uint64_t hash, struct row *row)
{
    struct table_slot *slots = slots_of(array);
    uint32_t mask = mask_of(array);
    uint32_t i = (uint32_t)hash & mask;
    while (atomic_load_explicit(&slots[i].hash, memory_order_relaxed) != 0)
        i = (i + 1) & mask;
    /* The row first: who finds the hash must find the row. */
    atomic_store_explicit(&slots[i].row, row, memory_order_release);
    atomic_store_explicit(&slots[i].hash, hash, memory_order_release);
}

static void store_array(struct table_shard *shard, uintptr_t array)
{
    atomic_fetch_add_explicit(&shard->generation, 1, memory_order_relaxed);
    atomic_store_explicit(&shard->array, array, memory_order_release);
}

static void retire_array(uintptr_t array, const struct table_memory *memory)
{
    if (memory->limbo == NULL)
        free_array(memory->bytes, slots_of(array));
    else
        epoch_retire(memory->limbo, slots_of(array), memory_size(slots_of(array)), free_array,
                     memory->bytes);
}

/* Replaces the shard's array by one of this size, without tombstones. */
static bool rebuild(struct table_shard *shard, uint32_t capacity_log2,
                    const struct table_memory *memory)
{
    size_t size = sizeof(struct table_slot) << capacity_log2;
    void *block = memory_alloc_aligned(ARRAY_ALIGN, size);
    if (block == NULL)
        return false;
    memset(block, 0, size);
    *memory->bytes += memory_size(block);
    uintptr_t array = (uintptr_t)block | capacity_log2;
    uintptr_t old = load_array(shard);
    for (uint32_t i = 0; old != 0 && i <= mask_of(old); i++) {
        const struct table_slot *slot = &slots_of(old)[i];
        struct row *row = atomic_load_explicit(&slot->row, memory_order_relaxed);
        if (row != NULL && row != &tombstone)
            put_row(array, atomic_load_explicit(&slot->hash, memory_order_relaxed), row);
    }
    store_array(shard, array);
    shard->used = shard->live;
    if (old != 0)
        retire_array(old, memory);
    return true;
}

status table_reserve(struct table *table, uint64_t hash, uint64_t budget_bytes,
                     const struct table_memory *memory)
{
    struct table_shard *shard = &table->shards[table_shard_of(hash)];
    uintptr_t array = load_array(shard);
    if (array == 0 ||
        shard->used + shard->reserved + 1 > fill_limit((uint32_t)(array & CAPACITY_MASK))) {
        /* Room for the living and a third more: with many tombstones the size stays the same. */
        uint32_t wanted = shard->live + shard->reserved + 1;
        uint32_t capacity_log2 = FIRST_CAPACITY_LOG2;
        while (fill_limit(capacity_log2) < wanted + wanted / 3)
            capacity_log2++;
        if (sizeof(struct table_slot) << capacity_log2 > budget_bytes)
            return status_of(STATUS_STORE_FULL);
        if (!rebuild(shard, capacity_log2, memory))
            return status_of(STATUS_OUT_OF_MEMORY);
    }
    shard->reserved++;
    return OK;
}

void table_unreserve(struct table *table, uint64_t hash)
{
    struct table_shard *shard = &table->shards[table_shard_of(hash)];
    ASSERT(shard->reserved > 0);
    shard->reserved--;
}

void table_insert(struct table *table, uint64_t hash, struct row *row)
{
    struct table_shard *shard = &table->shards[table_shard_of(hash)];
    ASSERT(shard->reserved > 0);
    put_row(load_array(shard), hash, row);
    shard->reserved--;
    shard->used++;
    shard->live++;
}

static struct table_slot *slot_of_row(const struct table_shard *shard, uint64_t hash,
                                      const struct row *held)
{
    uintptr_t array = load_array(shard);
    struct table_slot *slots = slots_of(array);
    uint32_t i = (uint32_t)hash & mask_of(array);
    while (atomic_load_explicit(&slots[i].row, memory_order_relaxed) != held) {
        ASSERT(atomic_load_explicit(&slots[i].hash, memory_order_relaxed) != 0);
        i = (i + 1) & mask_of(array);
    }
    return &slots[i];
}

void table_replace(struct table *table, uint64_t hash, const struct row *held, struct row *row)
{
    const struct table_shard *shard = &table->shards[table_shard_of(hash)];
    atomic_store_explicit(&slot_of_row(shard, hash, held)->row, row, memory_order_release);
}

void table_remove(struct table *table, uint64_t hash, const struct row *held)
{
    struct table_shard *shard = &table->shards[table_shard_of(hash)];
    atomic_store_explicit(&slot_of_row(shard, hash, held)->row, &tombstone, memory_order_release);
    shard->live--;
}

void table_shrink(struct table *table, uint64_t hash, const struct table_memory *memory)
{
    struct table_shard *shard = &table->shards[table_shard_of(hash)];
    uintptr_t array = load_array(shard);
    uint32_t capacity_log2 = (uint32_t)(array & CAPACITY_MASK);
    uint32_t wanted = shard->live + shard->reserved;
    if (array == 0)
        return;
    if (wanted == 0) {
        store_array(shard, 0);
        shard->used = 0;
        retire_array(array, memory);
        return;
    }
    /* An eighth or less is in use: then it is at least a quarter afterwards. */
    if (capacity_log2 <= FIRST_CAPACITY_LOG2 || wanted > 1u << capacity_log2 >> 3)
        return;
    if (!rebuild(shard, capacity_log2 - 1, memory))
        return; /* it stays as large as it is */
}

bool table_presize(struct table *table, uint32_t shard, uint32_t count,
                   const struct table_memory *memory)
{
    ASSERT(load_array(&table->shards[shard]) == 0);
    uint32_t capacity_log2 = FIRST_CAPACITY_LOG2;
    while (fill_limit(capacity_log2) < count)
        capacity_log2++;
    return rebuild(&table->shards[shard], capacity_log2, memory);
}

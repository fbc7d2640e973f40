/* Why no block is freed too early. The writer unpublishes, then retires with an RMW of `now` that
 * reads the tag, then scans the readers with RMWs of `seen`. A reader takes part by an RMW of its
 * `seen`. Either the reader's RMW comes first, and the scan reads its epoch and keeps the block; or
 * the scan's comes first, the reader's reads from it, and so the reader sees the unpublishing. A
 * reader that is online with an epoch above the tag loaded `now` from the release sequence of the
 * writer's RMW, with the same effect. Read-modify-writes instead of fences: ThreadSanitizer does
 * not model fences. */
#include "runtime/epoch.h"

#include "base/assert.h"
#include "base/memory.h"

#define LIMBO_FIRST_CAPACITY 64

struct epoch_retired {
    void *block;
    size_t size_bytes;
    epoch_free_fn free_fn;
    void *context;
    uint64_t tag; /* the epoch in which it was retired */
};

void epoch_init(struct epoch *epoch)
{
    atomic_init(&epoch->now, 1);
    atomic_init(&epoch->reader_bound, 0);
    for (size_t i = 0; i < EPOCH_READERS_MAX; i++) {
        atomic_init(&epoch->readers[i].seen, 0);
        atomic_init(&epoch->readers[i].used, false);
    }
}

struct epoch_reader *epoch_register(struct epoch *epoch)
{
    for (unsigned i = 0; i < EPOCH_READERS_MAX; i++) {
        if (atomic_exchange(&epoch->readers[i].used, true))
            continue;
        /* An RMW even where nothing changes: a scan that missed this place comes before it. */
        unsigned bound = atomic_fetch_add(&epoch->reader_bound, 0);
        while (!atomic_compare_exchange_weak(&epoch->reader_bound, &bound,
                                             bound > i + 1 ? bound : i + 1))
            ;
        return &epoch->readers[i];
    }
    return NULL;
}

void epoch_unregister(struct epoch_reader *reader)
{
    ASSERT(!epoch_is_online(reader));
    atomic_store(&reader->used, false);
}

void epoch_online(struct epoch *epoch, struct epoch_reader *reader)
{
    uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);
    if (atomic_load_explicit(&reader->seen, memory_order_relaxed) != now)
        atomic_exchange(&reader->seen, now);
}

void epoch_offline(struct epoch_reader *reader)
{
    atomic_store_explicit(&reader->seen, 0, memory_order_release);
}

void epoch_limbo_init(struct epoch_limbo *limbo, struct epoch *epoch)
{
    *limbo = (struct epoch_limbo){.epoch = epoch};
}

static struct epoch_retired *item_at(const struct epoch_limbo *limbo, size_t i)
{
    return &limbo->items[(limbo->head + i) & (limbo->capacity - 1)];
}

static void free_first(struct epoch_limbo *limbo)
{
    struct epoch_retired item = *item_at(limbo, 0);
    limbo->head = (limbo->head + 1) & (limbo->capacity - 1);
    limbo->count--;
    limbo->held_bytes -= item.size_bytes;
    item.free_fn(item.context, item.block);
}

void epoch_limbo_fini(struct epoch_limbo *limbo)
{
    while (limbo->count)
        free_first(limbo);
    memory_free(limbo->items);
    epoch_limbo_init(limbo, limbo->epoch);
}

bool epoch_limbo_reserve(struct epoch_limbo *limbo, size_t count)
{
    size_t needed;
    if (__builtin_add_overflow(limbo->count, count, &needed) || needed > SIZE_MAX / 2)
        return false;
    if (needed <= limbo->capacity)
        return true;
    size_t capacity = limbo->capacity ? limbo->capacity : LIMBO_FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    struct epoch_retired *items = memory_alloc_array(capacity, sizeof(*items));
    if (items == NULL)
        return false;
    for (size_t i = 0; i < limbo->count; i++)
        items[i] = *item_at(limbo, i);
    memory_free(limbo->items);
    limbo->items = items;
    limbo->capacity = capacity;
    limbo->head = 0;
    return true;
}

void epoch_retire(struct epoch_limbo *limbo, void *block, size_t size_bytes, epoch_free_fn free_fn,
                  void *context)
{
    ASSERT(limbo->count < limbo->capacity);
    uint64_t tag = atomic_fetch_add(&limbo->epoch->now, 0);
    limbo->count++;
    limbo->held_bytes += size_bytes;
    *item_at(limbo, limbo->count - 1) = (struct epoch_retired){
        .block = block,
        .size_bytes = size_bytes,
        .free_fn = free_fn,
        .context = context,
        .tag = tag,
    };
}

/* The oldest epoch a reader may still be in, UINT64_MAX if all are offline. Stops early at a reader
 * that keeps even the oldest block. */
static uint64_t oldest_seen(struct epoch *epoch, uint64_t first_tag)
{
    uint64_t oldest = UINT64_MAX;
    unsigned bound = atomic_fetch_add(&epoch->reader_bound, 0);
    for (unsigned i = 0; i < bound; i++) {
        struct epoch_reader *reader = &epoch->readers[i];
        uint64_t seen = atomic_load_explicit(&reader->seen, memory_order_acquire);
        if (seen == 0)
            seen = atomic_fetch_add(&reader->seen, 0);
        if (seen != 0 && seen < oldest)
            oldest = seen;
        if (oldest <= first_tag)
            break;
    }
    return oldest;
}

size_t epoch_reclaim(struct epoch_limbo *limbo)
{
    struct epoch *epoch = limbo->epoch;
    if (limbo->count == 0)
        return 0;
    /* Without a step readers that go on could not show that they have left the tag's epoch. */
    uint64_t last_tag = item_at(limbo, limbo->count - 1)->tag;
    if (atomic_load_explicit(&epoch->now, memory_order_relaxed) == last_tag)
        atomic_fetch_add(&epoch->now, 1);
    uint64_t oldest = oldest_seen(epoch, item_at(limbo, 0)->tag);
    while (limbo->count && item_at(limbo, 0)->tag < oldest)
        free_first(limbo);
    return limbo->count;
}

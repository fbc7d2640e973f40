#include "engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "online/engine/row_draft.h"
#include "online/engine/table.h"

#define PLENTY UINT64_MAX

struct bed {
    struct epoch epoch;
    struct epoch_limbo limbo;
    uint64_t memory_bytes;
    struct table_memory memory;
    struct table *table;
    struct row_draft draft;
};

static struct bed *bed_create(void)
{
    struct bed *bed = NULL;
    assert_int_equal(posix_memalign((void **)&bed, _Alignof(struct bed), sizeof(*bed)), 0);
    memset(bed, 0, sizeof(*bed));
    epoch_init(&bed->epoch);
    epoch_limbo_init(&bed->limbo, &bed->epoch);
    bed->memory = (struct table_memory){.bytes = &bed->memory_bytes, .limbo = &bed->limbo};
    bed->table = table_create(&bed->memory);
    assert_non_null(bed->table);
    return bed;
}

static void bed_destroy(struct bed *bed)
{
    table_destroy(bed->table, &bed->memory_bytes);
    epoch_limbo_fini(&bed->limbo);
    assert_int_equal(bed->memory_bytes, 0);
    free(bed);
}

static str id_of(uint32_t n, char text[16])
{
    return str_of(text, (size_t)snprintf(text, 16, "user_%u", n));
}

static struct row *row_of(struct bed *bed, str id)
{
    row_draft_begin(&bed->draft, id);
    struct row *row = row_create(&bed->draft, &bed->memory_bytes);
    assert_non_null(row);
    return row;
}

static void insert(struct bed *bed, uint32_t n)
{
    char text[16];
    str id = id_of(n, text);
    assert_true(epoch_limbo_reserve(&bed->limbo, 1));
    assert_true(status_is_ok(table_reserve(bed->table, table_hash(id), PLENTY, &bed->memory)));
    table_insert(bed->table, table_hash(id), row_of(bed, id));
}

static const struct row *find(struct bed *bed, uint32_t n)
{
    char text[16];
    str id = id_of(n, text);
    return table_find(bed->table, table_hash(id), id);
}

static void remove_row(struct bed *bed, uint32_t n)
{
    char text[16];
    str id = id_of(n, text);
    struct row *row = (struct row *)(uintptr_t)find(bed, n);
    table_remove(bed->table, table_hash(id), row);
    assert_true(epoch_limbo_reserve(&bed->limbo, 1));
    table_shrink(bed->table, table_hash(id), &bed->memory);
    row_destroy(row, &bed->memory_bytes);
    epoch_reclaim(&bed->limbo);
}

static void rows_are_found_while_the_table_grows(void **state)
{
    enum { COUNT = 100000 };
    (void)state;
    struct bed *bed = bed_create();
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_null(find(bed, n));
        insert(bed, n);
        assert_non_null(find(bed, n));
        assert_non_null(find(bed, n / 2));
        epoch_reclaim(&bed->limbo);
    }
    char text[16];
    for (uint32_t n = 0; n < COUNT; n++)
        assert_true(row_has_id(find(bed, n), id_of(n, text)));
    assert_null(find(bed, COUNT));
    /* Goal 9 has room for 60 bytes of table beside a row of 64. */
    assert_true(bed->memory_bytes / COUNT < 32 + 60);
    bed_destroy(bed);
}

static void a_batch_finds_the_same(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    char texts[TABLE_BATCH_MAX][16];
    str ids[TABLE_BATCH_MAX];
    const struct row *rows[TABLE_BATCH_MAX];
    for (uint32_t n = 0; n < 1000; n += 2)
        insert(bed, n);
    for (uint32_t n = 0; n < 1000; n += 4)
        remove_row(bed, n);
    for (uint32_t count = 0; count <= TABLE_BATCH_MAX; count++) {
        for (uint32_t i = 0; i < count; i++)
            ids[i] = id_of(i * 7, texts[i]);
        table_find_batch(bed->table, ids, count, rows);
        for (uint32_t i = 0; i < count; i++)
            assert_ptr_equal(rows[i], find(bed, i * 7));
    }
    bed_destroy(bed);
}

static void removed_rows_leave_nothing(void **state)
{
    enum { COUNT = 30000 };
    (void)state;
    struct bed *bed = bed_create();
    uint64_t empty_bytes = bed->memory_bytes;
    for (uint32_t n = 0; n < COUNT; n++)
        insert(bed, n);
    for (uint32_t n = 0; n < COUNT; n += 2)
        remove_row(bed, n);
    for (uint32_t n = 0; n < COUNT; n++)
        assert_true((find(bed, n) != NULL) == (n % 2 == 1));
    for (uint32_t n = 0; n < COUNT; n += 2)
        insert(bed, n);
    for (uint32_t n = 0; n < COUNT; n++)
        assert_non_null(find(bed, n));
    for (uint32_t n = 0; n < COUNT; n++)
        remove_row(bed, n);
    epoch_reclaim(&bed->limbo);
    assert_int_equal(bed->memory_bytes, empty_bytes);
    bed_destroy(bed);
}

/* The same few ids come and go: tombstones must not make the arrays grow. */
static void tombstones_are_cleared_away(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    uint32_t next = 0;
    for (uint32_t i = 0; i < 2000; i++)
        insert(bed, next++);
    uint64_t before = bed->memory_bytes;
    for (uint32_t i = 0; i < 200000; i++) {
        insert(bed, next++);
        remove_row(bed, next - 2001);
    }
    assert_true(bed->memory_bytes < before * 2);
    bed_destroy(bed);
}

static void a_row_is_replaced_in_place(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    insert(bed, 7);
    char text[16];
    str id = id_of(7, text);
    struct row *held = (struct row *)(uintptr_t)find(bed, 7);
    struct row *next = row_of(bed, id);
    table_replace(bed->table, table_hash(id), held, next);
    assert_ptr_equal(find(bed, 7), next);
    row_destroy(held, &bed->memory_bytes);
    bed_destroy(bed);
}

/* Two ids with one hash: the hash decides nothing by itself. */
static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    const uint64_t hash = 12345;
    str ids[] = {STR("a"), STR("b"), STR("c")};
    for (int i = 0; i < 2; i++) {
        assert_true(epoch_limbo_reserve(&bed->limbo, 1));
        assert_true(status_is_ok(table_reserve(bed->table, hash, PLENTY, &bed->memory)));
        table_insert(bed->table, hash, row_of(bed, ids[i]));
    }
    const struct row *a = table_find(bed->table, hash, ids[0]);
    const struct row *b = table_find(bed->table, hash, ids[1]);
    assert_true(a != NULL && b != NULL && a != b);
    assert_null(table_find(bed->table, hash, ids[2]));
    table_remove(bed->table, hash, a);
    row_destroy((struct row *)(uintptr_t)a, &bed->memory_bytes);
    assert_null(table_find(bed->table, hash, ids[0]));
    assert_ptr_equal(table_find(bed->table, hash, ids[1]), b);
    bed_destroy(bed);
}

static void growing_minds_budget_and_memory(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    const uint64_t hash = 12345;
    assert_true(epoch_limbo_reserve(&bed->limbo, 1));
    assert_int_equal(table_reserve(bed->table, hash, 63, &bed->memory).code, STATUS_STORE_FULL);
    memory_fail_after(0);
    assert_int_equal(table_reserve(bed->table, hash, PLENTY, &bed->memory).code,
                     STATUS_OUT_OF_MEMORY);
    memory_fail_after(UINT64_MAX);
    assert_true(status_is_ok(table_reserve(bed->table, hash, 64, &bed->memory)));
    table_unreserve(bed->table, hash);
    bed_destroy(bed);
}

static void a_walk_sees_every_row(void **state)
{
    enum { COUNT = 5000 };
    (void)state;
    struct bed *bed = bed_create();
    static bool seen[COUNT];
    for (uint32_t n = 0; n < COUNT; n++)
        insert(bed, n);
    uint32_t count = 0;
    for (uint32_t shard = 0; shard < TABLE_SHARDS; shard++) {
        uint32_t position = 0;
        const struct row *row;
        while ((row = table_walk(bed->table, shard, &position)) != NULL) {
            char text[16] = {0};
            str id = row_id(row);
            memcpy(text, id.data, id.len);
            unsigned long n = strtoul(text + strlen("user_"), NULL, 10);
            assert_true(n < COUNT && !seen[n]);
            seen[n] = true;
            count++;
        }
    }
    assert_int_equal(count, COUNT);
    bed_destroy(bed);
}

/* Which rows a walk in stretches of `stretch` rows saw; between two stretches `change` may do
 * anything. Returns how often the walk began anew. */
static uint32_t walk_shard(struct bed *bed, uint32_t shard, uint32_t stretch, bool *seen,
                           void (*change)(struct bed *bed))
{
    struct table_walk walk;
    const struct row *row = NULL;
    uint32_t restarts = 0;
    table_walk_begin(&walk, bed->table, shard);
    do {
        restarts += !table_walk_resume(&walk);
        for (uint32_t i = 0; i < stretch && (row = table_walk_next(&walk)) != NULL; i++) {
            char text[16] = {0};
            str id = row_id(row);
            memcpy(text, id.data, id.len);
            seen[strtoul(text + strlen("user_"), NULL, 10)] = true;
        }
        if (row != NULL)
            change(bed);
    } while (row != NULL);
    return restarts;
}

enum { WALKED = 20000, GROWN = 3 * WALKED };
static uint32_t grown;

static void grow_once(struct bed *bed)
{
    if (grown == 0)
        for (; grown < GROWN; grown++)
            insert(bed, WALKED + grown);
}

static void change_nothing(struct bed *bed)
{
    (void)bed;
}

static void a_walk_in_stretches_survives_growth(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    static bool seen[WALKED + GROWN];
    for (uint32_t n = 0; n < WALKED; n++)
        insert(bed, n);
    grown = 0;
    uint32_t restarts = walk_shard(bed, 0, 3, seen, grow_once);
    assert_int_equal(restarts, 1); /* every shard has grown */
    for (uint32_t i = 1; i < TABLE_SHARDS; i++)
        assert_int_equal(walk_shard(bed, i, 3, seen, change_nothing), 0);
    for (uint32_t n = 0; n < WALKED; n++)
        assert_true(seen[n]);
    bed_destroy(bed);
}

/* An allocator likes to give the same block again: the address alone would not show it. */
static void a_walk_notices_an_array_at_the_same_address(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    struct table_walk walk;
    uint32_t shard = UINT32_MAX;
    for (uint32_t n = 0; n < 100; n++)
        insert(bed, n);
    for (uint32_t n = 0; n < 100 && shard == UINT32_MAX; n++) {
        char text[16];
        uint32_t of = table_shard_of(table_hash(id_of(n, text)));
        table_walk_begin(&walk, bed->table, of);
        assert_true(table_walk_resume(&walk));
        assert_non_null(table_walk_next(&walk));
        assert_true(table_walk_resume(&walk)); /* nothing has changed */
        remove_row(bed, n);
        if (atomic_load(&bed->table->shards[of].array) != 0)
            continue; /* not the only one of its shard */
        shard = of;
        insert(bed, n);
    }
    assert_true(shard != UINT32_MAX);
    walk.array = atomic_load(&bed->table->shards[shard].array); /* as if it were */
    assert_false(table_walk_resume(&walk));
    assert_non_null(table_walk_next(&walk));
    bed_destroy(bed);
}

static void a_presized_shard_does_not_grow(void **state)
{
    enum { COUNT = 50000 };
    (void)state;
    struct bed *bed = bed_create();
    for (uint32_t i = 0; i < TABLE_SHARDS; i++)
        assert_true(table_presize(bed->table, i, COUNT / TABLE_SHARDS * 2, &bed->memory));
    uint64_t before = bed->memory_bytes;
    uint64_t rows_bytes = 0;
    for (uint32_t n = 0; n < COUNT; n++) {
        insert(bed, n);
        rows_bytes += memory_size(find(bed, n));
    }
    assert_int_equal(bed->memory_bytes, before + rows_bytes);
    struct table *empty = table_create(&bed->memory);
    assert_non_null(empty);
    memory_fail_after(0);
    assert_false(table_presize(empty, 0, 100, &bed->memory));
    memory_fail_after(UINT64_MAX);
    table_destroy(empty, &bed->memory_bytes);
    bed_destroy(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_while_the_table_grows),
        cmocka_unit_test(a_batch_finds_the_same),
        cmocka_unit_test(removed_rows_leave_nothing),
        cmocka_unit_test(tombstones_are_cleared_away),
        cmocka_unit_test(a_row_is_replaced_in_place),
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(growing_minds_budget_and_memory),
        cmocka_unit_test(a_walk_sees_every_row),
        cmocka_unit_test(a_walk_in_stretches_survives_growth),
        cmocka_unit_test(a_walk_notices_an_array_at_the_same_address),
        cmocka_unit_test(a_presized_shard_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

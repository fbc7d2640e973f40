#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/epoch.h"

static void count_free(void *context, void *block)
{
    (*(int *)context)++;
    memory_free(block);
}

static void retire_one(struct epoch_limbo *limbo, int *freed)
{
    void *block = memory_alloc(8);
    assert_non_null(block);
    assert_true(epoch_limbo_reserve(limbo, 1));
    epoch_retire(limbo, block, 8, count_free, freed);
}

static void test_free_at_once_without_readers(void **state)
{
    static struct epoch epoch;
    struct epoch_limbo limbo;
    int freed = 0;
    (void)state;
    epoch_init(&epoch);
    epoch_limbo_init(&limbo, &epoch);
    retire_one(&limbo, &freed);
    assert_int_equal(limbo.held_bytes, 8);
    assert_int_equal(epoch_reclaim(&limbo), 0);
    assert_int_equal(freed, 1);
    assert_int_equal(limbo.held_bytes, 0);
    epoch_limbo_fini(&limbo);
}

static void test_online_reader_keeps_block(void **state)
{
    static struct epoch epoch;
    struct epoch_limbo limbo;
    int freed = 0;
    (void)state;
    epoch_init(&epoch);
    epoch_limbo_init(&limbo, &epoch);
    struct epoch_reader *a = epoch_register(&epoch);
    struct epoch_reader *b = epoch_register(&epoch);
    assert_true(a != b);
    epoch_online(&epoch, a);
    epoch_online(&epoch, a);
    retire_one(&limbo, &freed);
    assert_int_equal(epoch_reclaim(&limbo), 1);
    assert_int_equal(epoch_reclaim(&limbo), 1);
    epoch_online(&epoch, b); /* came after the retirement: does not keep it */
    assert_int_equal(epoch_reclaim(&limbo), 1);
    retire_one(&limbo, &freed);
    epoch_online(&epoch, a); /* quiescent: has let the first block go, not the second */
    assert_int_equal(epoch_reclaim(&limbo), 1);
    assert_int_equal(freed, 1);
    epoch_offline(a);
    assert_int_equal(epoch_reclaim(&limbo), 1);
    epoch_offline(b);
    assert_int_equal(epoch_reclaim(&limbo), 0);
    assert_int_equal(freed, 2);
    epoch_unregister(a);
    epoch_unregister(b);
    epoch_limbo_fini(&limbo);
}

static void test_places_run_out_and_return(void **state)
{
    static struct epoch epoch;
    struct epoch_reader *readers[EPOCH_READERS_MAX];
    (void)state;
    epoch_init(&epoch);
    for (int i = 0; i < EPOCH_READERS_MAX; i++)
        assert_non_null(readers[i] = epoch_register(&epoch));
    assert_null(epoch_register(&epoch));
    epoch_unregister(readers[7]);
    assert_ptr_equal(epoch_register(&epoch), readers[7]);
}

static void test_limbo_wraps_and_grows(void **state)
{
    static struct epoch epoch;
    struct epoch_limbo limbo;
    int freed = 0;
    (void)state;
    epoch_init(&epoch);
    epoch_limbo_init(&limbo, &epoch);
    for (int i = 0; i < 50; i++)
        retire_one(&limbo, &freed);
    epoch_reclaim(&limbo);
    struct epoch_reader *reader = epoch_register(&epoch);
    epoch_online(&epoch, reader);
    for (int i = 0; i < 500; i++) /* starts in the middle of the ring, then grows */
        retire_one(&limbo, &freed);
    assert_int_equal(epoch_reclaim(&limbo), 500);
    assert_int_equal(limbo.held_bytes, 500 * 8);
    epoch_offline(reader);
    epoch_limbo_fini(&limbo);
    assert_int_equal(freed, 550);
}

static void test_reserve_fails_cleanly(void **state)
{
    static struct epoch epoch;
    struct epoch_limbo limbo;
    (void)state;
    epoch_init(&epoch);
    epoch_limbo_init(&limbo, &epoch);
    memory_fail_after(0);
    assert_false(epoch_limbo_reserve(&limbo, 1));
    assert_true(epoch_limbo_reserve(&limbo, 1));
    assert_false(epoch_limbo_reserve(&limbo, SIZE_MAX));
    epoch_limbo_fini(&limbo);
}

/* Readers follow a pointer that two writers replace; a freed block is scribbled over first, so that
 * a reader that still holds it sees the damage (and the sanitizers see the access). */
#define STRESS_READERS 3
#define STRESS_WRITERS 2
#define STRESS_ROUNDS 20000
#define STRESS_SLOTS 4

struct stress {
    struct epoch epoch;
    _Atomic(uint64_t *) slots[STRESS_WRITERS * STRESS_SLOTS];
    _Atomic bool stop;
};

static void scribble_free(void *context, void *block)
{
    uint64_t *pair = block;
    (void)context;
    pair[0] = 1;
    pair[1] = 2;
    memory_free(block);
}

static uint64_t *make_pair(uint64_t value)
{
    uint64_t *pair = memory_alloc(2 * sizeof(*pair));
    if (pair == NULL)
        abort();
    pair[0] = value;
    pair[1] = ~value;
    return pair;
}

static void *read_all(void *argument)
{
    struct stress *stress = argument;
    struct epoch_reader *reader = epoch_register(&stress->epoch);
    uintptr_t torn = 0;
    while (!atomic_load_explicit(&stress->stop, memory_order_relaxed)) {
        epoch_online(&stress->epoch, reader);
        for (int i = 0; i < STRESS_WRITERS * STRESS_SLOTS; i++) {
            uint64_t *pair = atomic_load_explicit(&stress->slots[i], memory_order_acquire);
            torn += pair[0] != ~pair[1];
        }
        epoch_offline(reader);
    }
    epoch_unregister(reader);
    return (void *)torn;
}

struct stress_writer {
    struct stress *stress;
    unsigned index;
};

static void *replace_all(void *argument)
{
    struct stress_writer *writer = argument;
    struct stress *stress = writer->stress;
    struct epoch_limbo limbo;
    epoch_limbo_init(&limbo, &stress->epoch);
    for (uint64_t round = 0; round < STRESS_ROUNDS; round++) {
        if (!epoch_limbo_reserve(&limbo, 1))
            abort();
        size_t slot = writer->index * STRESS_SLOTS + round % STRESS_SLOTS;
        uint64_t *old =
            atomic_exchange_explicit(&stress->slots[slot], make_pair(round), memory_order_acq_rel);
        epoch_retire(&limbo, old, 16, scribble_free, NULL);
        epoch_reclaim(&limbo);
    }
    while (epoch_reclaim(&limbo))
        sched_yield();
    epoch_limbo_fini(&limbo);
    return NULL;
}

static void test_stress(void **state)
{
    static struct stress stress;
    struct stress_writer writers[STRESS_WRITERS];
    pthread_t writer_threads[STRESS_WRITERS];
    pthread_t reader_threads[STRESS_READERS];
    (void)state;
    epoch_init(&stress.epoch);
    for (int i = 0; i < STRESS_WRITERS * STRESS_SLOTS; i++)
        atomic_store(&stress.slots[i], make_pair(0));
    for (int i = 0; i < STRESS_READERS; i++)
        assert_int_equal(pthread_create(&reader_threads[i], NULL, read_all, &stress), 0);
    for (unsigned i = 0; i < STRESS_WRITERS; i++) {
        writers[i] = (struct stress_writer){&stress, i};
        assert_int_equal(pthread_create(&writer_threads[i], NULL, replace_all, &writers[i]), 0);
    }
    for (int i = 0; i < STRESS_WRITERS; i++)
        pthread_join(writer_threads[i], NULL);
    atomic_store(&stress.stop, true);
    for (int i = 0; i < STRESS_READERS; i++) {
        void *torn;
        pthread_join(reader_threads[i], &torn);
        assert_null(torn);
    }
    for (int i = 0; i < STRESS_WRITERS * STRESS_SLOTS; i++)
        memory_free(atomic_load(&stress.slots[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_at_once_without_readers),
        cmocka_unit_test(test_online_reader_keeps_block),
        cmocka_unit_test(test_places_run_out_and_return),
        cmocka_unit_test(test_limbo_wraps_and_grows),
        cmocka_unit_test(test_reserve_fails_cleanly),
        cmocka_unit_test(test_stress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "runtime/loop.h"

#define POSTERS 3
#define POSTS 5000

static struct epoch epoch;
static struct loop loop;

static void *run_loop(void *argument)
{
    loop_run(argument);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    epoch_init(&epoch);
    return status_is_ok(loop_init(&loop, &epoch, 0)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_fini(&loop);
    return 0;
}

struct deferred {
    struct loop_task task;
    int *log;
    int *count;
    int number;
    int again;
};

static void run_deferred(struct loop_task *task)
{
    struct deferred *deferred = CONTAINER_OF(task, struct deferred, task);
    assert_true(epoch_is_online(loop.reader));
    assert_true(loop_is_current(&loop));
    deferred->log[(*deferred->count)++] = deferred->number;
    if (deferred->again-- > 0)
        loop_defer(&loop, task);
    else if (deferred->number == 9)
        loop_stop(&loop);
}

static void test_deferred_take_turns(void **state)
{
    int log[8];
    int count = 0;
    struct deferred a = {{.run = run_deferred}, log, &count, 1, 2};
    struct deferred b = {{.run = run_deferred}, log, &count, 9, 3};
    static const int EXPECTED[] = {1, 9, 1, 9, 1, 9, 9};
    (void)state;
    loop_defer(&loop, &a.task);
    loop_defer(&loop, &b.task);
    loop_run(&loop);
    assert_int_equal(count, 7);
    assert_memory_equal(log, EXPECTED, sizeof(EXPECTED));
    assert_false(epoch_is_online(loop.reader));
}

static void test_stop_before_run(void **state)
{
    (void)state;
    loop_stop(&loop);
    loop_run(&loop);
}

static void free_block(void *context, void *memory)
{
    (void)context;
    memory_free(memory);
}

/* A block that is retired while the loop sleeps is freed without waking it. */
static void test_offline_while_asleep(void **state)
{
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, &loop), 0);
    struct epoch_limbo limbo;
    epoch_limbo_init(&limbo, &epoch);
    assert_true(epoch_limbo_reserve(&limbo, 1));
    void *block = memory_alloc(1);
    epoch_retire(&limbo, block, 1, free_block, NULL);
    while (epoch_reclaim(&limbo))
        sched_yield();
    epoch_limbo_fini(&limbo);
    loop_stop(&loop);
    pthread_join(thread, NULL);
}

struct posted {
    struct loop_task task;
    unsigned *next; /* of its poster; only the loop's thread touches it */
    unsigned number;
    unsigned *left;
};

static void run_posted(struct loop_task *task)
{
    struct posted *posted = CONTAINER_OF(task, struct posted, task);
    assert_true(epoch_is_online(loop.reader));
    assert_int_equal(posted->number, (*posted->next)++);
    if (--*posted->left == 0)
        loop_stop(&loop);
}

static struct posted posts[POSTERS][POSTS];

static void *post_many(void *argument)
{
    struct posted *mine = argument;
    for (unsigned i = 0; i < POSTS; i++)
        loop_post(&loop, &mine[i].task);
    return NULL;
}

static void test_posts_from_many_threads(void **state)
{
    pthread_t threads[POSTERS];
    unsigned next[POSTERS] = {0};
    unsigned left = POSTERS * POSTS;
    (void)state;
    for (unsigned p = 0; p < POSTERS; p++) {
        for (unsigned i = 0; i < POSTS; i++)
            posts[p][i] = (struct posted){{.run = run_posted}, &next[p], i, &left};
        assert_int_equal(pthread_create(&threads[p], NULL, post_many, posts[p]), 0);
    }
    loop_run(&loop);
    for (unsigned p = 0; p < POSTERS; p++) {
        pthread_join(threads[p], NULL);
        assert_int_equal(next[p], POSTS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deferred_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offline_while_asleep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posts_from_many_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

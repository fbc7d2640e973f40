#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "runtime/queue.h"

#define PUSHERS 3
#define PUSHES 20000

struct item {
    struct queue_node node;
    unsigned pusher;
    unsigned number;
};

static void test_order_and_wakeup_hint(void **state)
{
    struct queue queue;
    struct item items[3];
    (void)state;
    queue_init(&queue);
    assert_null(queue_take_all(&queue));
    assert_true(queue_push(&queue, &items[0].node));
    assert_false(queue_push(&queue, &items[1].node));
    assert_false(queue_push(&queue, &items[2].node));
    struct queue_node *node = queue_take_all(&queue);
    for (int i = 0; i < 3; i++, node = node->next)
        assert_ptr_equal(node, &items[i].node);
    assert_null(node);
    assert_true(queue_push(&queue, &items[0].node));
    queue_fini(&queue);
}

static void test_wait_ends_by_timeout_and_interrupt(void **state)
{
    struct queue queue;
    (void)state;
    queue_init(&queue);
    int64_t before_ns = clock_monotonic_ns();
    assert_null(queue_wait_all(&queue, 5000000));
    assert_true(clock_monotonic_ns() - before_ns >= 5000000);
    queue_interrupt(&queue);
    assert_null(queue_wait_all(&queue, INT64_MAX));
    queue_fini(&queue);
}

static struct queue shared;
static struct item items[PUSHERS][PUSHES];

static void *push_many(void *argument)
{
    struct item *mine = argument;
    for (unsigned i = 0; i < PUSHES; i++)
        queue_push(&shared, &mine[i].node);
    return NULL;
}

static void test_many_pushers(void **state)
{
    pthread_t threads[PUSHERS];
    unsigned next[PUSHERS] = {0};
    (void)state;
    queue_init(&shared);
    for (unsigned p = 0; p < PUSHERS; p++) {
        for (unsigned i = 0; i < PUSHES; i++)
            items[p][i] = (struct item){.pusher = p, .number = i};
        assert_int_equal(pthread_create(&threads[p], NULL, push_many, items[p]), 0);
    }
    for (unsigned taken = 0; taken < PUSHERS * PUSHES;) {
        for (struct queue_node *node = queue_wait_all(&shared, INT64_MAX); node;
             node = node->next, taken++) {
            struct item *item = CONTAINER_OF(node, struct item, node);
            assert_int_equal(item->number, next[item->pusher]++);
        }
    }
    for (unsigned p = 0; p < PUSHERS; p++)
        pthread_join(threads[p], NULL);
    assert_null(queue_take_all(&shared));
    queue_fini(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wakeup_hint),
        cmocka_unit_test(test_wait_ends_by_timeout_and_interrupt),
        cmocka_unit_test(test_many_pushers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

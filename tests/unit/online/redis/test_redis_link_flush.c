/* When commands leave a link, in how many writes; against a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "link_world.h"
#include "online/redis/redis_link_private.h"
#include "redis_server.h"

#define MANY 1000

static struct redis_server server;
static struct link_world world;
static struct call calls[MANY];

static int start_server(void **state)
{
    (void)state;
    redis_server_start(&server, NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    redis_server_stop(&server);
    return 0;
}

static int setup(void **state)
{
    char url[64];
    (void)state;
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", server.port);
    link_world_init(&world, url);
    link_world_open(&world);
    link_world_until_state(&world, REDIS_LINK_READY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_world_fini(&world);
    return 0;
}

static uint64_t batches(void)
{
    return link_world_count(&world.counters.batches);
}

static void send_one(unsigned number)
{
    char words[32];
    snprintf(words, sizeof(words), "ECHO %u", number);
    call_init(&world, &calls[number], words);
    call_send(&calls[number]);
}

/* In one iteration of the loop. */
static void send_together(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        send_one(i);
}

static void assert_answered(unsigned count)
{
    link_world_until_done(&world, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(calls[i].order, i + 1);
        assert_int_equal(strtoul(calls[i].text, NULL, 10), i);
    }
    assert_int_equal(redis_link_pending(world.link), 0);
}

/* Sends one in each iteration of the loop. */
struct asker {
    struct loop_task task;
    unsigned next;
    unsigned end;
};

static void ask(struct loop_task *task)
{
    struct asker *asker = CONTAINER_OF(task, struct asker, task);
    send_one(asker->next++);
    if (asker->next < asker->end)
        loop_defer(&world.loop, task);
}

static void test_one_write_for_many(void **state)
{
    (void)state;
    uint64_t before = batches();
    uint64_t commands = link_world_count(&world.counters.commands);
    send_together(MANY);
    assert_int_equal(redis_link_pending(world.link), MANY);
    assert_answered(MANY);
    assert_int_equal(batches(), before + 1);
    assert_int_equal(link_world_count(&world.counters.commands), commands + MANY);
}

static void test_who_was_answered_is_waited_for(void **state)
{
    struct asker asker = {.task.run = ask, .next = 4, .end = 8};
    (void)state;
    send_together(4);
    assert_answered(4);
    uint64_t before = batches();
    loop_defer(&world.loop, &asker.task);
    assert_answered(8);
    assert_int_equal(batches(), before + 1);
}

static void test_who_does_not_ask_again_is_not(void **state)
{
    struct asker asker = {.task.run = ask, .next = 100, .end = 101};
    (void)state;
    send_together(100);
    assert_answered(100);
    loop_defer(&world.loop, &asker.task);
    assert_answered(101);
}

/* The last one of a thousand does not hold up the first. */
static void test_waiting_has_an_end(void **state)
{
    struct asker asker = {.task.run = ask, .next = MANY / 2, .end = MANY};
    (void)state;
    send_together(MANY / 2);
    assert_answered(MANY / 2);
    uint64_t before = batches();
    loop_defer(&world.loop, &asker.task);
    assert_answered(MANY);
    assert_true(batches() - before >= MANY / 2 / (REDIS_FLUSH_TURNS + 1));
}

static void test_nobody_was_answered(void **state)
{
    struct asker asker = {.task.run = ask, .next = 1, .end = 3};
    (void)state;
    send_together(1);
    uint64_t before = batches();
    loop_defer(&world.loop, &asker.task);
    assert_answered(3);
    assert_true(batches() - before >= 2);
}

int main(void)
{
#define LINKED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINKED(test_one_write_for_many),
        LINKED(test_who_was_answered_is_waited_for),
        LINKED(test_who_does_not_ask_again_is_not),
        LINKED(test_waiting_has_an_end),
        LINKED(test_nobody_was_answered),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

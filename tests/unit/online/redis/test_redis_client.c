/* A single server, limits, and what an answer makes of a command's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/memory.h"
#include "client_world.h"

static uint64_t count(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

static void test_single_server(void **state)
{
    struct call early = {0};
    uint64_t revision;
    (void)state;
    world_make_single();
    world_connect();
    assert_string_equal(world_check(), "redis 127.0.0.1:7000: connecting");
    world_submit(&early, 3, REDIS_LANE_READ);
    assert_int_equal(early.ended, 0);
    WORLD_UNTIL(world_is_ready());
    WORLD_UNTIL(early.ended);
    assert_string_equal(early.text, "7000");
    assert_int_equal(world_ask(16383, REDIS_LANE_WRITE), 7000);
    assert_int_equal(world_ask(REDIS_SLOT_ANY, REDIS_LANE_READ), 7000);
    assert_int_equal(fake_links_to(7000, false), 2);
    assert_false(redis_client_is_cluster(world.client));
    assert_int_equal(redis_client_masters(world.client, &revision), 1);
    assert_int_equal(count(&world.counters.nodes), 1);
    WORLD_UNTIL(world.changes > 0);
}

/* Absence is answered at once: nobody waits for a server that may be away for long. */
static void test_single_server_away(void **state)
{
    struct call early = {0}, late = {0}, sent = {0};
    (void)state;
    world.nodes[0].is_single = true;
    world_connect();
    world_submit(&early, 1, REDIS_LANE_WRITE);
    WORLD_UNTIL(early.ended);
    assert_int_equal(early.outcome, REDIS_REFUSED);
    assert_string_equal(world_check(), "redis 127.0.0.1:7000: connection refused");
    world_submit(&late, 1, REDIS_LANE_READ);
    assert_int_equal(late.ended, 1);
    assert_int_equal(late.outcome, REDIS_REFUSED);
    assert_int_equal(count(&world.counters.refused), 2);
    unsigned changes = world.changes;
    world.nodes[0].is_up = true;
    WORLD_UNTIL(world_is_ready());
    WORLD_UNTIL(world.changes > changes);
    world.nodes[0].is_silent = true;
    world_submit(&sent, 1, REDIS_LANE_WRITE);
    world_turn();
    world_kill(0);
    assert_int_equal(sent.outcome, REDIS_LOST);
    assert_int_equal(sent.ended, 1);
    assert_int_equal(count(&world.counters.lost), 1);
    assert_int_equal(count(&world.counters.pending), 0);
}

static void test_single_server_errors(void **state)
{
    static const char *const ERRORS[] = {"-LOADING Redis is loading\r\n", "-READONLY no\r\n",
                                         "-ERR what\r\n", "-MOVED 1 bad\r\n"};
    (void)state;
    world_make_single();
    world_connect_ready();
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        struct call call = {0};
        world.nodes[0].error = ERRORS[i];
        world.nodes[0].error_count = 1;
        world_submit(&call, 1, REDIS_LANE_WRITE);
        WORLD_UNTIL(call.ended);
        assert_int_equal(call.outcome, REDIS_ANSWERED);
        assert_memory_equal(call.text, ERRORS[i] + 1, strlen(ERRORS[i]) - 3);
    }
    assert_int_equal(count(&world.counters.errors), ARRAY_LEN(ERRORS));
}

static void test_limits(void **state)
{
    struct call calls[8] = {0};
    (void)state;
    world.options.max_pending = 5;
    world_make_single();
    world_connect_ready();
    for (int i = 0; i < 8; i++)
        world_submit(&calls[i], 1, REDIS_LANE_READ);
    for (int i = 0; i < 8; i++)
        assert_int_equal(calls[i].ended, i < 5 ? 0 : 1);
    WORLD_UNTIL(calls[4].ended);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(calls[i].outcome, i < 5 ? REDIS_ANSWERED : REDIS_REFUSED);
        assert_int_equal(calls[i].ended, 1);
    }
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7000);
}

static void test_limit_of_bytes(void **state)
{
    struct call calls[2] = {0};
    (void)state;
    world.options.max_pending_bytes = 20; /* of 14 */
    world_make_single();
    world_connect_ready();
    world_submit(&calls[0], 1, REDIS_LANE_READ);
    world_submit(&calls[1], 1, REDIS_LANE_READ);
    assert_int_equal(calls[1].outcome, REDIS_REFUSED);
    WORLD_UNTIL(calls[0].ended);
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7000);
}

/* `done` submits the next one, answered, refused, and while the client is being closed. */
static void test_done_submits(void **state)
{
    struct call calls[6] = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        calls[i].then = &calls[i + 1];
    world_make_single();
    world_connect_ready();
    world_submit(&calls[3], 1, REDIS_LANE_READ);
    WORLD_UNTIL(calls[5].ended);
    world.nodes[0].is_silent = true;
    world_submit(&calls[0], 1, REDIS_LANE_READ);
    world_turn();
    memset(&calls[3], 0, sizeof(calls[3]));
    world_close();
    assert_int_equal(calls[0].outcome, REDIS_LOST);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(calls[i].ended, 1);
        assert_int_equal(calls[i].outcome, REDIS_REFUSED);
    }
}

static void test_cluster_is_found(void **state)
{
    struct call early[32] = {0};
    uint64_t revision;
    (void)state;
    world_make_cluster(4, false);
    world_connect();
    for (unsigned i = 0; i < 32; i++)
        world_submit(&early[i], i * 512, REDIS_LANE_WRITE);
    WORLD_UNTIL(redis_client_is_cluster(world.client) && world_is_ready());
    for (unsigned i = 0; i < 32; i++)
        WORLD_UNTIL(early[i].ended);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(early[i].executed, 1);
    uint64_t moved = count(&world.counters.moved);
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot += 511)
        assert_int_equal(world_ask(slot, slot % 2 ? REDIS_LANE_READ : REDIS_LANE_WRITE),
                         7000 + slot / 4096);
    assert_int_equal(count(&world.counters.moved), moved);
    assert_int_equal(redis_client_masters(world.client, &revision), 4);
    assert_int_equal(count(&world.counters.nodes), 4);
}

static void test_moved(void **state)
{
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    uint64_t refreshes = count(&world.counters.refreshes);
    world_move(100, 199, 1);
    assert_int_equal(world_ask(100, REDIS_LANE_WRITE), 7001);
    assert_int_equal(count(&world.counters.moved), 1);
    assert_int_equal(world_ask(100, REDIS_LANE_WRITE), 7001);
    assert_int_equal(count(&world.counters.moved), 1);
    WORLD_UNTIL(count(&world.counters.refreshes) > refreshes);
    assert_int_equal(world_ask(150, REDIS_LANE_READ), 7001);
    assert_int_equal(count(&world.counters.moved), 1);
}

/* A new node is found by its first MOVED; its links, and the numbers of masters, follow. */
static void test_moved_to_new_node(void **state)
{
    uint64_t before, after;
    (void)state;
    world_make_cluster(2, false);
    world_connect_ready();
    assert_int_equal(redis_client_masters(world.client, &before), 2);
    world.nodes[5].is_up = true;
    world_move(8192, REDIS_SLOTS - 1, 5);
    assert_int_equal(world_ask(9000, REDIS_LANE_READ), 7005);
    WORLD_UNTIL(redis_client_masters(world.client, &after) == 2 && fake_links_to(7001, false) == 0);
    assert_true(after != before);
    assert_int_equal(count(&world.counters.nodes), 2);
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7000);
    assert_int_equal(world_ask(16000, REDIS_LANE_READ), 7005);
}

static void test_ask(void **state)
{
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[6].is_up = true;
    world.migrating_to[7] = 6;
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(world_ask(7, REDIS_LANE_WRITE), 7006);
        assert_int_equal(count(&world.counters.asked), i);
    }
    assert_int_equal(count(&world.counters.moved), 0);
    world.migrating_to[7] = WORLD_NOBODY;
    assert_int_equal(world_ask(7, REDIS_LANE_WRITE), 7000);
}

/* A node that keys move to has no slot yet: a refresh does not part from it. */
static void test_asked_node_stays(void **state)
{
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[6].is_up = true;
    world.migrating_to[7] = 6;
    assert_int_equal(world_ask(7, REDIS_LANE_WRITE), 7006);
    uint64_t refreshes = count(&world.counters.refreshes);
    world_move(100, 100, 1);
    assert_int_equal(world_ask(100, REDIS_LANE_WRITE), 7001);
    WORLD_UNTIL(count(&world.counters.refreshes) > refreshes);
    assert_int_equal(count(&world.counters.nodes), 4);
    assert_int_equal(fake_links_to(7006, false), 1);
}

static void test_tried_again(void **state)
{
    static const char *const ERRORS[] = {
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
    };
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        world.nodes[1].error = ERRORS[i];
        world.nodes[1].error_count = 2;
        assert_int_equal(world_ask(8000, REDIS_LANE_WRITE), 7001);
        assert_int_equal(count(&world.counters.retried), 2 * (i + 1));
    }
    assert_int_equal(count(&world.counters.errors), 0);
}

static void test_tried_until_deadline(void **state)
{
    struct call call = {0};
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[1].error = "-CLUSTERDOWN The cluster is down\r\n";
    world.nodes[1].error_count = UINT32_MAX;
    int64_t start = world_now_ms();
    world_submit(&call, 8000, REDIS_LANE_WRITE);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.outcome, REDIS_REFUSED);
    assert_int_equal(call.executed, 0);
    assert_true(call.ended_ms - start > 100 && call.ended_ms - start < 3000);
    assert_int_equal(count(&world.counters.refused), 1);
}

static void test_final_errors_are_handed_on(void **state)
{
    struct call call = {0};
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[1].error = "-OOM command not allowed\r\n";
    world.nodes[1].error_count = 1;
    world_submit(&call, 8000, REDIS_LANE_WRITE);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    assert_string_equal(call.text, "OOM command not allowed");
    assert_int_equal(count(&world.counters.errors), 1);
}

/* Two nodes that each name the other. */
static void test_redirections_end(void **state)
{
    struct call call = {0};
    (void)state;
    world_make_cluster(2, false);
    world_connect_ready();
    world.nodes[0].error = "-MOVED 1 127.0.0.1:7001\r\n";
    world.nodes[1].error = "-MOVED 1 127.0.0.1:7000\r\n";
    world.nodes[0].error_count = world.nodes[1].error_count = UINT32_MAX;
    world_submit(&call, 1, REDIS_LANE_WRITE);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.outcome, REDIS_REFUSED);
    assert_int_equal(call.executed, 0);
    assert_int_equal(count(&world.counters.moved), 17);
}

/* A walk that one server began goes on at another one: both count the masters alike. */
static void test_masters_are_numbered_alike(void **state)
{
    struct call call = {0};
    uint64_t before, after;
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[5].is_up = true;
    world_move(0, 100, 5); /* known last, listed first */
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7005);
    WORLD_UNTIL(redis_client_masters(world.client, &before) == 4 && world_is_ready());
    world_close();
    world_connect_ready();
    assert_int_equal(redis_client_masters(world.client, &after), 4);
    assert_true(after == before);
    world_submit(&call, REDIS_SLOT_ANY, REDIS_LANE_WRITE);
    WORLD_UNTIL(call.ended);
    call.ended = 0;
    redis_client_submit_to(world.client, 3, &call.command);
    WORLD_UNTIL(call.ended);
    assert_string_equal(call.text, "7005");
}

static void test_submit_to(void **state)
{
    struct call calls[4] = {0};
    struct call pinned = {0};
    uint64_t revision;
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    assert_int_equal(redis_client_masters(world.client, &revision), 3);
    for (unsigned i = 0; i < 4; i++) {
        calls[i].command.slot = REDIS_SLOT_ANY;
        world_submit(&calls[i], REDIS_SLOT_ANY, REDIS_LANE_WRITE);
        WORLD_UNTIL(calls[i].ended);
        calls[i].ended = 0;
        redis_client_submit_to(world.client, i, &calls[i].command);
    }
    for (unsigned i = 0; i < 4; i++)
        WORLD_UNTIL(calls[i].ended);
    assert_string_equal(calls[0].text, "7000");
    assert_string_equal(calls[1].text, "7001");
    assert_string_equal(calls[2].text, "7002");
    assert_int_equal(calls[3].outcome, REDIS_REFUSED);
    world.nodes[2].error = "-MOVED 1 127.0.0.1:7001\r\n";
    world.nodes[2].error_count = 1;
    pinned.command = calls[2].command;
    redis_client_submit_to(world.client, 2, &pinned.command);
    WORLD_UNTIL(pinned.ended);
    assert_string_equal(pinned.text, "MOVED 1 127.0.0.1:7001");
    assert_int_equal(count(&world.counters.moved), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    world_make_single();
    uint64_t after = 0;
    do {
        memory_fail_after(after++);
        world.client = redis_client_create(&world.options);
        memory_fail_after(UINT64_MAX);
        WORLD_UNTIL(world.client || fake_links_open() == 0);
        for (int i = 0; i < 5; i++)
            world_turn(); /* what was half made is closed */
    } while (world.client == NULL);
    assert_true(after > 2);
    WORLD_UNTIL(world_is_ready());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_single_server),
        TEST(test_single_server_away),
        TEST(test_single_server_errors),
        TEST(test_limits),
        TEST(test_limit_of_bytes),
        TEST(test_done_submits),
        TEST(test_cluster_is_found),
        TEST(test_moved),
        TEST(test_moved_to_new_node),
        TEST(test_ask),
        TEST(test_asked_node_stays),
        TEST(test_tried_again),
        TEST(test_tried_until_deadline),
        TEST(test_final_errors_are_handed_on),
        TEST(test_redirections_end),
        TEST(test_masters_are_numbered_alike),
        TEST(test_submit_to),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

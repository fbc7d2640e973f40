/* The slot map: how it is learnt, whom to believe, and what a failover costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_world.h"

static uint64_t count(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

/* Node 3 takes over what node 0 had. */
static void promote(void)
{
    world.nodes[3].master = 3;
    world.nodes[0].master = 3;
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++)
        if (world.owner[slot] == 0)
            world.owner[slot] = 3;
}

static void test_failover(void **state)
{
    struct call sent = {0}, during = {0}, late = {0};
    (void)state;
    world_make_cluster(3, true);
    world.options.timeout_ms = 5000;
    world_connect_ready();
    world.nodes[0].is_silent = true;
    world_submit(&sent, 1, REDIS_LANE_WRITE);
    world_turn();
    world_kill(0);
    assert_int_equal(sent.outcome, REDIS_LOST);
    assert_false(world_is_ready());
    assert_string_equal(world_check(), "redis 127.0.0.1:7000: connection refused");
    world_submit(&during, 1, REDIS_LANE_WRITE);
    world_submit(&late, 2, REDIS_LANE_READ);
    assert_int_equal(world_ask(8000, REDIS_LANE_WRITE), 7001);
    assert_int_equal(world_ask(16000, REDIS_LANE_READ), 7002);
    assert_int_equal(during.ended, 0);
    promote();
    WORLD_UNTIL(during.ended && late.ended);
    assert_string_equal(during.text, "7003");
    assert_string_equal(late.text, "7003");
    assert_int_equal(during.executed, 1);
    WORLD_UNTIL(world_is_ready());
    WORLD_UNTIL(fake_links_to(7000, false) == 0);
}

/* Commands that wait for a dead master leave room for the others. */
static void test_waiting_is_bounded(void **state)
{
    static struct call calls[100];
    unsigned refused = 0;
    (void)state;
    memset(calls, 0, sizeof(calls));
    world_make_cluster(3, false);
    world.options.timeout_ms = 1000;
    world.options.max_pending = 40;
    world_connect_ready();
    world_kill(0);
    for (int i = 0; i < 100; i++)
        world_submit(&calls[i], 1, REDIS_LANE_WRITE);
    for (int i = 0; i < 100; i++)
        refused += calls[i].ended;
    assert_int_equal(refused, 89);
    assert_int_equal(world_ask(8000, REDIS_LANE_WRITE), 7001);
    for (int i = 0; i < 100; i++)
        WORLD_UNTIL(calls[i].ended);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(calls[i].ended, 1);
        assert_int_equal(calls[i].outcome, REDIS_REFUSED);
    }
}

/* All nodes are there, but say that their cluster is down: known for a while after. */
static void test_complaints(void **state)
{
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    unsigned changes = world.changes;
    world.nodes[1].error = "-CLUSTERDOWN The cluster is down\r\n";
    world.nodes[1].error_count = 1;
    assert_int_equal(world_ask(8000, REDIS_LANE_WRITE), 7001);
    assert_string_equal(world_check(), "redis 127.0.0.1:7001: CLUSTERDOWN The cluster is down");
    WORLD_UNTIL(world.changes > changes);
    changes = world.changes;
    WORLD_UNTIL(world_is_ready());
    WORLD_UNTIL(world.changes > changes);
}

static void test_holes(void **state)
{
    struct call call = {0};
    (void)state;
    world_make_cluster(3, false);
    world_move(1000, 1099, WORLD_NOBODY);
    world_connect();
    WORLD_UNTIL(strcmp(world_check(), "the cluster has no master for 100 slots") == 0);
    assert_int_equal(world_ask(999, REDIS_LANE_READ), 7000);
    world_submit(&call, 1050, REDIS_LANE_READ);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.outcome, REDIS_REFUSED);
    world_move(1000, 1099, 2);
    WORLD_UNTIL(world_is_ready());
    assert_int_equal(world_ask(1050, REDIS_LANE_READ), 7002);
}

/* The cluster's nodes were all replaced; only the address of the URL is as it was. */
static void test_seeds_are_the_last_resort(void **state)
{
    (void)state;
    world.url.is_cluster = true;
    world.url.seeds[0].port = WORLD_PORT + 7;
    world_make_cluster(3, false);
    world.nodes[7].is_up = true;
    world_connect();
    WORLD_UNTIL(redis_client_is_cluster(world.client) && world_is_ready());
    WORLD_UNTIL(fake_links_to(7007, false) == 0);
    for (unsigned i = 0; i < 3; i++)
        world_kill(i);
    for (unsigned i = 3; i < 6; i++) {
        world.nodes[i].is_up = true;
        world_move(REDIS_SLOTS * (i - 3) / 3, REDIS_SLOTS * (i - 2) / 3 - 1, i);
    }
    WORLD_UNTIL(world_is_ready());
    assert_int_equal(world_ask(1, REDIS_LANE_WRITE), 7003);
    WORLD_UNTIL(count(&world.counters.nodes) == 3);
}

/* A node that left the map still answers what it was sent. */
static void test_answers_of_a_node_that_left(void **state)
{
    struct call call = {0};
    (void)state;
    world_make_cluster(2, false);
    world.options.timeout_ms = 5000;
    world_connect_ready();
    world.nodes[1].is_silent = true;
    world_submit(&call, 16000, REDIS_LANE_WRITE);
    world.nodes[5].is_up = true;
    world_move(8192, REDIS_SLOTS - 1, 5);
    world_move(0, 0, 5);
    assert_int_equal(world_ask(0, REDIS_LANE_WRITE), 7005);
    WORLD_UNTIL(fake_links_to(7001, false) == 1); /* the other lane's is closed */
    assert_int_equal(call.ended, 0);
    world.nodes[1].is_silent = false;
    WORLD_UNTIL(call.ended);
    assert_string_equal(call.text, "7005"); /* MOVED */
    WORLD_UNTIL(fake_links_to(7001, false) == 0);
}

/* The first one asked accepts and never answers. */
static void test_silent_node_is_passed_over(void **state)
{
    (void)state;
    world.url.is_cluster = true;
    world.url.seed_count = 2;
    world.url.seeds[1] = world.url.seeds[0];
    world.url.seeds[1].port = WORLD_PORT + 1;
    world.options.timeout_ms = 5000;
    world_make_cluster(3, false);
    world.nodes[0].is_silent = true;
    int64_t start = world_now_ms();
    world_connect();
    WORLD_UNTIL(world_is_ready());
    assert_true(world_now_ms() - start < 3000);
    assert_int_equal(world_ask(8000, REDIS_LANE_WRITE), 7001);
}

static void test_fewer_slots_are_not_believed(void **state)
{
    (void)state;
    world_make_cluster(3, false);
    world_connect_ready();
    uint64_t refreshes = count(&world.counters.refreshes);
    for (unsigned round = 1; round <= 4; round++) {
        world.nodes[0].slots = "*0\r\n"; /* it was reset, say */
        world_move(100 + round, 100 + round, 1);
        assert_int_equal(world_ask(100 + round, REDIS_LANE_WRITE), 7001);
        WORLD_UNTIL(count(&world.counters.refreshes) >= refreshes + round);
        assert_true(world_is_ready());
    }
    assert_true(world.nodes[0].slots_asked > 0);
}

static void test_hostile_map(void **state)
{
    (void)state;
    world.url.is_cluster = true;
    world_make_cluster(3, false);
    world.nodes[0].slots = "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$9\r\n127.0.0.1\r\n:7001\r\n";
    world_connect();
    WORLD_UNTIL(strstr(world_check(), "something else: a range of slots that do not exist"));
    world.nodes[0].slots = NULL;
    WORLD_UNTIL(world_is_ready());
}

static void test_no_cluster_where_one_was_named(void **state)
{
    struct call call = {0};
    (void)state;
    world.url.is_cluster = true;
    world_make_single();
    world_connect();
    WORLD_UNTIL(strcmp(world_check(), "redis 127.0.0.1:7000 is not part of a cluster: write "
                                      "redis:// for redis-cluster://") == 0);
    world_submit(&call, 1, REDIS_LANE_READ);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.outcome, REDIS_REFUSED);
}

/* A cluster of one was started anew without being one. */
static void test_cluster_becomes_single(void **state)
{
    uint64_t revision;
    (void)state;
    world_make_cluster(1, false);
    world_connect_ready();
    assert_int_equal(world_ask(1, REDIS_LANE_WRITE), 7000);
    world_kill(0);
    WORLD_UNTIL(!world_is_ready());
    world.nodes[0].is_single = true;
    world.nodes[0].is_up = true;
    WORLD_UNTIL(!redis_client_is_cluster(world.client) && world_is_ready());
    assert_int_equal(world_ask(1, REDIS_LANE_WRITE), 7000);
    assert_int_equal(redis_client_masters(world.client, &revision), 1);
}

static void test_refused_map(void **state)
{
    (void)state;
    world.url.is_cluster = true;
    world_make_cluster(3, false);
    world.nodes[0].slots = "-NOPERM this user has no permissions\r\n";
    world_connect();
    WORLD_UNTIL(strcmp(world_check(), "redis 127.0.0.1:7000 refuses CLUSTER SLOTS: NOPERM this "
                                      "user has no permissions") == 0);
}

static void test_replicas_read(void **state)
{
    unsigned of_replica = 0;
    (void)state;
    world.options.read_from_replica = true;
    world_make_cluster(2, true);
    world.nodes[4].is_up = true; /* a second one of master 0 */
    world.nodes[4].master = 0;
    world_connect_ready();
    assert_int_equal(redis_client_is_cluster(world.client), true);
    WORLD_UNTIL(world_ask(1, REDIS_LANE_READ) != 7000);
    WORLD_UNTIL(world_ask(16000, REDIS_LANE_READ) == 7003);
    for (int i = 0; i < 1000 && (!world.nodes[2].commands || !world.nodes[4].commands); i++)
        (void)world_ask(1, REDIS_LANE_READ);
    unsigned before = world.nodes[2].commands;
    for (int i = 0; i < 10; i++)
        of_replica += world_ask(1, REDIS_LANE_READ) != 7000;
    assert_int_equal(of_replica, 10);
    assert_in_range(world.nodes[2].commands - before, 3, 7); /* a new map begins anew */
    for (int i = 0; i < 10; i++)
        assert_int_equal(world_ask(1, REDIS_LANE_WRITE), 7000);
    assert_int_equal(fake_links_to(7002, false), 0);
    world.nodes[2].error = world.nodes[4].error = "-MASTERDOWN Link with MASTER is down\r\n";
    world.nodes[2].error_count = world.nodes[4].error_count = UINT32_MAX;
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7000);
    world_kill(2);
    world_kill(4);
    assert_int_equal(world_ask(1, REDIS_LANE_READ), 7000);
    assert_true(world_is_ready());
}

static void test_close_with_all_sorts_under_way(void **state)
{
    struct call calls[3] = {0};
    (void)state;
    world.options.timeout_ms = 60000;
    world_make_cluster(3, false);
    world_connect_ready();
    world.nodes[1].is_silent = true;
    world_submit(&calls[0], 8000, REDIS_LANE_WRITE);
    world_kill(0);
    world_submit(&calls[1], 1, REDIS_LANE_WRITE); /* waits */
    world_submit(&calls[2], 16000, REDIS_LANE_WRITE);
    world_close();
    assert_int_equal(calls[0].outcome, REDIS_LOST);
    assert_int_equal(calls[1].outcome, REDIS_REFUSED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(calls[i].ended, 1);
}

/* A cluster in turmoil, from a seed: slots move, masters die and are replaced, nodes answer errors.
 * Each command ends once, and was carried out as often as its outcome says. */
#define TURMOIL_CALLS 20000
#define TURMOIL_UNDER_WAY 200

static struct call turmoil[TURMOIL_CALLS];

static unsigned print_seed(void)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u (FEATURED_TEST_SEED)\n", seed);
    return seed;
}

static void stir(void)
{
    static const char *const ERRORS[] = {"-TRYAGAIN\r\n", "-CLUSTERDOWN The cluster is down\r\n",
                                         "-LOADING\r\n", "-READONLY\r\n"};
    unsigned slot = (unsigned)rand() % REDIS_SLOTS, node = (unsigned)rand() % 5;
    switch (rand() % 40) {
    case 0:
        world_kill(node);
        break;
    case 1:
    case 2:
        world.nodes[node].is_up = true;
        break;
    case 3:
        world.nodes[node].error = ERRORS[rand() % 4];
        world.nodes[node].error_count = (unsigned)rand() % 20;
        break;
    case 4:
        world.nodes[node].is_silent = !world.nodes[node].is_silent && rand() % 4 == 0;
        break;
    case 5:
        world_move(slot, slot + (unsigned)rand() % (REDIS_SLOTS - slot), node);
        break;
    case 6:
        memset(world.migrating_to + slot, rand() % 2 ? WORLD_NOBODY : (int)node,
               (unsigned)rand() % (REDIS_SLOTS - slot));
        break;
    case 7:
        world.nodes[node].slots = rand() % 3 ? NULL : "*0\r\n";
        break;
    default:
        break;
    }
}

static void calm_down(void)
{
    memset(world.migrating_to, WORLD_NOBODY, sizeof(world.migrating_to));
    for (unsigned i = 0; i < 5; i++) {
        world.nodes[i].is_up = true;
        world.nodes[i].is_silent = false;
        world.nodes[i].error_count = 0;
        world.nodes[i].slots = NULL;
    }
}

static void test_turmoil(void **state)
{
    unsigned seed = print_seed(), begun = 0, ended = 0, answered = 0;
    (void)state;
    srand(seed);
    memset(turmoil, 0, sizeof(turmoil));
    world.options.timeout_ms = 100;
    world.options.max_pending = TURMOIL_UNDER_WAY;
    world.options.read_from_replica = true;
    world_make_cluster(3, true);
    world_connect();
    int64_t end = world_now_ms() + 6000;
    while (begun < TURMOIL_CALLS && world_now_ms() < end) {
        for (int i = 0; i < 20 && begun < TURMOIL_CALLS &&
                        (count(&world.counters.pending) < TURMOIL_UNDER_WAY || rand() % 99 == 0);
             i++)
            world_submit(&turmoil[begun++], (unsigned)rand() % (REDIS_SLOTS + 5),
                         rand() % 2 ? REDIS_LANE_READ : REDIS_LANE_WRITE);
        stir();
        world_turn();
    }
    calm_down();
    WORLD_UNTIL(count(&world.counters.pending) == 0);
    WORLD_UNTIL(world_is_ready());
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot += 100)
        (void)world_ask(slot, REDIS_LANE_WRITE);
    for (unsigned i = 0; i < begun; i++) {
        ended += turmoil[i].ended;
        assert_int_equal(turmoil[i].ended, 1);
        assert_true(turmoil[i].executed <= 1);
        bool is_error = turmoil[i].text[0] > '9';
        if (turmoil[i].outcome == REDIS_REFUSED || is_error)
            assert_int_equal(turmoil[i].executed, 0);
        else if (turmoil[i].outcome == REDIS_ANSWERED)
            assert_int_equal(turmoil[i].executed, 1);
        answered += turmoil[i].executed && turmoil[i].outcome == REDIS_ANSWERED;
    }
    printf("%u commands: %u answered, %u refused, %u lost\n", begun, answered,
           (unsigned)count(&world.counters.refused), (unsigned)count(&world.counters.lost));
    assert_int_equal(ended, begun);
    assert_true(answered > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_failover),
        TEST(test_waiting_is_bounded),
        TEST(test_complaints),
        TEST(test_holes),
        TEST(test_seeds_are_the_last_resort),
        TEST(test_answers_of_a_node_that_left),
        TEST(test_silent_node_is_passed_over),
        TEST(test_fewer_slots_are_not_believed),
        TEST(test_hostile_map),
        TEST(test_no_cluster_where_one_was_named),
        TEST(test_cluster_becomes_single),
        TEST(test_refused_map),
        TEST(test_replicas_read),
        TEST(test_close_with_all_sorts_under_way),
        TEST(test_turmoil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tidying a real Redis: its rows follow dropped features and changed TTLs, some at a time. */
#include "store_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tidied once a second at most. */
static uint64_t tidied_revision(void)
{
    const redisReply *reply = store_redis("GET featured:tidied");
    return reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
}

static void await_tidied(void)
{
    STORE_UNTIL(tidied_revision() == catalog_current(&world.catalog)->revision &&
                store_redis("EXISTS featured:tidy")->integer == 0);
}

static void test_tidy_removes_dropped_features(void **state)
{
    (void)state;
    uint32_t a = store_add("user", DATA_TYPE_INT, 0);
    uint32_t b = store_add("user", DATA_TYPE_INT, 3600);
    store_add("user", DATA_TYPE_INT, 60);
    store_put("u", a, value_int(1), NOW);
    store_put("u", b, value_int(2), NOW);
    store_put("v", a, value_int(1), NOW);
    store_put("w", a, value_int(1), NOW);
    store_redis("HSET user:w:features theirs 1");
    store_redis("HSET user:x:features f0 1");
    store_redis("HSET driver:y:features __event_times {\"f\":\"1:2:v\"} f 1");
    store_drop(a);
    await_tidied();
    assert_int_equal(store_redis("HEXISTS user:u:features f0")->integer, 0);
    expect_int("u", b, 2);
    assert_in_range(store_redis("PTTL user:u:features")->integer, 3640000, 3660000);
    assert_int_equal(store_redis("EXISTS user:v:features")->integer, 0);
    assert_int_equal(store_redis("HLEN user:w:features")->integer, 2);
    assert_int_equal(store_redis("PTTL user:w:features")->integer, -1);
    assert_int_equal(store_redis("HLEN user:x:features")->integer, 1); /* others wrote it */
    assert_int_equal(store_redis("EXISTS driver:y:features")->integer, 0);
    assert_int_equal(store_metrics().remote.rows_tidied, 4);
}

static void test_tidy_follows_a_changed_ttl(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 60);
    store_put("u", feature, value_int(1), NOW);
    store_set_ttl(feature, 3600);
    await_tidied();
    assert_in_range(store_redis("PTTL user:u:features")->integer, 3640000, 3660000);
    store_set_ttl(feature, 0);
    await_tidied();
    assert_int_equal(store_redis("PTTL user:u:features")->integer, -1);
    store_set_ttl(feature, 600);
    await_tidied();
    assert_in_range(store_redis("PTTL user:u:features")->integer, 640000, 660000);
    expect_int("u", feature, 1);
    uint64_t tidied = store_metrics().remote.rows_tidied;
    uint64_t revision = catalog_current(&world.catalog)->revision;
    store_add("user", DATA_TYPE_INT, 60); /* nothing to follow */
    STORE_UNTIL(store_metrics().remote.commands > 0);
    for (int64_t until = store_now_ms() + 2200; store_now_ms() < until;)
        store_turn();
    assert_int_equal(tidied_revision(), revision);
    assert_int_equal(store_metrics().remote.rows_tidied, tidied);
}

static uint64_t times_called(const char *command)
{
    char line[64];
    const redisReply *reply = store_redis("INFO commandstats");
    snprintf(line, sizeof(line), "cmdstat_%s:calls=", command);
    const char *found = strstr(reply->str, line);
    return found ? strtoull(found + strlen(line), NULL, 10) : 0;
}

/* A key that went at its old end would take along what has a longer life by now. */
static void test_tidy_looks_again_at_a_row_that_changes(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 60);
    store_put("u", feature, value_int(1), NOW);
    await_tidied();
    uint64_t looks = times_called("hkeys");
    store_set_ttl(feature, 3600);
    STORE_UNTIL(times_called("hkeys") > looks);
    store_redis("HSET user:u:features theirs 1"); /* before the script: that waits for the loop */
    await_tidied();
    assert_in_range(store_redis("PTTL user:u:features")->integer, 3640000, 3660000);
    assert_int_equal(times_called("hkeys"), looks + 2);
}

/* More rows than may be asked about at a time. */
static void test_tidy_goes_in_parts(void **state)
{
    char id[8];
    if (store_setup(state) != 0)
        fail();
    world.max_pending = 8;
    store_open(IDENTITY);
    uint32_t feature = store_add("user", DATA_TYPE_INT, 60);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        store_put(id, feature, value_int(1), NOW);
    }
    await_tidied();
    store_set_ttl(feature, 3600);
    await_tidied();
    for (int i = 0; i < 40; i++)
        assert_in_range(store_redis("PTTL user:u%d:features", i)->integer, 3640000, 3660000);
    assert_int_equal(store_metrics().remote.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_tidy_removes_dropped_features),
        STORE_TEST(test_tidy_follows_a_changed_ttl),
        STORE_TEST(test_tidy_looks_again_at_a_row_that_changes),
        cmocka_unit_test_teardown(test_tidy_goes_in_parts, store_teardown),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

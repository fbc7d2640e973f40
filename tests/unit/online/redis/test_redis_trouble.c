/* The driver over a real Redis that is damaged, full, another registry's, short of room, or away. */
#include "store_world.h"

#include <stdio.h>
#include <string.h>

static void test_damaged_rows(void **state)
{
    (void)state;
    struct error error;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    uint64_t deleted;
    store_put("u", feature, value_int(1), NOW);
    static const char *const DAMAGE[] = {"", "{", "[]", "{\"f0\":1}", "{\"f0\":\"1:2:v\"}x", "null"};
    for (size_t i = 0; i < ARRAY_LEN(DAMAGE); i++) {
        store_redis("HSET user:u:features __event_times %s", DAMAGE[i]);
        assert_int_equal(store_get("u", feature).state, CELL_NOT_FOUND);
        assert_int_equal(store_others("u").count, 0);
    }
    assert_int_equal(store_metrics().remote.rows_damaged, 2 * ARRAY_LEN(DAMAGE));
    store_redis("HSET user:u:features __event_times {");
    assert_int_equal(store_try_put("u", feature, value_int(2), NOW, &error).code,
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.detail, "user:u:features"));
    assert_int_equal(store_try_erase("u", feature, &deleted).code, STATUS_UNAVAILABLE);
    assert_int_equal(store_erase("u", STORE_ALL), 1); /* that mends it */
    assert_true(store_put("u", feature, value_int(1), NOW));
    expect_int("u", feature, 1);
}

static void test_another_type(void **state)
{
    (void)state;
    struct error error;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_redis("SET user:u:features x");
    assert_int_equal(store_get("u", feature).state, CELL_NOT_FOUND);
    assert_int_equal(store_metrics().remote.rows_damaged, 1);
    assert_int_equal(store_try_put("u", feature, value_int(2), NOW, &error).code,
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.detail, "user:u:features"));
    expect_reply("x", store_redis("GET user:u:features"));
}

/* Three records; the second one, of two rows, cannot be written. */
static void test_records_before_a_failure_count(void **state)
{
    (void)state;
    uint32_t user = store_add("user", DATA_TYPE_INT, 0);
    uint32_t driver = store_add("driver", DATA_TYPE_INT, 0);
    store_redis("SET driver:b:features x");
    struct online_write_cell of_user = store_cell(user, value_int(1), 5);
    struct online_write_cell of_driver = store_cell(driver, value_int(2), 5);
    uint32_t users = store_version(user)->entity->index;
    uint32_t drivers = store_version(driver)->entity->index;
    struct online_write_row rows[] = {
        {users, STR("a"), &of_user, 1, true},
        {users, STR("b"), &of_user, 1, false},
        {drivers, STR("b"), &of_driver, 1, true},
        {users, STR("c"), &of_user, 1, true},
    };
    struct online_write write = {.rows = rows, .row_count = 4};
    assert_int_equal(store_write(&write).code, STATUS_UNAVAILABLE);
    assert_int_equal(write.records_applied, 1);
    assert_int_equal(write.values_written, 1);
    expect_int("a", user, 1);
}

static void test_scripts_are_loaded_again(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(1), NOW);
    store_put("u", feature, value_int(2), NOW);
    assert_int_equal(store_metrics().remote.script_loads, 1);
    store_redis("SCRIPT FLUSH");
    store_put("u", feature, value_int(3), NOW);
    expect_int("u", feature, 3);
    assert_int_equal(store_metrics().remote.script_loads, 2);
}

static void test_full(void **state)
{
    (void)state;
    struct error error;
    uint32_t feature = store_add("user", DATA_TYPE_STRING, 0);
    store_put("u", feature, value_text(STR("x")), NOW);
    store_redis("CONFIG SET maxmemory 1");
    assert_int_equal(store_try_put("u", feature, value_text(STR("y")), NOW, &error).code,
                     STATUS_STORE_FULL);
    assert_int_equal(store_get("u", feature).state, CELL_PRESENT);
    assert_int_equal(store_erase("u", STORE_ALL), 1); /* a full store can be erased */
    assert_false(store_redis("HEXISTS user:u:features f0")->integer);
    store_redis("CONFIG SET maxmemory 0");
}

static void test_another_registry(void **state)
{
    if (store_setup(state) != 0)
        fail();
    store_redis("SET featured:registry somebody-elses");
    store_open(IDENTITY);
    assert_int_equal(world.open_result.code, STATUS_UNAVAILABLE);
    assert_non_null(strstr(world.open_error.detail, "another registry"));
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    uint64_t deleted;
    struct error error;
    assert_int_equal(store_try_erase("u", feature, &deleted).code, STATUS_UNAVAILABLE);
    assert_int_equal(world.store->driver->check(world.store, &error).code, STATUS_UNAVAILABLE);
    /* The way out that the error names. */
    store_redis("DEL featured:registry");
    STORE_UNTIL(status_is_ok(world.store->driver->check(world.store, &error)));
    expect_reply(IDENTITY, store_redis("GET featured:registry"));
    assert_int_equal(world.opened, 1);
}

/* More ids, and more rows, than may wait at all: they go in parts. */
static void test_little_may_wait(void **state)
{
    enum { IDS = ONLINE_READ_IDS_MAX };
    static char texts[IDS][8];
    static str ids[IDS];
    static struct cell cells[IDS];
    static struct online_write_row rows[IDS];
    if (store_setup(state) != 0)
        fail();
    world.max_pending = 8;
    store_open(IDENTITY);
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    const struct catalog_version *version = store_version(feature);
    struct online_write_cell cell = store_cell(feature, value_int(3), 5);
    for (int i = 0; i < IDS; i++) {
        snprintf(texts[i], sizeof(texts[i]), "u%d", i);
        ids[i] = str_from_cstr(texts[i]);
        rows[i] = (struct online_write_row){version->entity->index, ids[i], &cell, 1, true};
    }
    struct online_write write = {.rows = rows, .row_count = IDS};
    struct online_read read = {.entity_name = version->entity->name,
                               .entity = version->entity,
                               .entity_ids = ids,
                               .id_count = IDS,
                               .versions = &version,
                               .version_count = 1,
                               .cells = cells};
    assert_true(status_is_ok(store_write(&write)));
    assert_int_equal(write.records_applied, IDS);
    assert_true(status_is_ok(store_read(&read)));
    for (int i = 0; i < IDS; i++)
        assert_int_equal(cells[i].value.integer, 3);
}

static void test_redis_that_is_away_is_waited_for(void **state)
{
    struct error error;
    if (store_setup(state) != 0)
        fail();
    redis_server_kill(&world.server);
    store_begin(IDENTITY);
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    uint64_t deleted;
    assert_int_equal(store_try_erase("u", feature, &deleted).code, STATUS_UNAVAILABLE);
    redis_server_restart(&world.server, NULL);
    STORE_UNTIL(world.opened);
    assert_true(status_is_ok(world.open_result));
    store_put("u", feature, value_int(1), NOW);
    expect_int("u", feature, 1);
    assert_true(status_is_ok(world.store->driver->check(world.store, &error)));
    /* And again, once it is lost. */
    redis_server_kill(&world.server);
    STORE_UNTIL(!status_is_ok(world.store->driver->check(world.store, &error)));
    redis_server_restart(&world.server, NULL);
    STORE_UNTIL(status_is_ok(world.store->driver->check(world.store, &error)));
    store_put("u", feature, value_int(2), NOW);
    redisReconnect(world.redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_damaged_rows),
        STORE_TEST(test_another_type),
        STORE_TEST(test_records_before_a_failure_count),
        STORE_TEST(test_scripts_are_loaded_again),
        STORE_TEST(test_full),
        cmocka_unit_test_teardown(test_another_registry, store_teardown),
        cmocka_unit_test_teardown(test_little_may_wait, store_teardown),
        cmocka_unit_test_teardown(test_redis_that_is_away_is_waited_for, store_teardown),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

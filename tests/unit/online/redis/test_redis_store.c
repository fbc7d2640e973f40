/* The driver over a real Redis: the promises of design.md §5, and what it leaves there for others. */
#include "store_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/cell_rule.h"

#define IDENTITY "0123456789abcdef0123456789abcdef"
#define NOW ONLINE_EVENT_TIME_NOW

static int setup_open(void **state)
{
    if (store_setup(state) != 0)
        return -1;
    store_open(IDENTITY);
    assert_true(status_is_ok(world.open_result));
    return 0;
}

static int64_t now_us(void)
{
    return store_clock_now_us(&world.clock);
}

static void expect_int(const char *id, uint32_t feature, int64_t expected)
{
    struct cell cell = store_get(id, feature);
    assert_int_equal(cell.state, CELL_PRESENT);
    assert_int_equal(cell.value.type, DATA_TYPE_INT);
    assert_int_equal(cell.value.integer, expected);
}

static void expect_reply(const char *expected, const redisReply *reply)
{
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_string_equal(reply->str, expected);
}

static void test_every_type_comes_back(void **state)
{
    (void)state;
    static const float numbers[] = {0.5f, -1e-7f, 3};
    const struct value values[] = {
        value_int(INT64_MIN),
        {.type = DATA_TYPE_FLOAT, .real = 0.1},
        {.type = DATA_TYPE_BOOLEAN, .boolean = true},
        value_text(STR("007")),
        {.type = DATA_TYPE_TIMESTAMP, .timestamp_us = INT64_C(-62135596800000000)},
        {.type = DATA_TYPE_EMBEDDING, .embedding = {numbers, 3}},
        {.type = DATA_TYPE_JSON, .text = STR("{\"a\":[1,null,\"é\"]}")},
        value_text(str_of("a\0\r\n$-1\r\n", 9)),
        value_text(STR("")),
        {.type = DATA_TYPE_FLOAT, .real = -0.0},
        {.type = DATA_TYPE_FLOAT, .real = 5e-324},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(values); i++) {
        uint32_t feature = store_add("user", values[i].type, 0);
        assert_true(store_put("u", feature, values[i], NOW));
        struct cell cell = store_get("u", feature);
        assert_int_equal(cell.state, CELL_PRESENT);
        if (!value_eq(&cell.value, &values[i]))
            fail_msg("value %u is another one", i);
    }
    expect_reply("-9223372036854775808", store_redis("HGET user:u:features f0"));
    expect_reply("0.1", store_redis("HGET user:u:features f1"));
    expect_reply("true", store_redis("HGET user:u:features f2"));
    expect_reply("007", store_redis("HGET user:u:features f3"));
    expect_reply("0001-01-01T00:00:00Z", store_redis("HGET user:u:features f4"));
    expect_reply("{\"a\":[1,null,\"é\"]}", store_redis("HGET user:u:features f6"));
    assert_int_equal(store_redis("SISMEMBER all_users u")->integer, 1);
}

static void test_nothing_there(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    assert_int_equal(store_get("nobody", feature).state, CELL_NOT_FOUND);
    assert_int_equal(store_others("nobody").count, 0);
}

static void test_newest_event_wins(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    assert_true(store_put("u", feature, value_int(1), -5));
    assert_false(store_put("u", feature, value_int(2), -6));
    expect_int("u", feature, 1);
    assert_true(store_put("u", feature, value_int(3), -5));
    expect_int("u", feature, 3);
    assert_true(store_put("u", feature, value_int(4), INT64_C(253402300799999999)));
    assert_false(store_put("u", feature, value_int(5), INT64_C(253402300799999998)));
    expect_int("u", feature, 4);
    assert_int_equal(store_get("u", feature).event_time_us, INT64_C(253402300799999999));
    assert_int_equal(store_metrics().values_late, 2);
    assert_int_equal(store_metrics().values_written, 3);
}

static void test_null(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(1), 10);
    assert_true(store_put("u", feature, value_null(DATA_TYPE_INT), 11));
    struct cell cell = store_get("u", feature);
    assert_int_equal(cell.state, CELL_NULL);
    assert_int_equal(cell.event_time_us, 11);
    assert_int_equal(store_redis("HEXISTS user:u:features f0")->integer, 0);
    assert_false(store_put("u", feature, value_int(1), 10));
    assert_true(store_put("u", feature, value_int(2), 12));
    expect_int("u", feature, 2);
}

static void test_a_version_named_twice(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    struct online_write_cell cells[] = {
        store_cell(feature, value_int(1), 20), store_cell(feature, value_null(DATA_TYPE_INT), 20),
        store_cell(feature, value_int(3), 19), store_cell(feature, value_int(4), 21)};
    struct online_write_row row = {.entity_index = store_version(feature)->entity->index,
                                   .entity_id = STR("u"),
                                   .cells = cells,
                                   .cell_count = 4,
                                   .ends_record = true};
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_true(status_is_ok(store_write(&write)));
    assert_int_equal(write.values_written, 3);
    assert_int_equal(write.values_late, 1);
    expect_int("u", feature, 4);
    assert_int_equal(store_statistics(feature).count, 3);
    assert_int_equal(store_statistics(feature).null_count, 1);
}

static void test_ttl(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 60);
    int64_t event_us = now_us() - 59 * SECOND_US;
    store_put("u", feature, value_int(1), event_us);
    expect_int("u", feature, 1);
    assert_in_range(store_redis("PTTL user:u:features")->integer, 59000, 61001);
    store_put("old", feature, value_int(1), event_us - 2 * SECOND_US);
    assert_int_equal(store_get("old", feature).state, CELL_EXPIRED);
    /* A later end is kept, an earlier write does not lower it. */
    store_put("u", feature, value_int(2), NOW);
    assert_in_range(store_redis("PTTL user:u:features")->integer, 118000, 120001);
    uint32_t other = store_add("user", DATA_TYPE_INT, 1);
    store_put("u", other, value_int(2), NOW);
    assert_in_range(store_redis("PTTL user:u:features")->integer, 118000, 120001);
    uint32_t for_ever = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", for_ever, value_int(2), NOW);
    assert_int_equal(store_redis("PTTL user:u:features")->integer, -1);
    store_put("u", feature, value_int(3), NOW);
    assert_int_equal(store_redis("PTTL user:u:features")->integer, -1);
}

static void test_changed_ttl(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 3600);
    store_put("u", feature, value_int(1), now_us() - 120 * SECOND_US);
    expect_int("u", feature, 1);
    store_set_ttl(feature, 60);
    assert_int_equal(store_get("u", feature).state, CELL_EXPIRED);
    store_set_ttl(feature, 0);
    assert_int_equal(store_get("u", feature).state, CELL_EXPIRED);
}

static void test_erase_one(void **state)
{
    (void)state;
    uint32_t a = store_add("user", DATA_TYPE_INT, 0);
    uint32_t b = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", a, value_int(1), NOW);
    store_put("u", b, value_int(2), NOW);
    assert_int_equal(store_erase("u", a), 1);
    assert_int_equal(store_get("u", a).state, CELL_NOT_FOUND);
    expect_int("u", b, 2);
    assert_false(store_put("u", a, value_int(1), now_us() - SECOND_US));
    assert_int_equal(store_get("u", a).state, CELL_NOT_FOUND);
    assert_true(store_put("u", a, value_int(3), NOW));
    expect_int("u", a, 3);
    assert_int_equal(store_erase("u", a), 1);
    assert_int_equal(store_erase("u", a), 0);
}

static void test_erase_all(void **state)
{
    (void)state;
    uint32_t a = store_add("user", DATA_TYPE_INT, 0);
    uint32_t b = store_add("user", DATA_TYPE_INT, 60);
    store_put("u", a, value_int(1), NOW);
    store_put("u", b, value_int(2), now_us() - 61 * SECOND_US);
    store_redis("HSET user:u:features theirs 5");
    assert_int_equal(store_others("u").count, 1);
    assert_int_equal(store_erase("u", STORE_ALL), 2); /* the expired one does not count */
    assert_int_equal(store_get("u", a).state, CELL_NOT_FOUND);
    assert_int_equal(store_others("u").count, 0);
    assert_int_equal(store_redis("SISMEMBER all_users u")->integer, 0);
    /* A feature that was there is covered, one made afterwards is not. */
    assert_false(store_put("u", b, value_int(1), now_us() - 2 * SECOND_US));
    uint32_t later = store_add("user", DATA_TYPE_INT, 0);
    assert_true(store_put("u", later, value_int(1), now_us() - 2 * SECOND_US));
    assert_true(store_put("u", a, value_int(7), NOW));
    expect_int("u", a, 7);
    assert_int_equal(store_redis("SISMEMBER all_users u")->integer, 1);
}

static void test_erase_of_an_unknown_id(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 600);
    assert_int_equal(store_erase("u", STORE_ALL), 0);
    assert_false(store_put("u", feature, value_int(1), now_us() - SECOND_US));
    assert_in_range(store_redis("PTTL user:u:features")->integer, 650000, 660001);
    assert_true(store_put("u", feature, value_int(1), NOW));
}

static void test_a_value_of_the_future_stays(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(1), now_us() + 200 * SECOND_US);
    assert_int_equal(store_erase("u", feature), 0);
    assert_int_equal(store_erase("u", STORE_ALL), 0);
    expect_int("u", feature, 1);
}

static void test_others(void **state)
{
    (void)state;
    uint32_t number = store_add("user", DATA_TYPE_INT, 1);
    uint32_t text = store_add("user", DATA_TYPE_STRING, 1);
    store_redis("HSET user:u:features f0 25 f1 007 age 31.0 city Oslo n nan z 007 bad %b", "\xff",
                (size_t)1);
    expect_int("u", number, 25);
    struct cell cell = store_get("u", text);
    assert_int_equal(cell.state, CELL_PRESENT);
    assert_int_equal(cell.event_time_us, CELL_EVENT_TIME_UNKNOWN);
    assert_true(str_eq(cell.value.text, STR("007")));
    struct online_others others = store_others("u");
    assert_int_equal(others.count, 5); /* f1 is no column of that read; `bad` is no UTF-8 */
    bool seen = false;
    for (uint32_t i = 0; i < others.count; i++)
        if (str_eq(others.items[i].name, STR("age"))) {
            seen = true;
            assert_int_equal(others.items[i].value.type, DATA_TYPE_FLOAT);
            assert_true(others.items[i].value.real == 31.0);
        }
    assert_true(seen);
    /* Any write of ours wins, however old; and the key goes on without an end. */
    assert_true(store_put("u", number, value_int(1), now_us() - SECOND_US / 2));
    assert_int_equal(store_redis("PTTL user:u:features")->integer, -1);
    store_redis("HSET user:u:features f0 abc");
    cell = store_get("u", number);
    assert_true(cell.state == CELL_EXPIRED || cell.value.type == DATA_TYPE_STRING);
}

static void test_unregistered_entity(void **state)
{
    (void)state;
    str id = STR("d1");
    struct online_others others;
    struct online_read read = {.entity_name = STR("driver"),
                               .entity_ids = &id,
                               .id_count = 1,
                               .others = &others};
    store_redis("HSET driver:d1:features rating 4.5");
    assert_true(status_is_ok(store_read(&read)));
    assert_int_equal(others.count, 1);
    assert_true(others.items[0].value.real == 4.5);
}

static void test_damaged_rows(void **state)
{
    (void)state;
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
    struct online_write_cell cell = store_cell(feature, value_int(2), NOW);
    struct online_write_row row = {.entity_index = store_version(feature)->entity->index,
                                   .entity_id = STR("u"),
                                   .cells = &cell,
                                   .cell_count = 1,
                                   .ends_record = true};
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_int_equal(store_write(&write).code, STATUS_UNAVAILABLE);
    assert_non_null(strstr(write.error.detail, "user:u:features"));
    assert_int_equal(store_try_erase("u", feature, &deleted).code, STATUS_UNAVAILABLE);
    assert_int_equal(store_erase("u", STORE_ALL), 1); /* that mends it */
    assert_true(store_put("u", feature, value_int(1), NOW));
    expect_int("u", feature, 1);
}

static void test_another_type(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_redis("SET user:u:features x");
    assert_int_equal(store_get("u", feature).state, CELL_NOT_FOUND);
    assert_int_equal(store_metrics().remote.rows_damaged, 1);
    struct online_write_cell cell = store_cell(feature, value_int(2), NOW);
    struct online_write_row row = {.entity_index = store_version(feature)->entity->index,
                                   .entity_id = STR("u"),
                                   .cells = &cell,
                                   .cell_count = 1,
                                   .ends_record = true};
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_int_equal(store_write(&write).code, STATUS_UNAVAILABLE);
    assert_non_null(strstr(write.error.detail, "user:u:features"));
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

static void test_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    static struct online_write_row rows[ROWS];
    static struct online_write_cell cells[ROWS];
    static char ids[ROWS][8];
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    for (int i = 0; i < ROWS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "u%d", i % 900); /* some of them twice */
        cells[i] = store_cell(feature, value_int(i), 5);
        rows[i] = (struct online_write_row){store_version(feature)->entity->index,
                                            str_from_cstr(ids[i]), &cells[i], 1, true};
    }
    struct online_write write = {.rows = rows, .row_count = ROWS};
    assert_true(status_is_ok(store_write(&write)));
    assert_int_equal(write.records_applied, ROWS);
    assert_int_equal(write.values_written, ROWS);
    expect_int("u899", feature, 899);
    expect_int("u3", feature, 903);
    assert_int_equal(store_redis("SCARD all_users")->integer, 900);
}

static void test_a_dropped_feature(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    struct online_write_cell cell = store_cell(feature, value_int(2), NOW);
    struct online_write_row row = {.entity_index = store_version(feature)->entity->index,
                                   .entity_id = STR("u"),
                                   .cells = &cell,
                                   .cell_count = 1,
                                   .ends_record = true};
    struct online_write write = {.rows = &row, .row_count = 1};
    store_put("u", feature, value_int(1), NOW);
    store_drop(feature);
    assert_int_equal(store_write(&write).code, STATUS_NOT_FOUND);
    /* Its name again: another version, under the same field. */
    uint32_t again = store_add("user", DATA_TYPE_INT, 0);
    snprintf(world.features[again].name, sizeof(world.features[again].name), "f0");
    uint32_t next = store_add("user", DATA_TYPE_INT, 0);
    assert_int_equal(store_get("u", again).state, CELL_NOT_FOUND);
    assert_true(store_put("u", again, value_int(7), 5)); /* however old */
    expect_int("u", again, 7);
    assert_int_equal(store_get("u", next).state, CELL_NOT_FOUND);
}

static void test_later_versions_have_fields_of_their_own(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    world.features[feature].number = 2;
    uint32_t odd = store_add("user", DATA_TYPE_INT, 0);
    snprintf(world.features[odd].name, sizeof(world.features[odd].name), "__event_times");
    store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(7), 5);
    store_put("u", odd, value_int(8), 5);
    expect_reply("7", store_redis("HGET user:u:features f0@2"));
    expect_reply("8", store_redis("HGET user:u:features __event_times@1"));
    expect_int("u", feature, 7);
    expect_int("u", odd, 8);
}

static void test_scan(void **state)
{
    (void)state;
    enum { IDS = 500 };
    bool seen[IDS] = {false};
    str cursor = STR("");
    char kept[128];
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    char id[16];
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        store_put(id, feature, value_int(i), 5);
    }
    store_redis("SET user:string:features x");
    store_redis("HSET users:u1:features a 1");
    do {
        struct online_scan scan = {.loop = &world.loop,
                                   .arena = &world.arena,
                                   .entity_name = STR("user"),
                                   .cursor = cursor,
                                   .limit = 100};
        store_scan(&scan);
        assert_true(status_is_ok(scan.status));
        for (uint32_t i = 0; i < scan.id_count; i++) {
            int number;
            char text[16];
            snprintf(text, sizeof(text), "%.*s", STR_ARG(scan.entity_ids[i]));
            assert_int_equal(sscanf(text, "u%d", &number), 1);
            assert_in_range(number, 0, IDS - 1);
            seen[number] = true;
        }
        snprintf(kept, sizeof(kept), "%.*s", STR_ARG(scan.next_cursor));
        cursor = str_from_cstr(kept);
    } while (cursor.len > 0);
    for (int i = 0; i < IDS; i++)
        assert_true(seen[i]);
    struct online_scan scan = {.entity_name = STR("user"), .cursor = STR("nonsense")};
    store_scan(&scan);
    assert_int_equal(scan.status.code, STATUS_INVALID);
}

static void test_statistics(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(1), 10);
    store_put("u", feature, value_int(3), 9); /* late ones count */
    struct statistics statistics = store_statistics(feature);
    assert_int_equal(statistics.count, 2);
    assert_true(statistics.mean == 2.0);
    assert_int_equal(statistics.last_event_time_us, 10);
    /* Away: answered from what is known, sent later, once. */
    world.registry_is_away = true;
    store_put("u", feature, value_int(5), 11);
    assert_int_equal(store_statistics(feature).count, 3);
    store_put("u", feature, value_int(7), 12);
    assert_int_equal(store_statistics(feature).count, 4);
    assert_int_equal(world.shared[0].count, 2);
    world.registry_is_away = false;
    world.registry_forgets = true;
    assert_int_equal(store_statistics(feature).count, 4);
    world.registry_forgets = false;
    STORE_UNTIL(store_statistics(feature).count == 4 && world.shared[0].count == 4);
    assert_true(world.shared[0].mean == 4.0);
    assert_true(store_metrics().remote.statistics_failures > 0);
}

static void test_statistics_are_handed_on_at_the_end(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_INT, 0);
    store_put("u", feature, value_int(1), 10);
    store_drain_and_close();
    assert_int_equal(world.shared[0].count, 1);
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

static void test_full(void **state)
{
    (void)state;
    uint32_t feature = store_add("user", DATA_TYPE_STRING, 0);
    store_put("u", feature, value_text(STR("x")), NOW);
    store_redis("CONFIG SET maxmemory 1");
    struct online_write_cell cell = store_cell(feature, value_text(STR("y")), NOW);
    struct online_write_row row = {.entity_index = store_version(feature)->entity->index,
                                   .entity_id = STR("u"),
                                   .cells = &cell,
                                   .cell_count = 1,
                                   .ends_record = true};
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_int_equal(store_write(&write).code, STATUS_STORE_FULL);
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

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, setup_open, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_every_type_comes_back),
        STORE_TEST(test_nothing_there),
        STORE_TEST(test_newest_event_wins),
        STORE_TEST(test_null),
        STORE_TEST(test_a_version_named_twice),
        STORE_TEST(test_ttl),
        STORE_TEST(test_changed_ttl),
        STORE_TEST(test_erase_one),
        STORE_TEST(test_erase_all),
        STORE_TEST(test_erase_of_an_unknown_id),
        STORE_TEST(test_a_value_of_the_future_stays),
        STORE_TEST(test_others),
        STORE_TEST(test_unregistered_entity),
        STORE_TEST(test_damaged_rows),
        STORE_TEST(test_another_type),
        STORE_TEST(test_records_before_a_failure_count),
        STORE_TEST(test_many_rows),
        STORE_TEST(test_a_dropped_feature),
        STORE_TEST(test_later_versions_have_fields_of_their_own),
        STORE_TEST(test_scan),
        STORE_TEST(test_statistics),
        STORE_TEST(test_statistics_are_handed_on_at_the_end),
        STORE_TEST(test_scripts_are_loaded_again),
        STORE_TEST(test_tidy_removes_dropped_features),
        STORE_TEST(test_tidy_follows_a_changed_ttl),
        STORE_TEST(test_tidy_looks_again_at_a_row_that_changes),
        cmocka_unit_test_teardown(test_tidy_goes_in_parts, store_teardown),
        STORE_TEST(test_full),
        cmocka_unit_test_teardown(test_another_registry, store_teardown),
        cmocka_unit_test_teardown(test_little_may_wait, store_teardown),
        cmocka_unit_test_teardown(test_redis_that_is_away_is_waited_for, store_teardown),
    };
    if (!redis_server_is_installed()) {
        print_message("no redis-server is installed: skipped\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

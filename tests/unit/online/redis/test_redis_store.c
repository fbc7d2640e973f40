/* The driver over a real Redis: the promises of design.md §5, and what it leaves there for others. */
#include "store_world.h"

#include <stdio.h>

static int64_t now_us(void)
{
    return store_clock_now_us(&world.clock);
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
        STORE_TEST(test_many_rows),
        STORE_TEST(test_a_dropped_feature),
        STORE_TEST(test_later_versions_have_fields_of_their_own),
        STORE_TEST(test_scan),
        STORE_TEST(test_statistics),
        STORE_TEST(test_statistics_are_handed_on_at_the_end),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A scan whose server is another process by the time of the next page: nothing is missed. */
#include "store_world.h"

#include <stdio.h>
#include <string.h>

#define IDS 2000

static bool seen[IDS];
static uint32_t seen_count;
static char cursor[128];

static int setup(void **state)
{
    if (store_setup(state) != 0)
        return -1;
    store_open(IDENTITY);
    store_add("user", DATA_TYPE_INT, 0);
    memset(seen, 0, sizeof(seen));
    seen_count = 0;
    cursor[0] = '\0';
    return 0;
}

static void fill(void)
{
    for (int i = 0; i < IDS; i++)
        redisAppendCommand(world.redis, "HSET user:u%d:features f0 1", i);
    for (int i = 0; i < IDS; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(world.redis, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

/* False: it was the last one. */
static bool read_page(void)
{
    struct online_scan scan = {
        .entity_name = STR("user"), .cursor = str_from_cstr(cursor), .limit = 100};
    store_scan(&scan);
    if (!status_is_ok(scan.status))
        fail_msg("scan: %s", scan.error.detail);
    for (uint32_t i = 0; i < scan.id_count; i++) {
        unsigned number;
        char text[16];
        snprintf(text, sizeof(text), "%.*s", STR_ARG(scan.entity_ids[i]));
        assert_int_equal(sscanf(text, "u%u", &number), 1);
        assert_in_range(number, 0, IDS - 1);
        seen[number] = true;
        seen_count++;
    }
    snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(scan.next_cursor));
    return cursor[0] != '\0';
}

static void read_half(void)
{
    while (seen_count < IDS / 2)
        assert_true(read_page());
}

static void expect_all_seen(void)
{
    for (int i = 0; i < IDS; i++) {
        if (!seen[i])
            fail_msg("u%d was missed", i);
    }
}

static void test_one_process_goes_on(void **state)
{
    (void)state;
    fill();
    while (read_page())
        continue;
    expect_all_seen();
    assert_in_range(seen_count, IDS, IDS + IDS / 2); /* SCAN may repeat a few */
}

/* With a hash seed of its own: what it shows under the old cursor's number says nothing of what
 * came. */
static void test_a_restarted_redis_begins_anew(void **state)
{
    (void)state;
    struct error error;
    fill();
    read_half();
    redis_server_kill(&world.server);
    STORE_UNTIL(!status_is_ok(world.store->driver->check(world.store, &error)));
    redis_server_restart(&world.server, NULL);
    STORE_UNTIL(status_is_ok(world.store->driver->check(world.store, &error)));
    assert_int_equal(redisReconnect(world.redis), REDIS_OK);
    fill();
    memset(seen, 0, sizeof(seen));
    while (read_page())
        continue;
    expect_all_seen();
}

static void test_without_the_right_to_ask_for_the_run(void **state)
{
    (void)state;
    struct online_scan scan = {.entity_name = STR("user"), .limit = 100};
    fill();
    store_redis("ACL SETUSER default -info");
    store_scan(&scan);
    assert_int_equal(scan.status.code, STATUS_UNAVAILABLE);
    assert_non_null(strstr(scan.error.detail, "INFO"));
    store_redis("ACL SETUSER default +info");
    assert_true(read_page());
}

static void expect_refused(const char *text)
{
    struct online_scan scan = {.entity_name = STR("user"), .cursor = str_from_cstr(text)};
    store_scan(&scan);
    assert_int_equal(scan.status.code, STATUS_INVALID);
}

static void test_what_is_no_cursor_is_refused(void **state)
{
    (void)state;
    fill();
    assert_true(read_page());
    char changed[sizeof(cursor) + 8];
    const char *run = strrchr(cursor, ':') + 1;
    assert_int_equal(strlen(run), 40);
    snprintf(changed, sizeof(changed), "%sa", cursor);
    expect_refused(changed);
    snprintf(changed, sizeof(changed), "%.*s", (int)(run - cursor), cursor);
    expect_refused(changed);
    snprintf(changed, sizeof(changed), "%.*s", (int)(run - cursor) - 1, cursor);
    expect_refused(changed);
    snprintf(changed, sizeof(changed), "%.*sxyz", (int)(run - cursor), cursor);
    expect_refused(changed);
    expect_refused("0:0:0");
    expect_refused(":::");
}

#define SCAN_TEST(test) cmocka_unit_test_setup_teardown(test, setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(test_one_process_goes_on),
        SCAN_TEST(test_a_restarted_redis_begins_anew),
        SCAN_TEST(test_without_the_right_to_ask_for_the_run),
        SCAN_TEST(test_what_is_no_cursor_is_refused),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

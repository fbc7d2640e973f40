/* The end of the store, when it comes early and when memory is short: it always comes. */
#include "store_world.h"

#include "base/memory.h"
#include "online/redis/redis_private.h"

#define LOOPS 2u

static struct loop loops[LOOPS];
static bool is_drained;

static void opened(void *user, status result, const struct error *error)
{
    (void)user;
    (void)result;
    (void)error;
}

static void drained(void *user)
{
    *(bool *)user = true;
}

static void turn(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        uv_run(&loops[i].uv, UV_RUN_NOWAIT);
}

/* The second loop comes to nothing until the first one has ended what is its own. */
static void test_before_a_loop_has_started(void **state)
{
    (void)state;
    is_drained = false;
    for (unsigned i = 0; i < LOOPS; i++)
        assert_true(status_is_ok(loop_init(&loops[i], &world.epoch, i)));
    world.options = (struct redis_store_options){
        .url = &world.url,
        .timeout_ms = 5000,
        .max_pending = 100,
        .loops = loops,
        .loop_count = LOOPS,
        .clock = &world.clock,
        .catalog = &world.catalog,
        .registry_identity = STR(IDENTITY),
        .opened = opened,
    };
    struct online_store *store;
    assert_true(status_is_ok(redis_store_open(&world.options, &store, NULL)));
    redis_store_start(store);
    store->driver->drain(store, drained, &is_drained);
    for (int i = 0; i < 10; i++)
        turn(1);
    assert_false(is_drained);
    int64_t until_ms = store_now_ms() + 20000;
    while (!is_drained && store_now_ms() < until_ms)
        turn(LOOPS);
    assert_true(is_drained);
    for (unsigned i = 0; i < LOOPS; i++)
        epoch_offline(loops[i].reader);
    store->driver->close(store);
    for (unsigned i = 0; i < LOOPS; i++)
        loop_fini(&loops[i]);
}

/* Each allocation of the drain in turn, until it needs no more of them. It does not wait for the
 * next tick: without a client that does nothing. */
static void test_without_memory(void **state)
{
    (void)state;
    bool was_reached = true;
    uint32_t feature = UINT32_MAX;
    for (uint64_t after = 0; was_reached; after++) {
        store_open(IDENTITY);
        if (feature == UINT32_MAX)
            feature = store_add("user", DATA_TYPE_INT, 0);
        assert_true(store_put("u", feature, value_int(1), 10));
        uint64_t count = world.shared[0].count;
        world.last_number = 0; /* a server of its own */
        world.is_drained = false;
        memory_fail_after(after);
        world.store->driver->drain(world.store, drained, &world.is_drained);
        was_reached = !memory_fail_is_ahead();
        memory_fail_after(UINT64_MAX);
        assert_true(uv_is_closing((uv_handle_t *)&redis_store_of(world.store)->tick));
        STORE_UNTIL(world.is_drained);
        assert_in_range(world.shared[0].count - count, was_reached ? 0 : 1, 1);
        epoch_offline(world.loop.reader);
        world.store->driver->close(world.store);
        world.store = NULL;
        assert_in_range(after, 0, 1000);
    }
}

#define DRAIN_TEST(test) cmocka_unit_test_setup_teardown(test, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRAIN_TEST(test_before_a_loop_has_started),
        DRAIN_TEST(test_without_memory),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

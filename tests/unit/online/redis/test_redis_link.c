#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "link_world.h"
#include "redis_server.h"

static struct redis_server server;
static struct link_world world;

static int start_server(void **state)
{
    (void)state;
    if (redis_server_is_installed())
        redis_server_start(&server, NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    if (server.folder[0] != '\0')
        redis_server_stop(&server);
    return 0;
}

static void need_server(void)
{
    if (server.pid == 0)
        skip();
}

static void init_tcp(const char *options)
{
    char url[256];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u%s", server.port, options);
    link_world_init(&world, url);
}

static void test_get_and_set(void **state)
{
    struct call call;
    (void)state;
    need_server();
    init_tcp("");
    link_world_open(&world);
    call_run(&world, &call, "SET a 1");
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    assert_string_equal(call.text, "OK");
    call_run(&world, &call, "GET a");
    assert_string_equal(call.text, "1");
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_READY);
    assert_false(redis_link_is_cluster(world.link));
    link_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_and_set),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

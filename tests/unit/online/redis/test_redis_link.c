/* A link to a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
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

/* `credentials` end in @; `rest` is /DATABASE. */
static void init_at(const struct redis_server *at, const char *credentials, const char *host,
                    const char *rest)
{
    char url[256];
    snprintf(url, sizeof(url), "redis://%s%s:%u%s", credentials, host, at->port, rest);
    link_world_init(&world, url);
}

static void init(void)
{
    init_at(&server, "", "127.0.0.1", "");
}

static void init_ready(void)
{
    init();
    link_world_open(&world);
    link_world_until_state(&world, REDIS_LINK_READY);
}

static void assert_answers(void)
{
    struct call call;
    call_run(&world, &call, "SET a 1");
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    assert_string_equal(call.text, "OK");
    call_run(&world, &call, "GET a");
    assert_string_equal(call.text, "1");
}

static void test_tcp(void **state)
{
    (void)state;
    init();
    link_world_open(&world);
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_CONNECTING);
    assert_string_equal(redis_link_failure(world.link)->type, "store_connecting");
    assert_answers();
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_READY);
    assert_int_equal(world.state_count, 1);
    assert_int_equal(world.states[0], REDIS_LINK_READY);
    assert_false(redis_link_is_cluster(world.link));
    assert_int_equal(redis_link_pending(world.link), 0);
    assert_int_equal(link_world_count(&world.counters.connects), 1);
    assert_int_equal(link_world_count(&world.counters.links), 1);
    assert_int_equal(link_world_count(&world.counters.links_ready), 1);
    link_world_fini(&world);
}

static void test_unix(void **state)
{
    char url[160];
    (void)state;
    snprintf(url, sizeof(url), "unix://%s?db=3", server.socket_path);
    link_world_init(&world, url);
    link_world_open(&world);
    assert_answers();
    link_world_fini(&world);
}

/* Resolved; where it has more than one address, those that refuse are passed over. */
static void test_name(void **state)
{
    (void)state;
    init_at(&server, "", "localhost", "");
    link_world_open(&world);
    assert_answers();
    link_world_fini(&world);
}

static void test_unknown_name(void **state)
{
    struct call call;
    (void)state;
    link_world_init(&world, "redis://nowhere.invalid");
    world.options.timeout_ms = 10000;
    link_world_open(&world);
    call_run(&world, &call, "PING");
    assert_int_equal(call.outcome, REDIS_REFUSED);
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_BACKOFF);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "nowhere.invalid"));
    link_world_fini(&world);
}

static void test_close_while_resolving(void **state)
{
    (void)state;
    link_world_init(&world, "redis://localhost");
    link_world_open(&world);
    uv_run(&world.loop.uv, UV_RUN_NOWAIT);
    link_world_fini(&world);
}

static void test_database(void **state)
{
    struct call call;
    (void)state;
    init_at(&server, "", "127.0.0.1", "/5");
    link_world_open(&world);
    call_run(&world, &call, "CLIENT INFO");
    assert_non_null(strstr(call.text, " db=5 "));
    assert_non_null(strstr(call.text, " name=featured "));
    link_world_fini(&world);
}

static void test_no_such_database(void **state)
{
    (void)state;
    init_at(&server, "", "127.0.0.1", "/4000");
    link_world_open(&world);
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_string_equal(redis_link_failure(world.link)->type, "store_protocol");
    link_world_fini(&world);
}

/* Types of RESP3, a value larger than all buffers, an error. */
static void test_replies(void **state)
{
    static char value[5000001];
    struct call call;
    (void)state;
    init_ready();
    memset(value, 'v', sizeof(value) - 1);
    const str set[] = {STR("SET"), STR("big"), str_of(value, sizeof(value) - 1)};
    call_init(&world, &call, "SET");
    assert_true(redis_format(&world.arena, set, 3, &call.command.bytes));
    call_send(&call);
    link_world_until_done(&world, 1);
    assert_string_equal(call.text, "OK");
    call_run(&world, &call, "STRLEN big");
    assert_string_equal(call.text, "5000000");
    call_run(&world, &call, "GET big");
    assert_int_equal(call.type, REDIS_REPLY_STRING);
    assert_int_equal(strlen(call.text), sizeof(call.text) - 1);
    call_run(&world, &call, "GET absent");
    assert_int_equal(call.type, REDIS_REPLY_NIL);
    call_run(&world, &call, "HSET h f 1 g 2");
    call_run(&world, &call, "HGETALL h");
    assert_int_equal(call.type, REDIS_REPLY_MAP);
    assert_string_equal(call.text, "4");
    call_run(&world, &call, "ZADD z 1.5 m");
    call_run(&world, &call, "ZSCORE z m");
    assert_int_equal(call.type, REDIS_REPLY_DOUBLE);
    assert_string_equal(call.text, "1.5");
    call_run(&world, &call, "GET h");
    assert_int_equal(call.type, REDIS_REPLY_ERROR);
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    link_world_fini(&world);
}

static void test_two_in_a_row(void **state)
{
    struct call call;
    (void)state;
    init_ready();
    call_init(&world, &call, "ECHO second");
    redis_link_send_after(world.link, STR("*1\r\n$6\r\nASKING\r\n"), &call.command);
    link_world_until_done(&world, 1);
    assert_string_equal(call.text, "second");
    call_run(&world, &call, "ECHO third");
    assert_string_equal(call.text, "third");
    link_world_fini(&world);
}

static void test_limits(void **state)
{
    (void)state;
    init();
    world.options.max_pending = 3;
    world.options.max_pending_bytes = 200;
    link_world_open(&world);
    for (unsigned i = 0; i < 4; i++) {
        call_init(&world, &calls[i], "PING");
        call_send(&calls[i]);
    }
    assert_true(calls[3].is_done);
    assert_int_equal(calls[3].outcome, REDIS_REFUSED);
    link_world_until_done(&world, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(calls[i].outcome, REDIS_ANSWERED);
    call_init(&world, &calls[0],
              "ECHO 0123456789012345678901234567890123456789012345678901234567890"
              "0123456789012345678901234567890123456789");
    call_init(&world, &calls[1],
              "ECHO 0123456789012345678901234567890123456789012345678901234567890"
              "0123456789012345678901234567890123456789");
    call_send(&calls[0]);
    call_send(&calls[1]);
    assert_int_equal(calls[1].outcome, REDIS_REFUSED);
    assert_true(calls[1].is_done);
    link_world_until_done(&world, 6);
    assert_int_equal(calls[0].outcome, REDIS_ANSWERED);
    link_world_fini(&world);
}

static unsigned chain_left;

static void send_again(struct call *call)
{
    if (chain_left-- == 0)
        return;
    call->is_done = false;
    call_send(call);
}

static void test_done_sends_again(void **state)
{
    (void)state;
    init_ready();
    chain_left = 100;
    call_init(&world, &calls[0], "PING");
    calls[0].then = send_again;
    call_send(&calls[0]);
    link_world_until_done(&world, 101);
    assert_int_equal(calls[0].outcome, REDIS_ANSWERED);
    link_world_fini(&world);
}

static void close_link(struct call *call)
{
    link_world_close(call->world);
}

/* What was sent is LOST within the call, what is sent from there is refused. */
static void test_close_within_done(void **state)
{
    (void)state;
    init_ready();
    chain_left = 2;
    for (unsigned i = 0; i < 10; i++) {
        call_init(&world, &calls[i], "PING");
        call_send(&calls[i]);
    }
    calls[4].then = close_link;
    calls[7].then = send_again;
    link_world_until_closed(&world);
    assert_int_equal(world.done_count, 12);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(calls[i].outcome, i <= 4   ? REDIS_ANSWERED
                                           : i == 7 ? REDIS_REFUSED
                                                    : REDIS_LOST);
    link_world_fini(&world);
}

static enum redis_link_state close_in;

static void close_when(struct link_world *at, enum redis_link_state state)
{
    if (state == close_in)
        link_world_close(at);
}

static void test_close_within_changed(void **state)
{
    static const enum redis_link_state STATES[] = {REDIS_LINK_READY, REDIS_LINK_BACKOFF,
                                                   REDIS_LINK_CONNECTING};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(STATES); i++) {
        init();
        if (STATES[i] != REDIS_LINK_READY)
            world.options.address.port = redis_server_free_port();
        world.on_changed = close_when;
        close_in = STATES[i];
        link_world_open(&world);
        call_init(&world, &calls[0], "PING");
        calls[0].then = STATES[i] == REDIS_LINK_BACKOFF ? send_again : NULL;
        chain_left = 1;
        call_send(&calls[0]);
        link_world_until_closed(&world);
        assert_int_equal(calls[0].outcome, REDIS_REFUSED);
        link_world_fini(&world);
    }
}

/* After any number of turns of the loop. */
static void test_close_at_any_time(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 40; turns++) {
        init();
        link_world_open(&world);
        call_init(&world, &calls[0], "PING");
        call_send(&calls[0]);
        for (unsigned i = 0; i < turns; i++)
            uv_run(&world.loop.uv, UV_RUN_NOWAIT);
        if (turns % 2) {
            call_init(&world, &calls[1], "PING");
            call_send(&calls[1]);
        }
        link_world_close(&world);
        assert_true(calls[0].is_done);
        link_world_until_closed(&world);
        link_world_fini(&world);
    }
}

/* Killed with commands under way: they are lost, the next ones refused at once, and when it is back
 * the link mends itself. */
static void test_server_dies_and_comes_back(void **state)
{
    (void)state;
    init_ready();
    redis_server_pause(&server);
    for (unsigned i = 0; i < 5; i++) {
        call_init(&world, &calls[i], "PING");
        call_send(&calls[i]);
    }
    while (link_world_count(&world.counters.commands) < 7 ||
           world.link->written < world.link->given)
        uv_run(&world.loop.uv, UV_RUN_NOWAIT);
    redis_server_kill(&server);
    link_world_until_done(&world, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(calls[i].outcome, REDIS_LOST);
        assert_int_equal(calls[i].order, i + 1);
    }
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_BACKOFF);
    assert_string_equal(redis_link_failure(world.link)->type, "store_away");
    call_run(&world, &calls[0], "PING");
    assert_int_equal(calls[0].outcome, REDIS_REFUSED);
    link_world_until_state(&world, REDIS_LINK_CONNECTING);
    call_init(&world, &calls[0], "PING");
    call_send(&calls[0]);
    assert_true(calls[0].is_done);
    assert_int_equal(calls[0].outcome, REDIS_REFUSED);
    redis_server_restart(&server, NULL);
    link_world_until_state(&world, REDIS_LINK_READY);
    assert_answers();
    assert_int_equal(link_world_count(&world.counters.connects), 2);
    assert_true(link_world_count(&world.counters.connect_failures) >= 1);
    link_world_fini(&world);
}

/* It accepts, and does not answer. */
static void test_server_is_stopped(void **state)
{
    (void)state;
    init_ready();
    world.link->options.timeout_ms = 200;
    redis_server_pause(&server);
    call_run(&world, &calls[0], "PING");
    assert_int_equal(calls[0].outcome, REDIS_LOST);
    assert_int_equal(link_world_count(&world.counters.timeouts), 1);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "200 ms"));
    link_world_until_state(&world, REDIS_LINK_CONNECTING);
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_int_equal(link_world_count(&world.counters.connects), 1);
    redis_server_resume(&server);
    link_world_until_state(&world, REDIS_LINK_READY);
    assert_answers();
    link_world_fini(&world);
}

/* The loop was held up for longer than a command may take: the answer is there, and is taken; what
 * could not be sent is sent. */
static void test_loop_is_held_up(void **state)
{
    struct timespec pause = {.tv_nsec = 300000000};
    (void)state;
    init_ready();
    world.link->options.timeout_ms = 100;
    redis_server_pause(&server);
    call_init(&world, &calls[0], "PING");
    call_send(&calls[0]);
    while (world.link->written < world.link->given)
        uv_run(&world.loop.uv, UV_RUN_NOWAIT);
    redis_server_resume(&server);
    nanosleep(&pause, NULL);
    link_world_until_done(&world, 1);
    assert_int_equal(calls[0].outcome, REDIS_ANSWERED);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&world, &calls[i], "PING");
        call_send(&calls[i]);
    }
    nanosleep(&pause, NULL);
    link_world_until_done(&world, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(calls[i].outcome, REDIS_ANSWERED);
    assert_int_equal(link_world_count(&world.counters.timeouts), 0);
    link_world_fini(&world);
}

static void assert_refused(const struct redis_server *at, const char *credentials,
                           const char *expected)
{
    init_at(at, credentials, "127.0.0.1", "");
    link_world_open(&world);
    call_run(&world, &calls[0], "PING");
    assert_int_equal(calls[0].outcome, REDIS_REFUSED);
    const struct error *failure = redis_link_failure(world.link);
    assert_string_equal(failure->type, "store_credentials");
    assert_non_null(strstr(failure->detail, expected));
    assert_null(strstr(failure->detail, "hunter2"));
    assert_true(uv_timer_get_due_in(&world.link->timer) > REDIS_BACKOFF_MAX_MS / 2 - 100);
    link_world_fini(&world);
}

static void assert_accepted(const struct redis_server *at, const char *credentials, int map_type)
{
    struct call call;
    init_at(at, credentials, "127.0.0.1", "/1");
    link_world_open(&world);
    call_run(&world, &call, "HSET h f 1");
    call_run(&world, &call, "HGETALL h");
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    assert_int_equal(call.type, map_type);
    link_world_fini(&world);
}

static void test_credentials(void **state)
{
    static const char *const OPTIONS[] = {
        "--requirepass", "secret",  "--user",      "me",      "on",    ">pw",
        "allcommands",   "allkeys", "allchannels", "--user",  "small", "on",
        ">pw",           "+hello",  "+auth",       "allkeys", NULL,
    };
    struct redis_server guarded = {0};
    (void)state;
    redis_server_start(&guarded, OPTIONS);
    assert_accepted(&guarded, ":secret@", REDIS_REPLY_MAP);
    assert_accepted(&guarded, "me:pw@", REDIS_REPLY_MAP);
    assert_refused(&guarded, "", "wants a password");
    assert_refused(&guarded, ":hunter2@", "refuses the user or the password");
    assert_refused(&guarded, "nobody:hunter2@", "refuses the user or the password");
    assert_refused(&guarded, "small:pw@", "permission");
    redis_server_stop(&guarded);
}

/* As before Redis 6. */
static void test_without_hello(void **state)
{
    static const char *const OPTIONS[] = {"--rename-command", "HELLO",  "",
                                          "--requirepass",    "secret", NULL};
    struct redis_server old = {0};
    (void)state;
    redis_server_start(&old, OPTIONS);
    assert_accepted(&old, ":secret@", REDIS_REPLY_ARRAY);
    assert_accepted(&old, "default:secret@", REDIS_REPLY_ARRAY);
    assert_refused(&old, ":hunter2@", "refuses the user or the password");
    assert_refused(&old, "", "wants a password");
    redis_server_stop(&old);
}

static void test_cluster(void **state)
{
    static const char *const OPTIONS[] = {"--cluster-enabled", "yes", NULL};
    static const char *const WITHOUT_HELLO[] = {
        "--cluster-enabled", "yes", "--rename-command", "HELLO", "", NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct redis_server node = {0};
        redis_server_start(&node, i ? WITHOUT_HELLO : OPTIONS);
        init_at(&node, "", "127.0.0.1", "");
        world.options.read_only = true;
        link_world_open(&world);
        link_world_until_state(&world, REDIS_LINK_READY);
        assert_true(redis_link_is_cluster(world.link));
        call_run(&world, &calls[0], "CLIENT INFO");
        assert_non_null(strstr(calls[0].text, "flags=r"));
        link_world_fini(&world);
        redis_server_stop(&node);
    }
}

/* The n-th allocation fails: whatever becomes of it, the link ends READY and answers. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 12; n++) {
        init();
        link_world_open(&world);
        call_init(&world, &calls[0], "PING");
        memory_fail_after(n);
        call_send(&calls[0]);
        link_world_until_done(&world, 1);
        memory_fail_after(UINT64_MAX);
        link_world_until_state(&world, REDIS_LINK_READY);
        assert_answers();
        link_world_fini(&world);
    }
}

static void test_backoff_grows_with_jitter(void **state)
{
    (void)state;
    init_ready();
    struct redis_link *link = world.link;
    int64_t delay = REDIS_BACKOFF_MIN_MS;
    for (link->failures = 1; link->failures < 20; link->failures++) {
        int64_t least = INT64_MAX;
        int64_t most = 0;
        for (int i = 0; i < 200; i++) {
            int64_t one = redis_link_backoff_ms(link);
            least = one < least ? one : least;
            most = one > most ? one : most;
        }
        assert_true(least >= delay / 2 && most <= delay);
        assert_true(most - least > delay / 4);
        delay = delay * 2 > REDIS_BACKOFF_MAX_MS ? REDIS_BACKOFF_MAX_MS : delay * 2;
    }
    link_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_unknown_name),
        cmocka_unit_test(test_close_while_resolving),
        cmocka_unit_test(test_database),
        cmocka_unit_test(test_no_such_database),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_two_in_a_row),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_done_sends_again),
        cmocka_unit_test(test_close_within_done),
        cmocka_unit_test(test_close_within_changed),
        cmocka_unit_test(test_close_at_any_time),
        cmocka_unit_test(test_server_dies_and_comes_back),
        cmocka_unit_test(test_server_is_stopped),
        cmocka_unit_test(test_loop_is_held_up),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_without_hello),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_backoff_grows_with_jitter),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

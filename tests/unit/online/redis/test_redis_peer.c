/* A link to a peer that does not behave: no hang, no crash, no answer to the wrong command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "link_world.h"
#include "online/redis/redis_link_private.h"

static struct link_world world;
static struct peer peer;
static struct call calls[8];
static const struct timespec MOMENT = {.tv_nsec = 1000000};
static const char *text; /* what the peer sends; changed only while none serves */

static void start(void (*serve)(int fd), int64_t timeout_ms)
{
    char url[64];
    peer_start(&peer, serve);
    snprintf(url, sizeof(url), "redis://:secret@127.0.0.1:%u", peer.port);
    link_world_init(&world, url);
    world.options.timeout_ms = timeout_ms;
    link_world_open(&world);
}

static void end(void)
{
    link_world_fini(&world);
    peer_stop(&peer);
}

static void send_calls(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        call_init(&world, &calls[i], "PING");
        call_send(&calls[i]);
    }
}

static void assert_lost(unsigned first, unsigned end_of_them)
{
    for (unsigned i = first; i < end_of_them; i++) {
        assert_true(calls[i].is_done);
        assert_int_equal(calls[i].outcome, REDIS_LOST);
        assert_int_equal(calls[i].order, i + 1);
    }
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_BACKOFF);
}

static void serve_silence(int fd)
{
    while (peer_receive(fd))
        continue;
}

/* Accepts and is silent: never READY, and what waited is refused in time. */
static void test_silence(void **state)
{
    (void)state;
    start(serve_silence, 150);
    send_calls(3);
    link_world_until_done(&world, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(calls[i].outcome, REDIS_REFUSED);
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_BACKOFF);
    assert_int_equal(link_world_count(&world.counters.timeouts), 1);
    assert_int_equal(link_world_count(&world.counters.connects), 0);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "no answer within 150 ms"));
    end();
}

static void serve_close(int fd)
{
    (void)fd;
}

static void test_closed_at_once(void **state)
{
    (void)state;
    start(serve_close, 5000);
    send_calls(1);
    link_world_until_done(&world, 1);
    assert_int_equal(calls[0].outcome, REDIS_REFUSED);
    assert_string_equal(redis_link_failure(world.link)->type, "store_away");
    end();
}

/* To each piece of what is received the next line of the text. */
static void serve_lines(int fd)
{
    const char *rest = text;
    while (*rest && peer_receive(fd)) {
        char line[512];
        size_t len = strcspn(rest, "|");
        snprintf(line, sizeof(line), "%.*s", (int)len, rest);
        peer_send(fd, line);
        rest += len + (rest[len] == '|');
    }
    serve_silence(fd);
}

#define STANDALONE "%1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"

/* What the first words with a server may come to. */
static void test_first_words(void **state)
{
    static const struct {
        const char *lines;
        const char *type; /* of the failure; NULL: READY */
        const char *detail;
    } CASES[] = {
        {STANDALONE "|+PONG\r\n", NULL, NULL},
        {"*2\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n|+PONG\r\n", "store_protocol", "no Redis"},
        {"-NOPROTO sorry\r\n|+OK\r\n|$30\r\n# Server\r\nredis_mode:cluster\r\n\r\n|+PONG\r\n", NULL,
         NULL},
        {"-ERR unknown command `HELLO`\r\n|+OK\r\n|-NOPERM no\r\n|+PONG\r\n", NULL, NULL},
        {"-ERR unknown command `HELLO`\r\n|-ERR invalid password\r\n", "store_credentials",
         "refuses"},
        {"-ERR unknown command `HELLO`, with args\r\n|-ERR unknown command `AUTH`, with args "
         "beginning with: `secret` \r\n",
         "store_credentials", "(ERR unknown command `AUTH`)"},
        {"-ERR unknown command `HELLO`\r\n|-ERR no user secret here\r\n", "store_credentials",
         "not shown"},
        {"-ERR max number of clients reached\r\n", "store_away", "max number of clients"},
        {STANDALONE "|-LOADING Redis is loading\r\n", "store_away", "LOADING"},
        {STANDALONE "|-NOPERM no\r\n", "store_credentials", "permission"},
        {STANDALONE "|+OK\r\n", "store_protocol", "no Redis"},
        {"%1\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n", "store_protocol", "Sentinel"},
        {"%2\r\n:1\r\n$4\r\nmode\r\n$4\r\nmode\r\n_\r\n|+PONG\r\n", NULL, NULL},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "store_protocol", "no answer of Redis"},
        {"$-1\r\n", "store_protocol", "no Redis"},
        {":1\r\n", "store_protocol", "no Redis"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text = CASES[i].lines;
        start(serve_lines, 5000);
        link_world_until_state(&world, CASES[i].type ? REDIS_LINK_BACKOFF : REDIS_LINK_READY);
        const struct error *failure = redis_link_failure(world.link);
        if (CASES[i].type && (strcmp(failure->type, CASES[i].type) != 0 ||
                              !strstr(failure->detail, CASES[i].detail)))
            fail_msg("%s: %s %s", CASES[i].lines, failure->type, failure->detail);
        assert_null(strstr(failure->detail, "secret"));
        end();
    }
}

static void serve_text(int fd)
{
    if (peer_greet(fd) && peer_receive(fd))
        peer_send(fd, text);
    serve_silence(fd);
}

/* Damage ends the connection, and only what was answered before it is answered. */
static void test_damage(void **state)
{
    static const struct {
        const char *sent;
        unsigned answered;
    } CASES[] = {
        {"garbage\r\n", 0},
        {"+a\r\ngarbage\r\n", 1},
        {"*1000000000\r\n", 0},
        {"*99999999999999999999\r\n", 0},
        {"*-2\r\n", 0},
        {"%4294967295\r\n", 0},
        {"$99999999999999999999\r\n", 0},
        {"$-5\r\n", 0},
        {":12x\r\n", 0},
        {"#x\r\n", 0},
        {"=1\r\nx\r\n", 0},
        {"=15\r\nxxxxxxxxxxxxxxx\r\n", 0},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*"
         "1\r\n"
         "*1\r\n*1\r\n*1\r\n",
         0},
        {"|1\r\n+a\r\n+b\r\n+c\r\n", 0},
        {"+a\r\n+b\r\n+c\r\n+nobody asked\r\n", 3},
        {"+a\r\n+b\r\n+c\r\n*1\r\n+nobody asked\r\n", 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text = CASES[i].sent;
        start(serve_text, 5000);
        link_world_until_state(&world, REDIS_LINK_READY);
        send_calls(3);
        link_world_until_state(&world, REDIS_LINK_BACKOFF);
        assert_int_equal(world.done_count, 3);
        for (unsigned j = 0; j < CASES[i].answered; j++)
            assert_int_equal(calls[j].outcome, REDIS_ANSWERED);
        assert_lost(CASES[i].answered, 3);
        assert_int_equal(link_world_count(&world.counters.timeouts), 0);
        assert_string_equal(redis_link_failure(world.link)->type, "store_away");
        assert_true(uv_timer_get_due_in(&world.link->timer) <= REDIS_BACKOFF_MIN_MS);
        end();
    }
}

#define ROW "*2\r\n$1\r\n1\r\n$1\r\nt\r\n"

/* An error that nobody asked for stands where an answer was awaited: every answer behind it would be
 * another command's. */
static void test_error_in_place_of_an_answer(void **state)
{
    static const struct {
        const char *sent;
        enum redis_shape shape;
        unsigned answered;
    } CASES[] = {
        {"-ERR nobody asked\r\n" ROW ROW, REDIS_SHAPE_ARRAY, 0},
        {"-ERR nobody asked\r\n" ROW ROW, REDIS_SHAPE_PAIRS, 0},
        {"-ERR nobody asked\r\n*1\r\n:0\r\n*1\r\n:0\r\n", REDIS_SHAPE_CODE, 0},
        {ROW "-ERR nobody asked\r\n" ROW, REDIS_SHAPE_ARRAY, 1},
        {"-WRONGTYPE of one\r\n" ROW ROW, REDIS_SHAPE_ARRAY, 3},
        {"-ERR unknown command `HMGET`\r\n" ROW ROW, REDIS_SHAPE_ARRAY, 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text = CASES[i].sent;
        start(serve_text, 5000);
        link_world_until_state(&world, REDIS_LINK_READY);
        for (unsigned j = 0; j < 3; j++) {
            call_init(&world, &calls[j], "PING");
            calls[j].command.shape = CASES[i].shape;
            calls[j].command.elements = 2;
            call_send(&calls[j]);
        }
        link_world_until_done(&world, 3);
        for (unsigned j = 0; j < CASES[i].answered; j++)
            assert_int_equal(calls[j].outcome, REDIS_ANSWERED);
        if (CASES[i].answered < 3) {
            assert_lost(CASES[i].answered, 3);
            assert_non_null(strstr(redis_link_failure(world.link)->detail, "ERR nobody asked"));
        } else {
            assert_int_equal(redis_link_state(world.link), REDIS_LINK_READY);
        }
        end();
    }
}

/* Part of a reply, and then nothing: the time-out. */
static void test_half_a_reply(void **state)
{
    static const char *const CASES[] = {
        "", "$", "$10\r\n12345", "*2\r\n+a\r\n", "*2\r\n$1\r\na\r", "$1000000000\r\nxx"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text = CASES[i];
        start(serve_text, 150);
        link_world_until_state(&world, REDIS_LINK_READY);
        send_calls(2);
        link_world_until_done(&world, 2);
        assert_lost(0, 2);
        assert_int_equal(link_world_count(&world.counters.timeouts), 1);
        end();
    }
}

static void serve_cut(int fd)
{
    if (peer_greet(fd) && peer_receive(fd))
        peer_send(fd, "+a\r\n$10\r\n1234");
}

static void test_closed_in_the_middle(void **state)
{
    (void)state;
    start(serve_cut, 5000);
    link_world_until_state(&world, REDIS_LINK_READY);
    send_calls(3);
    link_world_until_done(&world, 3);
    assert_int_equal(calls[0].outcome, REDIS_ANSWERED);
    assert_lost(1, 3);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "closed the connection"));
    end();
}

static _Atomic bool may_answer;
static _Atomic bool has_closed;

/* Answers and then resets: a connect() to nowhere does that, and leaves the descriptor to its
 * owner. */
static void serve_answers_and_resets(int fd)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (!peer_greet(fd) || !peer_receive(fd))
        return;
    while (!atomic_load(&may_answer))
        nanosleep(&MOMENT, NULL);
    peer_send(fd, "+a\r\n+b\r\n");
    connect(fd, &nowhere, sizeof(nowhere));
    atomic_store(&has_closed, true);
}

/* Answers that came before the end are taken, whether reading or writing finds out about it. */
static void test_answers_before_the_end(void **state)
{
    (void)state;
    start(serve_answers_and_resets, 5000);
    link_world_until_state(&world, REDIS_LINK_READY);
    send_calls(3);
    while (world.link->written < world.link->given)
        uv_run(&world.loop.uv, UV_RUN_NOWAIT);
    atomic_store(&may_answer, true);
    while (!atomic_load(&has_closed))
        nanosleep(&MOMENT, NULL);
    call_init(&world, &calls[3], "PING");
    call_send(&calls[3]);
    link_world_until_done(&world, 4);
    assert_string_equal(calls[0].text, "a");
    assert_string_equal(calls[1].text, "b");
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_int_equal(calls[2].outcome, REDIS_LOST);
    assert_int_equal(calls[3].outcome, REDIS_REFUSED);
    end();
}

/* Byte by byte, push messages in between; in the end every command has its own answer. */
static void serve_drops(int fd)
{
    const struct timespec pause = {.tv_nsec = 200000};
    static const char BYTES[] = ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n$3\r\none\r\n"
                                ">1\r\n+x\r\n>0\r\n%1\r\n+k\r\n,1.5\r\n#t\r\n>1\r\n_\r\n";
    if (!peer_greet(fd) || !peer_receive(fd))
        return;
    for (const char *at = BYTES; *at; at++) {
        char one[2] = {*at, '\0'};
        peer_send(fd, one);
        nanosleep(&pause, NULL);
    }
    serve_silence(fd);
}

static void test_drops_and_pushes(void **state)
{
    (void)state;
    start(serve_drops, 5000);
    link_world_until_state(&world, REDIS_LINK_READY);
    send_calls(3);
    link_world_until_done(&world, 3);
    assert_string_equal(calls[0].text, "one");
    assert_int_equal(calls[1].type, REDIS_REPLY_MAP);
    assert_string_equal(calls[1].text, "2");
    assert_int_equal(calls[2].type, REDIS_REPLY_BOOL);
    assert_int_equal(redis_link_state(world.link), REDIS_LINK_READY);
    end();
}

/* Drips for longer than a command may take. */
static void serve_slow_drops(int fd)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    if (!peer_greet(fd) || !peer_receive(fd))
        return;
    peer_send(fd, "$100000\r\n");
    for (int i = 0; i < 1000; i++) {
        peer_send(fd, "x");
        nanosleep(&pause, NULL);
        if (link_world_count(&world.counters.timeouts) > 0)
            return;
    }
}

static void test_drops_too_slow(void **state)
{
    (void)state;
    start(serve_slow_drops, 200);
    link_world_until_state(&world, REDIS_LINK_READY);
    send_calls(2);
    link_world_until_done(&world, 2);
    assert_lost(0, 2);
    assert_int_equal(link_world_count(&world.counters.timeouts), 1);
    end();
}

/* A reply over the limit. */
static void serve_flood(int fd)
{
    static char block[1 << 20];
    memset(block, 'x', sizeof(block) - 1);
    if (!peer_greet(fd) || !peer_receive(fd))
        return;
    peer_send(fd, "$1000000000\r\n");
    for (int i = 0; i < 80; i++)
        peer_send(fd, block);
    serve_silence(fd);
}

static void test_flood(void **state)
{
    (void)state;
    start(serve_flood, 15000);
    link_world_until_state(&world, REDIS_LINK_READY);
    send_calls(1);
    link_world_until_done(&world, 1);
    assert_lost(0, 1);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "64 MiB"));
    assert_int_equal(link_world_count(&world.counters.timeouts), 0);
    end();
}

static void serve_deaf(int fd)
{
    if (peer_greet(fd))
        while (link_world_count(&world.counters.links_ready) > 0)
            nanosleep(&MOMENT, NULL);
}

/* It reads nothing: what did not fit into the socket was surely not executed. */
static void test_deaf(void **state)
{
    static char value[8 << 20];
    (void)state;
    start(serve_deaf, 300);
    link_world_until_state(&world, REDIS_LINK_READY);
    memset(value, 'v', sizeof(value));
    const str set[] = {STR("SET"), STR("k"), str_of(value, sizeof(value))};
    send_calls(2);
    call_init(&world, &calls[2], "SET");
    assert_true(redis_format(&world.arena, set, 3, &calls[2].command.bytes));
    call_send(&calls[2]);
    call_init(&world, &calls[3], "PING");
    call_send(&calls[3]);
    link_world_until_done(&world, 4);
    assert_lost(0, 2);
    assert_int_equal(calls[2].outcome, REDIS_REFUSED);
    assert_int_equal(calls[3].outcome, REDIS_REFUSED);
    end();
}

/* Reads only once the socket is full, and answers when all has come: the link waits, and goes on.
 */
static void serve_late_reader(int fd)
{
    if (!peer_greet(fd))
        return;
    while (link_world_count(&world.counters.bytes_sent) < 4096)
        nanosleep(&MOMENT, NULL);
    for (size_t left = (size_t)strtoul(text, NULL, 10); left > 0;) {
        static char bytes[1 << 16];
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            return;
        left -= (size_t)got;
    }
    peer_send(fd, "+a\r\n+b\r\n");
    serve_silence(fd);
}

static void test_full_socket(void **state)
{
    static char value[16 << 20];
    char size[32];
    (void)state;
    memset(value, 'v', sizeof(value));
    const str set[] = {STR("SET"), STR("k"), str_of(value, sizeof(value))};
    snprintf(size, sizeof(size), "%zu", sizeof(value) + 47);
    text = size;
    start(serve_late_reader, 15000);
    link_world_until_state(&world, REDIS_LINK_READY);
    call_init(&world, &calls[0], "SET");
    assert_true(redis_format(&world.arena, set, 3, &calls[0].command.bytes));
    call_init(&world, &calls[1], "PING");
    assert_int_equal(calls[0].command.bytes.len + calls[1].command.bytes.len, sizeof(value) + 47);
    call_send(&calls[0]);
    call_send(&calls[1]);
    link_world_until_done(&world, 2);
    assert_string_equal(calls[0].text, "a");
    assert_string_equal(calls[1].text, "b");
    assert_true(link_world_count(&world.counters.batches) > 3);
    end();
}

/* After failures in a row the delay is longer; a while of READY makes it short again. */
static void test_backoff_is_forgotten(void **state)
{
    static struct error error;
    (void)state;
    text = STANDALONE "|+PONG\r\n";
    start(serve_lines, 5000);
    link_world_until_state(&world, REDIS_LINK_READY);
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "tested");
    world.link->failures = 6;
    redis_link_lost(world.link, &error);
    assert_int_equal(world.link->failures, 7);
    assert_true(uv_timer_get_due_in(&world.link->timer) > 1000);
    world.link->failures = 0;
    uv_timer_start(&world.link->timer, world.link->timer.timer_cb, 0, 0);
    link_world_until_state(&world, REDIS_LINK_READY);
    world.link->failures = 6;
    world.link->ready_ms -= REDIS_STEADY_MS;
    redis_link_lost(world.link, &error);
    assert_int_equal(world.link->failures, 1);
    assert_true(uv_timer_get_due_in(&world.link->timer) <= REDIS_BACKOFF_MIN_MS);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_closed_at_once),
        cmocka_unit_test(test_first_words),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_error_in_place_of_an_answer),
        cmocka_unit_test(test_half_a_reply),
        cmocka_unit_test(test_closed_in_the_middle),
        cmocka_unit_test(test_answers_before_the_end),
        cmocka_unit_test(test_drops_and_pushes),
        cmocka_unit_test(test_drops_too_slow),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_backoff_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

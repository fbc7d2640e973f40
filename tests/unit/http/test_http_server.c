#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "server_fixture.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static void expect(const char *request, const char *part)
{
    char *answer = client_ask(&fixture, request);
    if (strstr(answer, part) == NULL)
        fail_msg("%s\nwas answered\n%s\nwithout\n%s", request, answer, part);
    free(answer);
}

static void expect_without(const char *request, const char *part)
{
    char *answer = client_ask(&fixture, request);
    assert_true(strncmp(answer, "HTTP/1.1 ", 9) == 0);
    if (strstr(answer, part))
        fail_msg("%s\nwas answered\n%s\nwith\n%s", request, answer, part);
    free(answer);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void test_answers(void **state)
{
    (void)state;
    expect(GET("/plain"), "HTTP/1.1 200 OK\r\nDate: ");
    expect(GET("/plain"), "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nplain");
    expect(GET("/items/a%2Fb%20c"), "X-Own: value\r\nContent-Length: 5\r\n\r\na/b c");
    expect("HEAD /plain HTTP/1.1\r\n" HOST "\r\n", "Content-Length: 5\r\n\r\n");
    expect_without("HEAD /plain HTTP/1.1\r\n" HOST "\r\n", "\r\n\r\nplain");
    expect("HEAD /big HTTP/1.1\r\n" HOST "\r\n" GET("/plain"), " 1000000\r\n\r\nHTTP/1.1 200 OK");
    expect("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", "\r\n\r\nbody");
    expect("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
           "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
           "\r\n\r\nbody");
}

static void test_unrouted(void **state)
{
    (void)state;
    expect(GET("/none"), "HTTP/1.1 404 Not Found\r\n");
    expect(GET("/none"),
           "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":");
    expect("DELETE /plain HTTP/1.1\r\n" HOST "\r\n", "405 Method Not Allowed\r\n");
    expect("DELETE /plain HTTP/1.1\r\n" HOST "\r\n", "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    expect("PATCH /plain HTTP/1.1\r\n" HOST "\r\n" GET("/plain"), "405 Method Not Allowed");
    expect("OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", "204 No Content\r\n");
    expect("OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", "\r\nAllow: POST, OPTIONS\r\n\r\n");
    expect("OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
           "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n");
    expect("OPTIONS /none HTTP/1.1\r\n" HOST "\r\n", "404 Not Found");
    expect_without("OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: o\r\n\r\n", "Access-Control");
    expect(GET("/items/%zz"), "400 Bad Request");
    expect(GET("/items/%ff"), "400 Bad Request");
    /* the body of a request that no route takes is skipped, and the connection goes on */
    expect("POST /none HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody" GET("/plain"),
           "route\"}HTTP/1.1 200 OK");
}

static void test_problems(void **state)
{
    (void)state;
    expect(GET("/invalid"), "HTTP/1.1 422 Unprocessable Content\r\n");
    expect(GET("/invalid"), "\"status\":422,\"detail\":[{\"loc\":[\"body\",3],"
                            "\"msg\":\"not \\\"an int\\\"\",\"type\":\"int_type\"}]}");
    expect(GET("/invalid"), "Content-Type: application/problem+json\r\n");
    expect(GET("/busy"), "Retry-After: 1\r\n");
    expect(GET("/busy"), "\"detail\":\"later ?\"}");
}

static void test_request_ids(void **state)
{
    (void)state;
    expect("GET /plain HTTP/1.1\r\n" HOST "X-Request-Id: my-id:7\r\n\r\n",
           "X-Request-Id: my-id:7\r\n");
    expect_without("GET /plain HTTP/1.1\r\n" HOST "X-Request-Id: two words\r\n\r\n", "two words");
    expect_without("GET /plain HTTP/1.1\r\n" HOST "X-Request-Id: \xC3\xA9\r\n\r\n", "\xC3\xA9");
    char *answer = client_ask(&fixture, GET("/plain") GET("/plain"));
    const char *first = strstr(answer, "X-Request-Id: ");
    const char *second = strstr(first + 1, "X-Request-Id: ");
    assert_non_null(second);
    assert_memory_not_equal(first, second, 34);
    free(answer);
    expect("POST /echo HTTP/1.1\r\n" HOST "X-Request-Id: kept\r\nContent-Length: 4\r\n\r\nbody",
           "X-Request-Id: kept\r\n");
}

/* The id was seen in a piece of input that is gone by the time the request turns out to be broken.
 */
static void test_request_id_of_a_broken_body(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "X-Request-Id: early-one\r\n"
                   "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    free(client_read(fd, "100 Continue\r\n\r\n"));
    expect("GET /items/overwrites-the-buffer-of-the-loop-with-something-else HTTP/1.1\r\n" HOST
           "X-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
           "200");
    expect(GET("/plain"), "200");
    client_say(fd, "XYZ\r\n");
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 400 "));
    assert_non_null(strstr(answer, "X-Request-Id: early-one\r\n"));
    free(answer);
    close(fd);
}

static void test_connection_header(void **state)
{
    (void)state;
    expect_without(GET("/plain"), "Connection:");
    expect("GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "Connection: close\r\n");
    expect("GET /plain HTTP/1.0\r\n\r\n", "Connection: close\r\n");
    expect("GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /plain HTTP/1.0\r\n\r\n",
           "Connection: keep-alive\r\nContent-Length: 5\r\n\r\nplainHTTP/1.1 200");
    /* nothing after a "close" is served */
    char *answer = client_ask(&fixture, "GET /plain HTTP/1.1\r\n" HOST
                                        "Connection: close\r\n\r\n" GET("/plain"));
    assert_int_equal(count_of(answer, "200 OK"), 1);
    free(answer);
}

/* Inline, late and streamed answers in one pipeline leave in the order of the requests. */
static void test_pipeline_keeps_order(void **state)
{
    struct buffer requests;
    (void)state;
    buffer_init(&requests, 1 << 20);
    for (int i = 0; i < 300; i++)
        buffer_append_format(&requests, "GET /%s/n%03d HTTP/1.1\r\n" HOST "\r\n",
                             i % 3 ? "items" : "late", i);
    buffer_append_str(&requests, STR(GET("/stream") GET("/items/end")));
    buffer_append_char(&requests, '\0');
    char *answer = client_ask(&fixture, requests.data);
    const char *at = answer;
    for (int i = 0; i < 300; i++) {
        char body[24];
        snprintf(body, sizeof(body), "\r\n\r\nn%03d", i);
        at = strstr(at, body);
        if (at == NULL)
            fail_msg("answer %d is missing", i);
    }
    assert_int_equal(count_of(answer, "200 OK"), 302);
    assert_non_null(strstr(at, "\r\n0\r\n\r\nHTTP/1.1 200 OK"));
    assert_string_equal(answer + strlen(answer) - 3, "end");
    free(answer);
    buffer_fini(&requests);
}

static void test_pieces_over_the_socket(void **state)
{
    static const char REQUESTS[] =
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Length: 11\r\n\r\nhello worldGET /items/x HTTP/1.1\r\n" HOST
        "Connection: close\r\n\r\n";
    (void)state;
    for (size_t split = 1; split < sizeof(REQUESTS) - 1; split++) {
        int fd = client_connect(&fixture);
        client_send(fd, REQUESTS, split);
        client_send(fd, REQUESTS + split, sizeof(REQUESTS) - 1 - split);
        char *answer = client_read(fd, NULL);
        assert_non_null(strstr(answer, "\r\n\r\nhello worldHTTP/1.1 200 OK\r\n"));
        assert_string_equal(answer + strlen(answer) - 5, "\r\n\r\nx");
        free(answer);
        close(fd);
    }
}

static void test_expect_continue(void **state)
{
    (void)state;
    static const char *const PATHS[] = {"/echo", "/upload"};
    for (int i = 0; i < 2; i++) {
        char head[160];
        int fd = client_connect(&fixture);
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n"
                 "Connection: close\r\nContent-Length: 4\r\n\r\n",
                 PATHS[i]);
        client_say(fd, head);
        char *interim = client_read(fd, "\r\n\r\n");
        assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        client_say(fd, "body");
        char *answer = client_read(fd, NULL);
        assert_non_null(strstr(answer, i ? "4 bytes" : "\r\n\r\nbody"));
        free(interim);
        free(answer);
        close(fd);
        /* the body is there already: no interim answer */
        strcat(head, "body");
        expect_without(head, "100 Continue");
    }
    expect("GET /plain HTTP/1.1\r\n" HOST "Expect: magic\r\n\r\n", "417 Expectation Failed");
    expect("POST /none HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
           "HTTP/1.1 404 Not Found");
    expect("POST /never HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
           "HTTP/1.1 415 ");
}

static void test_refusals_close(void **state)
{
    (void)state;
    expect("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n");
    expect("GET / HTTP/1.1\r\n\r\n", "Connection: close\r\n");
    expect("GET /plain HTTP/1.1\r\n" HOST "Bad Name: x\r\n\r\n", "400 Bad Request");
    expect("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n",
           "413 Content Too Large");
    expect("GET / HTTP/3.0\r\n\r\n", "505 ");
    expect(GET("/plain") "nonsense\r\n\r\n", "plainHTTP/1.1 501 ");
}

/* The client writes 20 MB before it looks for the answer, and finds it all the same. */
static void test_refused_body_does_not_destroy_the_answer(void **state)
{
    static char megabyte[1 << 20];
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n");
    for (int i = 0; i < 3; i++)
        client_send(fd, megabyte, sizeof(megabyte));
    shutdown(fd, SHUT_WR);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "413 Content Too Large"));
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    close(fd);
}

static void test_uploads(void **state)
{
    enum { BYTES = 3000000 };
    char *body = malloc(BYTES);
    char expected[64];
    unsigned sum = 0;
    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        body[i] = (char)(i * 7 + i / 1000);
        sum = sum * 31 + (unsigned char)body[i];
    }
    snprintf(expected, sizeof(expected), "\r\n\r\n%d bytes, sum %u", BYTES, sum);
    int fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
    client_send(fd, body, BYTES);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST
                   "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < BYTES; at += 1000) {
        client_say(fd, "3e8\r\n");
        client_send(fd, body + at, 1000);
        client_say(fd, "\r\n");
    }
    client_say(fd, "0\r\n\r\n");
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, expected), 2);
    free(answer);
    close(fd);
    free(body);
    expect("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "\r\n\r\n0 bytes, sum 0");
    expect("POST /picky HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n0123456789", "422 ");
    expect("POST /picky HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n0123456789",
           "Connection: close");
}

static void test_client_leaves_upload(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nsome");
    shutdown(fd, SHUT_WR);
    sem_wait(&fixture.body_gone);
    close(fd);
    fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX");
    sem_wait(&fixture.body_gone);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "400 Bad Request"));
    free(answer);
    close(fd);
}

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static void wait_for_connections(uint64_t count)
{
    struct http_server_metrics metrics;
    do {
        sched_yield();
        http_server_metrics_read(fixture.server, &metrics);
    } while (metrics.connections_open != count);
}

static void test_client_leaves_late_answer(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/held"));
    sem_wait(&fixture.held);
    reset(fd);
    wait_for_connections(0);
    fixture_release(&fixture);
    expect(GET("/plain"), "200 OK");
}

static void test_half_closed_client_gets_late_answer(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/held") GET("/plain"));
    shutdown(fd, SHUT_WR);
    sem_wait(&fixture.held);
    fixture_release(&fixture);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "\r\n\r\nreleasedHTTP/1.1 200 OK"));
    free(answer);
    close(fd);
}

static void test_stream_is_whole(void **state)
{
    (void)state;
    char *answer = client_ask(&fixture, "GET /stream HTTP/1.0\r\n\r\n");
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_null(strstr(answer, "chunked"));
    assert_int_equal(strlen(body), FIXTURE_STREAM_PIECES * 4 / 5 * FIXTURE_PIECE_BYTES);
    free(answer);
    sem_wait(&fixture.stream_finished);
    expect("HEAD /stream HTTP/1.1\r\n" HOST "\r\n", "Transfer-Encoding: chunked\r\n\r\n");
    sem_wait(&fixture.stream_finished);
}

/* A client that does not read stops the producer; when it reads, it gets everything. */
static void test_backpressure(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "GET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    unsigned before;
    do {
        before = atomic_load(&fixture.stream_pieces);
        usleep(200000); /* stands still for so long */
    } while (before == 0 || before != atomic_load(&fixture.stream_pieces));
    assert_true(before < FIXTURE_STREAM_PIECES);
    char *answer = client_read(fd, NULL);
    assert_true(strlen(answer) > FIXTURE_STREAM_PIECES * 4 / 5 * FIXTURE_PIECE_BYTES);
    assert_string_equal(answer + strlen(answer) - 7, "\r\n0\r\n\r\n");
    sem_wait(&fixture.stream_finished);
    free(answer);
    close(fd);
}

static void test_client_leaves_stream(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/stream"));
    free(client_read(fd, "\r\n\r\n"));
    reset(fd);
    sem_wait(&fixture.stream_finished);
    wait_for_connections(0);
}

/* What has left is seen before the rest is there; then the end, or the connection's. */
static void test_stream_waits(void **state)
{
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        int fd = client_connect(&fixture);
        client_say(fd, broken ? GET("/waiting/broken") : GET("/waiting/whole"));
        free(client_read(fd, "before\r\n"));
        assert_int_equal(atomic_load(&fixture.stream_pieces), 1);
        fixture_resume(&fixture, false);
        char *rest = client_read(fd, broken ? NULL : "0\r\n\r\n");
        assert_int_equal(strstr(rest, "0\r\n\r\n") == NULL, broken);
        sem_wait(&fixture.stream_finished);
        assert_int_equal(atomic_load(&fixture.stream_pieces), 2);
        if (!broken) { /* the connection is as good as before */
            client_say(fd, GET("/plain"));
            free(client_read(fd, "plain"));
        }
        free(rest);
        close(fd);
    }
}

/* Its memory is in use until the wait is over. */
static void test_client_leaves_waiting_stream(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/waiting/heavy"));
    free(client_read(fd, "before"));
    reset(fd);
    fixture_resume(&fixture, true);
    sem_wait(&fixture.stream_finished);
    assert_int_equal(atomic_load(&fixture.stream_pieces), 1);
    wait_for_connections(0);
}

#define COUNTED "POST /counted HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

/* A body that cannot be read on: its handler answers, at once or later, and nothing more is read. */
static void test_failed_body_is_answered_by_its_handler(void **state)
{
    (void)state;
    expect(COUNTED "3\r\nabc\r\nX", "HTTP/1.1 400 Bad Request\r\n");
    expect(COUNTED "3\r\nabc\r\nX", "Connection: close\r\n");
    expect(COUNTED "3\r\nabc\r\nX", "\"status\":400,\"detail\":\"");
    expect(COUNTED "3\r\nabc\r\nX", ",\"bytes\":3}");

    int fd = client_connect(&fixture);
    atomic_store(&fixture.may_answer, false);
    client_say(fd, COUNTED "6\r\nabcdef\r\nX");
    sem_wait(&fixture.body_failed);
    client_say(fd, GET("/plain"));
    shutdown(fd, SHUT_WR);
    expect(GET("/plain"), "200 OK");
    atomic_store(&fixture.may_answer, true);
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, "HTTP/1.1"), 1);
    assert_non_null(strstr(answer, ",\"bytes\":6}"));
    free(answer);
    close(fd);
    assert_int_equal(sem_trywait(&fixture.body_gone), -1);
}

static void test_client_leaves_failed_body(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    atomic_store(&fixture.may_answer, false);
    client_say(fd, COUNTED "6\r\nabcdef\r\nX");
    sem_wait(&fixture.body_failed);
    reset(fd);
    wait_for_connections(0);
    atomic_store(&fixture.may_answer, true);
    expect(GET("/plain"), "200 OK");
    assert_int_equal(sem_trywait(&fixture.body_gone), -1);
}

/* The time to read is over once, however long the handler then takes. */
static void test_slow_body_is_answered_by_its_handler(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.idle_timeout_ms = 60;
    fixture.options.limits.read_timeout_ms = 50;
    fixture_start(&fixture);
    atomic_store(&fixture.may_answer, false);
    int fd = client_connect(&fixture);
    client_say(fd, "POST /counted HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nabcdef");
    sem_wait(&fixture.body_failed);
    for (int i = 0; i < 2; i++) { /* idle connections end: twice the time is over */
        int idle = client_connect(&fixture);
        free(client_read(idle, NULL));
        close(idle);
    }
    assert_int_equal(sem_trywait(&fixture.body_failed), -1);
    atomic_store(&fixture.may_answer, true);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(answer, ",\"bytes\":6}"));
    free(answer);
    close(fd);
    fixture_stop(&fixture);
}

/* Fifty answers of 1 MB are asked for, none is read: the server holds a few, not all. */
static void test_pipelining_without_reading(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 50; i++)
        client_say(fd, GET("/big"));
    shutdown(fd, SHUT_WR);
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, "200 OK"), 50);
    assert_true(strlen(answer) > 50000000);
    free(answer);
    close(fd);
}

static void test_metrics(void **state)
{
    struct http_server_metrics metrics;
    uint64_t ok = 0;
    (void)state;
    expect(GET("/plain") GET("/plain") GET("/plain"), "200");
    expect("GET /plain HTTP/1.1\r\n\r\n", "400");
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        ok += atomic_load(&http_server_route_metrics(fixture.server, i, 0)->responses[2]);
    assert_int_equal(ok, 3);
    http_server_metrics_read(fixture.server, &metrics);
    assert_int_equal(metrics.connections_accepted, 2);
    assert_int_equal(metrics.requests_malformed, 1);
    assert_true(metrics.bytes_received > 100 && metrics.bytes_sent > 400);
}

static void test_cors(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.options.cors_origin = "https://ui.example";
    fixture_start(&fixture);
    expect(GET("/plain"), "\r\nAccess-Control-Allow-Origin: https://ui.example\r\nVary: Origin\r\n"
                          "Access-Control-Expose-Headers: X-Request-Id, ");
    expect(GET("/none"), "Access-Control-Allow-Origin: https://ui.example\r\n");
    expect("OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: https://ui.example\r\n"
           "Access-Control-Request-Method: POST\r\n\r\n",
           "Access-Control-Allow-Methods: POST, OPTIONS\r\n");
    fixture_stop(&fixture);
}

static void test_timeouts(void **state)
{
    struct http_server_metrics metrics;
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.idle_timeout_ms = 100;
    fixture.options.limits.read_timeout_ms = 150;
    fixture_start(&fixture);
    int idle = client_connect(&fixture);
    int slow = client_connect(&fixture);
    int slow_body = client_connect(&fixture);
    int served = client_connect(&fixture);
    client_say(slow, "GET /plain HT");
    client_say(slow_body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nhalf");
    client_say(served, GET("/plain"));
    char *answers[] = {client_read(idle, NULL), client_read(slow, NULL),
                       client_read(slow_body, NULL), client_read(served, NULL)};
    assert_string_equal(answers[0], "");
    assert_non_null(strstr(answers[1], "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(answers[1], "Retry-After: 1\r\n"));
    assert_non_null(strstr(answers[2], "408 Request Timeout"));
    assert_non_null(strstr(answers[3], "200 OK"));
    assert_null(strstr(answers[3], "408"));
    http_server_metrics_read(fixture.server, &metrics);
    assert_int_equal(metrics.connections_timed_out, 2);
    for (int i = 0; i < 4; i++)
        free(answers[i]);
    close(idle);
    close(slow);
    close(slow_body);
    close(served);
    fixture_stop(&fixture);
}

static void test_write_timeout(void **state)
{
    int small = 4096;
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.write_timeout_ms = 200;
    fixture_start(&fixture);
    int fd = client_connect(&fixture);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_say(fd, GET("/stream"));
    sem_wait(&fixture.stream_finished); /* cut off */
    wait_for_connections(0);
    assert_true(atomic_load(&fixture.stream_pieces) < FIXTURE_STREAM_PIECES);
    close(fd);
    fixture_stop(&fixture);
}

static void test_connection_limit(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.connections = 2;
    fixture_start(&fixture);
    int first = client_connect(&fixture);
    int second = client_connect(&fixture);
    wait_for_connections(2);
    int third = client_connect(&fixture); /* in the kernel's queue */
    client_say(third, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_say(second, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    char *answer = client_read(second, NULL);
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    answer = client_read(third, NULL);
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    close(first);
    close(second);
    close(third);
    fixture_stop(&fixture);
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit limit;
    struct rlimit none;
    int fds[3];
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fds[i] >= 0);
        close(fds[i]);
    }
    int fd = client_connect(&fixture);
    wait_for_connections(1);
    int second = client_connect(&fixture);
    wait_for_connections(2);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int third = socket(AF_INET, SOCK_STREAM, 0);
    none = limit;
    none.rlim_cur = (rlim_t)third + 1; /* no further descriptor in this process */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(third, (struct sockaddr *)&address, len), 0);
    client_say(third, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_say(fd, "GET /plain HTTP/1.1\r\n" HOST "\r\n"); /* the others are served meanwhile */
    free(client_read(fd, "plain"));
    close(second);
    char *answer = client_read(third, NULL); /* goes on when a descriptor is free */
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(fd);
    close(third);
    fixture_stop(&fixture);
}

static void *release_when_idle_is_closed(void *idle_fd)
{
    char byte;
    if (recv(*(int *)idle_fd, &byte, 1, 0) == 0)
        fixture_release(&fixture);
    return NULL;
}

static void test_drain(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    int idle = client_connect(&fixture);
    int busy = client_connect(&fixture);
    client_say(busy, GET("/held"));
    sem_wait(&fixture.held);
    wait_for_connections(2);
    pthread_t releaser;
    assert_int_equal(pthread_create(&releaser, NULL, release_when_idle_is_closed, &idle), 0);
    fixture_stop(&fixture); /* returns only after the held one was answered */
    pthread_join(releaser, NULL);
    char *answer = client_read(busy, NULL);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nreleased"));
    free(answer);
    close(idle);
    close(busy);
}

static void test_listen_fails_clearly(void **state)
{
    struct http_server *second;
    struct error error;
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    struct http_server_options options = fixture.options;
    options.port = http_server_port(fixture.server);
    assert_int_equal(http_server_start(&options, &second, &error).code, STATUS_IO);
    assert_non_null(strstr(error.detail, "Address already in use"));
    options.host = "no.such.host.invalid";
    assert_int_equal(http_server_start(&options, &second, &error).code, STATUS_IO);
    assert_non_null(strstr(error.detail, "no.such.host.invalid"));
    fixture_stop(&fixture);
}

/* Whatever allocation fails: an answer or an end, and the server goes on. */
static void test_out_of_memory(void **state)
{
    static const char *const REQUESTS[] = {
        "GET /late/x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /items/a%20b HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "POST /upload HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 3\r\n\r\nabc",
        "GET /none HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
    };
    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(REQUESTS); r++) {
        unsigned failed = 0;
        for (uint64_t n = 0; n < 30; n++) {
            fixture_init(&fixture);
            fixture_start(&fixture);
            memory_fail_after(n);
            int fd = client_connect(&fixture);
            client_say(fd, REQUESTS[r]);
            char *answer = client_read(fd, NULL);
            memory_fail_after(UINT64_MAX);
            bool served =
                strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, "503", 3) != 0;
            assert_true(served || answer[0] == '\0' || strncmp(answer, "HTTP/1.1 503", 12) == 0);
            failed += !served;
            free(answer);
            close(fd);
            expect(GET("/plain"), "200 OK");
            fixture_stop(&fixture);
        }
        assert_true(failed > 0 && failed < 30);
    }
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SERVED(test_answers),
        SERVED(test_unrouted),
        SERVED(test_problems),
        SERVED(test_request_ids),
        SERVED(test_request_id_of_a_broken_body),
        SERVED(test_connection_header),
        SERVED(test_pipeline_keeps_order),
        SERVED(test_pieces_over_the_socket),
        SERVED(test_expect_continue),
        SERVED(test_refusals_close),
        SERVED(test_refused_body_does_not_destroy_the_answer),
        SERVED(test_uploads),
        SERVED(test_client_leaves_upload),
        SERVED(test_client_leaves_late_answer),
        SERVED(test_half_closed_client_gets_late_answer),
        SERVED(test_failed_body_is_answered_by_its_handler),
        SERVED(test_client_leaves_failed_body),
        SERVED(test_stream_is_whole),
        SERVED(test_backpressure),
        SERVED(test_client_leaves_stream),
        SERVED(test_stream_waits),
        SERVED(test_client_leaves_waiting_stream),
        SERVED(test_pipelining_without_reading),
        SERVED(test_metrics),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_slow_body_is_answered_by_its_handler),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_listen_fails_clearly),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

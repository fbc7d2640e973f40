#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "http/request_parser.h"

#define REQUESTS_MAX 16

static struct http_limits limits;
static enum request_body_mode body_mode;
static uint64_t body_max;

/* A transcript of all that the bytes mean: request lines, headers, bodies, the refusal. Each piece
 * is put into memory of its own, so that a view into an earlier one is a sanitizer's find. */
struct transcript {
    struct buffer text;
    struct buffer streamed;
    bool failed;
};

static void note_request(struct transcript *t, const struct request_parser *parser)
{
    static struct http_header headers[HTTP_HEADERS_MAX];
    struct http_request request = {0};
    request_parser_view(parser, headers, &request);
    buffer_append_format(&t->text, "%d %.*s ? %.*s 1.%d %s\n", request.method,
                         STR_ARG(request.path), STR_ARG(request.query), !request.http_1_0,
                         parser->keep_alive ? "keep" : "close");
    for (uint32_t i = 0; i < request.header_count; i++)
        buffer_append_format(&t->text, "[%.*s]=[%.*s]\n", STR_ARG(headers[i].name),
                             STR_ARG(headers[i].value));
    buffer_append_format(&t->text, "expect=%.*s id=%.*s origin=%.*s\nbody=%.*s streamed=%.*s\n",
                         STR_ARG(parser->expect), STR_ARG(parser->request_id),
                         STR_ARG(parser->origin), STR_ARG(request.body),
                         STR_ARG(buffer_str(&t->streamed)));
    buffer_reset(&t->streamed, SIZE_MAX);
}

static bool on_event(struct transcript *t, struct request_parser *parser, enum request_event event)
{
    switch (event) {
    case REQUEST_MORE:
        return false;
    case REQUEST_HEAD:
        if (request_parser_begin_body(parser, body_mode, body_max))
            return true;
        event = REQUEST_FAILED;
        break;
    case REQUEST_PIECE:
        assert_true(parser->piece.len > 0);
        buffer_append_str(&t->streamed, parser->piece);
        return true;
    case REQUEST_COMPLETE:
        note_request(t, parser);
        request_parser_reset(parser);
        return true;
    case REQUEST_FAILED:
        break;
    }
    buffer_append_format(&t->text, "refused %d\n", status_http(parser->failure));
    t->failed = true;
    return false;
}

static void feed(struct transcript *t, struct request_parser *parser, const char *data, size_t len)
{
    char *own = malloc(len ? len : 1);
    size_t used = 0;
    bool more = !t->failed;
    memcpy(own, data, len);
    while (more) {
        size_t some;
        enum request_event event = request_parser_next(parser, own + used, len - used, &some);
        used += some;
        more = on_event(t, parser, event) && (used < len || event != REQUEST_COMPLETE);
    }
    free(own);
}

static char *finish_transcript(struct transcript *t)
{
    buffer_append_char(&t->text, '\0');
    buffer_fini(&t->streamed);
    return t->text.data;
}

/* In pieces of `step` bytes from `first` on. */
static char *transcript_of(str bytes, size_t first, size_t step)
{
    struct transcript t = {0};
    struct request_parser *parser = malloc(sizeof(*parser));
    buffer_init(&t.text, 1 << 20);
    buffer_init(&t.streamed, 1 << 20);
    request_parser_init(parser, &limits);
    feed(&t, parser, bytes.data, first < bytes.len ? first : bytes.len);
    for (size_t at = first; at < bytes.len; at += step)
        feed(&t, parser, bytes.data + at, at + step < bytes.len ? step : bytes.len - at);
    request_parser_fini(parser);
    free(parser);
    return finish_transcript(&t);
}

static void check(str bytes, const char *expected)
{
    char *whole = transcript_of(bytes, bytes.len, 1);
    if (expected && strstr(whole, expected) == NULL)
        fail_msg("%.*s\ngave\n%s\nnot\n%s", STR_ARG(bytes), whole, expected);
    for (size_t split = 0; split <= bytes.len; split++) {
        char *pieces = transcript_of(bytes, split, bytes.len);
        if (strcmp(pieces, whole) != 0)
            fail_msg("%.*s\nsplit at %zu gave\n%s\nnot\n%s", STR_ARG(bytes), split, pieces, whole);
        memory_free(pieces);
    }
    char *single = transcript_of(bytes, 1, 1);
    assert_string_equal(single, whole);
    memory_free(single);
    memory_free(whole);
}

#define CHECK(bytes, expected) check(STR(bytes), expected)
#define HOST "Host: a\r\n"

static int reset_limits(void **state)
{
    (void)state;
    limits = HTTP_LIMITS_DEFAULT;
    body_mode = REQUEST_BODY_HELD;
    body_max = 1000;
    return 0;
}

static void test_plain_requests(void **state)
{
    (void)state;
    CHECK("GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nAccept:  a/b \t\r\nX-Empty:\r\n\r\n",
          "0 /a/b ? x=1&y 1.1 keep\n[Host]=[h]\n[Accept]=[a/b]\n[X-Empty]=[]\n");
    CHECK("\r\n\r\nHEAD / HTTP/1.1\r\n" HOST "\r\n", "1 / ?  1.1 keep\n");
    CHECK("DELETE /x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "4 /x ?  1.1 close\n");
    CHECK("GET / HTTP/1.0\r\n\r\n", "0 / ?  1.0 close\n");
    CHECK("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "0 / ?  1.0 keep\n");
    CHECK("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "5 * ?  1.1");
    CHECK("GET http://other:80/p?q HTTP/1.1\r\n" HOST "\r\n", "0 /p ? q 1.1");
    CHECK("GET http://other?q HTTP/1.1\r\n" HOST "\r\n", "0 / ? q 1.1");
    CHECK("PATCH /x HTTP/1.1\r\n" HOST "\r\n", "6 /x ?");
    CHECK("GET / HTTP/1.1\r\n" HOST "X-Request-ID: r1\r\nORIGIN: o\r\nexpect: e\r\n\r\n",
          "expect=e id=r1 origin=o\n");
}

static void test_upgrade_is_ignored(void **state)
{
    (void)state;
    CHECK("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
          "GET /2 HTTP/1.1\r\n" HOST "\r\n",
          "0 /2 ?");
    CHECK("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", "6 ");
}

static void test_bodies(void **state)
{
    static const enum request_body_mode MODES[] = {REQUEST_BODY_HELD, REQUEST_BODY_STREAMED};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(MODES); i++) {
        bool held = MODES[i] == REQUEST_BODY_HELD;
        body_mode = MODES[i];
        CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
              held ? "body=hello streamed=\n" : "body= streamed=hello\n");
        CHECK("PUT / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "body= streamed=\n");
        CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
              "3\r\nabc\r\n0a;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
              held ? "body=abc0123456789 streamed=\n" : "body= streamed=abc0123456789\n");
        CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
              "body= streamed=\n");
    }
    body_mode = REQUEST_BODY_SKIPPED;
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhelloGET /z HTTP/1.1\r\n" HOST
          "\r\n",
          "body= streamed=\n0 /z ?");
}

static void test_pipelining(void **state)
{
    (void)state;
    CHECK("GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
          "\r\nGET /3 HTTP/1.1\r\n" HOST "X-Request-Id: 3\r\n\r\nGET /4 HTTP/1.1\r\n" HOST "\r\n",
          "id=3 origin=\nbody= streamed=\n0 /4");
}

static void test_smuggling_is_refused(void **state)
{
    (void)state;
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\nabc", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          "refused 501");
    CHECK("POST / HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\nHost: a\n\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
          "refused 400");
    CHECK("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
          "refused 400");
}

static void test_malformed(void **state)
{
    (void)state;
    CHECK("GET / HTTP/1.1\r\n\r\n", "refused 400");
    CHECK("GET / HTTP/1.1\r\n" HOST HOST "\r\n", "refused 400");
    CHECK("GET /a#b HTTP/1.1\r\n" HOST "\r\n", "refused 400");
    CHECK("GET * HTTP/1.1\r\n" HOST "\r\n", "refused 400");
    CHECK("GET /a b HTTP/1.1\r\n" HOST "\r\n", "refused 400");
    CHECK("GET / HTTP/2.0\r\n" HOST "\r\n", "refused 505");
    CHECK("GET / HTTP/1.7\r\n" HOST "\r\n", "refused 505");
    CHECK("GET / RTSP/1.0\r\n" HOST "\r\n", "refused 400");
    CHECK("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505");
    CHECK("FROB / HTTP/1.1\r\n" HOST "\r\n", "refused 501");
    CHECK("get / HTTP/1.1\r\n" HOST "\r\n", "refused 501");
    CHECK("\x16\x03\x01\x02\x00", "refused 501");
    CHECK("GET / HTTP/1.1\r\n: no name\r\n\r\n", "refused 400");
    CHECK("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n\r\n", "streamed=\nrefused 400");
}

static str repeat(struct buffer *out, const char *head, const char *unit, size_t count,
                  const char *tail)
{
    buffer_init(out, 1 << 20);
    buffer_append_str(out, str_from_cstr(head));
    for (size_t i = 0; i < count; i++)
        buffer_append_str(out, str_from_cstr(unit));
    buffer_append_str(out, str_from_cstr(tail));
    return buffer_str(out);
}

static void check_repeated(const char *head, const char *unit, size_t count, const char *tail,
                           const char *expected)
{
    struct buffer bytes;
    check(repeat(&bytes, head, unit, count, tail), expected);
    buffer_fini(&bytes);
}

static void test_limits(void **state)
{
    (void)state;
    limits.header_bytes = 400;
    limits.target_bytes = 100;
    const char *tail = " HTTP/1.1\r\n" HOST "\r\n";
    check_repeated("GET /", "a", 99, tail, "aaa ?  1.1");
    check_repeated("GET /", "a", 100, tail, "refused 414");
    check_repeated("GET /", "a", 600, tail, "refused 414");
    check_repeated("GET /", "a", 150, "\x01", "refused 414");
    check_repeated("GET /", "a", 50, "\x01", "refused 400");
    /* 16 + 9 + 11 + 2 bytes around the value */
    check_repeated("GET / HTTP/1.1\r\n" HOST "X-Long: ", "v", 400 - 37, "\r\n\r\n", "0 / ?  1.1");
    check_repeated("GET / HTTP/1.1\r\n" HOST "X-Long: ", "v", 400 - 36, "\r\n\r\n", "refused 431");
    check_repeated("GET / HTTP/1.1\r\n" HOST "X-Long: ", "v", 500, "\x01", "refused 431");
    check_repeated("", "\r\n", 201, "GET / HTTP/1.1\r\n" HOST "\r\n", "refused 431");
    limits.header_bytes = 4000;
    check_repeated("GET / HTTP/1.1\r\n" HOST, "A: b\r\n", HTTP_HEADERS_MAX - 1, "\r\n",
                   "0 / ?  1.1");
    check_repeated("GET / HTTP/1.1\r\n" HOST, "A: b\r\n", HTTP_HEADERS_MAX, "\r\n", "refused 431");
}

static void test_body_limits(void **state)
{
    (void)state;
    body_max = 20;
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    check_repeated("POST / HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\n", "b", 20, "",
                   "body=bbb");
    check_repeated("POST / HTTP/1.1\r\n" HOST "Content-Length: 21\r\n\r\n", "b", 21, "",
                   "refused 413");
    check_repeated(CHUNKED, "1\r\nx\r\n", 20, "0\r\n\r\n", "body=xxx");
    check_repeated(CHUNKED, "1\r\nx\r\n", 21, "0\r\n\r\n", "refused 413");
    CHECK(CHUNKED "ffffffffffffffff\r\n", "refused 413");
    CHECK(CHUNKED "8\r\n12345678\r\n7fffffff\r\n", "refused 413");
    limits.header_bytes = 400;
    check_repeated(CHUNKED "0\r\n", "Trailer: x\r\n", 20, "\r\n", "body= streamed=\n");
    check_repeated(CHUNKED "0\r\n", "Trailer: x\r\n", 40, "\r\n", "refused 400");
}

static void test_chunk_extensions_are_bounded(void **state)
{
    struct buffer bytes;
    (void)state;
    str text = repeat(&bytes, CHUNKED "1;", "e", 5000, "\r\nx\r\n0\r\n\r\n");
    char *whole = transcript_of(text, text.len, 1);
    char *single = transcript_of(text, 1, 1);
    assert_string_equal(whole, "refused 400\n");
    assert_string_equal(single, whole);
    memory_free(whole);
    memory_free(single);
    buffer_fini(&bytes);
}

/* Whole in one piece: nothing is copied. */
static void test_in_place(void **state)
{
    static struct request_parser parser;
    static struct http_header headers[HTTP_HEADERS_MAX];
    str bytes = STR("POST /p HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbodyGET ");
    struct http_request request = {0};
    size_t used;
    (void)state;
    request_parser_init(&parser, &limits);
    assert_int_equal(request_parser_next(&parser, bytes.data, bytes.len, &used), REQUEST_HEAD);
    size_t at = used;
    assert_true(request_parser_begin_body(&parser, REQUEST_BODY_HELD, 100));
    assert_int_equal(request_parser_next(&parser, bytes.data + at, bytes.len - at, &used),
                     REQUEST_COMPLETE);
    assert_int_equal(at + used, bytes.len - 4);
    request_parser_view(&parser, headers, &request);
    assert_ptr_equal(request.path.data, bytes.data + 5);
    assert_ptr_equal(request.body.data, bytes.data + bytes.len - 8);
    assert_int_equal(parser.head.capacity + parser.body_copy.capacity, 0);
    request_parser_fini(&parser);
}

static void test_out_of_memory(void **state)
{
    str bytes = STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789");
    unsigned refused = 0;
    (void)state;
    for (uint64_t n = 0;; n++) {
        struct transcript t = {0};
        struct request_parser *parser = malloc(sizeof(*parser));
        buffer_init(&t.text, 1 << 20);
        buffer_init(&t.streamed, 1 << 20);
        assert_non_null(buffer_reserve(&t.text, 4096));
        request_parser_init(parser, &limits);
        memory_fail_after(n);
        for (size_t at = 0; at < bytes.len; at++)
            feed(&t, parser, bytes.data + at, 1);
        memory_fail_after(UINT64_MAX);
        request_parser_fini(parser);
        free(parser);
        char *text = finish_transcript(&t);
        bool failed = t.failed;
        assert_non_null(strstr(text, failed ? "refused 503" : "body=0123456789"));
        memory_free(text);
        refused += failed;
        if (!failed)
            break;
    }
    assert_true(refused >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_plain_requests, reset_limits),
        cmocka_unit_test_setup(test_upgrade_is_ignored, reset_limits),
        cmocka_unit_test_setup(test_bodies, reset_limits),
        cmocka_unit_test_setup(test_pipelining, reset_limits),
        cmocka_unit_test_setup(test_smuggling_is_refused, reset_limits),
        cmocka_unit_test_setup(test_malformed, reset_limits),
        cmocka_unit_test_setup(test_limits, reset_limits),
        cmocka_unit_test_setup(test_body_limits, reset_limits),
        cmocka_unit_test_setup(test_chunk_extensions_are_bounded, reset_limits),
        cmocka_unit_test_setup(test_in_place, reset_limits),
        cmocka_unit_test_setup(test_out_of_memory, reset_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

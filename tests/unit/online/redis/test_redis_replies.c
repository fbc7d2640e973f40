#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "online/redis/redis_replies.h"

static struct redis_replies replies;
static struct error error;

static void describe(const redisReply *reply, struct buffer *out)
{
    buffer_append_format(out, "%d(", reply->type);
    if (reply->str)
        buffer_append(out, reply->str, reply->len);
    else if (reply->element == NULL)
        buffer_append_format(out, "%lld", reply->integer);
    if (reply->type == REDIS_REPLY_DOUBLE)
        buffer_append_format(out, "=%g", reply->dval);
    if (reply->type == REDIS_REPLY_VERB)
        buffer_append_format(out, "=%s", reply->vtype);
    for (size_t i = 0; i < reply->elements; i++)
        describe(reply->element[i], out);
    buffer_append_char(out, ')');
}

static void take_all(struct buffer *out)
{
    const redisReply *reply = NULL;
    do {
        assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)));
        if (reply)
            describe(reply, out);
    } while (reply);
}

static void feed(str bytes)
{
    assert_true(status_is_ok(redis_replies_feed(&replies, bytes, &error)));
}

#define STREAM                                                                                     \
    "+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\0\r\nb\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n,1.5\r\n,inf\r\n"    \
    "#t\r\n#f\r\n(12345678901234567890\r\n=7\r\ntxt:abc\r\n*0\r\n*2\r\n*1\r\n:1\r\n%1\r\n+k\r\n"   \
    "~1\r\n$1\r\nv\r\n>2\r\n+push\r\n:7\r\n"
#define EXPECTED                                                                                   \
    "5(OK)6(ERR no)3(-42)1(a\0\r\nb)1()4(0)4(0)4(0)7(1.5=1.5)7(inf=inf)8(1)8(0)"                   \
    "13(12345678901234567890)14(abc=txt)2()2(2(3(1))9(5(k)10(1(v))))12(5(push)3(7))"

static void test_split_at_every_byte(void **state)
{
    const str stream = STR(STREAM);
    const str expected = STR(EXPECTED);
    (void)state;
    for (size_t split = 0; split <= stream.len; split++) {
        struct buffer out;
        char *copy = test_malloc(stream.len);
        memcpy(copy, stream.data, stream.len);
        buffer_init(&out, 1 << 20);
        assert_true(redis_replies_init(&replies));
        feed(str_of(copy, split));
        take_all(&out);
        feed(str_of(copy + split, stream.len - split));
        test_free(copy);
        take_all(&out);
        if (!str_eq(buffer_str(&out), expected))
            fail_msg("split at %zu: %.*s", split, STR_ARG(buffer_str(&out)));
        buffer_fini(&out);
        redis_replies_fini(&replies);
    }
}

static void test_byte_by_byte(void **state)
{
    const str stream = STR(STREAM);
    struct buffer out;
    (void)state;
    buffer_init(&out, 1 << 20);
    assert_true(redis_replies_init(&replies));
    for (size_t i = 0; i < stream.len; i++) {
        feed(str_of(stream.data + i, 1));
        take_all(&out);
    }
    assert_true(str_eq(buffer_str(&out), STR(EXPECTED)));
    buffer_fini(&out);
    redis_replies_fini(&replies);
}

static status feed_nested(int depth)
{
    struct buffer bytes;
    const redisReply *reply = NULL;
    buffer_init(&bytes, 1 << 20);
    for (int i = 0; i < depth; i++)
        buffer_append_str(&bytes, STR("*1\r\n"));
    buffer_append_str(&bytes, STR(":1\r\n"));
    assert_true(redis_replies_init(&replies));
    feed(buffer_str(&bytes));
    status result = redis_replies_next(&replies, &reply, &error);
    assert_int_equal(status_is_ok(result), reply != NULL);
    buffer_fini(&bytes);
    redis_replies_fini(&replies);
    return result;
}

static void test_depth(void **state)
{
    (void)state;
    assert_true(status_is_ok(feed_nested(REDIS_REPLY_DEPTH_MAX)));
    assert_int_equal(feed_nested(REDIS_REPLY_DEPTH_MAX + 1).code, STATUS_UNAVAILABLE);
    assert_int_equal(feed_nested(10000).code, STATUS_UNAVAILABLE);
}

/* What an array announces is bounded before it comes, and the sum of what has come as well. */
static void test_size(void **state)
{
    const redisReply *reply = NULL;
    (void)state;
    assert_true(redis_replies_init(&replies));
    feed(STR("*9000000\r\n"));
    assert_int_equal(redis_replies_next(&replies, &reply, &error).code, STATUS_UNAVAILABLE);
    assert_int_equal(redis_replies_next(&replies, &reply, &error).code, STATUS_UNAVAILABLE);
    assert_int_equal(redis_replies_feed(&replies, STR("+OK\r\n"), &error).code, STATUS_UNAVAILABLE);
    redis_replies_fini(&replies);

    char *bytes = calloc(1, 1 << 20);
    status result = OK;
    size_t fed = 0;
    assert_non_null(bytes);
    assert_true(redis_replies_init(&replies));
    feed(STR("$500000000\r\n"));
    while (status_is_ok(result) && fed <= REDIS_REPLY_BYTES_MAX) {
        result = redis_replies_feed(&replies, str_of(bytes, 1 << 20), &error);
        if (status_is_ok(result)) {
            fed += 1 << 20;
            assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)));
            assert_null(reply);
        }
    }
    assert_int_equal(result.code, STATUS_UNAVAILABLE);
    assert_true(fed <= REDIS_REPLY_BYTES_MAX);
    free(bytes);
    redis_replies_fini(&replies);
}

/* A reply takes no memory from the one before it. */
static void test_memory_is_reused(void **state)
{
    struct buffer out;
    (void)state;
    assert_true(redis_replies_init(&replies));
    for (int i = 0; i < 10000; i++) {
        buffer_init(&out, 1 << 20);
        feed(STR("*3\r\n$5\r\nhello\r\n:1\r\n_\r\n"));
        take_all(&out);
        assert_true(str_eq(buffer_str(&out), STR("2(1(hello)3(1)4(0))")));
        buffer_fini(&out);
    }
    assert_true(replies.arena.held_bytes <= 8192);
    redis_replies_fini(&replies);
}

/* Pieces of the grammar in any order: answers or damage, never anything worse. */
static void test_random(void **state)
{
    static const char *const PIECES[] = {"*", "%", "~",  ">",  "$",    ":",  "+",  "-",    "_",
                                         "#", ",", "(",  "=",  "|",    "\r", "\n", "\r\n", "1",
                                         "2", "3", "-1", "99", "txt:", "t",  "a",  "",     "inf"};
    unsigned seed = (unsigned)clock_monotonic_ns();
    unsigned next = seed;
    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        const redisReply *reply = NULL;
        status result = OK;
        assert_true(redis_replies_init(&replies));
        for (int i = 0; i < 40 && status_is_ok(result); i++) {
            const char *piece = PIECES[(unsigned)rand_r(&next) % ARRAY_LEN(PIECES)];
            result = redis_replies_feed(&replies, str_from_cstr(piece), &error);
            do {
                reply = NULL;
                if (status_is_ok(result))
                    result = redis_replies_next(&replies, &reply, &error);
                if (reply) {
                    struct buffer out;
                    buffer_init(&out, 1 << 20);
                    describe(reply, &out);
                    buffer_fini(&out);
                }
            } while (reply);
        }
        redis_replies_fini(&replies);
    }
}

/* What hiredis makes of the same bytes; false: nothing, or more than one reply. */
static bool is_as_hiredis_has_it(str bytes, const redisReply *row)
{
    struct redis_replies theirs;
    const redisReply *reply = NULL;
    struct buffer ours_text, theirs_text;
    buffer_init(&ours_text, 1 << 20);
    buffer_init(&theirs_text, 1 << 20);
    assert_true(redis_replies_init(&theirs));
    describe(row, &ours_text);
    bool is_same = status_is_ok(redis_replies_feed(&theirs, bytes, &error)) &&
                   status_is_ok(redis_replies_next(&theirs, &reply, &error)) && reply != NULL &&
                   theirs.reader->pos == theirs.reader->len;
    if (is_same)
        describe(reply, &theirs_text);
    is_same = is_same && str_eq(buffer_str(&ours_text), buffer_str(&theirs_text));
    buffer_fini(&ours_text);
    buffer_fini(&theirs_text);
    redis_replies_fini(&theirs);
    return is_same;
}

/* In a block of its own size, so that reading behind it is found out. */
static size_t take_row(str bytes)
{
    const redisReply *row = NULL;
    char *copy = test_malloc(bytes.len + (bytes.len == 0));
    memcpy(copy, bytes.data, bytes.len);
    size_t len = redis_replies_take_row(&replies, str_of(copy, bytes.len), &row);
    if (len > 0 && !is_as_hiredis_has_it(str_of(copy, len), row))
        fail_msg("%.*s", (int)len, bytes.data);
    test_free(copy);
    return len;
}

static void test_rows(void **state)
{
    static const str ROWS[] = {
        STR("*0\r\n"),
        STR("*1\r\n_\r\n"),
        STR("*3\r\n$1\r\na\r\n$-1\r\n$0\r\n\r\n"),
        STR("*3\r\n_\r\n$2\r\nbc\r\n_\r\n"), /* as wide as the one before */
        STR("*1\r\n$6\r\n\0\r\n$1\r\r\n"),
        STR("%1\r\n$1\r\nk\r\n$10\r\n0123456789\r\n"),
        STR("*2\r\n$1\r\nk\r\n_\r\n"),
    };
    static const str OTHERS[] = {
        STR("$1\r\na\r\n"),
        STR("*1\r\n:1\r\n"),
        STR("*1\r\n+a\r\n"),
        STR("*1\r\n*0\r\n"),
        STR("*2\r\n$1\r\na\r\n#t\r\n"),
        STR("*-1\r\n"),
        STR("*01\r\n_\r\n"),
        STR("*\r\n_\r\n"),
        STR("*1\r\n$01\r\na\r\n"),
        STR("*1\r\n$1\r\nab\r\n"),
        STR("*1\r\n$1\r\na\ra"),
        STR("*1\r\n$-2\r\n"),
        STR("*1\n_\r\n"),
        STR("*99999999999999999999\r\n_\r\n"),
        STR("*18446744073709551617\r\n_\r\n"),
        STR("*1\r\n$18446744073709551617\r\na\r\n"),
        STR("%99999999\r\n_\r\n"),
        STR("~1\r\n_\r\n"),
    };
    (void)state;
    assert_true(redis_replies_init(&replies));
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        assert_int_equal(take_row(ROWS[i]), ROWS[i].len);
        for (size_t len = 0; len < ROWS[i].len; len++)
            assert_int_equal(take_row(str_of(ROWS[i].data, len)), 0);
    }
    assert_int_equal(take_row(STR("*1\r\n_\r\n*1\r\n$1")), 7);
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
        if (take_row(OTHERS[i]) != 0)
            fail_msg("%s", OTHERS[i].data);
    feed(STR("*1\r\n")); /* of another reply */
    const redisReply *reply = NULL;
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 0);
    assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)) && reply == NULL);
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 0);
    feed(STR("_\r\n"));
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 0);
    assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)) && reply != NULL);
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 7);
    assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)) && reply == NULL);
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 7);
    feed(STR("$"));
    assert_true(status_is_ok(redis_replies_next(&replies, &reply, &error)) && reply == NULL);
    assert_int_equal(take_row(STR("*1\r\n_\r\n")), 0);
    redis_replies_fini(&replies);
}

/* A row with other bytes here and there is left to hiredis or taken as hiredis has it. */
static void test_damaged_rows(void **state)
{
    static const char ROW[] = "*4\r\n$1\r\na\r\n$-1\r\n$12\r\nabcdefghijkl\r\n_\r\n";
    static const char BYTES[] = "*%$_-0123\r\n:+a";
    unsigned seed = (unsigned)clock_monotonic_ns();
    unsigned next = seed;
    unsigned taken = 0;
    (void)state;
    print_message("seed %u\n", seed);
    assert_true(redis_replies_init(&replies));
    for (int round = 0; round < 100000; round++) {
        char bytes[sizeof(ROW)];
        memcpy(bytes, ROW, sizeof(ROW));
        for (int i = rand_r(&next) % 3; i >= 0; i--)
            bytes[(unsigned)rand_r(&next) % (sizeof(ROW) - 1)] =
                BYTES[(unsigned)rand_r(&next) % (sizeof(BYTES) - 1)];
        taken += take_row(str_of(bytes, sizeof(ROW) - 1)) > 0;
    }
    assert_true(taken > 1000);
    redis_replies_fini(&replies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_memory_is_reused),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_damaged_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

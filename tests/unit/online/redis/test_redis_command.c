#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "online/redis/redis_command.h"

static void assert_format(const str *arguments, uint32_t count, str expected)
{
    struct arena arena;
    str out;
    arena_init(&arena, 1 << 20);
    assert_true(redis_format(&arena, arguments, count, &out));
    if (!str_eq(out, expected))
        fail_msg("%.*s", STR_ARG(out));
    arena_fini(&arena);
}

static void test_format(void **state)
{
    char long_text[1234];
    char expected[1300];
    const str get[] = {STR("GET"), {"a\0b\r\n", 5}, {NULL, 0}};
    (void)state;
    assert_format(get, 3, str_of("*3\r\n$3\r\nGET\r\n$5\r\na\0b\r\n\r\n$0\r\n\r\n", 30));
    memset(long_text, 'x', sizeof(long_text));
    const str one[] = {str_of(long_text, sizeof(long_text))};
    memcpy(expected, "*1\r\n$1234\r\n", 11);
    memcpy(expected + 11, long_text, sizeof(long_text));
    memcpy(expected + 11 + sizeof(long_text), "\r\n", 2);
    assert_format(one, 1, str_of(expected, 13 + sizeof(long_text)));
}

static void test_format_limits(void **state)
{
    struct arena arena;
    const str huge[] = {{"x", SIZE_MAX - 40}, {"x", 100}};
    str out = STR("before");
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_false(redis_format(&arena, huge, 2, &out));
    assert_false(redis_format(&arena, &(str){"x", 2 << 20}, 1, &out));
    assert_true(str_eq(out, STR("before")));
    arena_fini(&arena);
}

/* The first two are of the Redis Cluster specification; the others what CLUSTER KEYSLOT of
 * Redis 7.0 answers. */
static void test_slot(void **state)
{
    static const struct {
        str key;
        uint32_t slot;
    } SLOTS[] = {
        {{"123456789", 9}, 0x31C3},
        {{"foo", 3}, 12182},
        {{"", 0}, 0},
        {{"user:user_123:features", 22}, 13611},
        {{"{user1000}.following", 20}, 3443},
        {{"{user1000}.followers", 20}, 3443},
        {{"foo{}{bar}", 10}, 8363},
        {{"foo{{bar}}zap", 13}, 4015},
        {{"foo{bar}{zap}", 13}, 5061},
        {{"foo{bar", 7}, 15278},
        {{"\xFF\0\x80{", 4}, 8135},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SLOTS); i++)
        assert_int_equal(redis_slot(SLOTS[i].key), SLOTS[i].slot);
    assert_int_equal(redis_slot(str_of(NULL, 0)), 0);
}

static status code_of(const char *words, struct error *error)
{
    char text[600];
    size_t len = strlen(words);
    memcpy(text, words, len + 1);
    redisReply reply = {.type = REDIS_REPLY_ERROR, .str = text, .len = len};
    return redis_reply_error(&reply, error);
}

static void test_reply_errors(void **state)
{
    static const struct {
        const char *words;
        enum status_code code;
        const char *type;
    } REPLIES[] = {
        {"OOM command not allowed when used memory > 'maxmemory'.", STATUS_STORE_FULL,
         "store_full"},
        {"LOADING Redis is loading the dataset in memory", STATUS_UNAVAILABLE, "store_away"},
        {"CLUSTERDOWN Hash slot not served", STATUS_UNAVAILABLE, "store_away"},
        {"READONLY You can't write against a read only replica.", STATUS_UNAVAILABLE,
         "store_read_only"},
        {"NOAUTH Authentication required.", STATUS_UNAVAILABLE, "store_credentials"},
        {"NOPERM no permissions", STATUS_UNAVAILABLE, "store_credentials"},
        {"TRYAGAIN", STATUS_UNAVAILABLE, "store_away"},
        {"OOMPH is another word", STATUS_UNAVAILABLE, "store_error"},
        {"WRONGTYPE Operation against a key", STATUS_UNAVAILABLE, "store_error"},
        {"ERR unknown command", STATUS_UNAVAILABLE, "store_error"},
        {"", STATUS_UNAVAILABLE, "store_error"},
    };
    struct error error;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REPLIES); i++) {
        assert_int_equal(code_of(REPLIES[i].words, &error).code, REPLIES[i].code);
        assert_int_equal(error.code, REPLIES[i].code);
        assert_string_equal(error.type, REPLIES[i].type);
        assert_non_null(strstr(error.detail, REPLIES[i].words));
    }
}

static bool error_fits(enum redis_shape shape, const char *words)
{
    char text[100];
    size_t len = strlen(words);
    memcpy(text, words, len + 1);
    const redisReply reply = {.type = REDIS_REPLY_ERROR, .str = text, .len = len};
    const struct redis_command command = {.shape = shape};
    return redis_reply_fits(&command, &reply);
}

/* No plain ERR answers a command that is well formed, but where it is not known; and scripts fail with
 * one, as Redis 6.2 and 7 say it. */
static void test_errors_that_fit(void **state)
{
    static const struct {
        const char *words;
        bool fits_row;
        bool fits_code;
    } ERRORS[] = {
        {"ERR nobody asked", false, false},
        {"ERR", false, false},
        {"ERR unknown command", true, true},
        {"ERR unknown command `HMGET`, with args", true, true},
        {"ERR no unknown command", false, false},
        {"ERR Error running script (call to f_da39): @user_script:5: …", false, true},
        {"ERR user_script:1: …, on @user_script:1.", false, true},
        {"ERR Script attempted to access a non local key", false, true},
        {"ERRATIC is another word", true, true},
        {"NOSCRIPT No matching script", true, true},
        {"WRONGTYPE Operation against a key", true, true},
        {"MOVED 1 127.0.0.1:7000", true, true},
        {"", true, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        assert_true(error_fits(REDIS_SHAPE_ANY, ERRORS[i].words));
        assert_int_equal(error_fits(REDIS_SHAPE_ARRAY, ERRORS[i].words), ERRORS[i].fits_row);
        assert_int_equal(error_fits(REDIS_SHAPE_PAIRS, ERRORS[i].words), ERRORS[i].fits_row);
        assert_int_equal(error_fits(REDIS_SHAPE_CODE, ERRORS[i].words), ERRORS[i].fits_code);
    }
}

static bool reply_fits(enum redis_shape shape, int type, size_t elements)
{
    redisReply number = {.type = REDIS_REPLY_INTEGER};
    redisReply *items[] = {&number, &number, &number};
    const redisReply reply = {.type = type, .elements = elements, .element = items};
    const struct redis_command command = {.shape = shape, .elements = 2};
    return redis_reply_fits(&command, &reply);
}

static void test_replies_that_fit(void **state)
{
    (void)state;
    assert_true(reply_fits(REDIS_SHAPE_ANY, REDIS_REPLY_INTEGER, 0));
    assert_true(reply_fits(REDIS_SHAPE_ARRAY, REDIS_REPLY_ARRAY, 2));
    assert_false(reply_fits(REDIS_SHAPE_ARRAY, REDIS_REPLY_ARRAY, 3));
    assert_false(reply_fits(REDIS_SHAPE_ARRAY, REDIS_REPLY_MAP, 2));
    assert_false(reply_fits(REDIS_SHAPE_ARRAY, REDIS_REPLY_NIL, 0));
    assert_true(reply_fits(REDIS_SHAPE_PAIRS, REDIS_REPLY_MAP, 2));
    assert_true(reply_fits(REDIS_SHAPE_PAIRS, REDIS_REPLY_ARRAY, 0));
    assert_false(reply_fits(REDIS_SHAPE_PAIRS, REDIS_REPLY_ARRAY, 3));
    assert_false(reply_fits(REDIS_SHAPE_PAIRS, REDIS_REPLY_INTEGER, 0));
    assert_true(reply_fits(REDIS_SHAPE_CODE, REDIS_REPLY_ARRAY, 1));
    assert_false(reply_fits(REDIS_SHAPE_CODE, REDIS_REPLY_ARRAY, 0));
    assert_false(reply_fits(REDIS_SHAPE_CODE, REDIS_REPLY_STATUS, 0));
}

/* They go into JSON and into a line of the log. */
static void test_words_are_clean(void **state)
{
    char words[600];
    struct error error;
    (void)state;
    code_of("ERR a\r\nb\tc \xC3\xA9", &error);
    assert_non_null(strstr(error.detail, "ERR a??b?c \xC3\xA9"));
    code_of("ERR \xFF\xC3", &error);
    assert_non_null(strstr(error.detail, "ERR ??"));
    memset(words, 'w', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    code_of(words, &error);
    assert_true(strlen(error.detail) < 400);
}

static void test_outcomes(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(redis_outcome_error(REDIS_REFUSED, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "store_away");
    assert_int_equal(redis_outcome_error(REDIS_LOST, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "store_lost");
    assert_int_equal(redis_outcome_error(REDIS_LOST, NULL).code, STATUS_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_limits),
        cmocka_unit_test(test_slot),
        cmocka_unit_test(test_reply_errors),
        cmocka_unit_test(test_errors_that_fit),
        cmocka_unit_test(test_replies_that_fit),
        cmocka_unit_test(test_words_are_clean),
        cmocka_unit_test(test_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "online/redis/redis_url.h"

static struct redis_url url;
static struct error error;

static void parse(const char *text)
{
    memset(&url, 0xEE, sizeof(url));
    error_clear(&error);
    if (!status_is_ok(redis_url_parse(str_from_cstr(text), &url, &error)))
        fail_msg("%s: %s", text, error.detail);
}

static void test_plain(void **state)
{
    (void)state;
    parse("redis://store");
    assert_int_equal(url.seed_count, 1);
    assert_string_equal(url.seeds[0].host, "store");
    assert_int_equal(url.seeds[0].port, 6379);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_string_equal(url.socket_path, "");
    assert_int_equal(url.database, 0);
    assert_false(url.is_cluster);
    assert_false(url.is_tls);
    parse("redis://127.0.0.1:7000/");
    assert_int_equal(url.seeds[0].port, 7000);
    parse("redis://127.0.0.1:7000/12");
    assert_int_equal(url.database, 12);
}

static void test_credentials(void **state)
{
    (void)state;
    parse("redis://:secret@h");
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "secret");
    parse("redis://me:a%40b%2Fc%3a%25:d@h:1/2");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "a@b/c:%:d");
    assert_string_equal(url.seeds[0].host, "h");
    assert_int_equal(url.seeds[0].port, 1);
    assert_int_equal(url.database, 2);
}

static void test_ipv6(void **state)
{
    (void)state;
    parse("redis://[::1]");
    assert_string_equal(url.seeds[0].host, "::1");
    assert_int_equal(url.seeds[0].port, 6379);
    parse("redis-cluster://[fe80::2]:7001,b.example:7002,c");
    assert_true(url.is_cluster);
    assert_int_equal(url.seed_count, 3);
    assert_string_equal(url.seeds[0].host, "fe80::2");
    assert_int_equal(url.seeds[0].port, 7001);
    assert_string_equal(url.seeds[1].host, "b.example");
    assert_int_equal(url.seeds[1].port, 7002);
    assert_string_equal(url.seeds[2].host, "c");
    assert_int_equal(url.seeds[2].port, 6379);
}

static void test_tls(void **state)
{
    (void)state;
    parse("rediss://h");
    assert_true(url.is_tls);
    assert_true(url.verify);
    parse("rediss://h/3?cacert=/a%20b/ca.pem&cert=c&key=k&verify=none");
    assert_int_equal(url.database, 3);
    assert_false(url.verify);
    assert_string_equal(url.ca_file, "/a b/ca.pem");
    assert_string_equal(url.cert_file, "c");
    assert_string_equal(url.key_file, "k");
    parse("rediss-cluster://u:p@h,i?verify=full");
    assert_true(url.is_tls);
    assert_true(url.is_cluster);
    assert_true(url.verify);
    assert_string_equal(url.password, "p");
}

static void test_unix(void **state)
{
    (void)state;
    parse("unix:///run/redis.sock");
    assert_string_equal(url.socket_path, "/run/redis.sock");
    assert_int_equal(url.seed_count, 0);
    parse("unix://me:pw@/run/a%20b@c.sock?db=4");
    assert_string_equal(url.socket_path, "/run/a b@c.sock");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "pw");
    assert_int_equal(url.database, 4);
}

static const char *const REFUSED[] = {
    "",
    "redis:",
    "redis://",
    "http://h",
    "redis:///0",
    "redis://:@h",
    "redis://user@h",
    "redis://:hunter2@",
    "redis://:hunt%er2@h",
    "redis://:hunt%0@h",
    "redis://:hunt%00er2@h",
    "redis://:hun/ter2@h",
    "redis://:hunter2@x@h",
    "redis://:hun?ter2@h",
    "redis://h:",
    "redis://h:0",
    "redis://h:65536",
    "redis://h:-1",
    "redis://h:12x",
    "redis://h:1:2",
    "redis://::1",
    "redis://[::1",
    "redis://[::1]7000",
    "redis://[::1]:",
    "redis://[hunter2]",
    "redis://h!",
    "redis://h,i",
    "redis-cluster://h,,i",
    "redis-cluster://h,i,",
    "redis-cluster://h/1",
    "redis-cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
    "redis://h/x",
    "redis://h/-1",
    "redis://h/99999999999",
    "redis://h/0/1",
    "redis://h?verify=none",
    "redis://h?db=1",
    "rediss://h?verify=hunter2",
    "rediss://h?cert=c",
    "rediss://h?key=k",
    "rediss://h?cacert=",
    "rediss://h?nothing",
    "unix://",
    "unix:///",
    "unix://host/run/x",
    "unix:///run/x?cacert=a",
    "unix:///run/x?db=",
    "unix://:hunter2/run@/x",
};

/* Nothing is changed, and nothing of what may be a password is shown. */
static void test_refused(void **state)
{
    struct redis_url before;
    (void)state;
    memset(&before, 0x5A, sizeof(before));
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        url = before;
        status result = redis_url_parse(str_from_cstr(REFUSED[i]), &url, &error);
        if (result.code != STATUS_INVALID || strstr(error.detail, "hunter2"))
            fail_msg("%s: %s", REFUSED[i], error.detail);
        assert_memory_equal(&url, &before, sizeof(url));
        assert_non_null(strstr(error.detail, "redis://"));
    }
}

static void test_too_long(void **state)
{
    char text[3 * REDIS_TEXT_MAX];
    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "redis://", 8);
    assert_false(status_is_ok(redis_url_parse(str_of(text, 8 + REDIS_HOST_MAX), &url, &error)));
    assert_true(status_is_ok(redis_url_parse(str_of(text, 7 + REDIS_HOST_MAX), &url, &error)));
    text[8] = ':';
    text[9 + REDIS_TEXT_MAX] = '@';
    assert_false(status_is_ok(redis_url_parse(str_of(text, 20 + REDIS_TEXT_MAX), &url, &error)));
    text[8 + REDIS_TEXT_MAX] = '@';
    text[9 + REDIS_TEXT_MAX] = 'x';
    assert_true(status_is_ok(redis_url_parse(str_of(text, 20 + REDIS_TEXT_MAX), &url, &error)));
    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:///", 8);
    assert_false(status_is_ok(redis_url_parse(str_of(text, 7 + 108), &url, &error)));
    assert_true(status_is_ok(redis_url_parse(str_of(text, 7 + 107), &url, &error)));
}

/* Every cut of a text is parsed or refused, within its bounds. */
static void test_cuts(void **state)
{
    static const char *const TEXTS[] = {
        "rediss://me:p%40w@[::1]:7000/3?cacert=/a%20b&cert=c&key=k&verify=none",
        "redis-cluster://me:pw@a:1,[::2]:2,c",
        "unix://me:pw@/run/r%20s?db=4",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        for (size_t len = 0; len <= strlen(TEXTS[i]); len++) {
            char *copy = test_malloc(len ? len : 1);
            memcpy(copy, TEXTS[i], len);
            status result = redis_url_parse(str_of(copy, len), &url, &error);
            assert_true(status_is_ok(result) || result.code == STATUS_INVALID);
            test_free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),    cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_ipv6),     cmocka_unit_test(test_tls),
        cmocka_unit_test(test_unix),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

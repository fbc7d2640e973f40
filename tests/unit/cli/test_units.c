#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/units.h"

static void sizes_are_read_with_every_suffix(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } CASES[] = {
        {"0", 0},
        {"65536", 65536},
        {"7B", 7},
        {"100k", 102400},
        {"100K", 102400},
        {"100kB", 100000},
        {"512MiB", UINT64_C(512) << 20},
        {"512 MiB", UINT64_C(512) << 20},
        {"8GiB", UINT64_C(8) << 30},
        {"8gib", UINT64_C(8) << 30},
        {"1.5G", UINT64_C(3) << 29},
        {"2TB", UINT64_C(2000000000000)},
        {"0.5k", 512},
        {"18446744073709551615", UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t bytes = 1234;
        assert_true(units_parse_size(str_from_cstr(CASES[i].text), &bytes));
        assert_int_equal(bytes, CASES[i].bytes);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const CASES[] = {"",
                                        "k",
                                        "-1",
                                        "1x",
                                        "1.k",
                                        ".5k",
                                        "1 2",
                                        "1kk",
                                        "0x10",
                                        "+1",
                                        "8Gi",
                                        "1e3",
                                        "18446744073709551616",
                                        "17000000T"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t bytes = 1234;
        assert_false(units_parse_size(str_from_cstr(CASES[i]), &bytes));
        assert_int_equal(bytes, 1234);
    }
}

static void durations_add_up(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {
        {"250ms", 250},       {"90s", 90000},     {"1h30m", 5400000}, {"1.5h", 5400000},
        {"7d", 604800000},    {"2w", 1209600000}, {"5", 5000},        {"0", 0},
        {"1d12h", 129600000}, {"15min", 900000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = -1;
        assert_true(units_parse_duration_ms(str_from_cstr(CASES[i].text), 1000, &ms));
        assert_int_equal(ms, CASES[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const CASES[] = {"",
                                        "h",
                                        "1 h",
                                        "1h30",
                                        "-1s",
                                        "1y",
                                        "ms",
                                        "1..5s",
                                        "9223372036854775807w",
                                        "9999999999999999999"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = -1;
        assert_false(units_parse_duration_ms(str_from_cstr(CASES[i]), 1000, &ms));
        assert_int_equal(ms, -1);
    }
}

static void addresses_are_split(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } CASES[] = {
        {"127.0.0.1:8000", "127.0.0.1", 8000},
        {"[::1]:8000", "::1", 8000},
        {":8000", "", 8000},
        {"localhost:0", "localhost", 0},
        {"[::]:65535", "::", 65535},
        {"a-b.example:1", "a-b.example", 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char host[UNITS_HOST_MAX];
        uint16_t port = 1;
        assert_true(units_parse_address(str_from_cstr(CASES[i].text), host, &port));
        assert_string_equal(host, CASES[i].host);
        assert_int_equal(port, CASES[i].port);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const CASES[] = {
        "",      "8000",      "localhost", "localhost:", "h:65536",     "h:-1", "::1:8000",
        "[]:80", "[::1:8000", "h:80x",     "a b:80",     "http://h:80", "::1",  "h/x:80"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char host[UNITS_HOST_MAX] = "kept";
        uint16_t port = 7;
        assert_false(units_parse_address(str_from_cstr(CASES[i]), host, &port));
        assert_string_equal(host, "kept");
        assert_int_equal(port, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_with_every_suffix),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_add_up),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}

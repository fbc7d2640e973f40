#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static const struct {
    const char *text;
    bool valid;
    int64_t us;
} VECTORS[] = {
    {"1970-01-01T00:00:00Z", true, 0},
    {"1970-01-01T00:00:00.000001Z", true, 1},
    {"1969-12-31T23:59:59.999999Z", true, -1},
    {"2026-01-02T03:04:05.123456Z", true, INT64_C(1767323045123456)},
    {"2026-01-02T05:04:05.123456+02:00", true, INT64_C(1767323045123456)},
    {"2026-01-01T22:34:05.123456-04:30", true, INT64_C(1767323045123456)},
    {"2026-01-02t03:04:05.123456789z", true, INT64_C(1767323045123456)},
    {"2026-01-02 03:04:05Z", true, INT64_C(1767323045000000)},
    {"2026-01-02T03:04:05.1Z", true, INT64_C(1767323045100000)},
    {"2024-02-29T00:00:00Z", true, INT64_C(1709164800000000)},
    {"2000-02-29T00:00:00Z", true, INT64_C(951782400000000)},
    {"0001-01-01T00:00:00Z", true, CLOCK_MIN_US},
    {"9999-12-31T23:59:59.999999Z", true, CLOCK_MAX_US},
    {"0001-01-01T00:00:00+00:01", false, 0},
    {"9999-12-31T23:59:59-00:01", false, 0},
    {"2023-02-29T00:00:00Z", false, 0},
    {"1900-02-29T00:00:00Z", false, 0},
    {"2026-13-01T00:00:00Z", false, 0},
    {"2026-00-01T00:00:00Z", false, 0},
    {"2026-04-31T00:00:00Z", false, 0},
    {"2026-01-02T24:00:00Z", false, 0},
    {"2026-01-02T23:60:00Z", false, 0},
    {"2026-01-02T23:59:60Z", false, 0},
    {"2026-01-02T03:04:05", false, 0},
    {"2026-01-02T03:04:05.Z", false, 0},
    {"2026-01-02T03:04:05Zx", false, 0},
    {"2026-01-02T03:04:05+24:00", false, 0},
    {"2026-01-02T03:04:05+0200", false, 0},
    {"2026-01-02", false, 0},
    {"", false, 0},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        int64_t us = 42;
        if (clock_parse_rfc3339(str_from_cstr(VECTORS[i].text), &us) != VECTORS[i].valid)
            fail_msg("%s", VECTORS[i].text);
        assert_true(us == (VECTORS[i].valid ? VECTORS[i].us : 42));
    }
}

static void test_every_cut_is_refused(void **state)
{
    str text = STR("2026-01-02T03:04:05.123456+02:00");
    int64_t us;
    (void)state;
    for (size_t len = 0; len < text.len; len++)
        assert_false(clock_parse_rfc3339(str_of(text.data, len), &us));
}

static void check_round_trip(int64_t us)
{
    char text[CLOCK_RFC3339_MAX];
    int64_t back;
    size_t len = clock_format_rfc3339(us, text);
    assert_true(len == 20 || len == 27);
    assert_true(clock_parse_rfc3339(str_of(text, len), &back) && back == us);
}

static void test_round_trip(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    printf("seed %u\n", seed);
    check_round_trip(CLOCK_MIN_US);
    check_round_trip(CLOCK_MAX_US);
    check_round_trip(-1);
    for (int i = 0; i < 100000; i++) {
        uint64_t random =
            (uint64_t)rand_r(&seed) << 40 ^ (uint64_t)rand_r(&seed) << 20 ^ (uint64_t)rand_r(&seed);
        uint64_t range = (uint64_t)CLOCK_MAX_US - (uint64_t)CLOCK_MIN_US;
        check_round_trip((int64_t)((uint64_t)CLOCK_MIN_US + random % range));
    }
}

/* The days of 400 years, counted one by one. */
static void test_calendar_has_no_gaps(void **state)
{
    char text[CLOCK_RFC3339_MAX];
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t us = 0;
    (void)state;
    for (int year = 1970; year < 2370; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= DAYS[month - 1] + (month == 2 && leap); day++) {
                char expected[48];
                snprintf(expected, sizeof(expected), "%04d-%02d-%02dT00:00:00Z", year, month, day);
                assert_int_equal(clock_format_rfc3339(us, text), 20);
                assert_memory_equal(text, expected, 20);
                us += INT64_C(86400000000);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_calendar_has_no_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

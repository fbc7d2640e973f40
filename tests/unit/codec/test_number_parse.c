#include "codec/number_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"

static void whole_numbers(void **state)
{
    static const struct {
        const char *text;
        enum number_result result;
        int64_t value;
    } CASES[] = {
        {"0", NUMBER_OK, 0},
        {"-0", NUMBER_OK, 0},
        {"-0.0", NUMBER_OK, 0},
        {"0e999999999999", NUMBER_OK, 0},
        {"25", NUMBER_OK, 25},
        {"25.0", NUMBER_OK, 25},
        {"25.000000000000000000000000000000", NUMBER_OK, 25},
        {"1e3", NUMBER_OK, 1000},
        {"1E+3", NUMBER_OK, 1000},
        {"1000e-3", NUMBER_OK, 1},
        {"1.5e1", NUMBER_OK, 15},
        {"100000000000000000000000e-20", NUMBER_OK, 1000},
        {"9223372036854775807", NUMBER_OK, INT64_MAX},
        {"9223372036854775807.0", NUMBER_OK, INT64_MAX},
        {"-9223372036854775808", NUMBER_OK, INT64_MIN},
        {"9007199254740993.0", NUMBER_OK, 9007199254740993},
        {"922337203685477580.7e1", NUMBER_OK, INT64_MAX},
        {"1e18", NUMBER_OK, 1000000000000000000},
        {"9223372036854775808", NUMBER_RANGE, 0},
        {"-9223372036854775809", NUMBER_RANGE, 0},
        {"18446744073709551616", NUMBER_RANGE, 0},
        {"123456789012345678901234567890", NUMBER_RANGE, 0},
        {"1e19", NUMBER_RANGE, 0},
        {"1e999999999999999999999", NUMBER_RANGE, 0},
        {"25.5", NUMBER_FRACTION, 0},
        {"1e-3", NUMBER_FRACTION, 0},
        {"1e-999999999999999999999", NUMBER_FRACTION, 0},
        {"0.0000000000000000000000000001", NUMBER_FRACTION, 0},
        {"", NUMBER_MALFORMED, 0},
        {"-", NUMBER_MALFORMED, 0},
        {"+1", NUMBER_MALFORMED, 0},
        {"01", NUMBER_MALFORMED, 0},
        {"-01", NUMBER_MALFORMED, 0},
        {"1.", NUMBER_MALFORMED, 0},
        {".5", NUMBER_MALFORMED, 0},
        {"1e", NUMBER_MALFORMED, 0},
        {"1e+", NUMBER_MALFORMED, 0},
        {"0x10", NUMBER_MALFORMED, 0},
        {" 1", NUMBER_MALFORMED, 0},
        {"1 ", NUMBER_MALFORMED, 0},
        {"1 000", NUMBER_MALFORMED, 0},
        {"1-", NUMBER_MALFORMED, 0},
        {"--1", NUMBER_MALFORMED, 0},
        {"nan", NUMBER_MALFORMED, 0},
        {"inf", NUMBER_MALFORMED, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t value = 0;
        enum number_result result = number_parse_int64(str_from_cstr(CASES[i].text), &value);
        if (result != CASES[i].result || value != CASES[i].value)
            print_error("%s: %d %lld\n", CASES[i].text, (int)result, (long long)value);
        assert_int_equal(result, CASES[i].result);
        assert_true(value == CASES[i].value);
    }
}

static void check_double(const char *text)
{
    double expected = strtod(text, NULL);
    double value;
    enum number_result result = number_parse_double(str_from_cstr(text), &value);
    assert_int_equal(result, isfinite(expected) ? NUMBER_OK : NUMBER_RANGE);
    if (isfinite(expected) && memcmp(&value, &expected, sizeof(value)) != 0)
        print_error("%s: %a %a\n", text, value, expected);
    assert_true(!isfinite(expected) || memcmp(&value, &expected, sizeof(value)) == 0);
}

static void doubles_as_strtod_reads_them(void **state)
{
    static const char *const TEXTS[] = {
        "0",       "-0.0",   "1",          "0.1",    "1e22",    "1e23",       "123456789e-22",
        "5e-324",  "2e-324", "1e308",      "1e309",  "-1e400",  "9007199254740993",
        "1e-400",  "0e400",  "1.7976931348623157e308",          "1.7976931348623159e308",
        "123456789012345678901234567890",  "0.000000000000000000000000000000000000001",
        "2.2250738585072011e-308",         "10000000000000000000000000000000000000000000000",
    };
    char text[64];
    uint64_t seed = fixture_seed();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        check_double(TEXTS[i]);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = fixture_random(&seed);
        int precision = (int)(fixture_random(&seed) % 20);
        double real;
        memcpy(&real, &bits, sizeof(real));
        if (!isfinite(real))
            continue;
        snprintf(text, sizeof(text), "%.*e", precision, real);
        check_double(text);
        snprintf(text, sizeof(text), "%.*f", precision, (double)(bits >> 20) / 1e5);
        check_double(text);
        snprintf(text, sizeof(text), "%.*f", precision % 16, (double)((int64_t)bits >> 44) / 64);
        check_double(text);
    }
}

static void what_is_no_number(void **state)
{
    static const char *const TEXTS[] = {"",    "-",    ".",   "-.",  "1.",  ".5",    "-.5",  "01.5",
                                        "00",  "-00",  "1.2.3", "1..2", "1.5a", "1,5",  "+1.5", "1 ",
                                        "0x1", "1-",   "--1", "nan", "inf", "1.5e",  "1:5",  "1/5"};
    double value;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        if (number_parse_double(str_from_cstr(TEXTS[i]), &value) != NUMBER_MALFORMED)
            fail_msg("taken: %s", TEXTS[i]);
}

static void long_texts_need_memory_and_say_so(void **state)
{
    char text[400];
    double value;
    (void)state;
    memset(text, '7', sizeof(text));
    text[1] = '.';
    memory_fail_after(0);
    assert_int_equal(number_parse_double(str_of(text, sizeof(text)), &value), NUMBER_NO_MEMORY);
    memory_fail_after(UINT64_MAX);
    assert_int_equal(number_parse_double(str_of(text, sizeof(text)), &value), NUMBER_OK);
    assert_true(value == 70.0 / 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(doubles_as_strtod_reads_them),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(long_texts_need_memory_and_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/str.h"

static str text(const char *cstr)
{
    return str_from_cstr(cstr);
}

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(text(""), str_of(NULL, 0)));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("ab"), STR("a")) > 0);
    assert_true(str_compare(STR("\xFF"), STR("a")) > 0);
    assert_int_equal(str_compare(STR("a"), STR("a")), 0);
    assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("content-length")));
    assert_false(
        str_eq_nocase(STR("@"), STR("`"))); /* differ by the case bit, but are no letters */
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_false(str_starts_with(STR("a"), STR("ab")));
    assert_true(str_contains(STR("abc"), STR("bc")));
    assert_true(str_contains(STR(""), STR("")));
    assert_false(str_contains(STR("ab"), STR("abc")));
}

static void test_split_and_trim(void **state)
{
    str rest = STR("a,b,,c");
    (void)state;
    assert_true(str_eq(str_split(rest, ',', &rest), STR("a")));
    assert_true(str_eq(str_split(rest, ',', &rest), STR("b")));
    assert_true(str_eq(str_split(rest, ',', &rest), STR("")));
    assert_true(str_eq(str_split(rest, ',', &rest), STR("c")));
    assert_int_equal(rest.len, 0);
    assert_true(str_eq(str_trim(STR(" \ta b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR(" \t ")), STR("")));
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } VECTORS[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"--1", false, 0},
    };
    uint64_t big;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        int64_t value = 42;
        assert_int_equal(str_to_int64(text(VECTORS[i].text), &value), VECTORS[i].valid);
        assert_true(value == (VECTORS[i].valid ? VECTORS[i].value : 42));
    }
    assert_true(str_to_uint64(STR("18446744073709551615"), &big) && big == UINT64_MAX);
    assert_false(str_to_uint64(STR("18446744073709551616"), &big));
    assert_false(str_to_uint64(STR("-1"), &big));
}

static void test_utf8(void **state)
{
    static const char *const VALID[] = {"",
                                        "plain ascii text",
                                        "\xC2\x80",
                                        "\xDF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xED\x9F\xBF",
                                        "\xEE\x80\x80",
                                        "\xF0\x90\x80\x80",
                                        "\xF4\x8F\xBF\xBF",
                                        "12345678\xC3\xA9"};
    static const char *const INVALID[] = {"\x80",
                                          "\xC0\x80",
                                          "\xC1\xBF",
                                          "\xC2",
                                          "\xE0\x9F\xBF",
                                          "\xED\xA0\x80",
                                          "\xE2\x82",
                                          "\xF0\x8F\xBF\xBF",
                                          "\xF4\x90\x80\x80",
                                          "\xF5\x80\x80\x80",
                                          "1234567\x80",
                                          "\xC3\x41",
                                          "\xFF"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VALID); i++)
        assert_true(str_is_utf8(text(VALID[i])));
    for (size_t i = 0; i < ARRAY_LEN(INVALID); i++)
        assert_false(str_is_utf8(text(INVALID[i])));
    assert_true(str_is_utf8(STR("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_split_and_trim),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

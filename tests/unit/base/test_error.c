#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"

static void test_set_and_locate(void **state)
{
    struct error error;
    struct error_loc_part part;
    size_t cursor = 0;
    (void)state;
    error_clear(&error);
    error_loc_name(&error, STR("body"));
    error_loc_index(&error, UINT64_MAX);
    error_loc_name(&error, STR(""));
    assert_int_equal(error_set(&error, STATUS_INVALID, "int_type", "not %d", 7).code,
                     STATUS_INVALID);
    assert_int_equal(error.code, STATUS_INVALID);
    assert_string_equal(error.detail, "not 7");
    assert_string_equal(error.type, "int_type");
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(!part.is_index && str_eq(part.name, STR("body")));
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(part.is_index && part.index == UINT64_MAX);
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(!part.is_index && part.name.len == 0);
    assert_false(error_loc_next(&error, &cursor, &part));
    error_clear(&error);
    cursor = 0;
    assert_false(error_loc_next(&error, &cursor, &part));
}

/* Long texts are cut between characters, wherever the limit falls. */
static void test_cut_is_valid_utf8(void **state)
{
    char text[2 * ERROR_DETAIL_MAX];
    struct error error;
    (void)state;
    for (size_t before = 0; before < 4; before++) {
        memset(text, 'a', sizeof(text));
        for (size_t at = before; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xF0\x9F\x98\x80", 4);
        (void)error_set(&error, STATUS_INVALID, "t", "%.*s", (int)sizeof(text) - 8, text);
        size_t len = strlen(error.detail);
        assert_true(str_is_utf8(str_of(error.detail, len)));
        assert_true(len >= ERROR_DETAIL_MAX - 5 && len < ERROR_DETAIL_MAX);
    }
}

static void test_bytes_of_a_peer_become_utf8(void **state)
{
    struct error error;
    (void)state;
    (void)error_set(&error, STATUS_UNAVAILABLE, "t", "it said '%s'", "\xFF\x97ok\xC3");
    assert_string_equal(error.detail, "it said '??ok?'");
    (void)error_set(&error, STATUS_UNAVAILABLE, "t", "it said '%s'", "\xC3\xBC");
    assert_string_equal(error.detail, "it said '\xC3\xBC'");
}

static void test_location_that_does_not_fit_is_left_out(void **state)
{
    char name[ERROR_LOC_MAX] = {0};
    struct error error;
    struct error_loc_part part;
    size_t cursor = 0;
    (void)state;
    error_clear(&error);
    error_loc_name(&error, str_of(name, ERROR_LOC_MAX - 3));
    error_loc_name(&error, STR("no room"));
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_int_equal(part.name.len, ERROR_LOC_MAX - 3);
    assert_false(error_loc_next(&error, &cursor, &part));
}

static void test_no_error_wanted(void **state)
{
    (void)state;
    error_clear(NULL);
    error_loc_name(NULL, STR("x"));
    error_loc_index(NULL, 1);
    assert_int_equal(error_set(NULL, STATUS_BUSY, "t", "x").code, STATUS_BUSY);
}

static void test_status_table(void **state)
{
    (void)state;
    assert_string_equal(status_name(STATUS_NOT_FOUND), "not_found");
    assert_int_equal(status_http(STATUS_TOO_LARGE), 413);
    assert_true(status_retry_helps(STATUS_OUT_OF_MEMORY));
    assert_false(status_retry_helps(STATUS_INVALID));
    for (int code = 0; code < STATUS_CODE_COUNT; code++)
        assert_true(status_http((enum status_code)code) >= 200 &&
                    status_name((enum status_code)code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_locate),
        cmocka_unit_test(test_cut_is_valid_utf8),
        cmocka_unit_test(test_bytes_of_a_peer_become_utf8),
        cmocka_unit_test(test_location_that_does_not_fit_is_left_out),
        cmocka_unit_test(test_no_error_wanted),
        cmocka_unit_test(test_status_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

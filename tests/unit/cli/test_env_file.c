#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/env_file.h"

static const char TEXT[] = "\xEF\xBB\xBF# settings\r\n"
                           "FEATURED_LISTEN=:9000\r\n"
                           "\n"
                           "  export FEATURED_DATA = /srv/x y  # where\n"
                           "A='single # kept' # gone\n"
                           "B=\"double 'x'\"\n"
                           "C=\n"
                           "D=a#b\n"
                           "FEATURED_LISTEN=:9001";

static void lines_are_read_as_shells_write_them(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        uint32_t line;
    } CASES[] = {
        {"FEATURED_LISTEN", ":9001", 9},
        {"FEATURED_DATA", "/srv/x y", 4},
        {"A", "single # kept", 5},
        {"B", "double 'x'", 6},
        {"C", "", 7},
        {"D", "a#b", 8},
    };
    struct env_file file;
    struct error error;
    (void)state;
    error_clear(&error);
    assert_true(status_is_ok(env_file_parse("x.env", str_from_cstr(TEXT), &file, &error)));
    assert_int_equal(file.count, 7);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct env_line *line = env_file_find(&file, CASES[i].name);
        assert_non_null(line);
        assert_string_equal(line->value, CASES[i].value);
        assert_int_equal(line->line, CASES[i].line);
    }
    assert_null(env_file_find(&file, "E"));
    env_file_fini(&file);
}

static void mistakes_are_named_with_their_line(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } CASES[] = {
        {"A=1\nB\n", "x.env:2: expected NAME=value"}, {"\n\n=1\n", "x.env:3: expected NAME=value"},
        {"A='open\n", "x.env:1: the quoted value"},   {"A=\"x\" y\n", "x.env:1: the quoted value"},
        {"A-B=1", "x.env:1: expected NAME=value"},
    };
    struct env_file file;
    struct error error;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        error_clear(&error);
        status parsed = env_file_parse("x.env", str_from_cstr(CASES[i].text), &file, &error);
        assert_int_equal(parsed.code, STATUS_MALFORMED);
        assert_memory_equal(error.detail, CASES[i].says, strlen(CASES[i].says));
        assert_int_equal(file.count, 0);
    }
    assert_int_equal(env_file_parse("x.env", str_of("A=1\0B", 5), &file, &error).code,
                     STATUS_MALFORMED);
}

static void an_empty_file_has_no_lines(void **state)
{
    struct env_file file;
    (void)state;
    assert_true(status_is_ok(env_file_parse("x.env", (str){0}, &file, NULL)));
    assert_int_equal(file.count, 0);
    env_file_fini(&file);
    assert_int_equal(env_file_load("/nonexistent/env", &file, NULL).code, STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_shells_write_them),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(an_empty_file_has_no_lines),
    };
    return cmocka_run_group_tests_name("env_file", tests, NULL, NULL);
}

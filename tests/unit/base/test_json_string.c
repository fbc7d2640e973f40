#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_string.h"

static void check(str text, str expected)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    json_append_string(&out, text);
    assert_true(str_eq(buffer_str(&out), expected));
    buffer_fini(&out);
}

static void test_escapes(void **state)
{
    (void)state;
    check(STR(""), STR("\"\""));
    check(str_of(NULL, 0), STR("\"\""));
    check(STR("plain"), STR("\"plain\""));
    check(STR("\"\\/"), STR("\"\\\"\\\\/\""));
    check(STR("a\nb\rc\td"), STR("\"a\\nb\\rc\\td\""));
    check(STR("\0\x01\x1F\x7F"), STR("\"\\u0000\\u0001\\u001f\x7F\""));
    check(STR("\xC3\xA9\xF0\x9F\x98\x80"), STR("\"\xC3\xA9\xF0\x9F\x98\x80\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

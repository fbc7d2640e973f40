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

/* Eight bytes are looked at together: each byte, alone among plain ones, at each place. */
static void test_plain_len(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                char text[20];
                memset(text, c % 2 ? '!' : '\x7F', sizeof(text));
                text[at] = (char)c;
                bool is_plain = c >= 0x20 && c != '"' && c != '\\';
                assert_int_equal(json_plain_len(str_of(text, len)), is_plain ? len : at);
            }
        }
    }
    assert_int_equal(json_plain_len(str_of(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_plain_len),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_private.h"

static const struct {
    const char *text;
    bool plus_is_space;
    const char *decoded; /* NULL: refused */
} VECTORS[] = {
    {"", false, ""},
    {"plain", false, "plain"},
    {"a%20b", false, "a b"},
    {"%2F%2f", false, "//"},
    {"a+b", false, "a+b"},
    {"a+b%2B", true, "a b+"},
    {"%C3%A9", false, "\xC3\xA9"},
    {"%25%32%35", false, "%25"},
    {"%", false, NULL},
    {"%4", false, NULL},
    {"a%4", false, NULL},
    {"%G0", false, NULL},
    {"%0G", false, NULL},
    {"%%41", false, NULL},
    {"%41", false, "A"},
};

static void test_vectors(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        str text = str_from_cstr(VECTORS[i].text);
        str out = STR("unchanged");
        bool ok = http_percent_decode(text, VECTORS[i].plus_is_space, &arena, &out);
        assert_int_equal(ok, VECTORS[i].decoded != NULL);
        assert_int_equal(http_percent_is_valid(text), ok);
        assert_true(str_eq(out, str_from_cstr(ok ? VECTORS[i].decoded : "unchanged")));
    }
    arena_fini(&arena);
}

static void test_plain_text_is_not_copied(void **state)
{
    struct arena arena;
    str text = STR("user_1");
    str out;
    (void)state;
    arena_init(&arena, 0);
    assert_true(http_percent_decode(text, true, &arena, &out));
    assert_ptr_equal(out.data, text.data);
    assert_false(http_percent_decode(STR("a%20"), true, &arena, &out)); /* no memory */
    arena_fini(&arena);
}

static void test_every_byte_comes_back(void **state)
{
    char bytes[256];
    struct arena arena;
    struct buffer encoded;
    str out;
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    arena_init(&arena, 1 << 20);
    buffer_init(&encoded, 1 << 20);
    http_percent_encode(&encoded, str_of(bytes, sizeof(bytes)));
    assert_int_equal(encoded.len, 66 + 190 * 3);
    assert_true(http_percent_decode(buffer_str(&encoded), true, &arena, &out));
    assert_true(str_eq(out, str_of(bytes, sizeof(bytes))));
    buffer_fini(&encoded);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_plain_text_is_not_copied),
        cmocka_unit_test(test_every_byte_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

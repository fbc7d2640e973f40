#include "codec/id_list.h"

#include "base/memory.h"
#include "fixture.h"
#include "model/limits.h"

/* A .npy file of one dimension. */
static str npy_of(char *file, const char *descr, unsigned count, const void *data, size_t len)
{
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    int header = sprintf(file + 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%u,), }\n",
                         descr, count);
    file[8] = (char)header;
    file[9] = 0;
    memcpy(file + 10 + header, data, len);
    return str_of(file, 10 + (size_t)header + len);
}

static status take(str body, bool is_npy, struct arena *arena, struct id_list *out,
                   struct error *error)
{
    error_clear(error);
    error_loc_name(error, STR("before"));
    return is_npy ? id_list_from_npy(body, arena, out, error)
                  : id_list_from_lines(body, arena, out, error);
}

static void lines_are_ids(void **state)
{
    static const struct {
        str body;
        uint32_t count;
        const char *last;
    } CASES[] = {
        {STR(""), 0, NULL},
        {STR("a"), 1, "a"},
        {STR("a\n"), 1, "a"},
        {STR("a\nbc"), 2, "bc"},
        {STR("a\r\nbc\r\n"), 2, "bc"},
        {STR("a\r\nb c"), 2, "b c"},
        {STR("\xEF\xBB\xBFuser"), 1, "user"},
        {STR("\xEF\xBB\xBF"), 0, NULL},
        {STR("a\n\xC3\xA9\n"), 2, "\xC3\xA9"},
        {STR("a\rb\n"), 1, "a\rb"},
        {STR("a\n a\t\n"), 2, " a\t"},
    };
    struct arena arena;
    struct error error;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct id_list list;
        assert_true(status_is_ok(take(CASES[i].body, false, &arena, &list, &error)));
        assert_int_equal(list.count, CASES[i].count);
        if (CASES[i].last)
            assert_str(list.ids[list.count - 1], CASES[i].last);
    }
    arena_fini(&arena);
}

static void arrays_are_ids(void **state)
{
    static const uint32_t TEXT[] = {'u', 0x20AC, 0x1F600, 0xE9, 'x', 0};
    struct arena arena;
    struct error error;
    struct id_list list;
    char file[512];
    (void)state;
    arena_init(&arena, 1 << 20);
    str body = npy_of(file, "|S4", 3,
                      "u1\0\0u\0"
                      "23four",
                      12);
    assert_true(status_is_ok(take(body, true, &arena, &list, &error)));
    assert_int_equal(list.count, 3);
    assert_str(list.ids[0], "u1");
    assert_int_equal(list.ids[1].len, 4); /* a NUL in the middle belongs to it */
    assert_str(list.ids[2], "four");
    assert_ptr_equal(list.ids[2].data, body.data + body.len - 4); /* not copied */
    body = npy_of(file, "<U3", 2, TEXT, sizeof(TEXT));
    assert_true(status_is_ok(take(body, true, &arena, &list, &error)));
    assert_int_equal(list.count, 2);
    assert_str(list.ids[0], "u\xE2\x82\xAC\xF0\x9F\x98\x80");
    assert_str(list.ids[1], "\xC3\xA9x");
    assert_true(status_is_ok(take(npy_of(file, "|S1", 0, "", 0), true, &arena, &list, &error)));
    assert_int_equal(list.count, 0);
    arena_fini(&arena);
}

#define TOO_LONG_TEXT "422 body.entity_ids.1 string_too_long"

static void what_is_wrong_is_named(void **state)
{
    static char LINES[2 + 513];
    static char ITEMS[2 * 600];
    static const uint32_t SURROGATE[] = {0xD800};
    static const uint32_t BEYOND[] = {'a', 0x110000};
    static const struct {
        const char *descr; /* NULL: lines */
        unsigned count;
        const void *data;
        size_t len;
        const char *expected;
    } CASES[] = {
        {NULL, 0, "\n", 1, "422 body.entity_ids.0 string_too_short"},
        {NULL, 0, "a\n\nb", 4, "422 body.entity_ids.1 string_too_short"},
        {NULL, 0, "a\r\n\r\n", 5, "422 body.entity_ids.1 string_too_short"},
        {NULL, 0, LINES, sizeof(LINES), TOO_LONG_TEXT},
        {NULL, 0, "a\n\xC3\nb", 5, "400 body string_unicode"},
        {"|S3", 2, "abc\0\0\0", 6, "422 body.entity_ids.1 string_too_short"},
        {"|S0", 2, "", 0, "422 body.entity_ids.0 string_too_short"},
        {"|S600", 2, ITEMS, sizeof(ITEMS), TOO_LONG_TEXT},
        {"|S2", 2, "ab\xC3\xA9", 4, NULL},
        {"|S1", 2, "\xC3\xA9", 2, "400 body string_unicode"}, /* each is looked at alone */
        {"|S2", 2, "abc", 3, "400 body npy_invalid"},
        {"|S2", 2, "abcde", 5, "400 body npy_invalid"},
        {"|S18446744073709551615", 2, "ab", 2, "400 body npy_invalid"},
        {"|S2", 10001, "ab", 2, "422 body.entity_ids too_long"},
        {"<U1", 1, SURROGATE, 4, "400 body string_unicode"},
        {"<U1", 2, BEYOND, 8, "400 body string_unicode"},
        {">U1", 1, "\0\0\0a", 4, "422 body dtype"},
        {"<f8", 1, "12345678", 8, "422 body dtype"},
        {"|O", 1, "12345678", 8, "422 body dtype"},
        {"|S", 1, "a", 1, "422 body dtype"},
        {"|S-1", 1, "a", 1, "422 body dtype"},
        {"", 1, "a", 1, "422 body dtype"},
    };
    struct arena arena;
    struct error error;
    char file[2048];
    (void)state;
    arena_init(&arena, 1 << 20);
    memset(LINES, 'x', sizeof(LINES));
    LINES[1] = '\n';
    ITEMS[0] = 'x';
    memset(ITEMS + 600, 'x', 600);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct id_list list = {0};
        bool is_npy = CASES[i].descr != NULL;
        str body = is_npy
                       ? npy_of(file, CASES[i].descr, CASES[i].count, CASES[i].data, CASES[i].len)
                       : str_of(CASES[i].data, CASES[i].len);
        status result = take(body, is_npy, &arena, &list, &error);
        if (CASES[i].expected == NULL)
            assert_true(status_is_ok(result));
        else
            assert_string_equal(fixture_error(&error), CASES[i].expected);
    }
    arena_fini(&arena);
}

static void one_dimension_and_no_fields(void **state)
{
    static const struct {
        const char *header;
        const char *expected;
    } CASES[] = {
        {"{'descr': '|S2', 'fortran_order': False, 'shape': (1, 1)}", "422 body shape"},
        {"{'descr': '|S2', 'fortran_order': False, 'shape': ()}", "422 body shape"},
        {"{'descr': [('a', '|S2')], 'fortran_order': False, 'shape': (1,)}", "422 body dtype"},
        {"nothing of the kind", "400 body npy_invalid"},
    };
    struct arena arena;
    struct error error;
    struct id_list list;
    char file[512] = "\x93NUMPY\x01";
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t len = strlen(CASES[i].header);
        file[8] = (char)len;
        memcpy(file + 10, CASES[i].header, len);
        memcpy(file + 10 + len, "ab", 2);
        assert_false(status_is_ok(take(str_of(file, len + 12), true, &arena, &list, &error)));
        assert_string_equal(fixture_error(&error), CASES[i].expected);
    }
    arena_fini(&arena);
}

static void ten_thousand_lines_and_no_more(void **state)
{
    static char body[2 * (LIMIT_READ_IDS + 1)];
    struct arena arena;
    struct error error;
    struct id_list list;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = i % 2 ? '\n' : 'u';
    assert_true(status_is_ok(take(str_of(body, 2 * LIMIT_READ_IDS), false, &arena, &list, &error)));
    assert_int_equal(list.count, LIMIT_READ_IDS);
    assert_false(status_is_ok(take(str_of(body, sizeof(body)), false, &arena, &list, &error)));
    assert_string_equal(fixture_error(&error), "422 body.entity_ids too_long");
    arena_fini(&arena);
}

static void memory_may_fail(void **state)
{
    static const uint32_t TEXT[] = {'u'};
    struct error error;
    struct id_list list;
    char file[512];
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct arena arena;
        str body = kind == 0   ? STR("a\nb")
                   : kind == 1 ? npy_of(file, "|S2", 1, "ab", 2)
                               : npy_of(file, "<U1", 1, TEXT, sizeof(TEXT));
        arena_init(&arena, 1 << 20);
        memory_fail_after(0);
        status result = take(body, kind > 0, &arena, &list, &error);
        memory_fail_after(UINT64_MAX);
        assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_ids),
        cmocka_unit_test(arrays_are_ids),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(one_dimension_and_no_fields),
        cmocka_unit_test(ten_thousand_lines_and_no_more),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

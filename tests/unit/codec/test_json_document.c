#include "codec/json_document.h"

#include <string.h>

#include "base/memory.h"
#include "fixture.h"

static void what_is_not_json_is_named_with_its_byte(void **state)
{
    static const struct {
        const char *text;
        const char *detail;
    } CASES[] = {
        {"", "malformed JSON: there is nothing to read"},
        {"\xEF\xBB\xBF", "malformed JSON: there is nothing to read"},
        {"  \n", "malformed JSON: there is nothing to read"},
        {"[1,]", "malformed JSON at byte 2: "},
        {"\xEF\xBB\xBF[1,]", "malformed JSON at byte 5: "},
        {"[1] x", "malformed JSON at byte 4: "},
        {"[NaN]", "malformed JSON at byte 1: "},
        {"[Infinity]", "malformed JSON at byte 1: "},
        {"[01]", "malformed JSON at byte 1: "},
        {"/**/1", "malformed JSON at byte 0: "},
        {"{\"a\":1,}", "malformed JSON at byte 6: "},
        {"{a:1}", "malformed JSON at byte 1: "},
        {"'a'", "malformed JSON at byte 0: "},
        {"\"a\nb\"", "malformed JSON at byte 2: "},
        {"\"\\ud800\"", "malformed JSON at byte 7: "},
        {"\"\xFF\"", "malformed JSON at byte 1: "},
        {"\"\xC0\x80\"", "malformed JSON at byte 1: "},
    };
    struct arena arena;
    struct error error;
    yyjson_val *root;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        error_clear(&error);
        status s = json_parse(str_from_cstr(CASES[i].text), &arena, &root, &error);
        assert_int_equal(s.code, STATUS_MALFORMED);
        assert_string_equal(error.type, "json_invalid");
        assert_memory_equal(error.detail, CASES[i].detail, strlen(CASES[i].detail));
    }
    arena_fini(&arena);
}

static void the_last_of_equal_members_counts(void **state)
{
    static const str NAMES[] = {STR("a"), STR("b"), STR("c")};
    struct arena arena;
    yyjson_val *root;
    yyjson_val *values[3];
    struct error error;
    (void)state;
    error_clear(&error);
    arena_init(&arena, 1 << 20);
    assert_true(status_is_ok(json_parse(STR("\xEF\xBB\xBF{\"a\":1,\"x\":0,\"b\":2,\"a\":3.50}"),
                                        &arena, &root, &error)));
    assert_true(status_is_ok(json_take_members(root, NAMES, 3, false, values, &error)));
    assert_str(json_number(values[0]), "3.50");
    assert_str(json_number(values[1]), "2");
    assert_null(values[2]);
    assert_int_equal(json_take_members(root, NAMES, 3, true, values, &error).code,
                     STATUS_INVALID);
    assert_string_equal(fixture_error(&error), "422 x extra_forbidden");
    arena_fini(&arena);
}

static enum json_minify_result minify(const char *text, struct arena *arena, str *out)
{
    yyjson_val *root;
    assert_true(status_is_ok(json_parse(str_from_cstr(text), arena, &root, NULL)));
    return json_minify(root, arena, out);
}

static void minified_text_keeps_numbers_as_written(void **state)
{
    struct arena arena;
    str out;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(minify(" { \"a\" : [ 1.50 , -0 , 1E3 , 123456789012345678901234567890 ] } ",
                            &arena, &out),
                     JSON_MINIFY_OK);
    assert_str(out, "{\"a\":[1.50,-0,1E3,123456789012345678901234567890]}");
    assert_int_equal(minify("\"a\\u0000\\/\\u00e9\\n\"", &arena, &out), JSON_MINIFY_OK);
    assert_str(out, "\"a\\u0000/\xC3\xA9\\n\"");
    assert_int_equal(minify("[1e400]", &arena, &out), JSON_MINIFY_NOT_FINITE);
    arena_fini(&arena);
}

static void depth_has_a_limit(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    struct arena arena;
    str out;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_int_equal(minify(text, &arena, &out),
                         depth > JSON_DEPTH_MAX ? JSON_MINIFY_DEEP : JSON_MINIFY_OK);
    }
    arena_fini(&arena);
}

/* A dense document outgrows yyjson's first guess several times. */
static void dense_documents_fit_or_are_too_large(void **state)
{
    size_t count = 300000;
    char *text = memory_alloc(count * 2 + 2);
    struct arena arena;
    struct error error;
    yyjson_val *root;
    (void)state;
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + i * 2, "7,", 2);
    text[count * 2] = ']';
    arena_init(&arena, 16 << 20);
    assert_true(status_is_ok(json_parse(str_of(text, count * 2 + 1), &arena, &root, &error)));
    assert_int_equal(yyjson_arr_size(root), count);
    assert_str(json_number(yyjson_arr_get_last(root)), "7");
    arena_fini(&arena);
    arena_init(&arena, 4 << 20);
    assert_int_equal(json_parse(str_of(text, count * 2 + 1), &arena, &root, &error).code,
                     STATUS_TOO_LARGE);
    arena_fini(&arena);
    memory_free(text);
}

static void every_allocation_may_fail(void **state)
{
    struct arena arena;
    yyjson_val *root;
    str out;
    uint64_t failures = 0;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (bool done = false; !done; failures++) {
        memory_fail_after(failures);
        status s = json_parse(STR("{\"a\":[1,2,3]}"), &arena, &root, NULL);
        if (status_is_ok(s))
            done = json_minify(root, &arena, &out) == JSON_MINIFY_OK;
        else
            assert_int_equal(s.code, STATUS_OUT_OF_MEMORY);
        memory_fail_after(UINT64_MAX);
        arena_fini(&arena);
    }
    assert_true(failures > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_json_is_named_with_its_byte),
        cmocka_unit_test(the_last_of_equal_members_counts),
        cmocka_unit_test(minified_text_keeps_numbers_as_written),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(dense_documents_fit_or_are_too_large),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

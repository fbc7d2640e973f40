#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/yaml_node.h"

static status convert(const char *text, struct buffer *out, struct error *error)
{
    struct yaml_tree tree = {.file = "x"};
    yaml_parser_t parser;
    error_clear(error);
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    assert_true(yaml_parser_load(&parser, &tree.document));
    status result =
        yaml_node_to_json(&tree, yaml_document_get_root_node(&tree.document), out, error);
    yaml_document_delete(&tree.document);
    yaml_parser_delete(&parser);
    return result;
}

static void becomes(const char *text, const char *json)
{
    struct buffer out;
    struct error error;
    buffer_init(&out, 1 << 20);
    assert_true(status_is_ok(convert(text, &out, &error)));
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, json);
    buffer_fini(&out);
}

static void scalars_follow_the_core_schema(void **state)
{
    (void)state;
    becomes("[null, ~, Null, '', ]", "[null,null,null,\"\"]");
    becomes("[true, False, yes, no, on, 'true']", "[true,false,\"yes\",\"no\",\"on\",\"true\"]");
    becomes("[0, -7, +12, 007, 0x1F, 0o17, 9223372036854775807]",
            "[0,-7,12,7,31,15,9223372036854775807]");
    becomes("[0.1, -1e3, 1., .5, 9223372036854775808, 12e03]",
            "[0.1,-1e3,1,0.5,9223372036854775808,12e03]");
    becomes("[1.2.3, 1e, e5, '1', \"2\", 0x, 0xg, -, 1_000, 12:30, 2026-01-02]",
            "[\"1.2.3\",\"1e\",\"e5\",\"1\",\"2\",\"0x\",\"0xg\",\"-\",\"1_000\",\"12:30\","
            "\"2026-01-02\"]");
}

static void collections_nest(void **state)
{
    (void)state;
    becomes("a: {b: [1, {c: d}]}\ne: |\n  two\n  lines\n",
            "{\"a\":{\"b\":[1,{\"c\":\"d\"}]},\"e\":\"two\\nlines\\n\"}");
    becomes("x: &a [1]\ny: *a\n", "{\"x\":[1],\"y\":[1]}");
    becomes("{}", "{}");
    becomes("[]", "[]");
}

static void what_json_cannot_say_is_refused(void **state)
{
    static const char *const CASES[] = {
        "a: .inf", "- -.Inf", "- .nan", "{[1]: 2}", "? {a: 1}\n: 2", "&a [*a]", "a: &x {b: *x}",
    };
    struct buffer out;
    struct error error;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        buffer_init(&out, 1 << 22);
        assert_int_equal(convert(CASES[i], &out, &error).code, STATUS_INVALID);
        assert_memory_equal(error.detail, "line 1: ", 8);
        buffer_fini(&out);
    }
}

/* "A billion laughs": each line is ten times the one before. */
static void aliases_cannot_grow_without_end(void **state)
{
    struct buffer text;
    struct buffer out;
    struct error error;
    (void)state;
    buffer_init(&text, 1 << 16);
    buffer_init(&out, 1 << 22);
    buffer_append_str(&text, STR("l0: &l0 ha\n"));
    for (int i = 1; i < 12; i++) {
        buffer_append_format(&text, "l%d: &l%d [", i, i);
        for (int j = 0; j < 10; j++)
            buffer_append_format(&text, "*l%d,", i - 1);
        buffer_append_str(&text, STR("]\n"));
    }
    buffer_append_char(&text, '\0');
    assert_int_equal(convert(text.data, &out, &error).code, STATUS_INVALID);
    assert_true(out.len < 2 * YAML_JSON_BYTES_MAX);
    buffer_fini(&out);
    buffer_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(collections_nest),
        cmocka_unit_test(what_json_cannot_say_is_refused),
        cmocka_unit_test(aliases_cannot_grow_without_end),
    };
    return cmocka_run_group_tests_name("yaml_node", tests, NULL, NULL);
}

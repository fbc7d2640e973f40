#include "codec/json_definition.h"

#include "base/memory.h"
#include "fixture.h"

static void every_member_is_read(void **state)
{
    struct arena arena;
    struct error error;
    struct feature_definition definition;
    struct json_unknown unknown;
    (void)state;
    arena_init(&arena, 1 << 20);
    error_clear(&error);
    assert_true(status_is_ok(json_decode_feature_definition(
        STR("{\"name\":\"emb\",\"data_type\":\"VECTOR\",\"entity\":\"user\",\"description\":\"d\","
            "\"feature_group\":\"g\",\"source\":\"\",\"transformation\":null,"
            "\"is_nullable\":false,\"ttl_seconds\":3600.0,\"dimension\":16384,"
            "\"tags\":{ \"a\" : [1.50] },\"min_value\":-1,\"max_value\":1e2,\"mean_value\":null,"
            "\"id\":\"x\",\"version\":{},\"created_at\":1,\"updated_at\":null,"
            "\"colour\":\"red\",\"size\":1,\"std_dev\":0.5}"),
        STR(""), false, &arena, &definition, &unknown, &error)));
    assert_str(definition.name, "emb");
    assert_int_equal(definition.data_type, DATA_TYPE_EMBEDDING);
    assert_str(definition.entity, "user");
    assert_str(definition.description.text, "d");
    assert_str(definition.feature_group.text, "g");
    assert_true(definition.source.present && definition.source.text.len == 0);
    assert_false(definition.transformation.present);
    assert_false(definition.is_nullable);
    assert_true(definition.ttl_seconds == 3600);
    assert_int_equal(definition.dimension, 16384);
    assert_str(definition.tags_json, "{\"a\":[1.50]}");
    assert_true(definition.min_value.present && definition.min_value.value == -1);
    assert_true(definition.max_value.value == 100);
    assert_false(definition.mean_value.present);
    assert_true(definition.std_dev.value == 0.5);
    assert_int_equal(unknown.count, 2);
    assert_str(unknown.names[0], "colour");
    assert_str(unknown.names[1], "size");
    arena_fini(&arena);
}

static void defaults_and_the_path(void **state)
{
    struct arena arena;
    struct feature_definition definition;
    struct json_unknown unknown;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(status_is_ok(json_decode_feature_definition(
        STR("{\"name\":null,\"data_type\":\"int\",\"entity\":\"user\",\"ttl_seconds\":null,"
            "\"dimension\":null,\"tags\":null}"),
        STR("age"), true, &arena, &definition, &unknown, NULL)));
    assert_str(definition.name, "age");
    assert_true(definition.is_nullable);
    assert_true(definition.ttl_seconds == 0);
    assert_int_equal(definition.dimension, 0);
    assert_str(definition.tags_json, "{}");
    assert_int_equal(unknown.count, 0);
    arena_fini(&arena);
}

#define OTHERS ",\"data_type\":\"int\",\"entity\":\"user\"}"
#define NAMED "{\"name\":\"a\",\"data_type\":\"embedding\",\"entity\":\"user\","

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *body;
        const char *expected;
    } CASES[] = {
        {"{", "400 body json_invalid"},
        {"[]", "422 body dict_type"},
        {"{\"data_type\":\"int\",\"entity\":\"user\"}", "422 body.name missing"},
        {"{\"name\":\"a\",\"entity\":\"user\"}", "422 body.data_type missing"},
        {"{\"name\":\"a\",\"data_type\":\"int\"}", "422 body.entity missing"},
        {"{\"name\":null" OTHERS, "422 body.name string_type"},
        {"{\"name\":5" OTHERS, "422 body.name string_type"},
        {"{\"name\":\"\"" OTHERS, "422 body.name string_pattern_mismatch"},
        {"{\"name\":\"a@1\"" OTHERS, "422 body.name string_pattern_mismatch"},
        {"{\"name\":\"a\\u0000\"" OTHERS, "422 body.name string_pattern_mismatch"},
        {"{\"name\":\"a\",\"data_type\":\"complex\",\"entity\":\"user\"}",
         "422 body.data_type enum"},
        {"{\"name\":\"a\",\"data_type\":5,\"entity\":\"user\"}", "422 body.data_type string_type"},
        {"{\"name\":\"a\",\"data_type\":\"int\",\"entity\":null}", "422 body.entity string_type"},
        {NAMED "\"description\":5}", "422 body.description string_type"},
        {NAMED "\"feature_group\":[\"a\"]}", "422 body.feature_group string_type"},
        {NAMED "\"is_nullable\":\"yes\"}", "422 body.is_nullable bool_type"},
        {NAMED "\"is_nullable\":null}", "422 body.is_nullable bool_type"},
        {NAMED "\"ttl_seconds\":-1}", "422 body.ttl_seconds greater_than_equal"},
        {NAMED "\"ttl_seconds\":1.5}", "422 body.ttl_seconds int_from_float"},
        {NAMED "\"ttl_seconds\":\"3600\"}", "422 body.ttl_seconds int_type"},
        {NAMED "\"ttl_seconds\":9223372036854775808}", "422 body.ttl_seconds less_than_equal"},
        {NAMED "\"dimension\":0}", "422 body.dimension greater_than_equal"},
        {NAMED "\"dimension\":16385}", "422 body.dimension less_than_equal"},
        {NAMED "\"dimension\":-1e30}", "422 body.dimension greater_than_equal"},
        {"{\"name\":\"a\",\"dimension\":3" OTHERS, "422 body.dimension value_error"},
        {NAMED "\"tags\":\"a:b\"}", "422 body.tags dict_type"},
        {NAMED "\"tags\":[\"a\"]}", "422 body.tags dict_type"},
        {NAMED "\"tags\":{\"a\":1e999}}", "422 body.tags finite_number"},
        {NAMED "\"min_value\":\"low\"}", "422 body.min_value float_type"},
        {NAMED "\"std_dev\":1e999}", "422 body.std_dev finite_number"},
        {NAMED "\"colour\":1}", "422 body.colour extra_forbidden"},
    };
    struct arena arena;
    struct error error;
    struct feature_definition definition;
    struct json_unknown unknown;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        error_clear(&error);
        error_loc_name(&error, STR("body"));
        status s = json_decode_feature_definition(str_from_cstr(CASES[i].body), STR(""), true,
                                                  &arena, &definition, &unknown, &error);
        assert_int_equal(s.code, error.code);
        assert_string_equal(fixture_error(&error), CASES[i].expected);
        arena_reset(&arena);
    }
    error_clear(&error);
    assert_false(status_is_ok(
        json_decode_feature_definition(STR("{\"name\":\"a\"" OTHERS), STR("b"), false, &arena,
                                       &definition, &unknown, &error)));
    assert_string_equal(fixture_error(&error), "422 body.name value_error");
    arena_fini(&arena);
}

static void services(void **state)
{
    static const struct {
        const char *body;
        const char *expected;
    } CASES[] = {
        {"{\"features\":[\"a\"]}", "422 body.name missing"},
        {"{\"name\":\"s\"}", "422 body.features missing"},
        {"{\"name\":\"s\",\"features\":null}", "422 body.features list_type"},
        {"{\"name\":\"s\",\"features\":\"a\"}", "422 body.features list_type"},
        {"{\"name\":\"s\",\"features\":[]}", "422 body.features too_short"},
        {"{\"name\":\"s\",\"features\":[\"a\",5]}", "422 body.features.1 string_type"},
        {"{\"name\":\"s\",\"features\":[\"a b\"]}", "422 body.features.0 string_pattern_mismatch"},
        {"{\"name\":\"a b\",\"features\":[\"a\"]}", "422 body.name string_pattern_mismatch"},
        {"{\"name\":\"s\",\"features\":[\"a\"],\"tags\":[1]}", "422 body.tags dict_type"},
        {"{\"name\":\"s\",\"features\":[\"a\"],\"description\":5}",
         "422 body.description string_type"},
        {"{\"name\":\"s\",\"features\":[\"a\"],\"x\":5}", "422 body.x extra_forbidden"},
    };
    struct arena arena;
    struct error error;
    struct service_definition definition;
    struct json_unknown unknown;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        error_clear(&error);
        assert_false(status_is_ok(
            json_decode_service_definition(str_from_cstr(CASES[i].body), STR(""), true, &arena,
                                           &definition, &unknown, &error)));
        assert_string_equal(fixture_error(&error), CASES[i].expected);
    }
    assert_true(status_is_ok(json_decode_service_definition(
        STR("{\"features\":[\"b@2\",\"a\"],\"description\":\"d\",\"tags\":{\"o\":\"r\"},\"x\":1}"),
        STR("s"), false, &arena, &definition, &unknown, &error)));
    assert_str(definition.name, "s");
    assert_int_equal(definition.feature_count, 2);
    assert_str(definition.features[0], "b@2");
    assert_str(definition.tags_json, "{\"o\":\"r\"}");
    assert_str(definition.description.text, "d");
    assert_int_equal(unknown.count, 1);
    arena_fini(&arena);
}

static void activation(void **state)
{
    static const struct {
        const char *body;
        const char *expected;
    } CASES[] = {
        {"", "400 body json_invalid"},
        {"{}", "422 body.version missing"},
        {"{\"version\":null}", "422 body.version int_type"},
        {"{\"version\":\"1\"}", "422 body.version int_type"},
        {"{\"version\":0}", "422 body.version greater_than_equal"},
        {"{\"version\":2147483648}", "422 body.version less_than_equal"},
        {"{\"version\":1.5}", "422 body.version int_from_float"},
        {"{\"version\":1,\"x\":2}", "422 body.x extra_forbidden"},
    };
    struct error error;
    uint32_t version = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        error_clear(&error);
        assert_false(status_is_ok(
            json_decode_activate(str_from_cstr(CASES[i].body), true, &version, &error)));
        assert_string_equal(fixture_error(&error), CASES[i].expected);
        assert_int_equal(version, 0);
    }
    assert_true(status_is_ok(json_decode_activate(STR("{\"version\":2}"), true, &version, &error)));
    assert_int_equal(version, 2);
}

static void tags_match_by_the_text_of_a_scalar(void **state)
{
    const str tags =
        STR("{\"s\":\"x y\",\"n\":1.50,\"t\":true,\"z\":null,\"o\":{\"s\":1},\"a\":[]}");
    (void)state;
    assert_true(json_tags_match(tags, STR("s"), STR("x y")));
    assert_true(json_tags_match(tags, STR("n"), STR("1.50")));
    assert_true(json_tags_match(tags, STR("t"), STR("true")));
    assert_true(json_tags_match(tags, STR("z"), STR("null")));
    assert_false(json_tags_match(tags, STR("s"), STR("x")));
    assert_false(json_tags_match(tags, STR("n"), STR("1.5")));
    assert_false(json_tags_match(tags, STR("o"), STR("{\"s\":1}")));
    assert_false(json_tags_match(tags, STR("a"), STR("[]")));
    assert_false(json_tags_match(tags, STR("q"), STR("null")));
    assert_false(json_tags_match(STR("{}"), STR("s"), STR("")));
}

static void every_allocation_may_fail(void **state)
{
    struct arena arena;
    struct error error;
    struct feature_definition definition;
    struct json_unknown unknown;
    uint64_t failures = 0;
    (void)state;
    for (bool done = false; !done; failures++) {
        arena_init(&arena, 1 << 20);
        error_clear(&error);
        memory_fail_after(failures);
        status s = json_decode_feature_definition(STR(NAMED "\"tags\":{\"a\":1},\"x\":1}"),
                                                  STR(""), false, &arena, &definition, &unknown,
                                                  &error);
        memory_fail_after(UINT64_MAX);
        done = status_is_ok(s);
        if (!done)
            assert_int_equal(error.code, STATUS_OUT_OF_MEMORY);
        arena_fini(&arena);
    }
    assert_true(failures > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_read),
        cmocka_unit_test(defaults_and_the_path),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(services),
        cmocka_unit_test(activation),
        cmocka_unit_test(tags_match_by_the_text_of_a_scalar),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

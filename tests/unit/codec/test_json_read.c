#include "codec/json_read.h"

#include "base/memory.h"
#include "fixture.h"
#include "model/limits.h"

static void requests_are_read(void **state)
{
    struct arena arena;
    struct error error;
    struct json_batch_read read;
    struct json_user_batch batch;
    (void)state;
    arena_init(&arena, 1 << 20);
    error_clear(&error);
    assert_true(status_is_ok(json_decode_batch_read(
        STR("{\"entity_ids\":[\"u1\",\"u1\",\"\\u00e9\"],\"feature_names\":[\"a\",\"b@2\"],"
            "\"feature_service\":null,\"entity\":\"user\",\"metadata\":true}"),
        true, &arena, &read, &error)));
    assert_int_equal(read.id_count, 3);
    assert_str(read.entity_ids[2], "\xC3\xA9");
    assert_int_equal(read.name_count, 2);
    assert_str(read.names[1], "b@2");
    assert_int_equal(read.feature_service.len, 0);
    assert_str(read.entity, "user");
    assert_true(read.metadata);
    assert_true(status_is_ok(json_decode_batch_read(
        STR("{\"entity_ids\":[],\"feature_service\":\"s\"}"), true, &arena, &read, &error)));
    assert_int_equal(read.id_count, 0);
    assert_null(read.names);
    assert_str(read.feature_service, "s");
    assert_false(read.metadata);
    assert_true(status_is_ok(json_decode_user_batch(STR("{\"user_ids\":[\"u1\"],\"entity\":null}"),
                                                    true, &arena, &batch, &error)));
    assert_int_equal(batch.id_count, 1);
    assert_int_equal(batch.entity.len, 0);
    arena_fini(&arena);
}

#define NAMES ",\"feature_names\":[\"a\"]}"

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *body;
        const char *expected;
    } READS[] = {
        {"", "400 body json_invalid"},
        {"[]", "422 body dict_type"},
        {"{\"feature_names\":[\"a\"]}", "422 body.entity_ids missing"},
        {"{\"entity_ids\":null" NAMES, "422 body.entity_ids list_type"},
        {"{\"entity_ids\":\"u\"" NAMES, "422 body.entity_ids list_type"},
        {"{\"entity_ids\":[\"u\",5]" NAMES, "422 body.entity_ids.1 string_type"},
        {"{\"entity_ids\":[\"u\",\"\"]" NAMES, "422 body.entity_ids.1 string_too_short"},
        {"{\"entity_ids\":[\"u\"]}", "422 body.feature_names missing"},
        {"{\"entity_ids\":[\"u\"],\"feature_service\":\"s\"" NAMES,
         "422 body.feature_service value_error"},
        {"{\"entity_ids\":[],\"feature_service\":5}", "422 body.feature_service string_type"},
        {"{\"entity_ids\":[],\"feature_names\":\"a\"}", "422 body.feature_names list_type"},
        {"{\"entity_ids\":[],\"feature_names\":[null]}", "422 body.feature_names.0 string_type"},
        {"{\"entity_ids\":[],\"entity\":5" NAMES, "422 body.entity string_type"},
        {"{\"entity_ids\":[],\"metadata\":1" NAMES, "422 body.metadata bool_type"},
        {"{\"entity_ids\":[],\"x\":1" NAMES, "422 body.x extra_forbidden"},
    };
    static const struct {
        const char *body;
        const char *expected;
    } BATCHES[] = {
        {"{}", "422 body.user_ids missing"},
        {"{\"user_ids\":[]}", "422 body.user_ids too_short"},
        {"{\"user_ids\":{}}", "422 body.user_ids list_type"},
        {"{\"user_ids\":[null]}", "422 body.user_ids.0 string_type"},
        {"{\"user_ids\":[\"\"]}", "422 body.user_ids.0 string_too_short"},
    };
    struct arena arena;
    struct error error;
    struct json_batch_read read;
    struct json_user_batch batch;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(READS); i++) {
        error_clear(&error);
        assert_false(status_is_ok(
            json_decode_batch_read(str_from_cstr(READS[i].body), true, &arena, &read, &error)));
        assert_string_equal(fixture_error(&error), READS[i].expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(BATCHES); i++) {
        error_clear(&error);
        error_loc_name(&error, STR("body"));
        assert_false(status_is_ok(
            json_decode_user_batch(str_from_cstr(BATCHES[i].body), false, &arena, &batch, &error)));
        assert_string_equal(fixture_error(&error), BATCHES[i].expected);
    }
    arena_fini(&arena);
}

static void append_list(struct buffer *body, const char *name, uint32_t count)
{
    buffer_append_format(body, "\"%s\":[\"x\"", name);
    for (uint32_t i = 1; i < count; i++)
        buffer_append_str(body, STR(",\"x\""));
    buffer_append_char(body, ']');
}

static void limits_are_exact(void **state)
{
    struct arena arena;
    struct error error;
    struct buffer body;
    struct json_batch_read read;
    struct json_user_batch batch;
    (void)state;
    arena_init(&arena, 64 << 20);
    buffer_init(&body, SIZE_MAX);
    for (uint32_t more = 0; more < 3; more++) {
        buffer_reset(&body, SIZE_MAX);
        buffer_append_char(&body, '{');
        append_list(&body, "entity_ids", LIMIT_READ_IDS + (more == 1));
        buffer_append_char(&body, ',');
        append_list(&body, "feature_names", LIMIT_READ_NAMES + (more == 2));
        buffer_append_char(&body, '}');
        error_clear(&error);
        status s = json_decode_batch_read(buffer_str(&body), true, &arena, &read, &error);
        assert_int_equal(status_is_ok(s), more == 0);
        if (more)
            assert_string_equal(fixture_error(&error), more == 1
                                                           ? "422 body.entity_ids too_long"
                                                           : "422 body.feature_names too_long");
        buffer_reset(&body, SIZE_MAX);
        buffer_append_char(&body, '{');
        append_list(&body, "user_ids", LIMIT_USER_BATCH_IDS + more);
        buffer_append_char(&body, '}');
        assert_int_equal(status_is_ok(json_decode_user_batch(buffer_str(&body), true, &arena,
                                                             &batch, &error)),
                         more == 0);
    }
    buffer_fini(&body);
    arena_fini(&arena);
}

static void every_allocation_may_fail(void **state)
{
    struct arena arena;
    struct error error;
    struct json_batch_read read;
    uint64_t failures = 0;
    (void)state;
    for (bool done = false; !done; failures++) {
        arena_init(&arena, 1 << 20);
        error_clear(&error);
        memory_fail_after(failures);
        status s = json_decode_batch_read(STR("{\"entity_ids\":[\"u\"]" NAMES), true, &arena,
                                          &read, &error);
        memory_fail_after(UINT64_MAX);
        done = status_is_ok(s);
        if (!done)
            assert_int_equal(error.code, STATUS_OUT_OF_MEMORY);
        arena_fini(&arena);
    }
    assert_true(failures > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

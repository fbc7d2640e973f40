#include "codec/json_ingest.h"

#include <string.h>

#include "base/memory.h"
#include "fixture.h"
#include "model/limits.h"

static const struct catalog *catalog;

static int setup(void **state)
{
    (void)state;
    catalog = fixture_catalog(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catalog_destroy(catalog);
    return 0;
}

static struct json_ingest_options options_of(bool strict, bool by_name, const char *entity)
{
    return (struct json_ingest_options){.catalog = catalog,
                                        .now_us = FIXTURE_NOW_US,
                                        .strict = strict,
                                        .by_name = by_name,
                                        .entity = str_from_cstr(entity)};
}

static void a_request_becomes_a_record(void **state)
{
    struct json_ingest_options options = options_of(true, false, "");
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    error_clear(&error);
    arena_init(&arena, 1 << 20);
    assert_true(status_is_ok(json_decode_ingest(
        STR("\xEF\xBB\xBF{\"entity_id\":\"u\\u00e9\",\"event_timestamp\":\"2026-01-01T00:00:00Z\","
            "\"entity\":null,\"features\":[{\"feature_name\":\"i\",\"value\":5},"
            "{\"feature_name\":\"i@2\",\"value\":\"x\",\"event_timestamp\":1000},"
            "{\"feature_name\":\"i\",\"value\":6,\"event_timestamp\":null},"
            "{\"feature_name\":\"d\",\"value\":null}]}"),
        &options, &arena, &record, &error)));
    assert_str(record.entity_id, "u\xC3\xA9");
    assert_int_equal(record.cell_count, 4);
    assert_str(record.cells[0].name, "i");
    assert_int_equal(record.cells[0].value.integer, 5);
    assert_true(record.cells[0].event_time_us == INT64_C(1767225600000000));
    assert_int_equal(record.cells[1].version_id, catalog_resolve(catalog, STR("i@2"))->id);
    assert_true(record.cells[1].event_time_us == 1000000);
    assert_true(record.cells[2].event_time_us == record.cells[0].event_time_us);
    assert_true(record.cells[3].value.is_null);
    assert_int_equal(record.cells[3].entity_index,
                     catalog_find_entity(catalog, STR("driver"))->index);
    arena_fini(&arena);
}

static void without_a_time_it_is_now(void **state)
{
    struct json_ingest_options options = options_of(false, true, "user");
    struct arena arena;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(status_is_ok(json_decode_ingest(
        STR("{\"features\":{\"i\":1,\"s\":\"x\"},\"entity_id\":\"u\",\"event_timestamp\":null}"),
        &options, &arena, &record, NULL)));
    assert_int_equal(record.cell_count, 2);
    assert_true(record.cells[0].event_time_us == INGEST_EVENT_TIME_NOW);
    assert_str(record.cells[1].value.text, "x");
    assert_true(status_is_ok(json_decode_ingest(STR("{\"features\":{},\"entity_id\":\"u\"}"),
                                                &options, &arena, &record, NULL)));
    assert_int_equal(record.cell_count, 0);
    arena_fini(&arena);
}

#define REST "\"entity_id\":\"u\",\"features\":"
#define I "{\"feature_name\":\"i\",\"value\":1}"
#define NOBODY "{\"feature_name\":\"nobody\",\"value\":1}"
#define FAR "\"event_timestamp\":\"2026-01-02T03:09:05.000001Z\""

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } LISTS[] = {
        {"{", "400 body json_invalid"},
        {"[]", "422 body dict_type"},
        {"\"x\"", "422 body dict_type"},
        {"null", "422 body dict_type"},
        {"{\"features\":[]}", "422 body.entity_id missing"},
        {"{\"entity_id\":null,\"features\":[]}", "422 body.entity_id string_type"},
        {"{\"entity_id\":5,\"features\":[]}", "422 body.entity_id string_type"},
        {"{\"entity_id\":\"\",\"features\":[]}", "422 body.entity_id string_too_short"},
        {"{\"entity_id\":\"u\"}", "422 body.features missing"},
        {"{" REST "null}", "422 body.features list_type"},
        {"{" REST "{\"i\":1}}", "422 body.features list_type"},
        {"{" REST "[5]}", "422 body.features.0 dict_type"},
        {"{" REST "[" I ",{\"value\":1}]}", "422 body.features.1.feature_name missing"},
        {"{" REST "[{\"feature_name\":5,\"value\":1}]}",
         "422 body.features.0.feature_name string_type"},
        {"{" REST "[{\"feature_name\":\"i\"}]}", "422 body.features.0.value missing"},
        {"{" REST "[{\"feature_name\":\"i\",\"value\":1,\"event_timestamp\":\"x\"}]}",
         "422 body.features.0.event_timestamp datetime_parsing"},
        {"{" REST "[],\"event_timestamp\":true}", "422 body.event_timestamp datetime_parsing"},
        {"{" REST "[],\"event_timestamp\":1.5}", "422 body.event_timestamp datetime_parsing"},
        {"{" REST "[],\"entity\":5}", "422 body.entity string_type"},
        /* shape before existence, existence before values */
        {"{" REST "[" NOBODY ",{\"feature_name\":5,\"value\":1}]}",
         "422 body.features.1.feature_name string_type"},
        {"{" REST "[{\"feature_name\":\"i\",\"value\":\"x\"}," NOBODY "]}",
         "404 body.features.1.feature_name not_registered"},
        {"{" FAR "," REST "[" NOBODY "]}", "404 body.features.0.feature_name not_registered"},
        {"{" FAR "," REST "[" I "]}", "422 body.event_timestamp value_error"},
        {"{" REST "[" I ",{\"feature_name\":\"i\",\"value\":1," FAR "}]}",
         "422 body.features.1.event_timestamp value_error"},
        {"{" REST "[{\"feature_name\":\"i@3\",\"value\":1}]}",
         "404 body.features.0.feature_name not_registered"},
        {"{" REST "[{\"feature_name\":\"\",\"value\":1}]}",
         "404 body.features.0.feature_name not_registered"},
        {"{\"entity\":\"driver\"," REST "[" I "]}",
         "422 body.features.0.feature_name value_error"},
        {"{\"x\":1," REST "[]}", "422 body.x extra_forbidden"},
        {"{" REST "[{\"feature_name\":\"i\",\"value\":1,\"x\":1}]}",
         "422 body.features.0.x extra_forbidden"},
    };
    struct json_ingest_options options = options_of(true, false, "");
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++) {
        error_clear(&error);
        error_loc_name(&error, STR("body"));
        status s = json_decode_ingest(str_from_cstr(LISTS[i].text), &options, &arena, &record,
                                      &error);
        assert_int_equal(s.code, error.code);
        assert_string_equal(fixture_error(&error), LISTS[i].expected);
        /* An error that nobody reads is fine too. */
        assert_int_equal(json_decode_ingest(str_from_cstr(LISTS[i].text), &options, &arena,
                                            &record, NULL)
                             .code,
                         s.code);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void rows_are_named_by_their_columns(void **state)
{
    static const struct {
        const char *entity;
        const char *text;
        const char *expected;
    } ROWS[] = {
        {"", "{" REST "{\"s\":\"x\",\"i\":\"x\"}}", "422 line.7.i int_type"},
        {"", "{" REST "{\"e\":[1,null]}}", "422 line.7.e.1 float_type"},
        {"", "{" REST "{\"nobody\":1}}", "404 line.7.nobody not_registered"},
        {"driver", "{" REST "{\"i\":1}}", "422 line.7.i value_error"},
        {"driver", "{" FAR "," REST "{\"d\":1}}", "422 line.7.event_timestamp value_error"},
        {"", "{" REST "5}", "422 line.7.features list_type"},
        {"", "{" REST "[{\"feature_name\":\"d\",\"value\":\"x\"}]}",
         "422 line.7.features.0.value int_type"},
    };
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct json_ingest_options options = options_of(false, true, ROWS[i].entity);
        error_clear(&error);
        error_loc_name(&error, STR("line"));
        error_loc_index(&error, 7);
        assert_false(status_is_ok(json_decode_ingest(str_from_cstr(ROWS[i].text), &options, &arena,
                                                     &record, &error)));
        assert_string_equal(fixture_error(&error), ROWS[i].expected);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void details_name_the_feature(void **state)
{
    struct json_ingest_options options = options_of(false, false, "");
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 1 << 20);
    error_clear(&error);
    (void)!status_is_ok(json_decode_ingest(STR("{" REST "[" NOBODY "]}"), &options, &arena,
                                           &record, &error));
    assert_string_equal(error.detail, "Feature 'nobody' not registered");
    (void)!status_is_ok(
        json_decode_ingest(STR("{" REST "[{\"feature_name\":\"n\",\"value\":null}]}"), &options,
                           &arena, &record, &error));
    assert_non_null(strstr(error.detail, "'n'"));
    arena_fini(&arena);
}

static void ids_and_counts_have_limits(void **state)
{
    struct json_ingest_options options = options_of(false, false, "");
    struct buffer body;
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 64 << 20);
    for (uint32_t count = LIMIT_INGEST_FEATURES; count <= LIMIT_INGEST_FEATURES + 1; count++) {
        buffer_init(&body, SIZE_MAX);
        buffer_append_format(&body, "{\"entity_id\":\"%0*d\",\"features\":[" I,
                             (int)LIMIT_ENTITY_ID_BYTES, 7);
        for (uint32_t i = 1; i < count; i++)
            buffer_append_str(&body, STR("," I));
        buffer_append_str(&body, STR("]}"));
        error_clear(&error);
        status s = json_decode_ingest(buffer_str(&body), &options, &arena, &record, &error);
        if (count == LIMIT_INGEST_FEATURES) {
            assert_true(status_is_ok(s));
            assert_int_equal(record.cell_count, count);
        } else {
            assert_string_equal(fixture_error(&error), "422 features too_long");
        }
        buffer_reset(&body, 0);
        arena_reset(&arena);
    }
    buffer_append_format(&body, "{\"entity_id\":\"%0*d\",\"features\":[]}",
                         (int)LIMIT_ENTITY_ID_BYTES + 1, 7);
    error_clear(&error);
    assert_int_equal(json_decode_ingest(buffer_str(&body), &options, &arena, &record, &error).code,
                     STATUS_INVALID);
    assert_string_equal(fixture_error(&error), "422 entity_id string_too_long");
    buffer_fini(&body);
    arena_fini(&arena);
}

static void every_allocation_may_fail(void **state)
{
    struct json_ingest_options options = options_of(false, false, "");
    struct arena arena;
    struct error error;
    struct ingest_record record;
    uint64_t failures = 0;
    (void)state;
    for (bool done = false; !done; failures++) {
        arena_init(&arena, 1 << 20);
        error_clear(&error);
        memory_fail_after(failures);
        status s = json_decode_ingest(STR("{" REST "[" I ",{\"feature_name\":\"j\",\"value\":[1]},"
                                          "{\"feature_name\":\"e\",\"value\":[1]}]}"),
                                      &options, &arena, &record, &error);
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
        cmocka_unit_test(a_request_becomes_a_record),
        cmocka_unit_test(without_a_time_it_is_now),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(rows_are_named_by_their_columns),
        cmocka_unit_test(details_name_the_feature),
        cmocka_unit_test(ids_and_counts_have_limits),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

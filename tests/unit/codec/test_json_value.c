/* Every type through an ingestion request: what is taken, and what is refused where. */
#include "codec/json_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/json_ingest.h"
#include "codec/json_read.h"
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

static status decode(const char *feature, str value, struct arena *arena,
                     struct ingest_record *record, struct error *error)
{
    struct buffer body;
    struct json_ingest_options options = {.catalog = catalog, .now_us = FIXTURE_NOW_US};
    buffer_init(&body, SIZE_MAX);
    buffer_append_format(&body,
                         "{\"entity_id\":\"u\",\"features\":[{\"feature_name\":\"%s\",\"value\":",
                         feature);
    buffer_append_str(&body, value);
    buffer_append_str(&body, STR("}]}"));
    error_clear(error);
    error_loc_name(error, STR("body"));
    status s = json_decode_ingest(buffer_str(&body), &options, arena, record, error);
    buffer_fini(&body);
    return s;
}

/* What comes back of a value that is taken; of one that is refused, where and why. */
static void values_of_every_type(void **state)
{
    static const struct {
        const char *feature;
        const char *value;
        const char *expected;
    } CASES[] = {
        {"i", "25", "25"},
        {"i", "25.0", "25"},
        {"i", "1e3", "1000"},
        {"i", "-0.0", "0"},
        {"i", "9223372036854775807", "9223372036854775807"},
        {"i", "-9223372036854775808.0", "-9223372036854775808"},
        {"i", "9007199254740993.0", "9007199254740993"},
        {"i", "null", "null"},
        {"i", "25.5", "422 body.features.0.value int_from_float"},
        {"i", "9223372036854775808", "422 body.features.0.value int_parsing_size"},
        {"i", "1e300", "422 body.features.0.value int_parsing_size"},
        {"i", "\"25\"", "422 body.features.0.value int_type"},
        {"i", "true", "422 body.features.0.value int_type"},
        {"i", "[]", "422 body.features.0.value int_type"},
        {"f", "25", "25.0"},
        {"f", "0.1", "0.1"},
        {"f", "-0.0", "-0.0"},
        {"f", "123456789012345678901234567890", "1.2345678901234568e29"},
        {"f", "1e400", "422 body.features.0.value finite_number"},
        {"f", "\"0.5\"", "422 body.features.0.value float_type"},
        {"f", "false", "422 body.features.0.value float_type"},
        {"f", "NaN", "400 body json_invalid"},
        {"b", "true", "true"},
        {"b", "false", "false"},
        {"b", "1", "422 body.features.0.value bool_type"},
        {"b", "\"true\"", "422 body.features.0.value bool_type"},
        {"s", "\"\"", "\"\""},
        {"s", "\"a\\u0000\\\"\\\\\\n\\u0001\xC3\xA9\"", "\"a\\u0000\\\"\\\\\\n\\u0001\xC3\xA9\""},
        {"s", "25", "422 body.features.0.value string_type"},
        {"s", "{}", "422 body.features.0.value string_type"},
        {"t", "\"2026-01-02T03:04:05.123456Z\"", "\"2026-01-02T03:04:05.123456Z\""},
        {"t", "\"2026-01-02T03:04:05+02:00\"", "\"2026-01-02T01:04:05Z\""},
        {"t", "-1", "\"1969-12-31T23:59:59.999000Z\""},
        {"t", "0", "\"1970-01-01T00:00:00Z\""},
        {"t", "4e12", "\"2096-10-02T07:06:40Z\""},
        {"t", "253402300799999", "\"9999-12-31T23:59:59.999000Z\""},
        {"t", "253402300800000", "422 body.features.0.value datetime_type"},
        {"t", "1e30", "422 body.features.0.value datetime_type"},
        {"t", "25.5", "422 body.features.0.value datetime_type"},
        {"t", "\"2026-01-02\"", "422 body.features.0.value datetime_type"},
        {"t", "\"\"", "422 body.features.0.value datetime_type"},
        {"t", "true", "422 body.features.0.value datetime_type"},
        {"e", "[1, 2.5, -0.0, 1e-3]", "[1.0,2.5,-0.0,0.001]"},
        {"e", "[3.4028234663852886e38]", "[3.4028235e38]"},
        {"e", "[0.1]", "[0.1]"},
        {"e", "[]", "422 body.features.0.value too_short"},
        {"e", "[1,\"2\"]", "422 body.features.0.value.1 float_type"},
        {"e", "[null]", "422 body.features.0.value.0 float_type"},
        {"e", "[[1]]", "422 body.features.0.value.0 float_type"},
        {"e", "[1,2,1e39]", "422 body.features.0.value.2 finite_number"},
        {"e", "[-1e300]", "422 body.features.0.value.0 finite_number"},
        {"e", "[1e400]", "422 body.features.0.value.0 finite_number"},
        {"e", "\"[1]\"", "422 body.features.0.value list_type"},
        {"e3", "[1,2,3]", "[1.0,2.0,3.0]"},
        {"e3", "[1,2]", "422 body.features.0.value too_short"},
        {"e3", "[1,2,3,4]", "422 body.features.0.value too_long"},
        {"j", "null", "null"},
        {"j", " { \"b\" : [ 1 , null ] } ", "{\"b\":[1,null]}"},
        {"j", "\"x\"", "\"x\""},
        {"j", "[1e400]", "422 body.features.0.value finite_number"},
        {"n", "7", "7"},
        {"n", "null", "422 body.features.0.value int_type"},
        {"m", "null", "422 body.features.0.value string_type"},
        {"i@2", "\"x\"", "\"x\""},
        {"i@2", "1", "422 body.features.0.value string_type"},
    };
    struct arena arena;
    struct error error;
    struct ingest_record record;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buffer out;
        buffer_init(&out, 1 << 20);
        status s = decode(CASES[i].feature, str_from_cstr(CASES[i].value), &arena, &record, &error);
        if (status_is_ok(s))
            json_encode_value(&out, &record.cells[0].value);
        else
            buffer_append_str(&out, str_from_cstr(fixture_error(&error)));
        if (!str_eq(buffer_str(&out), str_from_cstr(CASES[i].expected)))
            print_error("%s = %s: %.*s\n", CASES[i].feature, CASES[i].value,
                        STR_ARG(buffer_str(&out)));
        assert_str(buffer_str(&out), CASES[i].expected);
        buffer_fini(&out);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void texts_have_a_limit(void **state)
{
    struct arena arena;
    struct error error;
    struct ingest_record record;
    char *text = memory_alloc(LIMIT_TEXT_BYTES + 3);
    (void)state;
    arena_init(&arena, 64 << 20);
    memset(text, 'x', LIMIT_TEXT_BYTES + 3);
    text[0] = '"';
    text[LIMIT_TEXT_BYTES + 1] = '"';
    assert_true(status_is_ok(
        decode("s", str_of(text, LIMIT_TEXT_BYTES + 2), &arena, &record, &error)));
    assert_int_equal(record.cells[0].value.text.len, LIMIT_TEXT_BYTES);
    text[LIMIT_TEXT_BYTES + 1] = 'x';
    text[LIMIT_TEXT_BYTES + 2] = '"';
    for (const char *feature = "s"; feature; feature = *feature == 's' ? "j" : NULL) {
        assert_int_equal(
            decode(feature, str_of(text, LIMIT_TEXT_BYTES + 3), &arena, &record, &error).code,
            STATUS_INVALID);
        assert_string_equal(fixture_error(&error), "422 body.features.0.value string_too_long");
    }
    memory_free(text);
    arena_fini(&arena);
}

static void embeddings_have_a_limit(void **state)
{
    struct arena arena;
    struct error error;
    struct ingest_record record;
    char *text = memory_alloc((LIMIT_DIMENSION + 1) * 2 + 1);
    (void)state;
    arena_init(&arena, 64 << 20);
    for (size_t i = 0; i <= LIMIT_DIMENSION; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    text[0] = '[';
    text[LIMIT_DIMENSION * 2] = ']';
    assert_true(status_is_ok(
        decode("e", str_of(text, LIMIT_DIMENSION * 2 + 1), &arena, &record, &error)));
    assert_int_equal(record.cells[0].value.embedding.dimension, LIMIT_DIMENSION);
    text[LIMIT_DIMENSION * 2] = ',';
    text[LIMIT_DIMENSION * 2 + 2] = ']';
    assert_int_equal(
        decode("e", str_of(text, LIMIT_DIMENSION * 2 + 3), &arena, &record, &error).code,
        STATUS_INVALID);
    assert_string_equal(fixture_error(&error), "422 body.features.0.value too_long");
    memory_free(text);
    arena_fini(&arena);
}

/* CSV fields: what is null, and the forms that differ from JSON's. */
static void fields_of_every_type(void **state)
{
    static const struct {
        const char *feature;
        bool quoted;
        const char *field;
        const char *expected;
    } CASES[] = {
        {"i", false, "", "null"},
        {"i", true, "", "null"},
        {"i", false, "-7", "-7"},
        {"i", true, "25.0", "25"},
        {"i", false, "1 000", "422  int_type"},
        {"i", false, "true", "422  int_type"},
        {"i", false, "null", "422  int_type"},
        {"n", false, "", "422  int_type"},
        {"f", false, "2", "2.0"},
        {"f", false, "nan", "422  float_type"},
        {"f", false, "-inf", "422  float_type"},
        {"f", false, "1,5", "422  float_type"},
        {"f", false, "1e400", "422  finite_number"},
        {"b", false, "TRUE", "true"},
        {"b", false, "0", "false"},
        {"b", false, "1", "true"},
        {"b", false, "False", "false"},
        {"b", false, "yes", "422  bool_type"},
        {"s", false, "", "null"},
        {"s", true, "", "\"\""},
        {"m", true, "", "\"\""},
        {"m", false, "", "422  string_type"},
        {"s", false, "null", "\"null\""},
        {"s", false, "\xFF", "422  string_unicode"},
        {"t", false, "2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05Z\""},
        {"t", false, "1767323045123", "\"2026-01-02T03:04:05.123000Z\""},
        {"t", false, "1.5", "422  datetime_type"},
        {"t", true, "", "null"},
        {"e3", true, "[0.5, -1, 2]", "[0.5,-1.0,2.0]"},
        {"e3", true, "[1]", "422  too_short"},
        {"e3", false, "1", "422  list_type"},
        {"e", true, "null", "null"},
        {"j", true, "{\"a\": [1, \"x\"]}", "{\"a\":[1,\"x\"]}"},
        {"j", false, "null", "null"},
        {"j", false, "{", "422  json_invalid"},
        {"j", false, "1 2", "422  json_invalid"},
    };
    struct arena arena;
    struct error error;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        str name = str_from_cstr(CASES[i].feature);
        struct buffer out;
        struct value value;
        buffer_init(&out, 1 << 20);
        error_clear(&error);
        status s = csv_decode_value(str_from_cstr(CASES[i].field), CASES[i].quoted,
                                    catalog_resolve(catalog, name), name, &arena, &value, &error);
        if (status_is_ok(s))
            json_encode_value(&out, &value);
        else
            buffer_append_str(&out, str_from_cstr(fixture_error(&error)));
        if (!str_eq(buffer_str(&out), str_from_cstr(CASES[i].expected)))
            print_error("%s = %s\n", CASES[i].feature, CASES[i].field);
        assert_str(buffer_str(&out), CASES[i].expected);
        buffer_fini(&out);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_type),
        cmocka_unit_test(texts_have_a_limit),
        cmocka_unit_test(embeddings_have_a_limit),
        cmocka_unit_test(fields_of_every_type),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

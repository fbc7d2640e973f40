#include "codec/arrow_read.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"
#include "fixture_bulk.h"

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

/* The bytes of a stream of tests/vectors/arrow, to be freed. */
static char *load(const char *name, size_t *len)
{
    char path[1024];
    char *data = memory_alloc(1 << 16);
    snprintf(path, sizeof(path), "%s%s", ARROW_VECTORS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(data);
    assert_non_null(file);
    *len = fread(data, 1, 1 << 16, file);
    fclose(file);
    return data;
}

/* Cut at every byte, and in small pieces. */
static void assert_bytes(const struct bulk_options *options, str input, const char *expected)
{
    static const size_t STEPS[] = {1, 7, 64};
    for (size_t first = 0; first <= input.len; first++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        fixture_read_bulk(catalog, options, input, first, input.len, &out);
        assert_str(buffer_str(&out), expected);
        buffer_fini(&out);
    }
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        fixture_read_bulk(catalog, options, input, 0, STEPS[i], &out);
        assert_str(buffer_str(&out), expected);
        buffer_fini(&out);
    }
}

static void assert_stream(const struct bulk_options *options, const char *name,
                          const char *expected)
{
    size_t len;
    char *data = load(name, &len);
    assert_bytes(options, str_of(data, len), expected);
    memory_free(data);
}

static const struct bulk_options PLAIN = {.format = BULK_ARROW};

static void columns_of_every_type(void **state)
{
    (void)state;
    assert_stream(&PLAIN, "types.arrows",
                  "1 u1 i=25@1000000 f=0.5@1000000 b=true@1000000 s=\"x\"@1000000 "
                  "t=\"1970-01-01T00:00:00.000001Z\"@1000000 e=[1.0,2.5]@1000000 "
                  "j={\"k\":[1]}@1000000\n"
                  "2 u2 i=null@2000000 f=null@2000000 b=null@2000000 s=null@2000000 "
                  "t=null@2000000 e=null@2000000 j=null@2000000\n"
                  "3 u3 i=-1 f=-2.0 b=false s=\"zwölf \\n Zeichen\" "
                  "t=\"1969-12-31T23:59:59.999999Z\" e=[3.0] j=null\nend\n");
    assert_stream(&PLAIN, "others.arrows",
                  "1 1 i=25 f=0.5 b=true s=\"x\" t=\"1970-01-02T00:00:00Z\" e=[1.0,2.0] "
                  "j=[1.5,null]\n"
                  "2 -2 i=null f=null b=null s=null t=null e=null j=null\n"
                  "3 3 i=255 f=-2.0 b=false s=\"zwölf \\n Zeichen\" t=\"1969-12-31T00:00:00Z\" "
                  "e=[3.0,4.0] j=[]\nend\n");
    assert_stream(&PLAIN, "views.arrows",
                  "1 u1 s=\"x\" t=\"1970-01-01T00:00:01Z\" b=null\n"
                  "2 a name that is not short s=null t=null b=null\n"
                  "3 bad 422 line.3.t datetime_type\nend\n");
}

static void numbers_at_their_bounds(void **state)
{
    (void)state;
    assert_stream(&PLAIN, "edges.arrows",
                  "1 u1 i=9223372036854775807 f=-0.0 t=\"1969-12-31T23:59:59.999999Z\" e=[1.5] "
                  "d=-9223372036854775808\n"
                  "2 bad 422 line.2.i int_parsing_size\n3 bad 422 line.3.f finite_number\n"
                  "4 bad 422 line.4.e finite_number\n5 bad 422 line.5.e float_type\n"
                  "6 bad 422 line.6.e too_short\nend\n");
}

static void dictionaries_are_replaced(void **state)
{
    (void)state;
    assert_stream(&PLAIN, "dictionaries.arrows",
                  "1 u1 s=\"x\"\n2 u2 s=null\n3 u3 s=\"y\"\n4 u4 s=\"z\"\n5 u4 s=\"y\"\n"
                  "6 u5 s=null\nend\n");
}

static void streams_of_other_forms(void **state)
{
    (void)state;
    assert_stream(&PLAIN, "file.arrow", "1 u1 i=25\n2 u2 i=null\n3 u3 i=-1\nend\n");
    assert_stream(&PLAIN, "v4.arrows", "1 u1 i=25\n2 u2 i=null\n3 u3 i=-1\nend\n");
    assert_stream(&PLAIN, "empty.arrows", "end\n");
    assert_stream(&PLAIN, "compressed.arrows", "fatal 422 message.2 value_error\n");
    assert_stream(&PLAIN, "legacy.arrows", "fatal 422 message.1 arrow_invalid\n");
    assert_stream(&PLAIN, "large.arrows", "fatal 413 message.2 too_long\n");
    assert_stream(&PLAIN, "shared.arrows", "fatal 422 message.1 arrow_invalid\n");
    assert_bytes(&PLAIN, STR(""), "fatal 422 message.1 arrow_invalid\n");
    assert_bytes(&PLAIN, STR("PAR1\x15\x04\x15\x10\x15"), "fatal 422 message.1 arrow_invalid\n");
    assert_bytes(&PLAIN, STR("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), "fatal 413 message.1 too_long\n");
    assert_bytes(&PLAIN, STR("\xFF\xFF\xFF\xFF\0\0\0\0"), "fatal 422 message.1 arrow_invalid\n");
}

static void columns_by_name(void **state)
{
    const str listed[] = {STR("s"), STR("i")};
    struct bulk_options options = {
        .format = BULK_ARROW, .columns = listed, .column_count = ARRAY_LEN(listed)};
    (void)state;
    assert_stream(&options, "skipped.arrows",
                  "1 u1 i=1 s=\"x\"\n2 u2 i=null s=null\n3 u3 i=3 s=\"z\"\nend\n");
    assert_stream(&PLAIN, "skipped.arrows", "fatal 404 schema.decimal not_registered\n");
    assert_stream(&options, "views.arrows", "fatal 422 schema.i missing\n");
    options = (struct bulk_options){.format = BULK_ARROW, .id_column = STR("who")};
    assert_stream(&options, "types.arrows", "fatal 422 schema.who missing\n");
    options.id_column = STR("f");
    assert_stream(&options, "types.arrows", "fatal 422 schema.f value_error\n");
    options = (struct bulk_options){.format = BULK_ARROW, .timestamp_column = STR("when")};
    assert_stream(&options, "types.arrows", "fatal 422 schema.when missing\n");
    options.timestamp_column = STR("e");
    assert_stream(&options, "types.arrows", "fatal 422 schema.e value_error\n");
    options = (struct bulk_options){.format = BULK_ARROW, .entity = STR("driver")};
    assert_stream(&options, "v4.arrows", "fatal 422 schema.i value_error\n");
    options = (struct bulk_options){.format = BULK_ARROW,
                                    .id_column = STR("i"),
                                    .timestamp_column = STR("event_timestamp"),
                                    .columns = listed,
                                    .column_count = 1};
    assert_stream(&options, "types.arrows",
                  "1 25 s=\"x\"@1000000\n2 bad 422 line.2.i string_too_short\n"
                  "3 -1 s=\"zwölf \\n Zeichen\"\nend\n");
}

static void a_stream_that_is_cut_or_goes_on(void **state)
{
    size_t len;
    char *data = load("v4.arrows", &len);
    struct buffer out;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    fixture_read_bulk(catalog, &PLAIN, str_of(data, len - 8), 0, len, &out); /* its mark */
    assert_str(buffer_str(&out), "1 u1 i=25\n2 u2 i=null\n3 u3 i=-1\nend\n");
    buffer_reset(&out, SIZE_MAX);
    fixture_read_bulk(catalog, &PLAIN, str_of(data, len - 9), 0, len, &out);
    assert_str(buffer_str(&out), "fatal 422 message.2 arrow_invalid\n");
    buffer_reset(&out, SIZE_MAX);
    data[len] = 'x';
    fixture_read_bulk(catalog, &PLAIN, str_of(data, len + 1), 0, len, &out);
    assert_str(buffer_str(&out),
               "1 u1 i=25\n2 u2 i=null\n3 u3 i=-1\nfatal 422 message.3 arrow_invalid\n");
    buffer_fini(&out);
    memory_free(data);
}

/* Whatever a byte becomes, nothing beyond the input is read (what the sanitizers see) and the
 * reader comes to an end. */
static void damaged_bytes(void **state)
{
    static const char *const NAMES[] = {"types.arrows", "others.arrows", "views.arrows",
                                        "dictionaries.arrows"};
    static const unsigned char CHANGES[] = {0x01, 0x80, 0xFF, 0x08};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        size_t len;
        char *data = load(NAMES[i], &len);
        for (size_t at = 0; at < len * ARRAY_LEN(CHANGES); at++) {
            struct buffer out;
            buffer_init(&out, SIZE_MAX);
            data[at / 4] = (char)(data[at / 4] ^ CHANGES[at % 4]);
            fixture_read_bulk(catalog, &PLAIN, str_of(data, len), 0, len, &out);
            assert_true(out.len > 0);
            data[at / 4] = (char)(data[at / 4] ^ CHANGES[at % 4]);
            buffer_fini(&out);
        }
        memory_free(data);
    }
}

/* A column's type is asked about again when the feature may be another. */
static void a_new_image_is_asked_again(void **state)
{
    const struct catalog *newer = fixture_catalog(2);
    struct bulk_reader *reader = bulk_reader_create(&PLAIN);
    struct arena arena;
    struct ingest_record record;
    struct error error;
    uint64_t line;
    size_t len;
    char *data = load("v4.arrows", &len);
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(bulk_reader_feed(reader, str_of(data, len), true));
    for (int i = 0; i < 3; i++) {
        const struct catalog *image = i ? newer : catalog;
        assert_int_equal(bulk_reader_next(reader, image, 0, &arena, &record, &line, &error),
                         BULK_RECORD);
        assert_int_equal(record.cells[0].version_id, catalog_resolve(image, STR("i"))->id);
    }
    assert_int_equal(bulk_reader_next(reader, newer, 0, &arena, &record, &line, &error), BULK_END);
    bulk_reader_destroy(reader);
    arena_fini(&arena);
    memory_free(data);
    catalog_destroy(newer);
}

/* True if all rows were read although the n-th allocation failed, which then was not reached. */
static bool read_with_failure(str input, uint64_t after)
{
    struct arena arena;
    struct ingest_record record;
    struct error error;
    uint64_t line;
    enum bulk_next next = BULK_FATAL;
    arena_init(&arena, 1 << 20);
    memory_fail_after(after);
    struct bulk_reader *reader = bulk_reader_create(&PLAIN);
    if (reader && bulk_reader_feed(reader, input, true)) {
        error.code = STATUS_OK;
        do
            next = bulk_reader_next(reader, catalog, 0, &arena, &record, &line, &error);
        while (next == BULK_RECORD);
        if (next != BULK_END)
            assert_int_equal(error.code, STATUS_OUT_OF_MEMORY);
    }
    memory_fail_after(UINT64_MAX);
    bulk_reader_destroy(reader);
    arena_fini(&arena);
    return next == BULK_END;
}

static void every_allocation_may_fail(void **state)
{
    static const char *const NAMES[] = {"others.arrows", "dictionaries.arrows"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        size_t len;
        uint64_t failures = 0;
        char *data = load(NAMES[i], &len);
        while (!read_with_failure(str_of(data, len), failures))
            failures++;
        assert_true(failures > 8);
        memory_free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_every_type),
        cmocka_unit_test(numbers_at_their_bounds),
        cmocka_unit_test(dictionaries_are_replaced),
        cmocka_unit_test(streams_of_other_forms),
        cmocka_unit_test(columns_by_name),
        cmocka_unit_test(a_stream_that_is_cut_or_goes_on),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(a_new_image_is_asked_again),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

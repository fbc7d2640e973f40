#include "codec/bulk.h"

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

static void assert_read(const struct bulk_options *options, const char *text, const char *expected)
{
    str input = str_from_cstr(text);
    for (size_t first = 0; first <= input.len; first++) {
        for (size_t step = 1; step <= 64; step *= 8) {
            struct buffer out;
            buffer_init(&out, SIZE_MAX);
            fixture_read_bulk(catalog, options, input, first, step, &out);
            assert_str(buffer_str(&out), expected);
            buffer_fini(&out);
        }
    }
}

static void ndjson_rows(void **state)
{
    const struct bulk_options options = {.format = BULK_NDJSON};
    (void)state;
    assert_read(&options, "", "end\n");
    assert_read(&options, "\n \n\t\r\n", "end\n");
    assert_read(&options,
                "\xEF\xBB\xBF{\"entity_id\":\"u1\",\"features\":{\"i\":25,\"s\":\"x\\ny\"},"
                "\"event_timestamp\":1000}\r\n"
                "\n"
                "{\"entity_id\":\"u2\",\"features\":[{\"feature_name\":\"f\",\"value\":1,"
                "\"event_timestamp\":2}]}\n"
                "{\"entity_id\":\"u3\",\"features\":{}}",
                "1 u1 i=25@1000000 s=\"x\\ny\"@1000000\n3 u2 f=1.0@2000\n4 u3\nend\n");
    assert_read(&options,
                "{\n{\"entity_id\":\"u\",\"features\":{\"i\":\"x\"}}\n"
                "{\"entity_id\":\"u\",\"features\":{\"nobody\":1}}\n"
                "{\"entity_id\":\"\xFF\",\"features\":{}}\n"
                "{\"entity_id\":\"u\",\"features\":{}} {}\n"
                "{\"entity_id\":\"u\",\"features\":{\"e3\":[1,null,2]}}\n"
                "{\"entity_id\":\"u\",\"features\":{\"b\":true},\"x\":1}\n",
                "1 bad 400 line.1 json_invalid\n2 bad 422 line.2.i int_type\n"
                "3 bad 404 line.3.nobody not_registered\n4 bad 400 line.4 json_invalid\n"
                "5 bad 400 line.5 json_invalid\n6 bad 422 line.6.e3.1 float_type\n"
                "7 u b=true\nend\n");
}

static void options_hold_for_every_row(void **state)
{
    const struct bulk_options options = {
        .format = BULK_NDJSON, .entity = STR("driver"), .strict = true};
    (void)state;
    assert_read(&options,
                "{\"entity_id\":\"u\",\"features\":{\"d\":1}}\n"
                "{\"entity_id\":\"u\",\"features\":{\"i\":1}}\n"
                "{\"entity_id\":\"u\",\"features\":{},\"x\":1}\n",
                "1 u d=1\n2 bad 422 line.2.i value_error\n3 bad 422 line.3.x extra_forbidden\n"
                "end\n");
}

static void csv_rows(void **state)
{
    const struct bulk_options options = {.format = BULK_CSV};
    (void)state;
    assert_read(&options, "entity_id,i\n", "end\n");
    assert_read(&options,
                "\xEF\xBB\xBF\"entity_id\",i,event_timestamp,s,j,d\r\n"
                "u1,25,1000,\"a,\"\"b\"\"\r\nc\",\"{\"\"k\"\": [1]}\",7\r\n"
                "\r\n"
                "u2,,,\"\",,\n"
                "u3,1e3,2026-01-01T00:00:00Z,x,null,-1",
                "2 u1 i=25@1000000 s=\"a,\\\"b\\\"\\r\\nc\"@1000000 j={\"k\":[1]}@1000000 "
                "d=7@1000000\n5 u2 i=null s=\"\" j=null d=null\n"
                "6 u3 i=1000@1767225600000000 s=\"x\"@1767225600000000 j=null@1767225600000000 "
                "d=-1@1767225600000000\nend\n");
    assert_read(&options,
                "i,entity_id,n\nx,u,1\n1,u,\n1,,1\n1,u\n1,u,1,1\n1,\"u\"x,1\n2,u,2\n1,\"u,1\n",
                "2 bad 422 line.2.i int_type\n3 bad 422 line.3.n int_type\n"
                "4 bad 422 line.4.entity_id string_too_short\n5 bad 422 line.5 csv_invalid\n"
                "6 bad 422 line.6 csv_invalid\n7 bad 422 line.7 csv_invalid\n8 u i=2 n=2\n"
                "9 bad 422 line.9 csv_invalid\nend\n");
    assert_read(&options,
                "entity_id,event_timestamp,e\nu,x,[1]\nu,9999999999999,[1]\nu,1,\"[1,null]\"\n"
                "\xFF,1,[1]\n",
                "2 bad 422 line.2.event_timestamp datetime_parsing\n"
                "3 bad 422 line.3.event_timestamp value_error\n4 bad 422 line.4.e float_type\n"
                "5 bad 422 line.5.entity_id string_unicode\nend\n");
}

static void csv_columns(void **state)
{
    const str listed[] = {STR("s"), STR("i")};
    struct bulk_options options = {.format = BULK_CSV};
    (void)state;
    assert_read(&options, "", "fatal 422 line.1 missing\n");
    assert_read(&options, "\n", "fatal 422 line.1 missing\n");
    assert_read(&options, "who,i\nu,1\n", "fatal 422 line.1.entity_id missing\n");
    assert_read(&options, "entity_id,junk\nu,1\n", "fatal 404 line.1.junk not_registered\n");
    assert_read(&options, "entity_id,i,i\nu,1,1\n", "fatal 422 line.1.i value_error\n");
    assert_read(&options, "entity_id,\"i\nu,1\n", "fatal 422 line.1 csv_invalid\n");
    options.timestamp_column = STR("when");
    assert_read(&options, "entity_id,i\nu,1\n", "fatal 422 line.1.when missing\n");
    options.id_column = STR("who");
    assert_read(&options, "i,when,who\n1,1,u\n", "2 u i=1@1000\nend\n");
    options.entity = STR("driver");
    assert_read(&options, "i,when,who\n1,1,u\n", "fatal 422 line.1.i value_error\n");
    options = (struct bulk_options){.format = BULK_CSV, .columns = listed, .column_count = 2};
    assert_read(&options, "junk,entity_id,i,,s\n?,u,1,,x\n", "2 u i=1 s=\"x\"\nend\n");
    assert_read(&options, "entity_id,i\nu,1\n", "fatal 422 line.1.s missing\n");
}

static void a_new_image_is_asked_again(void **state)
{
    static const char *const INPUTS[] = {
        [BULK_NDJSON] = "{\"entity_id\":\"u\",\"features\":{\"i\":1}}\n"
                        "{\"entity_id\":\"u\",\"features\":{\"i\":2}}\n"
                        "{\"entity_id\":\"u\",\"features\":{\"i@2\":\"x\"}}\n",
        [BULK_CSV] = "entity_id,i\nu,1\nu,2\nu,3\n",
    };
    const struct catalog *newer = fixture_catalog(2);
    const struct catalog *const images[] = {catalog, newer, newer};
    struct arena arena;
    struct ingest_record record;
    struct error error;
    uint64_t line;
    (void)state;
    arena_init(&arena, 1 << 20);
    for (enum bulk_format format = BULK_NDJSON; format <= BULK_CSV; format++) {
        const struct bulk_options options = {.format = format};
        struct bulk_reader *reader = bulk_reader_create(&options);
        assert_true(bulk_reader_feed(reader, str_from_cstr(INPUTS[format]), true));
        for (size_t i = 0; i < ARRAY_LEN(images); i++) {
            assert_int_equal(
                bulk_reader_next(reader, images[i], 0, &arena, &record, &line, &error),
                BULK_RECORD);
            assert_int_equal(record.cells[0].version_id,
                             catalog_resolve(images[i], record.cells[0].name)->id);
        }
        bulk_reader_destroy(reader);
    }
    arena_fini(&arena);
    catalog_destroy(newer);
}

static void a_row_without_end_ends_the_request(void **state)
{
    static const char *const STARTS[] = {"{\"", "entity_id,i\nu,\"1"};
    size_t piece = 1 << 20;
    char *filler = memory_alloc(piece);
    (void)state;
    memset(filler, 'x', piece);
    for (size_t i = 0; i < ARRAY_LEN(STARTS); i++) {
        const struct bulk_options options = {.format = i ? BULK_CSV : BULK_NDJSON};
        struct bulk_reader *reader = bulk_reader_create(&options);
        struct arena arena;
        struct ingest_record record;
        struct error error;
        uint64_t line;
        unsigned pieces = 0;
        arena_init(&arena, 1 << 20);
        assert_true(bulk_reader_feed(reader, str_from_cstr(STARTS[i]), false));
        enum bulk_next next;
        while ((next = bulk_reader_next(reader, catalog, 0, &arena, &record, &line, &error)) ==
               BULK_NEED_MORE) {
            assert_true(bulk_reader_feed(reader, str_of(filler, piece), false));
            pieces++;
        }
        assert_int_equal(next, BULK_FATAL);
        assert_int_equal(pieces, BULK_ROW_BYTES / piece);
        assert_string_equal(fixture_error(&error),
                            i ? "413 line.2 too_long" : "413 line.1 too_long");
        bulk_reader_destroy(reader);
        arena_fini(&arena);
    }
    memory_free(filler);
}

static const char *const ROWS[] = {
    "{\"entity_id\":\"u\",\"features\":{\"i\":1,\"j\":[1]}}\n",
    "entity_id,i,j,s\nu,1,[1],x\n",
};

/* True if everything was read although the n-th allocation failed, which then was not reached. */
static bool read_with_failure(size_t which, uint64_t after)
{
    const str columns[] = {STR("i"), STR("j"), STR("s")};
    const struct bulk_options options = {.format = which ? BULK_CSV : BULK_NDJSON,
                                         .columns = columns,
                                         .column_count = ARRAY_LEN(columns)};
    struct arena arena;
    struct ingest_record record;
    struct error error;
    uint64_t line;
    enum bulk_next next = BULK_FATAL;
    arena_init(&arena, 1 << 20);
    memory_fail_after(after);
    struct bulk_reader *reader = bulk_reader_create(&options);
    if (reader && bulk_reader_feed(reader, str_from_cstr(ROWS[which]), true)) {
        next = bulk_reader_next(reader, catalog, 0, &arena, &record, &line, &error);
        if (next == BULK_FATAL)
            assert_int_equal(error.code, STATUS_OUT_OF_MEMORY);
        else
            assert_int_equal(next, BULK_RECORD);
    }
    memory_fail_after(UINT64_MAX);
    bulk_reader_destroy(reader);
    arena_fini(&arena);
    return next == BULK_RECORD;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t which = 0; which < ARRAY_LEN(ROWS); which++) {
        uint64_t failures = 0;
        while (!read_with_failure(which, failures))
            failures++;
        assert_true(failures > 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndjson_rows),
        cmocka_unit_test(options_hold_for_every_row),
        cmocka_unit_test(csv_rows),
        cmocka_unit_test(csv_columns),
        cmocka_unit_test(a_new_image_is_asked_again),
        cmocka_unit_test(a_row_without_end_ends_the_request),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

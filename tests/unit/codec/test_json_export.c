#include <string.h>

#include "base/memory.h"
#include "codec/json_export.h"
#include "fixture.h"

static const float NUMBERS[] = {0.1f, -2};

static const struct cell CELLS[] = {
    {CELL_PRESENT, 1000001, {.type = DATA_TYPE_INT, .integer = INT64_MIN}},
    {CELL_NOT_FOUND, 0, {.is_null = true}},
    {CELL_NULL, 2000000, {.is_null = true}},
    {CELL_EXPIRED, 3000000, {.is_null = true}},
    {CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_STRING, .text = {"x\"", 2}}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}}},
    {CELL_NOT_REGISTERED, 0, {.is_null = true}},
};
static const char *const NAMES[] = {"a", "b", "c", "d", "e", "f@2", "g"};
static const struct json_other OTHERS[] = {
    {{"s\\p", 3}, {.type = DATA_TYPE_FLOAT, .real = 25}},
    {{"t", 1}, {.type = DATA_TYPE_STRING, .text = {"", 0}}},
};

#define COUNT ARRAY_LEN(CELLS)

static void make_keys(struct arena *arena, str keys[COUNT])
{
    for (size_t i = 0; i < COUNT; i++)
        assert_true(status_is_ok(json_encode_export_key(arena, str_from_cstr(NAMES[i]), &keys[i])));
}

static void lines_are_what_bulk_takes(void **state)
{
    struct arena arena;
    struct buffer out;
    str keys[COUNT];
    (void)state;
    arena_init(&arena, 1 << 16);
    buffer_init(&out, SIZE_MAX);
    make_keys(&arena, keys);
    json_encode_export(&out, STR("u\n1"), keys, CELLS, COUNT, OTHERS, 2);
    assert_str(
        buffer_str(&out),
        "{\"entity_id\":\"u\\n1\",\"features\":["
        "{\"feature_name\":\"a\",\"value\":-9223372036854775808,"
        "\"event_timestamp\":\"1970-01-01T00:00:01.000001Z\"},"
        "{\"feature_name\":\"c\",\"value\":null,\"event_timestamp\":\"1970-01-01T00:00:02Z\"},"
        "{\"feature_name\":\"e\",\"value\":\"x\\\"\"},"
        "{\"feature_name\":\"f@2\",\"value\":[0.1,-2.0],"
        "\"event_timestamp\":\"1970-01-01T00:00:00Z\"},"
        "{\"feature_name\":\"s\\\\p\",\"value\":25.0},"
        "{\"feature_name\":\"t\",\"value\":\"\"}]}\n");
    buffer_reset(&out, 0);
    json_encode_export(&out, STR("u"), keys, CELLS, 0, OTHERS + 1, 1);
    assert_str(buffer_str(&out),
               "{\"entity_id\":\"u\",\"features\":[{\"feature_name\":\"t\",\"value\":\"\"}]}\n");
    buffer_fini(&out);
    arena_fini(&arena);
}

static void an_id_without_values_has_no_line(void **state)
{
    struct arena arena;
    struct buffer out;
    str keys[COUNT];
    (void)state;
    arena_init(&arena, 1 << 16);
    buffer_init(&out, SIZE_MAX);
    make_keys(&arena, keys);
    json_encode_export(&out, STR("u"), keys + 1, CELLS + 1, 1, NULL, 0);
    json_encode_export(&out, STR("u"), keys, CELLS, 0, NULL, 0);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
    arena_fini(&arena);
}

static void the_last_line_is_the_cursor(void **state)
{
    struct buffer out;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    json_encode_export_end(&out, STR("0:\"17\":3"));
    json_encode_export_end(&out, str_of(NULL, 0));
    assert_str(buffer_str(&out), "{\"next_cursor\":\"0:\\\"17\\\":3\"}\n{\"next_cursor\":null}\n");
    buffer_fini(&out);
}

static void memory_may_fail(void **state)
{
    struct arena arena;
    str keys[COUNT];
    (void)state;
    arena_init(&arena, 1 << 16);
    make_keys(&arena, keys);
    for (size_t limit = 0; limit < 300; limit += 3) {
        struct buffer out;
        buffer_init(&out, limit);
        json_encode_export(&out, STR("u"), keys, CELLS, COUNT, OTHERS, 2);
        assert_true(out.failed);
        buffer_fini(&out);
    }
    arena_fini(&arena);
    arena_init(&arena, 0);
    assert_int_equal(json_encode_export_key(&arena, STR("a"), &keys[0]).code, STATUS_OUT_OF_MEMORY);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_what_bulk_takes),
        cmocka_unit_test(an_id_without_values_has_no_line),
        cmocka_unit_test(the_last_line_is_the_cursor),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

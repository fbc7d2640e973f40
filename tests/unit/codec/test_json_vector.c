#include <string.h>

#include "base/json_string.h"
#include "base/memory.h"
#include "codec/json_read.h"
#include "fixture.h"

static const float NUMBERS[] = {0.1f, -2, 1e20f};

/* One cell of every state and type. */
static const struct cell CELLS[] = {
    {CELL_PRESENT, 1000000, {.type = DATA_TYPE_INT, .integer = -25}},
    {CELL_PRESENT, 1500000, {.type = DATA_TYPE_FLOAT, .real = 0.5}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_BOOLEAN, .boolean = true}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_BOOLEAN, .boolean = false}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_STRING, .text = {"Oslo \"x\"", 8}}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_TIMESTAMP, .timestamp_us = -1}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 3}}},
    {CELL_PRESENT, 0, {.type = DATA_TYPE_JSON, .text = {"{\"a\":1}", 7}}},
    {CELL_NULL, 2000000, {.is_null = true}},
    {CELL_EXPIRED, 3000000, {.is_null = true}},
    {CELL_NOT_FOUND, 0, {.is_null = true}},
    {CELL_NOT_REGISTERED, 0, {.is_null = true}},
};

#define KEYS ARRAY_LEN(CELLS)

static void make_keys(struct arena *arena, str keys[KEYS])
{
    char name[2] = "a";
    for (size_t i = 0; i < KEYS; i++, name[0]++)
        assert_true(status_is_ok(json_encode_key(arena, str_from_cstr(name), &keys[i])));
}

#define HELD                                                                                       \
    "\"a\":-25,\"b\":0.5,\"c\":true,\"d\":false,\"e\":\"Oslo \\\"x\\\"\","                         \
    "\"f\":\"1969-12-31T23:59:59.999999Z\",\"g\":[0.1,-2.0,1e20],\"h\":{\"a\":1},\"i\":null"
#define T(time, state) "{\"event_timestamp\":" time ",\"status\":\"" state "\"}"
#define ZERO "\"1970-01-01T00:00:00Z\""
#define HELD_METADATA                                                                              \
    "\"a\":" T("\"1970-01-01T00:00:01Z\"", "PRESENT") ","                                          \
    "\"b\":" T("\"1970-01-01T00:00:01.500000Z\"", "PRESENT") ","                                   \
    "\"c\":" T(ZERO, "PRESENT") ",\"d\":" T(ZERO, "PRESENT") ",\"e\":" T(ZERO, "PRESENT") ","      \
    "\"f\":" T(ZERO, "PRESENT") ",\"g\":" T(ZERO, "PRESENT") ",\"h\":" T(ZERO, "PRESENT") ","      \
    "\"i\":" T("\"1970-01-01T00:00:02Z\"", "NULL_VALUE")

static void vectors_as_the_wire_has_them(void **state)
{
    struct arena arena;
    struct buffer out;
    str keys[KEYS];
    struct json_vector vector = {.id_key = STR("{\"entity_id\":"), .keys = keys, .key_count = KEYS};
    (void)state;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, SIZE_MAX);
    make_keys(&arena, keys);
    json_encode_vector(&out, &vector, STR("u\n1"), CELLS, NULL);
    assert_str(buffer_str(&out), "{\"entity_id\":\"u\\n1\",\"features\":{" HELD
                                 ",\"j\":null,\"k\":null,\"l\":null}}");
    buffer_reset(&out, 0);
    vector.metadata = true;
    json_encode_vector(&out, &vector, STR("u"), CELLS, NULL);
    assert_str(buffer_str(&out),
               "{\"entity_id\":\"u\",\"features\":{" HELD ",\"j\":null,\"k\":null,\"l\":null},"
               "\"metadata\":{" HELD_METADATA
               ",\"j\":" T("\"1970-01-01T00:00:03Z\"", "OUTSIDE_MAX_AGE")
               ",\"k\":" T("null", "NOT_FOUND") ",\"l\":" T("null", "NOT_REGISTERED") "}}");
    buffer_reset(&out, 0);
    vector.only_held = true;
    vector.id_key = STR("{\"user_id\":");
    json_encode_vector(&out, &vector, STR("u"), CELLS, NULL);
    assert_str(buffer_str(&out), "{\"user_id\":\"u\",\"features\":{" HELD
                                 "},\"metadata\":{" HELD_METADATA "}}");
    buffer_fini(&out);
    arena_fini(&arena);
}

static void cells_may_be_picked(void **state)
{
    const uint32_t index[] = {1, 0, 1};
    struct arena arena;
    struct buffer out;
    str keys[KEYS];
    struct json_vector vector = {.id_key = STR("{\"user_id\":"), .keys = keys, .key_count = 3};
    (void)state;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, SIZE_MAX);
    make_keys(&arena, keys);
    json_encode_vector(&out, &vector, STR("u"), CELLS, index);
    vector.key_count = 0;
    json_encode_vector(&out, &vector, STR(""), CELLS, index);
    assert_str(buffer_str(&out), "{\"user_id\":\"u\",\"features\":{\"a\":0.5,\"b\":-25,\"c\":0.5}}"
                                 "{\"user_id\":\"\",\"features\":{}}");
    buffer_fini(&out);
    arena_fini(&arena);
}

/* What others wrote comes after the columns, with their names and without times. */
static void values_of_others(void **state)
{
    static const struct cell OTHERS_CELLS[] = {
        {CELL_NOT_FOUND, 0, {.is_null = true}},
        {CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_STRING, .text = {"007", 3}}},
    };
    static const struct json_other OTHERS[] = {
        {{"score", 5}, {.type = DATA_TYPE_FLOAT, .real = 25}},
        {{"a\"b", 3}, {.type = DATA_TYPE_STRING, .text = {"x\ny", 3}}},
        {{"long", 4}, {.type = DATA_TYPE_STRING, .text = {NULL, 0}}},
    };
    static char text[5000];
    struct json_other others[ARRAY_LEN(OTHERS)];
    struct arena arena;
    struct buffer out;
    str keys[KEYS];
    struct json_vector vector = {.id_key = STR("{\"user_id\":"),
                                 .keys = keys,
                                 .key_count = 2,
                                 .only_held = true,
                                 .others = others,
                                 .other_count = 2};
    (void)state;
    memcpy(others, OTHERS, sizeof(others));
    arena_init(&arena, 1 << 20);
    buffer_init(&out, SIZE_MAX);
    make_keys(&arena, keys);
    json_encode_vector(&out, &vector, STR("u"), OTHERS_CELLS, NULL);
    assert_str(buffer_str(&out), "{\"user_id\":\"u\",\"features\":{\"b\":\"007\","
                                 "\"score\":25.0,\"a\\\"b\":\"x\\ny\"}}");
    vector.metadata = true;
    vector.key_count = 0;
    buffer_reset(&out, 0);
    json_encode_vector(&out, &vector, STR("u"), OTHERS_CELLS, NULL);
    assert_str(buffer_str(&out),
               "{\"user_id\":\"u\",\"features\":{\"score\":25.0,\"a\\\"b\":\"x\\ny\"},"
               "\"metadata\":{\"score\":" T("null", "PRESENT") ",\"a\\\"b\":"
               T("null", "PRESENT") "}}");
    vector.key_count = 2;
    vector.only_held = false;
    vector.other_count = 1;
    buffer_reset(&out, 0);
    json_encode_vector(&out, &vector, STR("u"), OTHERS_CELLS, NULL);
    assert_str(buffer_str(&out),
               "{\"user_id\":\"u\",\"features\":{\"a\":null,\"b\":\"007\",\"score\":25.0},"
               "\"metadata\":{\"a\":" T("null", "NOT_FOUND") ",\"b\":" T("null", "PRESENT")
               ",\"score\":" T("null", "PRESENT") "}}");
    /* Whatever room is left. */
    vector.other_count = 3;
    for (size_t len = 0; len < sizeof(text); len += 1 + len / 7) {
        memset(text, 'x', len);
        others[0].name = str_of(text, len);
        others[2].value.text = str_of(text, len);
        for (size_t limit = 0; limit < 3 * len + 1500; limit += 1 + len / 50) {
            buffer_fini(&out);
            buffer_init(&out, limit);
            json_encode_vector(&out, &vector, STR("u"), OTHERS_CELLS, NULL);
        }
        assert_false(out.failed);
    }
    buffer_fini(&out);
    arena_fini(&arena);
}

/* Strings of every length with every byte that matters at every place, against the plain writer. */
static void strings_are_escaped_wherever_it_is_needed(void **state)
{
    static const char SPECIAL[] = {'"', '\\', '\n', '\0', '\x1f', ' ', '\x7f', 'x'};
    char text[40];
    struct buffer out;
    struct buffer expected;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    buffer_init(&expected, SIZE_MAX);
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len * sizeof(SPECIAL); at++) {
            struct value value = {.type = DATA_TYPE_STRING, .text = {text, len}};
            memset(text, at % 2 ? 'a' : '\xC3', len);
            text[at / sizeof(SPECIAL)] = SPECIAL[at % sizeof(SPECIAL)];
            buffer_reset(&out, SIZE_MAX);
            buffer_reset(&expected, SIZE_MAX);
            json_encode_value(&out, &value);
            json_append_string(&expected, str_of(text, len));
            assert_true(str_eq(buffer_str(&out), buffer_str(&expected)));
        }
    }
    buffer_fini(&out);
    buffer_fini(&expected);
}

/* Whatever room is left before it, an answer is the same, or the buffer says that it failed. */
static void room_may_end_anywhere(void **state)
{
    struct arena arena;
    struct buffer whole;
    str keys[KEYS];
    struct json_vector vector = {
        .id_key = STR("{\"entity_id\":"), .keys = keys, .key_count = KEYS, .metadata = true};
    (void)state;
    arena_init(&arena, 1 << 20);
    make_keys(&arena, keys);
    buffer_init(&whole, SIZE_MAX);
    json_encode_vector(&whole, &vector, STR("\"quoted\""), CELLS, NULL);
    for (size_t limit = 0; limit < whole.len + 300; limit++) {
        struct buffer out;
        buffer_init(&out, limit);
        json_encode_vector(&out, &vector, STR("\"quoted\""), CELLS, NULL);
        assert_true(out.failed || str_eq(buffer_str(&out), buffer_str(&whole)));
        assert_true(out.failed || limit >= whole.len);
        assert_true(!out.failed || limit < whole.len + 200);
        buffer_fini(&out);
    }
    for (size_t before = 0; before < 600; before++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        for (size_t i = 0; i < before; i++)
            buffer_append_char(&out, ' ');
        json_encode_vector(&out, &vector, STR("\"quoted\""), CELLS, NULL);
        assert_true(str_eq(str_of(out.data + before, out.len - before), buffer_str(&whole)));
        buffer_fini(&out);
    }
    buffer_fini(&whole);
    arena_fini(&arena);
}

static void every_allocation_may_fail(void **state)
{
    struct arena arena;
    str keys[KEYS];
    struct json_vector vector = {
        .id_key = STR("{\"entity_id\":"), .keys = keys, .key_count = KEYS, .metadata = true};
    uint64_t failures = 0;
    (void)state;
    arena_init(&arena, 1 << 20);
    make_keys(&arena, keys);
    for (bool done = false; !done; failures++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        memory_fail_after(failures);
        json_encode_vector(&out, &vector, STR("u"), CELLS, NULL);
        memory_fail_after(UINT64_MAX);
        done = status_is_ok(buffer_status(&out));
        buffer_fini(&out);
    }
    assert_true(failures > 2);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_as_the_wire_has_them),
        cmocka_unit_test(cells_may_be_picked),
        cmocka_unit_test(values_of_others),
        cmocka_unit_test(strings_are_escaped_wherever_it_is_needed),
        cmocka_unit_test(room_may_end_anywhere),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

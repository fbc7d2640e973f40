/* Replies to cells, values to texts and back: what ours wrote, what others wrote, and what nobody should
 * have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "model/cell_rule.h"
#include "online/redis/redis_row.h"
#include "online/redis/redis_value.h"

#define COLUMNS 4

static struct arena arena;
static struct catalog_feature features[COLUMNS];
static struct catalog_version versions[COLUMNS];
static const struct catalog_version *pointers[COLUMNS];
static struct redis_columns columns;

/* a: int without TTL, version 1; b: string, TTL 1 s; c: float, version 3, dead before 100; d: json. */
static int setup(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"a", "b", "c", "d"};
    static const enum data_type TYPES[] = {DATA_TYPE_INT, DATA_TYPE_STRING, DATA_TYPE_FLOAT,
                                           DATA_TYPE_JSON};
    arena_init(&arena, 8 << 20);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        features[i].definition.name = str_from_cstr(NAMES[i]);
        versions[i] = (struct catalog_version){
            .id = i + 10,
            .number = i == 2 ? 3 : 1,
            .slot = i,
            .data_type = TYPES[i],
            .dead_before_us = i == 2 ? 100 : CELL_NEVER_DEAD,
            .ttl_us = i == 1 ? 1000000 : 0,
            .feature = &features[i],
        };
        pointers[i] = &versions[i];
    }
    assert_true(redis_columns_init(&columns, pointers, COLUMNS, &arena));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* A reply made by hand: NULL is nil. */
struct reply {
    redisReply reply;
    redisReply elements[2 * (COLUMNS + 8)];
    redisReply *pointers[2 * (COLUMNS + 8)];
};

static const redisReply *reply_of(struct reply *out, int type, size_t count,
                                  const char *const *texts)
{
    assert_true(count <= ARRAY_LEN(out->elements));
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        out->elements[i].type = texts[i] ? REDIS_REPLY_STRING : REDIS_REPLY_NIL;
        out->elements[i].str = (char *)(uintptr_t)texts[i];
        out->elements[i].len = texts[i] ? strlen(texts[i]) : 0;
        out->pointers[i] = &out->elements[i];
    }
    out->reply.type = type;
    out->reply.elements = count;
    out->reply.element = out->pointers;
    return &out->reply;
}

static bool read_named(const char *const texts[COLUMNS + 1], int64_t now_us,
                       struct cell cells[COLUMNS])
{
    struct reply reply;
    bool is_damaged = false;
    assert_true(status_is_ok(
        redis_row_read(&columns, reply_of(&reply, REDIS_REPLY_ARRAY, COLUMNS + 1, texts), now_us,
                       &arena, cells, NULL, &is_damaged, NULL)));
    return !is_damaged;
}

static void test_named(void **state)
{
    (void)state;
    struct cell cells[COLUMNS];
    const char *texts[] = {
        "-7", "x", "2.5", "[1]",
        "{\"a\":\"50:10:v\",\"b\":\"60:11:v\",\"c@3\":\"101:12:v\",\"d\":\"70:13:v\",\"z\":\"1:1:v\"}"};
    assert_true(read_named(texts, 1000059, cells));
    for (uint32_t i = 0; i < COLUMNS; i++)
        assert_int_equal(cells[i].state, CELL_PRESENT);
    assert_int_equal(cells[0].value.integer, -7);
    assert_int_equal(cells[0].event_time_us, 50);
    assert_true(str_eq(cells[1].value.text, STR("x")));
    assert_true(cells[2].value.real == 2.5);
    assert_true(str_eq(cells[3].value.text, STR("[1]")));
    /* One microsecond later b is over; at 100 c is dead. */
    texts[4] = "{\"a\":\"50:10:v\",\"b\":\"60:11:v\",\"c@3\":\"100:12:v\",\"d\":\"70:13:v\"}";
    assert_true(read_named(texts, 1000060, cells));
    assert_int_equal(cells[1].state, CELL_EXPIRED);
    assert_int_equal(cells[1].event_time_us, 60);
    assert_int_equal(cells[2].state, CELL_EXPIRED);
}

/* Many rows in turn give what each gives by itself, whatever stood in the one before. */
static void test_rows_in_turn(void **state)
{
    (void)state;
#define T "1700000000000000"
    static const char *const ROWS[][COLUMNS + 1] = {
        {"1", "x", "2.5", "[1]", "{\"a\":\"" T ":10:v\",\"b\":\"" T ":11:v\",\"z\":\"" T ":1:v\"}"},
        {"2", "y", "2.5", "[2]", "{\"a\":\"" T ":10:v\",\"b\":\"" T ":11:v\",\"z\":\"" T ":1:v\"}"},
        {NULL, "y", NULL, NULL, "{\"a\":\"" T ":10:n\",\"b\":\"" T ":11:x\",\"z\":\"" T ":1:v\"}"},
        {"3", "y", NULL, NULL, "{\"a\":\"" T ":99:v\",\"b\":\"" T ":11:v\",\"z\":\"" T ":1:v\"}"},
        {"4", "y", NULL, NULL, "{\"a\":\"" T ":10:v\",\"b\":\"" T ":11:v\",\"z\":\"" T ":1:y\"}"},
        {"5", "y", NULL, NULL, "{\"a\":\"" T ":10:v\",\"b\":\"" T ":11:v\",\"z\":\"" T ":1:v\"]"},
        {"6", "y", NULL, NULL, "{\"b\":\"" T ":11:v\",\"a\":\"" T ":10:v\",\"z\":\"" T ":1:v\"}"},
        {"7", "y", NULL, NULL, NULL},
        {"8", "y", NULL, NULL, "{}"},
        {"9", "y", NULL, NULL, "{\"a\":\"5:10:v\"}"},
        {"9", "y", "1.5", NULL, "{\"c@3\":\"" T ":12:v\"}"},
    };
#undef T
    struct redis_columns alone = columns;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        for (size_t j = 0; j < ARRAY_LEN(ROWS); j++) {
            struct cell first[COLUMNS], cells[COLUMNS], expected[COLUMNS];
            int64_t now_us = INT64_C(1700000000500000);
            assert_true(redis_columns_expect_many(&columns, &arena));
            read_named(ROWS[i], now_us, first);
            bool is_whole = read_named(ROWS[j], now_us, cells);
            columns = alone;
            assert_int_equal(read_named(ROWS[j], now_us, expected), is_whole);
            for (uint32_t k = 0; k < COLUMNS; k++) {
                assert_int_equal(cells[k].state, expected[k].state);
                if (cells[k].state != CELL_NOT_FOUND)
                    assert_int_equal(cells[k].event_time_us, expected[k].event_time_us);
                if (cells[k].state == CELL_PRESENT)
                    assert_true(value_eq(&cells[k].value, &expected[k].value));
            }
        }
    }
}

static void test_who_wrote_it(void **state)
{
    (void)state;
    struct cell cells[COLUMNS];
    /* Another version's, erased, null, an importer's. */
    const char *texts[] = {"1", NULL, NULL, "2",
                           "{\"a\":\"50:9:v\",\"b\":\"60:11:x\",\"c@3\":\"200:12:n\",\"d\":\"1:0:v\"}"};
    assert_true(read_named(texts, 300, cells));
    assert_int_equal(cells[0].state, CELL_NOT_FOUND);
    assert_int_equal(cells[1].state, CELL_NOT_FOUND);
    assert_int_equal(cells[2].state, CELL_NULL);
    assert_int_equal(cells[2].event_time_us, 200);
    assert_int_equal(cells[3].state, CELL_PRESENT);
    /* Written by others since we erased, or wrote null, or never. */
    const char *theirs[] = {"1", "text", "x", "{", "{\"b\":\"60:11:x\",\"c@3\":\"200:12:n\"}"};
    assert_true(read_named(theirs, INT64_MAX, cells));
    for (uint32_t i = 0; i < COLUMNS; i++) {
        assert_int_equal(cells[i].state, CELL_PRESENT);
        assert_int_equal(cells[i].event_time_us, CELL_EVENT_TIME_UNKNOWN);
    }
    assert_int_equal(cells[0].value.type, DATA_TYPE_INT);
    assert_int_equal(cells[2].value.type, DATA_TYPE_STRING);
    assert_int_equal(cells[3].value.type, DATA_TYPE_STRING); /* no JSON */
    /* Somebody took the field and left the entry. */
    const char *none[] = {NULL, NULL, NULL, NULL, "{\"a\":\"50:10:v\"}"};
    assert_true(read_named(none, 300, cells));
    assert_int_equal(cells[0].state, CELL_NOT_FOUND);
}

static void test_damage(void **state)
{
    (void)state;
    struct cell cells[COLUMNS];
    const char *texts[] = {"1", "x", NULL, NULL, "{\"a\":\"50:10:v\",\"b\":\"nonsense\"}"};
    assert_false(read_named(texts, 300, cells));
    assert_int_equal(cells[0].state, CELL_PRESENT); /* only b cannot be understood */
    assert_int_equal(cells[1].state, CELL_NOT_FOUND);
    texts[4] = "{\"a\":\"50:10:v\"";
    assert_false(read_named(texts, 300, cells));
    assert_int_equal(cells[0].state, CELL_NOT_FOUND);
}

static void test_all(void **state)
{
    (void)state;
    struct cell cells[COLUMNS];
    struct online_others others;
    struct reply reply;
    bool is_damaged = false;
    const char *texts[] = {"age", "31", "a", "5", "__event_times",
                           "{\"a\":\"50:10:v\",\"old\":\"1:3:v\"}", "old", "9", "city", "Oslo",
                           "\xff", "1", "bytes", "\xff"};
    for (int type = 0; type < 2; type++) {
        assert_true(status_is_ok(redis_row_read(
            &columns, reply_of(&reply, type ? REDIS_REPLY_MAP : REDIS_REPLY_ARRAY, 14, texts), 300,
            &arena, cells, &others, &is_damaged, NULL)));
        assert_false(is_damaged);
        assert_int_equal(cells[0].value.integer, 5);
        assert_int_equal(cells[1].state, CELL_NOT_FOUND);
        assert_int_equal(others.count, 2);
        assert_true(str_eq(others.items[0].name, STR("age")));
        assert_true(others.items[0].value.real == 31.0);
        assert_true(str_eq(others.items[1].value.text, STR("Oslo")));
    }
}

static void test_too_many_others(void **state)
{
    (void)state;
    enum { PAIRS = REDIS_OTHERS_MAX + 1 };
    static redisReply elements[2 * PAIRS];
    static redisReply *element_pointers[2 * PAIRS];
    static char names[PAIRS][8];
    struct cell cells[COLUMNS];
    struct online_others others;
    for (size_t i = 0; i < 2 * (size_t)PAIRS; i++) {
        snprintf(names[i / 2], sizeof(names[0]), "o%zu", i / 2);
        elements[i] = (redisReply){.type = REDIS_REPLY_STRING,
                                   .str = i % 2 ? "1" : names[i / 2],
                                   .len = i % 2 ? 1 : strlen(names[i / 2])};
        element_pointers[i] = &elements[i];
    }
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .element = element_pointers};
    for (size_t pairs = PAIRS - 1; pairs <= PAIRS; pairs++) {
        bool is_damaged = false;
        reply.elements = 2 * pairs;
        assert_true(status_is_ok(redis_row_read(&columns, &reply, 300, &arena, cells, &others,
                                                &is_damaged, NULL)));
        assert_int_equal(is_damaged, pairs == PAIRS);
        assert_int_equal(others.count, pairs == PAIRS ? 0 : pairs);
    }
}

static void test_replies_of_another_shape(void **state)
{
    (void)state;
    struct cell cells[COLUMNS];
    struct online_others others;
    struct reply reply;
    bool is_damaged = false;
    const char *texts[COLUMNS + 2] = {"1"};
    for (size_t count = 0; count <= COLUMNS + 2; count++) {
        status named = redis_row_read(&columns, reply_of(&reply, REDIS_REPLY_ARRAY, count, texts),
                                      300, &arena, cells, NULL, &is_damaged, NULL);
        assert_int_equal(named.code, count == COLUMNS + 1 ? STATUS_OK : STATUS_UNAVAILABLE);
        status all = redis_row_read(&columns, reply_of(&reply, REDIS_REPLY_ARRAY, count, texts),
                                    300, &arena, cells, &others, &is_damaged, NULL);
        assert_int_equal(all.code, count % 2 ? STATUS_UNAVAILABLE : STATUS_OK);
    }
    status result = redis_row_read(&columns, reply_of(&reply, REDIS_REPLY_STRING, 0, texts), 300,
                                   &arena, cells, &others, &is_damaged, NULL);
    assert_int_equal(result.code, STATUS_UNAVAILABLE);
}

static void test_the_same_column_twice(void **state)
{
    (void)state;
    const struct catalog_version *twice[] = {&versions[0], &versions[1], &versions[0]};
    struct redis_columns same;
    struct cell cells[3];
    struct online_others others;
    struct reply reply;
    bool is_damaged = false;
    const char *texts[] = {"a", "5", "__event_times", "{\"a\":\"50:10:v\"}"};
    assert_true(redis_columns_init(&same, twice, 3, &arena));
    assert_true(status_is_ok(redis_row_read(&same, reply_of(&reply, REDIS_REPLY_ARRAY, 4, texts),
                                            300, &arena, cells, &others, &is_damaged, NULL)));
    assert_int_equal(cells[0].value.integer, 5);
    assert_int_equal(cells[2].value.integer, 5);
    assert_int_equal(cells[2].event_time_us, 50);
}

static void test_keys(void **state)
{
    (void)state;
    str key;
    str id;
    char text[REDIS_FIELD_MAX];
    assert_true(redis_row_key(&arena, STR("user"), STR("a:b"), &key));
    assert_true(str_eq(key, STR("user:a:b:features")));
    assert_true(redis_row_id(key, STR("user"), &id));
    assert_true(str_eq(id, STR("a:b")));
    static const char *const OTHERS[] = {"user::features", "users:a:features", "user:a:feature",
                                         "user:features",  "user",             "",
                                         ":features",      "driver:a:features"};
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
        assert_false(redis_row_id(str_from_cstr(OTHERS[i]), STR("user"), &id));
    assert_true(str_eq(redis_row_field(&versions[0], text), STR("a")));
    assert_true(str_eq(redis_row_field(&versions[2], text), STR("c@3")));
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(redis_row_end_ms(0, 0) == REDIS_NEVER_MS);
    assert_int_equal(redis_row_end_ms(0, 1000000), 61000);
    assert_int_equal(redis_row_end_ms(1, 1000000), 61001);
    assert_int_equal(redis_row_end_ms(-INT64_C(62135596800000000), 1), 0);
    assert_true(redis_row_end_ms(INT64_MAX - 5, 10) == REDIS_NEVER_MS);
}

static void test_values_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum data_type type;
        double number;
    } TABLE[] = {
        {"25", DATA_TYPE_FLOAT, 25},       {"-0.5", DATA_TYPE_FLOAT, -0.5},
        {"1e-05", DATA_TYPE_FLOAT, 1e-5},  {"nan", DATA_TYPE_STRING, 0},
        {"007", DATA_TYPE_STRING, 0},      {"+5", DATA_TYPE_STRING, 0},
        {"", DATA_TYPE_STRING, 0},         {"1e999", DATA_TYPE_STRING, 0},
        {"0x10", DATA_TYPE_STRING, 0},     {" 5", DATA_TYPE_STRING, 0},
    };
    struct value value;
    bool is_one;
    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        assert_true(status_is_ok(
            redis_value_of_others(str_from_cstr(TABLE[i].text), &arena, &value, &is_one)));
        assert_true(is_one);
        assert_int_equal(value.type, TABLE[i].type);
        if (value.type == DATA_TYPE_FLOAT)
            assert_true(value.real == TABLE[i].number);
        else
            assert_true(str_eq(value.text, str_from_cstr(TABLE[i].text)));
    }
    assert_true(status_is_ok(redis_value_of_others(STR("\xff"), &arena, &value, &is_one)));
    assert_false(is_one);
    char *huge = calloc(1, LIMIT_TEXT_BYTES + 1);
    memset(huge, 'x', LIMIT_TEXT_BYTES + 1);
    assert_true(status_is_ok(
        redis_value_of_others(str_of(huge, LIMIT_TEXT_BYTES + 1), &arena, &value, &is_one)));
    assert_false(is_one);
    free(huge);
}

static void test_declared_types(void **state)
{
    (void)state;
    static const struct {
        enum data_type declared;
        const char *text;
        enum data_type comes_as;
    } TABLE[] = {
        {DATA_TYPE_INT, "25.0", DATA_TYPE_INT},
        {DATA_TYPE_INT, "25.5", DATA_TYPE_FLOAT},
        {DATA_TYPE_INT, "many", DATA_TYPE_STRING},
        {DATA_TYPE_BOOLEAN, "True", DATA_TYPE_BOOLEAN},
        {DATA_TYPE_BOOLEAN, "1", DATA_TYPE_BOOLEAN},
        {DATA_TYPE_BOOLEAN, "yes", DATA_TYPE_STRING},
        {DATA_TYPE_STRING, "25", DATA_TYPE_STRING},
        {DATA_TYPE_TIMESTAMP, "2026-01-02T03:04:05Z", DATA_TYPE_TIMESTAMP},
        {DATA_TYPE_TIMESTAMP, "yesterday", DATA_TYPE_STRING},
        {DATA_TYPE_EMBEDDING, "[1,2.5]", DATA_TYPE_EMBEDDING},
        {DATA_TYPE_EMBEDDING, "[1,2", DATA_TYPE_STRING},
        {DATA_TYPE_EMBEDDING, "[]", DATA_TYPE_STRING},
        {DATA_TYPE_EMBEDDING, "null", DATA_TYPE_STRING},
        {DATA_TYPE_EMBEDDING, "", DATA_TYPE_STRING},
        {DATA_TYPE_JSON, "{\"a\":1}", DATA_TYPE_JSON},
        {DATA_TYPE_JSON, "null", DATA_TYPE_STRING},
        {DATA_TYPE_JSON, "oslo", DATA_TYPE_STRING},
        {DATA_TYPE_JSON, "5", DATA_TYPE_JSON},
    };
    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        struct value value;
        bool is_one;
        assert_true(status_is_ok(redis_value_read(str_from_cstr(TABLE[i].text), TABLE[i].declared,
                                                  0, &arena, &value, &is_one)));
        assert_true(is_one);
        assert_false(value.is_null);
        if (value.type != TABLE[i].comes_as)
            fail_msg("'%s' came as %s", TABLE[i].text, data_type_name(value.type));
    }
}

/* Every allocation in the way of a read fails once: an error, never another answer. */
static void test_without_memory(void **state)
{
    (void)state;
    const char *texts[] = {"a", "5", "b", "text", "theirs", "x", "__event_times",
                           "{\"a\":\"50:10:v\",\"\\u0062\":\"1:11:v\"}", "d", "[1]", "c@3", "2"};
    struct reply reply;
    uint64_t failures = 0;
    for (size_t limit = 0;; limit += 4096) {
        struct arena small;
        struct cell cells[COLUMNS];
        struct online_others others;
        bool is_damaged = false;
        struct redis_columns mine;
        arena_init(&small, limit);
        bool has_columns = redis_columns_init(&mine, pointers, COLUMNS, &small);
        status result = status_of(STATUS_OUT_OF_MEMORY);
        if (has_columns)
            result = redis_row_read(&mine, reply_of(&reply, REDIS_REPLY_ARRAY, 12, texts), 2,
                                    &small, cells, &others, &is_damaged, NULL);
        bool done = status_is_ok(result);
        if (done) {
            assert_int_equal(cells[0].value.integer, 5);
            assert_int_equal(others.count, 1);
        } else {
            assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
            failures++;
        }
        arena_fini(&small);
        if (done)
            break;
    }
    assert_true(failures > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_wrote_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replies_of_another_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_same_column_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_declared_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

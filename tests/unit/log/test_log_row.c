#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/assert.h"
#include "log/log_row.h"

#define CELLS_MAX 40
#define TEXT_MAX 300

static char text[TEXT_MAX];
static float embedding[TEXT_MAX];

static uint64_t draw(uint64_t bound)
{
    return (((uint64_t)random() << 31) ^ (uint64_t)random()) % bound;
}

static void draw_value(struct value *value)
{
    *value = (struct value){.type = (enum data_type)draw(DATA_TYPE_COUNT)};
    value->is_null = draw(8) == 0;
    if (value->is_null)
        return;
    switch (value->type) {
    case DATA_TYPE_INT:
        value->integer = (int64_t)(draw(UINT64_MAX) << draw(8));
        break;
    case DATA_TYPE_FLOAT:
        value->real = (double)draw(1000000) / 7;
        break;
    case DATA_TYPE_BOOLEAN:
        value->boolean = draw(2);
        break;
    case DATA_TYPE_TIMESTAMP:
        value->timestamp_us = (int64_t)draw(INT64_C(1) << 50);
        break;
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        value->text = str_of(text, draw(TEXT_MAX));
        break;
    case DATA_TYPE_EMBEDDING:
        value->embedding.data = embedding;
        value->embedding.dimension = (uint32_t)draw(TEXT_MAX);
        break;
    case DATA_TYPE_COUNT:
        break;
    }
}

static void draw_cell(struct log_cell *cell, int64_t event_time_us)
{
    *cell = (struct log_cell){
        .version_id = draw(UINT64_C(1) << draw(64)),
        .event_time_us = draw(2) ? event_time_us : (int64_t)draw(INT64_C(1) << 50),
        .is_erased = draw(10) == 0,
    };
    draw_value(&cell->value);
    if (cell->is_erased)
        cell->value.is_null = true;
}

static size_t bytes_of(const struct log_cell *cells, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += log_cell_size_max(&cells[i].value);
    return bytes;
}

static void assert_same_cell(const struct log_cell *a, const struct log_cell *b)
{
    assert_true(a->version_id == b->version_id);
    assert_true(a->event_time_us == b->event_time_us);
    assert_int_equal(a->is_erased, b->is_erased);
    assert_true(value_eq(&a->value, &b->value));
}

static void encode(struct buffer *out, const struct log_row *row, const struct log_cell *cells)
{
    struct log_row_encoder encoder;
    log_row_begin(&encoder, out, row->entity_id, row->event_time_us, row->erased_until_us,
                  row->cell_count, bytes_of(cells, row->cell_count));
    for (uint32_t i = 0; i < row->cell_count; i++)
        log_row_cell(&encoder, &cells[i]);
    log_row_end(&encoder);
}

static void test_any_row_comes_back(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    srandom(seed);
    for (int i = 0; i < TEXT_MAX; i++) {
        text[i] = (char)random();
        embedding[i] = (float)i / 3;
    }
    for (int round = 0; round < 20000; round++) {
        struct buffer out;
        struct log_cell cells[CELLS_MAX];
        struct log_row row = {
            .entity_id = str_of(text, 1 + draw(TEXT_MAX - 1)),
            .event_time_us = (int64_t)draw(INT64_C(1) << 50),
            .erased_until_us = draw(3) ? LOG_ROW_NOT_ERASED : (int64_t)draw(1000),
            .cell_count = (uint32_t)draw(draw(2) ? 5 : CELLS_MAX),
        };
        buffer_init(&out, 1 << 24);
        for (uint32_t i = 0; i < row.cell_count; i++)
            draw_cell(&cells[i], row.event_time_us);
        encode(&out, &row, cells);
        encode(&out, &row, cells);
        str payload = buffer_str(&out);
        for (int twice = 0; twice < 2; twice++) {
            struct log_row decoded;
            struct log_cell cell;
            assert_int_equal(log_row_next(&payload, &decoded), LOG_NEXT);
            assert_true(str_eq(decoded.entity_id, row.entity_id));
            assert_true(decoded.event_time_us == row.event_time_us);
            assert_true(decoded.erased_until_us == row.erased_until_us);
            assert_int_equal(decoded.cell_count, row.cell_count);
            for (uint32_t i = 0; i < row.cell_count; i++) {
                assert_int_equal(log_cell_next(&decoded, &cell), LOG_NEXT);
                assert_same_cell(&cell, &cells[i]);
            }
            assert_int_equal(log_cell_next(&decoded, &cell), LOG_NEXT_END);
        }
        struct log_row decoded;
        assert_int_equal(log_row_next(&payload, &decoded), LOG_NEXT_END);
        buffer_fini(&out);
    }
}

/* Reads all; the bytes must not be in a larger block, so that a sanitizer sees a step too far. */
static enum log_next read_all(const char *data, size_t len, uint32_t *rows)
{
    char *copy = malloc(len + 1);
    memcpy(copy, data, len);
    str payload = str_of(copy, len);
    struct log_row row;
    struct log_cell cell;
    enum log_next next;
    *rows = 0;
    while ((next = log_row_next(&payload, &row)) == LOG_NEXT) {
        enum log_next in_row;
        while ((in_row = log_cell_next(&row, &cell)) == LOG_NEXT)
            ;
        if (in_row == LOG_NEXT_DAMAGED) {
            free(copy);
            return in_row;
        }
        ++*rows;
    }
    free(copy);
    return next;
}

static void encode_example(struct buffer *out)
{
    const struct log_cell cells[] = {
        {.version_id = 1, .event_time_us = 5, .value = {.type = DATA_TYPE_INT, .integer = 41}},
        {.version_id = 200, .event_time_us = 6, .value = {.type = DATA_TYPE_STRING,
                                                          .text = STR("abc")}},
        {.version_id = 3, .event_time_us = 5, .value = {.type = DATA_TYPE_BOOLEAN,
                                                        .boolean = true}},
        {.version_id = 4, .event_time_us = 5, .value = {.type = DATA_TYPE_JSON, .is_null = true}},
        {.version_id = 5, .event_time_us = 9, .is_erased = true,
         .value = {.type = DATA_TYPE_FLOAT, .is_null = true}},
        {.version_id = 6, .event_time_us = 5, .value = {.type = DATA_TYPE_EMBEDDING,
                                                        .embedding = {embedding, 3}}},
    };
    struct log_row row = {.entity_id = STR("u1"), .event_time_us = 5, .erased_until_us = -9,
                          .cell_count = 6};
    encode(out, &row, cells);
}

static void test_shorter_is_damage(void **state)
{
    struct buffer out;
    uint32_t rows;
    (void)state;
    buffer_init(&out, 1 << 20);
    encode_example(&out);
    assert_int_equal(read_all(out.data, out.len, &rows), LOG_NEXT_END);
    assert_int_equal(rows, 1);
    for (size_t len = 1; len < out.len; len++)
        assert_int_equal(read_all(out.data, len, &rows), LOG_NEXT_DAMAGED);
    buffer_fini(&out);
}

/* Any byte, any value: an answer, and never a step outside (the sanitizers look on). */
static void test_any_byte_may_be_wrong(void **state)
{
    struct buffer out;
    uint32_t rows;
    (void)state;
    buffer_init(&out, 1 << 20);
    encode_example(&out);
    for (size_t i = 0; i < out.len; i++) {
        char held = out.data[i];
        for (int value = 0; value < 256; value++) {
            out.data[i] = (char)value;
            enum log_next end = read_all(out.data, out.len, &rows);
            assert_true(end == LOG_NEXT_END || end == LOG_NEXT_DAMAGED);
        }
        out.data[i] = held;
    }
    buffer_fini(&out);
}

static void assert_damaged(const char *data, size_t len)
{
    uint32_t rows;
    assert_int_equal(read_all(data, len, &rows), LOG_NEXT_DAMAGED);
}

static void test_refuses_what_nobody_writes(void **state)
{
    (void)state;
    char row[] = "\x16\0\1u\5\0\0\0\0\0\0\0\1\1\1\0\0\0\0\0\0\xf0\x3f";
    uint32_t rows;
    assert_int_equal(read_all(row, 23, &rows), LOG_NEXT_END);
    row[1] = 2; /* an unknown flag */
    assert_damaged(row, 23);
    row[1] = 0;
    row[2] = 0; /* no id */
    assert_damaged(row, 23);
    row[2] = 1;
    row[12] = 0; /* bytes after the last cell */
    assert_damaged(row, 23);
    row[12] = 1;
    row[13] = 0x41; /* an unknown head */
    assert_damaged(row, 23);
    row[13] = 7; /* no data type */
    assert_damaged(row, 23);
    row[13] = 1;
    row[22] = 0x7f; /* infinity */
    assert_damaged(row, 23);
    row[22] = 0x3f;
    row[11] = 0x7f; /* event time in the year 292277 */
    assert_damaged(row, 23);
    assert_damaged("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2u", 11); /* 65 bits */
}

static void test_a_failed_buffer_stays_failed(void **state)
{
    struct buffer out;
    (void)state;
    buffer_init(&out, 64);
    encode_example(&out);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_row_comes_back),
        cmocka_unit_test(test_shorter_is_damage),
        cmocka_unit_test(test_any_byte_may_be_wrong),
        cmocka_unit_test(test_refuses_what_nobody_writes),
        cmocka_unit_test(test_a_failed_buffer_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

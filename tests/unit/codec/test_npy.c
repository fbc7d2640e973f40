#include "codec/npy.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"

#define SPACES10 "          "

/* A row of one column. */
static void append_cell(struct buffer *out, enum npy_dtype dtype, const struct cell *cell,
                        uint32_t width)
{
    const struct cell_column column = {cell, 1};
    const struct npy_rows rows = {&width, &column, 1, 1, width};
    npy_append_rows(out, dtype, &rows);
}

static void the_header_is_numpys(void **state)
{
    /* What numpy.save() writes before the data of zeros((2, 3)). */
    static const char EXPECTED[] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), "
        "}" SPACES10 SPACES10 SPACES10 SPACES10 SPACES10 "        \n";
    struct buffer out;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    npy_append_header(&out, NPY_FLOAT64, 2, 3);
    assert_int_equal(out.len, 128);
    assert_int_equal(sizeof(EXPECTED) - 1, 128);
    assert_memory_equal(out.data, EXPECTED, 128);
    buffer_fini(&out);
}

static void data_begin_at_a_multiple_of_64(void **state)
{
    (void)state;
    for (uint64_t rows = 0; rows < UINT64_MAX / 20; rows = rows * 10 + 7) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        buffer_append_str(&out, STR("before"));
        npy_append_header(&out, NPY_FLOAT32, rows, rows);
        size_t len = out.len - 6;
        assert_int_equal(len % 64, 0);
        assert_int_equal((unsigned char)out.data[14] | (unsigned char)out.data[15] << 8, len - 10);
        assert_int_equal(out.data[out.len - 1], '\n');
        assert_non_null(memmem(out.data, out.len, "'<f4'", 5));
        buffer_fini(&out);
    }
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(npy_width(DATA_TYPE_INT, 0), 1);
    assert_int_equal(npy_width(DATA_TYPE_FLOAT, 0), 1);
    assert_int_equal(npy_width(DATA_TYPE_BOOLEAN, 0), 1);
    assert_int_equal(npy_width(DATA_TYPE_TIMESTAMP, 0), 1);
    assert_int_equal(npy_width(DATA_TYPE_STRING, 0), 0);
    assert_int_equal(npy_width(DATA_TYPE_JSON, 0), 0);
    assert_int_equal(npy_width(DATA_TYPE_EMBEDDING, 0), 0);
    assert_int_equal(npy_width(DATA_TYPE_EMBEDDING, 3), 3);
}

static void cells_are_numbers(void **state)
{
    static const float NUMBERS[] = {0.5f, -1};
    static const struct cell CELLS[] = {
        {CELL_PRESENT, 0, {.type = DATA_TYPE_INT, .integer = -25}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_FLOAT, .real = 0.1}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_BOOLEAN, .boolean = true}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_TIMESTAMP, .timestamp_us = 1500000}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}}},
        {CELL_NULL, 0, {.is_null = true}},
        {CELL_EXPIRED, 0, {.type = DATA_TYPE_INT, .integer = 7}},
        {CELL_NOT_FOUND, 0, {.is_null = true}},
    };
    static const double EXPECTED[] = {-25, 0.1, 1, 1.5, 0.5, -1};
    struct buffer wide;
    struct buffer narrow;
    double number;
    float half;
    (void)state;
    buffer_init(&wide, SIZE_MAX);
    buffer_init(&narrow, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(CELLS); i++) {
        append_cell(&wide, NPY_FLOAT64, &CELLS[i], i == 4 || i == 7 ? 2 : 1);
        append_cell(&narrow, NPY_FLOAT32, &CELLS[i], i == 4 || i == 7 ? 2 : 1);
    }
    assert_int_equal(wide.len, 10 * sizeof(number));
    assert_int_equal(narrow.len, 10 * sizeof(half));
    for (size_t i = 0; i < 10; i++) {
        memcpy(&number, wide.data + i * sizeof(number), sizeof(number));
        memcpy(&half, narrow.data + i * sizeof(half), sizeof(half));
        if (i < ARRAY_LEN(EXPECTED)) {
            assert_true(number == EXPECTED[i]);
            assert_true(half == (float)EXPECTED[i]);
        } else {
            assert_true(isnan(number) && isnan(half));
        }
    }
    buffer_fini(&wide);
    buffer_fini(&narrow);
}

/* Whatever they wrote in a column's place: a number is a number, and nothing else is read as one.
 */
static void what_others_wrote_is_a_number_or_none(void **state)
{
    static const float NUMBERS[] = {0.5f, -1, 3};
    static const struct {
        struct cell cell;
        uint32_t width;
        double expected; /* every one of them; 0: none is a number */
    } CASES[] = {
        {{CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_FLOAT, .real = 2.5}}, 1, 2.5},
        {{CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_FLOAT, .real = 2.5}}, 3, 0},
        {{CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_STRING, .text = {"7", 1}}},
         1,
         0},
        {{CELL_PRESENT, CELL_EVENT_TIME_UNKNOWN, {.type = DATA_TYPE_STRING, .text = {"7", 1}}},
         2,
         0},
        {{CELL_PRESENT, 1, {.type = DATA_TYPE_JSON, .text = {"7", 1}}}, 1, 0},
        {{CELL_PRESENT, 1, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 3}}}, 2, 0},
        {{CELL_PRESENT, 1, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 1}}}, 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buffer out;
        double number;
        buffer_init(&out, SIZE_MAX);
        append_cell(&out, NPY_FLOAT64, &CASES[i].cell, CASES[i].width);
        assert_int_equal(out.len, CASES[i].width * sizeof(number));
        for (size_t at = 0; at < out.len; at += sizeof(number)) {
            memcpy(&number, out.data + at, sizeof(number));
            assert_true(CASES[i].expected != 0 ? number == CASES[i].expected : isnan(number));
        }
        buffer_fini(&out);
    }
}

/* Rows of several columns, whose cells lie among others; one column is gone. */
static void rows_are_in_c_order(void **state)
{
    static const float NUMBERS[] = {0.5f, -1};
    const uint32_t widths[] = {1, 2, 1, 2};
    struct cell cells[3][3];
    struct buffer out;
    (void)state;
    for (int i = 0; i < 3; i++) {
        cells[i][0] = (struct cell){CELL_PRESENT, 0, {.type = DATA_TYPE_INT, .integer = i}};
        cells[i][1] = (struct cell){CELL_EXPIRED, 0, {.type = DATA_TYPE_INT}};
        cells[i][2] = (struct cell){
            CELL_PRESENT, 0, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}}};
    }
    const struct cell_column columns[] = {{cells[0], 3}, {cells[0] + 2, 3}, {NULL, 0}, {NULL, 0}};
    const struct npy_rows rows = {widths, columns, 4, 3, 6};
    buffer_init(&out, SIZE_MAX);
    npy_append_rows(&out, NPY_FLOAT32, &rows);
    assert_int_equal(out.len, 3 * 6 * sizeof(float));
    for (size_t i = 0; i < 3; i++) {
        float row[6];
        memcpy(row, out.data + i * sizeof(row), sizeof(row));
        assert_true(row[0] == (float)i && row[1] == 0.5f && row[2] == -1);
        assert_true(isnan(row[3]) && isnan(row[4]) && isnan(row[5]));
    }
    buffer_fini(&out);
}

static void memory_may_fail(void **state)
{
    const struct cell cell = {.state = CELL_NOT_FOUND};
    struct buffer out;
    (void)state;
    for (int i = 0; i < 2; i++) {
        buffer_init(&out, SIZE_MAX);
        memory_fail_after(0);
        if (i == 0)
            npy_append_header(&out, NPY_FLOAT64, 2, 3);
        else
            append_cell(&out, NPY_FLOAT64, &cell, 1);
        memory_fail_after(UINT64_MAX);
        assert_true(out.failed);
        append_cell(&out, NPY_FLOAT64, &cell, 1);
        assert_int_equal(out.len, 0);
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_numpys),
        cmocka_unit_test(data_begin_at_a_multiple_of_64),
        cmocka_unit_test(widths),
        cmocka_unit_test(cells_are_numbers),
        cmocka_unit_test(what_others_wrote_is_a_number_or_none),
        cmocka_unit_test(rows_are_in_c_order),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

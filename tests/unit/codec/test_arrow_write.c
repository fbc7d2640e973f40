#include "codec/arrow_write.h"

#include <stdlib.h>

#include "base/memory.h"
#include "codec/arrow_read_batch.h"
#include "fixture.h"

#define COLUMNS 9u

static const float NUMBERS[] = {0.5f, -1, 3};

static const struct arrow_column COLUMN[COLUMNS] = {
    {STR("i"), true, DATA_TYPE_INT, 0},        {STR("f"), true, DATA_TYPE_FLOAT, 0},
    {STR("b"), true, DATA_TYPE_BOOLEAN, 0},    {STR("s"), true, DATA_TYPE_STRING, 0},
    {STR("t"), true, DATA_TYPE_TIMESTAMP, 0},  {STR("e"), true, DATA_TYPE_EMBEDDING, 0},
    {STR("e3"), true, DATA_TYPE_EMBEDDING, 3}, {STR("j"), true, DATA_TYPE_JSON, 0},
    {STR("nobody"), false, DATA_TYPE_INT, 0},
};

static const enum arrow_type TYPE[COLUMNS] = {
    ARROW_INT,  ARROW_FLOAT,           ARROW_BOOL, ARROW_UTF8, ARROW_TIMESTAMP,
    ARROW_LIST, ARROW_FIXED_SIZE_LIST, ARROW_UTF8, ARROW_NULL,
};

/* What row i holds, if anything. */
static void fill_row(struct cell *cells, uint32_t i, const char *text)
{
    for (uint32_t c = 0; c < COLUMNS; c++)
        cells[c] = (struct cell){.state = CELL_PRESENT, .value = {.type = COLUMN[c].data_type}};
    cells[0].value.integer = (int64_t)i - 1;
    cells[1].value.real = i / 4.0;
    cells[2].value.boolean = i % 2;
    cells[3].value.text = str_of(text, i % 7);
    cells[4].value.timestamp_us = INT64_C(1000000) * i;
    cells[5].value.embedding = (struct value_embedding){NUMBERS, 1 + i % 3};
    cells[6].value.embedding = (struct value_embedding){NUMBERS, 3};
    cells[7].value.text = STR("{}");
    cells[i % COLUMNS].state = i % 3 ? CELL_EXPIRED : CELL_NULL;
}

struct table {
    struct cell *cells;
    struct cell_column columns[COLUMNS];
    str *ids;
    struct arrow_rows rows;
};

static void table_init(struct table *table, uint32_t count)
{
    static const char TEXT[] = "abcdefgh";
    table->cells = calloc((size_t)count * COLUMNS + 1, sizeof(*table->cells));
    table->ids = calloc(count + 1, sizeof(*table->ids));
    for (uint32_t i = 0; i < count; i++) {
        fill_row(&table->cells[(size_t)i * COLUMNS], i, TEXT);
        table->ids[i] = str_of(TEXT, 1 + i % 8);
    }
    for (uint32_t c = 0; c < COLUMNS; c++)
        table->columns[c] = (struct cell_column){table->cells + c, COLUMNS};
    table->rows = (struct arrow_rows){COLUMN, table->columns, COLUMNS, table->ids, count};
}

static void table_fini(struct table *table)
{
    free(table->cells);
    free(table->ids);
}

/* What a reader that trusts nothing makes of it. */
struct reading {
    struct buffer out;
    struct arrow_schema schema;
    struct arrow_message message;
    struct arrow_batch batch;
    struct error error;
};

static void read_back(struct reading *reading, const struct arrow_rows *rows)
{
    buffer_init(&reading->out, SIZE_MAX);
    reading->batch = (struct arrow_batch){0};
    arrow_append_schema(&reading->out, rows->columns, rows->column_count);
    arrow_append_batch(&reading->out, rows);
    arrow_append_end(&reading->out);
    assert_false(reading->out.failed);
    str rest = buffer_str(&reading->out);
    arrow_schema_init(&reading->schema);
    assert_int_equal(arrow_message_take(rest, &reading->message, &reading->error), ARROW_MESSAGE);
    assert_true(
        status_is_ok(arrow_schema_read(&reading->schema, &reading->message, &reading->error)));
    rest = str_of(rest.data + reading->message.bytes, rest.len - reading->message.bytes);
    assert_int_equal(arrow_message_take(rest, &reading->message, &reading->error), ARROW_MESSAGE);
    assert_int_equal(reading->message.bytes % 8, 0);
    for (uint32_t i = 0; i < reading->schema.field_count; i++)
        reading->schema.fields[i].is_wanted = true;
    assert_true(status_is_ok(
        arrow_batch_read(&reading->batch, &reading->schema, &reading->message, &reading->error)));
    assert_int_equal(rest.len - reading->message.bytes, 8);
    rest = str_of(rest.data + reading->message.bytes, 8);
    assert_int_equal(arrow_message_take(rest, &reading->message, &reading->error), ARROW_END);
    assert_int_equal(reading->batch.length, rows->count);
}

static void reading_fini(struct reading *reading)
{
    arrow_batch_fini(&reading->batch);
    arrow_schema_fini(&reading->schema);
    buffer_fini(&reading->out);
}

/* The array of a column: nested fields have their own. Column 0 is entity_id. */
static const struct arrow_array *array_of(const struct reading *reading, uint32_t column)
{
    uint32_t at = 0;
    while (column-- > 0)
        at = reading->schema.fields[at].end;
    return &reading->batch.arrays[at];
}

static bool bit_of(const char *bits, uint64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static str text_of(const struct arrow_array *array, uint64_t i)
{
    uint32_t ends[2];
    memcpy(ends, array->values + i * 4, sizeof(ends));
    return str_of(array->text.data + ends[0], ends[1] - ends[0]);
}

static void assert_value(const struct arrow_array *array, uint32_t i, const struct cell *cell)
{
    const struct value *value = &cell->value;
    float number;
    uint32_t ends[2];
    switch (value->type) {
    case DATA_TYPE_BOOLEAN:
        assert_int_equal(bit_of(array->values, i), value->boolean);
        break;
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        assert_true(str_eq(text_of(array, i), value->text));
        break;
    case DATA_TYPE_EMBEDDING:
        if (array->field->type == ARROW_LIST)
            memcpy(ends, array->values + (size_t)i * 4, sizeof(ends));
        ends[0] = array->field->type == ARROW_LIST ? ends[0] : i * 3;
        ends[1] = array->field->type == ARROW_LIST ? ends[1] : i * 3 + 3;
        assert_int_equal(ends[1] - ends[0], value->embedding.dimension);
        assert_true(ends[1] <= array->items->length);
        for (uint32_t n = 0; n < value->embedding.dimension; n++) {
            memcpy(&number, array->items->values + (ends[0] + n) * sizeof(number), sizeof(number));
            assert_true(number == NUMBERS[n]);
        }
        break;
    default:
        assert_memory_equal(array->values + (size_t)i * 8, &value->integer, 8);
    }
}

static void a_batch_is_read_back(void **state)
{
    static const uint32_t COUNTS[] = {0, 1, 7, 8, 9, 16, 64, 100, 1000};
    (void)state;
    for (size_t n = 0; n < ARRAY_LEN(COUNTS); n++) {
        struct reading reading;
        struct table table;
        table_init(&table, COUNTS[n]);
        read_back(&reading, &table.rows);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            const struct arrow_array *array = array_of(&reading, c + 1);
            assert_int_equal(array->field->type, TYPE[c]);
            assert_true(str_eq(array->field->name, COLUMN[c].name));
            for (uint32_t i = 0; i < COUNTS[n]; i++) {
                const struct cell *cell = &table.cells[(size_t)i * COLUMNS + c];
                bool is_valid = cell->state == CELL_PRESENT && COLUMN[c].is_registered;
                if (COLUMN[c].is_registered)
                    assert_int_equal(bit_of(array->validity, i), is_valid);
                if (is_valid)
                    assert_value(array, i, cell);
            }
        }
        for (uint32_t i = 0; i < COUNTS[n]; i++)
            assert_true(str_eq(text_of(array_of(&reading, 0), i), table.ids[i]));
        reading_fini(&reading);
        table_fini(&table);
    }
}

/* A column of a feature that is gone, or of values that others wrote, keeps its type. */
static void what_does_not_fit_is_null(void **state)
{
    const struct cell others[COLUMNS] = {
        {CELL_PRESENT, 0, {.type = DATA_TYPE_FLOAT, .real = 2.5}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_STRING, .text = {"x", 1}}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_INT, .integer = 1}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_FLOAT, .real = 1}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_STRING, .text = {"x", 1}}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_STRING, .text = {"x", 1}}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_STRING, .text = {"x", 1}}},
        {CELL_PRESENT, 0, {.type = DATA_TYPE_INT, .integer = 1}},
    };
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct reading reading;
        struct table table;
        table_init(&table, 1);
        memcpy(table.cells, others, sizeof(others));
        for (uint32_t c = 0; gone && c < COLUMNS; c++)
            table.columns[c].first = NULL;
        read_back(&reading, &table.rows);
        for (uint32_t c = 0; c < COLUMNS - 1; c++) {
            const struct arrow_array *array = array_of(&reading, c + 1);
            assert_int_equal(array->field->type, TYPE[c]);
            assert_false(bit_of(array->validity, 0));
        }
        reading_fini(&reading);
        table_fini(&table);
    }
}

static void buffers_are_aligned_and_padded_with_zeros(void **state)
{
    struct reading reading;
    struct table table;
    (void)state;
    table_init(&table, 9);
    read_back(&reading, &table.rows);
    const char *validity = array_of(&reading, 1)->validity;
    for (uint32_t c = 1; c < COLUMNS; c++) {
        const struct arrow_array *array = array_of(&reading, c);
        assert_int_equal((array->validity - reading.out.data) % 8, 0);
        assert_int_equal((array->values - reading.out.data) % 8, 0);
    }
    assert_int_equal(validity[1] & ~1, 0);
    for (int i = 2; i < 8; i++)
        assert_int_equal(validity[i], 0);
    reading_fini(&reading);
    table_fini(&table);
}

static void rows_are_counted_by_their_bytes(void **state)
{
    struct table table;
    (void)state;
    table_init(&table, 100);
    table.rows.column_count = 3; /* of 8 bytes each, and an id's offset */
    assert_int_equal(arrow_row_bytes(COLUMN, 3), 4 + 3 * 8);
    assert_int_equal(arrow_rows_within(&table.rows, SIZE_MAX), 100);
    assert_int_equal(arrow_rows_within(&table.rows, 0), 1);
    assert_int_equal(arrow_rows_within(&table.rows, 3 * 28 + 1 + 2 + 3), 3);
    assert_int_equal(arrow_rows_within(&table.rows, 3 * 28 + 1 + 2 + 2), 2);
    assert_int_equal(arrow_row_bytes(COLUMN + 6, 1), 4 + 12);
    assert_int_equal(arrow_row_bytes(COLUMN + 8, 1), 4);
    /* texts, where they are */
    table.rows.columns = COLUMN + 3;
    table.rows.cells = table.columns + 3;
    table.rows.column_count = 1;
    assert_int_equal(arrow_rows_within(&table.rows, 3 * 12 + 6 + 0 + 1 + 2), 3);
    assert_int_equal(arrow_rows_within(&table.rows, 3 * 12 + 6 + 0 + 1 + 1), 2);
    table_fini(&table);
}

static void memory_may_fail(void **state)
{
    struct table table;
    (void)state;
    table_init(&table, 100);
    for (size_t limit = 0; limit < 20000; limit += limit < 3000 ? 1 : 97) {
        struct buffer out;
        buffer_init(&out, limit);
        arrow_append_schema(&out, COLUMN, COLUMNS);
        arrow_append_batch(&out, &table.rows);
        arrow_append_end(&out);
        assert_true(out.failed || out.len <= limit);
        buffer_fini(&out);
    }
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_read_back),
        cmocka_unit_test(what_does_not_fit_is_null),
        cmocka_unit_test(buffers_are_aligned_and_padded_with_zeros),
        cmocka_unit_test(rows_are_counted_by_their_bytes),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

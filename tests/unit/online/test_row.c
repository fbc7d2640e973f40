#include "engine_fixture.h"

#include <stdlib.h>

#include "base/memory.h"
#include "online/engine/row_draft.h"

/* An entity of `count` slots, all of the given type; the version of each. */
struct schema {
    struct catalog_slot slots[LIMIT_SLOTS_PER_ENTITY];
    struct catalog_version versions[LIMIT_SLOTS_PER_ENTITY];
    const struct catalog_version *pointers[LIMIT_SLOTS_PER_ENTITY];
    struct catalog_entity entity;
    struct row_draft draft;
    uint64_t memory_bytes;
    struct cell cells[LIMIT_SLOTS_PER_ENTITY];
};

static struct schema *schema_create(uint32_t count, enum data_type type)
{
    struct schema *schema = calloc(1, sizeof(*schema));
    assert_non_null(schema);
    for (uint32_t i = 0; i < count; i++) {
        schema->versions[i] = (struct catalog_version){
            .id = i + 1, .slot = i, .data_type = type, .dead_before_us = CELL_NEVER_DEAD};
        schema->slots[i] = (struct catalog_slot){i + 1, &schema->versions[i], type, 0};
        schema->pointers[i] = &schema->versions[i];
    }
    schema->entity =
        (struct catalog_entity){.slots = schema->slots, .slot_count = count};
    return schema;
}

static void put(struct schema *schema, uint32_t slot, struct value value, int64_t event_time_us)
{
    row_draft_cell_set(row_draft_put(&schema->draft, slot), &value, event_time_us);
}

static struct row *create(struct schema *schema)
{
    struct row *row = row_create(&schema->draft, &schema->memory_bytes);
    assert_non_null(row);
    return row;
}

static void read_all(struct schema *schema, const struct row *row, uint32_t count)
{
    row_read(row, schema->pointers, count, 0, schema->cells);
}

/* Goal 9: a user of workload W is one 64-byte block. */
static void four_numbers_and_a_short_id_take_64_bytes(void **state)
{
    (void)state;
    struct schema *schema = schema_create(4, DATA_TYPE_INT);
    row_draft_begin(&schema->draft, STR("user_999999"));
    for (uint32_t i = 0; i < 4; i++)
        put(schema, i, value_int(i), 1000);
    struct row *row = create(schema);
    assert_in_range(schema->memory_bytes, 59, 64);
    assert_int_equal(schema->memory_bytes, memory_size(row));
    read_all(schema, row, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(schema->cells[i].state, CELL_PRESENT);
        assert_int_equal(schema->cells[i].value.integer, i);
        assert_int_equal(schema->cells[i].event_time_us, 1000);
    }
    assert_true(row_has_id(row, STR("user_999999")));
    assert_false(row_has_id(row, STR("user_999998")));
    assert_false(row_has_id(row, STR("user_99999")));
    row_destroy(row, &schema->memory_bytes);
    assert_int_equal(schema->memory_bytes, 0);
    free(schema);
}

static void cells_of_all_kinds_read_back(void **state)
{
    (void)state;
    struct schema *schema = schema_create(40, DATA_TYPE_STRING);
    char long_text[100];
    memset(long_text, 'l', sizeof(long_text));
    /* In the first 32 slots only, then beyond them too. */
    for (uint32_t stride = 3; stride <= 5; stride += 2) {
        row_draft_begin(&schema->draft, STR("u"));
        uint32_t slots[6];
        for (uint32_t i = 0; i < 6; i++)
            slots[i] = i * stride + (stride == 5 ? 10 : 0);
        put(schema, slots[5], value_text(str_of(long_text, ROW_INLINE_MAX)), 7);
        put(schema, slots[0], value_text(STR("")), 7);
        put(schema, slots[1], value_text(str_of(long_text, sizeof(long_text))), 8);
        put(schema, slots[2], value_null(DATA_TYPE_STRING), 9);
        *row_draft_put(&schema->draft, slots[3]) =
            (struct row_draft_cell){.kind = ROW_CELL_ERASED, .event_time_us = 7};
        put(schema, slots[4], value_text(str_of(long_text, ROW_INLINE_MAX + 1)), 7);
        schema->draft.erased_until_us = -3;
        struct row *row = create(schema);
        /* A copy by way of a draft is the same, and shares what is out of line. */
        row_draft_begin_with(&schema->draft, row, &schema->entity);
        uint64_t before = schema->memory_bytes;
        struct row *copy = create(schema);
        assert_true(schema->memory_bytes - before < 300);
        uint64_t of_copy = schema->memory_bytes;
        row_destroy(row, &schema->memory_bytes);
        assert_true(of_copy > schema->memory_bytes);
        read_all(schema, copy, 40);
        const struct cell *cells = schema->cells;
        assert_int_equal(cells[slots[0]].state, CELL_PRESENT);
        assert_int_equal(cells[slots[0]].value.text.len, 0);
        assert_true(str_eq(cells[slots[1]].value.text, str_of(long_text, sizeof(long_text))));
        assert_int_equal(cells[slots[1]].event_time_us, 8);
        assert_int_equal(cells[slots[2]].state, CELL_NULL);
        assert_int_equal(cells[slots[2]].event_time_us, 9);
        assert_int_equal(cells[slots[3]].state, CELL_NOT_FOUND);
        assert_int_equal(cells[slots[4]].value.text.len, ROW_INLINE_MAX + 1);
        assert_true(str_eq(cells[slots[5]].value.text, str_of(long_text, ROW_INLINE_MAX)));
        assert_int_equal(cells[slots[5]].event_time_us, 7);
        assert_int_equal(cells[1].state, CELL_NOT_FOUND);
        assert_int_equal(row_erased_until(copy), -3);
        row_destroy(copy, &schema->memory_bytes);
        assert_int_equal(schema->memory_bytes, 0);
    }
    free(schema);
}

static void embeddings_inline_and_out_of_line(void **state)
{
    (void)state;
    struct schema *schema = schema_create(2, DATA_TYPE_EMBEDDING);
    float data[100];
    for (int i = 0; i < 100; i++)
        data[i] = (float)i / 3;
    row_draft_begin(&schema->draft, STR("odd"));
    for (uint32_t i = 0; i < 2; i++)
        put(schema, i,
            (struct value){.type = DATA_TYPE_EMBEDDING, .embedding = {data, i ? 100 : 8}}, 1);
    struct row *row = create(schema);
    read_all(schema, row, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct value_embedding *got = &schema->cells[i].value.embedding;
        assert_int_equal(got->dimension, i ? 100 : 8);
        assert_memory_equal(got->data, data, got->dimension * sizeof(float));
    }
    row_destroy(row, &schema->memory_bytes);
    free(schema);
}

/* Every slot there can be, and then only some, in any order of reading. */
static void wide_rows(void **state)
{
    (void)state;
    struct schema *schema = schema_create(LIMIT_SLOTS_PER_ENTITY, DATA_TYPE_INT);
    for (uint32_t step = 1; step <= 1001; step += 100) {
        row_draft_begin(&schema->draft, STR("wide"));
        for (uint32_t slot = LIMIT_SLOTS_PER_ENTITY; slot-- > 0;)
            if (slot % step == 0)
                put(schema, slot, value_int(slot), slot % 7 ? 5 : 6);
        struct row *row = create(schema);
        read_all(schema, row, LIMIT_SLOTS_PER_ENTITY);
        for (uint32_t slot = 0; slot < LIMIT_SLOTS_PER_ENTITY; slot++) {
            const struct cell *cell = &schema->cells[slot];
            assert_int_equal(cell->state, slot % step == 0 ? CELL_PRESENT : CELL_NOT_FOUND);
            if (slot % step == 0) {
                assert_int_equal(cell->value.integer, slot);
                assert_int_equal(cell->event_time_us, slot % 7 ? 5 : 6);
            }
        }
        assert_true(str_eq(row_id(row), STR("wide")));
        row_destroy(row, &schema->memory_bytes);
    }
    assert_int_equal(schema->memory_bytes, 0);
    free(schema);
}

static void drafts_forget_what_was_removed(void **state)
{
    (void)state;
    struct schema *schema = schema_create(100, DATA_TYPE_INT);
    row_draft_begin(&schema->draft, STR("u"));
    assert_true(row_draft_is_empty(&schema->draft));
    put(schema, 70, value_int(1), 1);
    put(schema, 3, value_int(1), 1);
    assert_null(row_draft_find(&schema->draft, 40));
    assert_non_null(row_draft_find(&schema->draft, 70));
    row_draft_remove(&schema->draft, 70);
    assert_null(row_draft_find(&schema->draft, 70));
    assert_false(row_draft_is_empty(&schema->draft));
    row_draft_remove(&schema->draft, 3);
    assert_true(row_draft_is_empty(&schema->draft));
    /* A row that is nothing but an erasure. */
    schema->draft.erased_until_us = 44;
    assert_false(row_draft_is_empty(&schema->draft));
    struct row *row = create(schema);
    struct row_group group;
    assert_false(row_group_next(row, 0, &group));
    assert_true(str_eq(row_id(row), STR("u")));
    assert_int_equal(row_erased_until(row), 44);
    read_all(schema, row, 100);
    assert_int_equal(schema->cells[3].state, CELL_NOT_FOUND);
    row_destroy(row, &schema->memory_bytes);
    free(schema);
}

static void creating_fails_without_memory(void **state)
{
    (void)state;
    struct schema *schema = schema_create(4, DATA_TYPE_STRING);
    char long_text[100] = {0};
    row_draft_begin(&schema->draft, STR("u"));
    for (uint32_t i = 0; i < 4; i++)
        put(schema, i, value_text(str_of(long_text, sizeof(long_text))), 1);
    for (uint64_t n = 0; n < 5; n++) { /* the row and four blobs */
        memory_fail_after(n);
        struct row *row = row_create(&schema->draft, &schema->memory_bytes);
        memory_fail_after(UINT64_MAX);
        assert_null(row);
        assert_int_equal(schema->memory_bytes, 0);
    }
    struct row *row = create(schema);
    row_destroy(row, &schema->memory_bytes);
    free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_numbers_and_a_short_id_take_64_bytes),
        cmocka_unit_test(cells_of_all_kinds_read_back),
        cmocka_unit_test(embeddings_inline_and_out_of_line),
        cmocka_unit_test(wide_rows),
        cmocka_unit_test(drafts_forget_what_was_removed),
        cmocka_unit_test(creating_fails_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

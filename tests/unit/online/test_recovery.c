/* Recovery from files made by hand: what is taken, what is dropped, what is refused. */
#include "recovery_bed.h"

#include <stdio.h>

static void a_snapshot_made_by_hand_is_loaded(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    put_int(&bed, "driver", "a", OTHER, 2, T0);
    finish(&bed, LSN);
    expect_started(&bed);
    expect_int(&bed, "a", INT, 1);
    expect_int(&bed, "a", OTHER, 2);
    assert_int_equal(entities(&bed), 2);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, LSN);
    struct online_durability figures = fixture_metrics(bed.fixture).durability;
    assert_int_equal(figures.recovery_rows, 2);
    assert_int_equal(figures.recovery_records, 0);
    assert_int_equal(figures.snapshot_bytes, bed.file.len);
    fixture_put(bed.fixture, "a", INT, value_int(3), T0);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, LSN + 1);
    bed_close(&bed);
}

static void what_the_catalog_does_not_have_is_dropped(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    struct log_cell cells[] = {int_cell(500, 1, T0), int_cell(INT, 2, T0), int_cell(501, 3, T0)};
    begin_rows(&bed, STR("user"));
    put_row(&bed, STR("a"), LOG_ROW_NOT_ERASED, cells, 3);
    put_row(&bed, STR("b"), LOG_ROW_NOT_ERASED, cells, 1);
    end_record(&bed);
    put_int(&bed, "nothing", "a", 502, 1, T0);
    finish(&bed, LSN);
    expect_started(&bed);
    expect_int(&bed, "a", INT, 2);
    assert_int_equal(entities(&bed), 1);
    bed_close(&bed);
}

static void what_has_expired_is_dropped(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    bed.fixture->features[INT].dead_before_us = T0 - 10;
    fixture_forget_slots(bed.fixture);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "gone", BRIEF, 1, T0 - SECOND_US);
    put_int(&bed, "user", "alive", BRIEF, 2, T0 - SECOND_US + 1);
    put_int(&bed, "user", "dead before", INT, 3, T0 - 10);
    put_int(&bed, "user", "after", INT, 4, T0 - 9);
    finish(&bed, LSN);
    expect_started(&bed);
    expect_none(&bed, "gone", BRIEF);
    expect_int(&bed, "alive", BRIEF, 2);
    expect_none(&bed, "dead before", INT);
    expect_int(&bed, "after", INT, 4);
    assert_int_equal(entities(&bed), 2);
    bed_close(&bed);
}

static void erasures_are_loaded(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    struct log_cell erased = {.version_id = version_of(INT),
                              .event_time_us = T0 - 5,
                              .value = value_null(DATA_TYPE_INT),
                              .is_erased = true};
    begin_rows(&bed, STR("user"));
    put_row(&bed, STR("cell"), LOG_ROW_NOT_ERASED, &erased, 1);
    put_row(&bed, STR("row"), T0 - 5, NULL, 0);
    end_record(&bed);
    finish(&bed, LSN);
    expect_started(&bed);
    assert_int_equal(entities(&bed), 2);
    assert_false(fixture_put(bed.fixture, "cell", INT, value_int(1), T0 - 5));
    assert_true(fixture_put(bed.fixture, "cell", TEXT, value_text(STR("x")), T0 - 5));
    assert_true(fixture_put(bed.fixture, "cell", INT, value_int(1), T0 - 4));
    assert_false(fixture_put(bed.fixture, "row", TEXT, value_text(STR("x")), T0 - 5));
    assert_true(fixture_put(bed.fixture, "row", TEXT, value_text(STR("x")), T0 - 4));
    bed_close(&bed);
}

/* A shard that got a new array is written once more, a huge row in parts. */
static void a_repeated_row_is_merged(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    put_int(&bed, "user", "a", BRIEF, 5, T0);
    put_int(&bed, "user", "a", INT, 2, T0); /* the same time: what comes later is newer */
    put_int(&bed, "user", "b", INT, 1, T0 - 5);
    begin_rows(&bed, STR("user"));
    put_row(&bed, STR("b"), T0 - 1, NULL, 0);
    end_record(&bed);
    finish(&bed, LSN);
    expect_started(&bed);
    expect_int(&bed, "a", INT, 2);
    expect_int(&bed, "a", BRIEF, 5);
    expect_none(&bed, "b", INT);
    assert_int_equal(entities(&bed), 2);
    bed_close(&bed);
}

static uint64_t row_sum(struct bed *bed, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        struct cell cell = fixture_get(bed->fixture, id, INT);
        assert_int_equal(cell.state, CELL_PRESENT);
        sum = sum * 31 + (uint64_t)cell.value.integer;
    }
    return sum;
}

static void any_number_of_threads_comes_to_the_same(void **state)
{
    enum { ROWS = 20000 };
    (void)state;
    struct bed bed;
    uint64_t first = 0;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    begin_rows(&bed, STR("user"));
    for (uint32_t i = 0; i < ROWS; i++) {
        char id[16];
        struct log_cell cells[] = {
            int_cell(INT, (int64_t)i * 7, T0),
            {version_of(TEXT), T0 - (int64_t)(i % 3), value_text(STR(LONG_TEXT)), false}};
        snprintf(id, sizeof(id), "user_%u", i);
        put_row(&bed, str_from_cstr(id), LOG_ROW_NOT_ERASED, cells, 2);
    }
    end_record(&bed);
    finish(&bed, LSN);
    for (unsigned threads = 1; threads <= 9; threads += 2) {
        bed.fixture->options.recovery_threads = threads;
        expect_started(&bed);
        assert_int_equal(entities(&bed), ROWS);
        uint64_t sum = row_sum(&bed, ROWS);
        assert_true(threads == 1 || sum == first);
        first = sum;
        fixture_stop(bed.fixture); /* nothing was written: no other snapshot */
    }
    bed_close(&bed);
}

static void a_value_of_another_type_is_damage(void **state)
{
    static const float floats[] = {1, 2, 3};
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", TEXT, 1, T0);
    finish(&bed, LSN);
    expect_damage(&bed, "another data type");
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", OTHER, 1, T0);
    finish(&bed, LSN);
    expect_damage(&bed, "two entities");
    /* A dimension that the version does not have. */
    bed.fixture->features[VECTOR].dimension = 2;
    fixture_forget_slots(bed.fixture);
    begin_snapshot(&bed, LSN);
    struct log_cell cell = {version_of(VECTOR), T0,
                            {.type = DATA_TYPE_EMBEDDING, .embedding = {floats, 3}}, false};
    begin_rows(&bed, STR("user"));
    put_row(&bed, STR("a"), LOG_ROW_NOT_ERASED, &cell, 1);
    end_record(&bed);
    finish(&bed, LSN);
    expect_damage(&bed, "another dimension");
    bed_close(&bed);
}

static void a_snapshot_must_be_whole(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    save(&bed, LSN);
    expect_damage(&bed, "its end is missing");
    put_end(&bed, LSN);
    put_int(&bed, "user", "b", INT, 1, T0);
    save(&bed, LSN);
    expect_damage(&bed, "something follows its end");
    begin_snapshot(&bed, LSN);
    bed.rows = 5;
    finish(&bed, LSN);
    expect_damage(&bed, "rows are missing");
    begin_snapshot(&bed, LSN + 1);
    finish(&bed, LSN);
    expect_damage(&bed, "its name");
    begin_snapshot(&bed, LSN);
    begin_record(&bed, LOG_WRITE);
    buffer_append_char(&bed.file, 'x');
    end_record(&bed);
    finish(&bed, LSN);
    expect_damage(&bed, "does not belong");
    begin_snapshot(&bed, LSN);
    begin_rows(&bed, STR("user"));
    buffer_append_char(&bed.file, 'x');
    end_record(&bed);
    finish(&bed, LSN);
    expect_damage(&bed, "a row does not decode");
    begin_snapshot(&bed, LSN);
    begin_record(&bed, LOG_SNAPSHOT_STATISTICS);
    buffer_append_char(&bed.file, 'x');
    end_record(&bed);
    finish(&bed, LSN);
    expect_damage(&bed, "statistics do not decode");
    begin_snapshot(&bed, LSN);
    finish(&bed, LSN + 50); /* the log was synced up to there, and is gone */
    expect_damage(&bed, "");
    bed_close(&bed);
}

/* Sealed rightly, but cut short inside: what the bounds are for. Cells are only looked at when the
 * tables are filled. */
static void a_cell_that_does_not_decode_is_damage(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        bed.fixture->options.recovery_threads = threads;
        begin_snapshot(&bed, LSN);
        begin_rows(&bed, STR("user"));
        struct log_cell cell = int_cell(INT, 1, T0);
        put_row(&bed, STR("a"), LOG_ROW_NOT_ERASED, &cell, 1);
        /* The last row's only cell: its head is ten bytes before the end. */
        bed.file.data[bed.file.len - 11] = (char)0x80;
        end_record(&bed);
        finish(&bed, LSN);
        expect_damage(&bed, "does not decode");
    }
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_made_by_hand_is_loaded),
        cmocka_unit_test(what_the_catalog_does_not_have_is_dropped),
        cmocka_unit_test(what_has_expired_is_dropped),
        cmocka_unit_test(erasures_are_loaded),
        cmocka_unit_test(a_repeated_row_is_merged),
        cmocka_unit_test(any_number_of_threads_comes_to_the_same),
        cmocka_unit_test(a_value_of_another_type_is_damage),
        cmocka_unit_test(a_snapshot_must_be_whole),
        cmocka_unit_test(a_cell_that_does_not_decode_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

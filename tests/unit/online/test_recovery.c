/* Recovery from files made by hand: what is taken, what is dropped, what is refused. */
#include "engine_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "log/log_reader.h"
#include "log/log_row.h"
#include "log/log_scan.h"
#include "online/engine/recovery.h"
#include "sim_files.h"

#define DATA "data"
#define LSN 100
#define T0 FIXTURE_START_US
#define LONG_TEXT "a text that is longer than thirty-two bytes, out of line"

enum { INT, TEXT, BRIEF, VECTOR, OTHER, FEATURES }; /* features; BRIEF has a TTL of a second */

struct bed {
    struct sim_files *sim;
    struct fixture *fixture;
    struct buffer file; /* that is being made */
    size_t record;
    uint64_t rows;
};

static void add_vector(struct fixture *fixture)
{
    fixture_add(fixture, "user", DATA_TYPE_EMBEDDING, 0);
}

/* Stopped, with a catalog, without files. */
static void bed_open(struct bed *bed)
{
    *bed = (struct bed){.sim = sim_files_create(1, DATA)};
    bed->fixture = fixture_open_on(sim_files_system(bed->sim), DATA, LOG_FSYNC_ALWAYS);
    fixture_stop(bed->fixture);
    fixture_add(bed->fixture, "user", DATA_TYPE_INT, 0);
    fixture_add(bed->fixture, "user", DATA_TYPE_STRING, 0);
    fixture_add(bed->fixture, "user", DATA_TYPE_INT, 1);
    add_vector(bed->fixture);
    fixture_add(bed->fixture, "driver", DATA_TYPE_INT, 0);
    for (uint32_t f = 0; f < FEATURES; f++)
        bed->fixture->features[f].created_at_us = 0;
    fixture_forget_slots(bed->fixture);
}

static void bed_close(struct bed *bed)
{
    fixture_close(bed->fixture);
    sim_files_destroy(bed->sim);
    buffer_fini(&bed->file);
}

static uint64_t version_of(uint32_t feature)
{
    return 1001 + feature;
}

static void begin_snapshot(struct bed *bed, uint64_t lsn)
{
    char bytes[LOG_HEADER_BYTES];
    struct log_header header = {.version = LOG_FORMAT_VERSION,
                                .identity = FIXTURE_IDENTITY,
                                .lsn = lsn,
                                .synced_lsn = lsn,
                                .clock_us = T0};
    buffer_fini(&bed->file);
    buffer_init(&bed->file, LOG_PAYLOAD_MAX);
    log_header_encode(&header, LOG_SNAPSHOT_MAGIC, bytes);
    buffer_append(&bed->file, bytes, sizeof(bytes));
    bed->rows = 0;
}

static void begin_record(struct bed *bed, enum log_record_type type)
{
    bed->record = log_record_begin(&bed->file, type, 0);
}

static void end_record(struct bed *bed)
{
    log_record_end(&bed->file, bed->record, FIXTURE_IDENTITY);
}

static void begin_rows(struct bed *bed, str entity)
{
    begin_record(bed, LOG_SNAPSHOT_ROWS);
    log_snapshot_rows_begin(&bed->file, entity);
}

static void put_row(struct bed *bed, str id, int64_t erased_until_us, const struct log_cell *cells,
                    uint32_t count)
{
    struct log_row_encoder encoder;
    size_t size_max = 0;
    for (uint32_t i = 0; i < count; i++)
        size_max += log_cell_size_max(&cells[i].value);
    log_row_begin(&encoder, &bed->file, id, T0, erased_until_us, count, size_max);
    for (uint32_t i = 0; i < count; i++)
        log_row_cell(&encoder, &cells[i]);
    log_row_end(&encoder);
    bed->rows++;
}

static struct log_cell int_cell(uint32_t feature, int64_t value, int64_t event_time_us)
{
    return (struct log_cell){.version_id = version_of(feature),
                             .event_time_us = event_time_us,
                             .value = value_int(value)};
}

/* One row of one value, in a record of its own. */
static void put_int(struct bed *bed, const char *entity, const char *id, uint32_t feature,
                    int64_t value, int64_t event_time_us)
{
    struct log_cell cell = int_cell(feature, value, event_time_us);
    begin_rows(bed, str_from_cstr(entity));
    put_row(bed, str_from_cstr(id), LOG_ROW_NOT_ERASED, &cell, 1);
    end_record(bed);
}

static void put_end(struct bed *bed, uint64_t end_lsn)
{
    begin_record(bed, LOG_SNAPSHOT_END);
    log_snapshot_end_encode(
        &bed->file, &(struct log_snapshot_end){
                        .end_lsn = end_lsn, .row_count = bed->rows, .clock_us = T0});
    end_record(bed);
}

static void path_of(uint64_t lsn, char path[64])
{
    log_file_path(DATA "/snapshot", lsn, LOG_SNAPSHOT_SUFFIX, path, 64);
}

static void save(struct bed *bed, uint64_t lsn)
{
    char path[64];
    path_of(lsn, path);
    assert_false(bed->file.failed);
    sim_files_put(bed->sim, path, bed->file.data, bed->file.len);
}

static void finish(struct bed *bed, uint64_t lsn)
{
    put_end(bed, lsn);
    save(bed, lsn);
}

static void expect_started(struct bed *bed)
{
    status result = fixture_start(bed->fixture);
    if (!status_is_ok(result))
        print_message("%s\n", bed->fixture->recovery_error.detail);
    assert_true(status_is_ok(result));
}

static void expect_damage(struct bed *bed, const char *what)
{
    status result = fixture_start(bed->fixture);
    const char *detail = bed->fixture->recovery_error.detail;
    if (result.code != STATUS_MALFORMED || strstr(detail, what) == NULL ||
        strstr(detail, DATA) == NULL)
        print_message("%s instead of: %s\n", detail, what);
    assert_int_equal(result.code, STATUS_MALFORMED);
    assert_non_null(strstr(detail, what));
    assert_non_null(strstr(detail, DATA "/"));
    fixture_stop(bed->fixture);
}

static void expect_int(struct bed *bed, const char *id, uint32_t feature, int64_t value)
{
    struct cell cell = fixture_get(bed->fixture, id, feature);
    assert_int_equal(cell.state, CELL_PRESENT);
    assert_int_equal(cell.value.integer, value);
}

static void expect_none(struct bed *bed, const char *id, uint32_t feature)
{
    assert_int_equal(fixture_get(bed->fixture, id, feature).state, CELL_NOT_FOUND);
}

static uint64_t entities(struct bed *bed)
{
    return fixture_metrics(bed->fixture).entities;
}

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

static void put_three(struct bed *bed)
{
    for (int i = 0; i < 3; i++)
        fixture_put(bed->fixture, "a", INT, value_int(i), T0);
    fixture_put(bed->fixture, "a", TEXT, value_text(STR(LONG_TEXT)), T0);
}

static void check_three(struct bed *bed)
{
    expect_int(bed, "a", INT, 2);
    assert_int_equal(fixture_statistics(bed->fixture, INT).count, 3);
    assert_int_equal(fixture_metrics(bed->fixture).lsn, 4);
}

static void damaged_snapshots_are_passed_over_if_the_log_is_whole(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    expect_started(&bed);
    put_three(&bed);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture))); /* the segment in use stays */
    fixture_kill(bed.fixture, &bed.sim);
    path_of(4, path);
    sim_files_flip(bed.sim, path, 200, 1);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 0);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_records, 4);
    check_three(&bed);
    fixture_stop(bed.fixture); /* writes a whole one */
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 1);
    check_three(&bed);
    bed_close(&bed);
}

static void an_older_snapshot_is_as_good(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    expect_started(&bed);
    fixture_put(bed.fixture, "a", INT, value_int(0), T0);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    path_of(1, path);
    size_t len;
    unsigned char *older = sim_files_content(bed.sim, path, &len);
    fixture_put(bed.fixture, "a", INT, value_int(1), T0);
    fixture_put(bed.fixture, "a", INT, value_int(2), T0);
    fixture_put(bed.fixture, "a", TEXT, value_text(STR(LONG_TEXT)), T0);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_kill(bed.fixture, &bed.sim);
    sim_files_put(bed.sim, path, older, len); /* a crash before it was removed */
    free(older);
    path_of(4, path);
    sim_files_flip(bed.sim, path, 100, 0x10);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 1);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_records, 3);
    check_three(&bed);
    bed_close(&bed);
}

static void a_damaged_snapshot_alone_is_refused(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    expect_started(&bed);
    put_three(&bed);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_kill(bed.fixture, &bed.sim);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    path_of(4, path);
    sim_files_flip(bed.sim, path, 200, 1);
    expect_damage(&bed, "--recover truncate");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    assert_int_equal(entities(&bed), 0);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, 4); /* never given again */
    fixture_put(bed.fixture, "a", INT, value_int(7), T0);
    fixture_stop(bed.fixture);
    bed.fixture->options.recover_truncate = false;
    expect_started(&bed);
    expect_int(&bed, "a", INT, 7);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, 5);
    bed_close(&bed);
}

/* Once told to go on without, the store starts by itself however soon it ends again. */
static void what_was_given_up_is_not_missed_again(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    put_end(&bed, LSN + 10); /* the log was synced up to there, and is gone */
    save(&bed, LSN);
    expect_damage(&bed, "ends too early");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    expect_int(&bed, "a", INT, 1);
    bed.fixture->options.recover_truncate = false;
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    fixture_put(bed.fixture, "a", INT, value_int(2), T0);
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    expect_int(&bed, "a", INT, 2);
    assert_int_equal(fixture_statistics(bed.fixture, INT).count, 1);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_put(bed.fixture, "a", INT, value_int(3), T0);
    fixture_kill(bed.fixture, &bed.sim);
    path_of(LSN + 1, path);
    sim_files_flip(bed.sim, path, 200, 1);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    expect_damage(&bed, "--recover truncate");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    bed.fixture->options.recover_truncate = false;
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, LSN + 1);
    expect_none(&bed, "a", INT);
    bed_close(&bed);
}


/* A bit of each byte of the file flipped in turn: the store refuses with an error that names the
 * file, or is exactly right. */
static void flip_every_byte(struct bed *bed, const char *path, unsigned *refused,
                            unsigned *started)
{
    size_t len;
    struct sim_files *whole = bed->sim;
    unsigned char *content = sim_files_content(whole, path, &len);
    assert_non_null(content);
    free(content);
    for (size_t i = 0; i < len; i++) {
        bed->sim = sim_files_copy(whole);
        bed->fixture->options.files = sim_files_system(bed->sim);
        sim_files_flip(bed->sim, path, i, (unsigned char)(1u << i % 8));
        if (status_is_ok(fixture_start(bed->fixture))) {
            check_three(bed);
            (*started)++;
        } else {
            assert_int_equal(bed->fixture->recovery.code, STATUS_MALFORMED);
            assert_non_null(strstr(bed->fixture->recovery_error.detail, path));
            (*refused)++;
        }
        sim_files_freeze(bed->sim); /* no time for a last snapshot */
        fixture_stop(bed->fixture);
        sim_files_destroy(bed->sim);
    }
    bed->sim = whole;
    bed->fixture->options.files = sim_files_system(whole);
}

static void every_byte_of_a_snapshot_counts(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    unsigned refused = 0;
    unsigned started = 0;
    bed_open(&bed);
    expect_started(&bed);
    put_three(&bed);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_kill(bed.fixture, &bed.sim);
    path_of(4, path);
    flip_every_byte(&bed, path, &refused, &started); /* the log still has everything */
    assert_int_equal(refused, 0);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    started = 0;
    flip_every_byte(&bed, path, &refused, &started);
    assert_int_equal(started, 0);
    assert_true(refused > 200);
    bed_close(&bed);
}

static struct error recovery_error;

/* Without an engine around it, so that nothing else allocates. */
static status recover_alone(struct bed *bed, bool closing, uint64_t *rows)
{
    struct engine *engine = NULL;
    uint64_t memory_bytes = 0;
    struct recovery_result out = {.memory_bytes = &memory_bytes};
    assert_int_equal(posix_memalign((void **)&engine, _Alignof(struct engine), sizeof(*engine)),
                     0);
    memset(engine, 0, sizeof(*engine));
    engine->epoch = &bed->fixture->epoch;
    engine->catalog = &bed->fixture->catalog;
    engine->clock = &bed->fixture->clock;
    atomic_store(&engine->closing, closing);
    status result = recovery_run(engine, &bed->fixture->options, &out, &recovery_error);
    if (status_is_ok(result)) {
        *rows = out.entities;
        statistics_store_fini(&out.statistics);
        log_scan_fini(&out.scan);
        for (uint32_t e = 0; e < LIMIT_ENTITIES; e++)
            table_destroy(engine_table(engine, e), &memory_bytes);
    }
    for (uint32_t e = 0; e < LIMIT_ENTITIES && !status_is_ok(result); e++)
        assert_null(engine_table(engine, e));
    assert_int_equal(memory_bytes, 0);
    free(engine);
    return result;
}

static void missing_memory_is_an_error(void **state)
{
    (void)state;
    struct bed bed;
    unsigned failures = 0;
    bed_open(&bed);
    expect_started(&bed);
    put_three(&bed);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_put(bed.fixture, "b", TEXT, value_text(STR(LONG_TEXT)), T0);
    fixture_erase(bed.fixture, "c", FIXTURE_ALL);
    fixture_kill(bed.fixture, &bed.sim);
    for (uint64_t n = 0;; n++) {
        uint64_t rows = 0;
        memory_fail_after(n);
        status result = recover_alone(&bed, false, &rows);
        bool reached = !memory_fail_is_ahead();
        memory_fail_after(UINT64_MAX);
        if (status_is_ok(result)) {
            assert_int_equal(rows, 3);
        } else {
            if (result.code != STATUS_OUT_OF_MEMORY)
                print_message("%llu: %s\n", (unsigned long long)n, recovery_error.detail);
            assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
            failures++;
        }
        if (!reached)
            break;
    }
    assert_true(failures > 10);
    bed_close(&bed);
}

static void closing_ends_it(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t rows = 0;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    finish(&bed, LSN);
    assert_int_equal(recover_alone(&bed, true, &rows).code, STATUS_UNAVAILABLE);
    assert_true(status_is_ok(recover_alone(&bed, false, &rows)));
    assert_int_equal(rows, 1);
    bed_close(&bed);
}

static void a_disk_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct bed bed;
    unsigned failures = 0;
    bed_open(&bed);
    expect_started(&bed);
    put_three(&bed);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_put(bed.fixture, "b", TEXT, value_text(STR(LONG_TEXT)), T0);
    fixture_kill(bed.fixture, &bed.sim);
    for (uint64_t n = 1;; n++) {
        uint64_t before = sim_files_failures(bed.sim);
        sim_files_fail(bed.sim, SIM_READ, n, EIO, false);
        status result = fixture_start(bed.fixture);
        bool hit = sim_files_failures(bed.sim) > before;
        sim_files_fail(bed.sim, SIM_READ, 0, 0, false);
        if (!status_is_ok(result)) {
            assert_int_equal(result.code, STATUS_IO);
            failures++;
        } else {
            assert_int_equal(entities(&bed), 2);
        }
        fixture_kill(bed.fixture, &bed.sim);
        if (!hit)
            break;
    }
    assert_true(failures >= 4); /* snapshot and log, in both passes */
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
        cmocka_unit_test(damaged_snapshots_are_passed_over_if_the_log_is_whole),
        cmocka_unit_test(an_older_snapshot_is_as_good),
        cmocka_unit_test(a_damaged_snapshot_alone_is_refused),
        cmocka_unit_test(what_was_given_up_is_not_missed_again),
        cmocka_unit_test(every_byte_of_a_snapshot_counts),
        cmocka_unit_test(missing_memory_is_an_error),
        cmocka_unit_test(closing_ends_it),
        cmocka_unit_test(a_disk_that_cannot_be_read_is_an_error),
    };
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* damage is what these tests are made of */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

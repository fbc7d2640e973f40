#include "recovery_bed.h"

#include "base/log.h"
#include "log/log_reader.h"

void bed_open(struct bed *bed)
{
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* damage is what these tests are made of */
    *bed = (struct bed){.sim = sim_files_create(1, DATA)};
    bed->fixture = fixture_open_on(sim_files_system(bed->sim), DATA, LOG_FSYNC_ALWAYS);
    fixture_stop(bed->fixture);
    fixture_add(bed->fixture, "user", DATA_TYPE_INT, 0);
    fixture_add(bed->fixture, "user", DATA_TYPE_STRING, 0);
    fixture_add(bed->fixture, "user", DATA_TYPE_INT, 1);
    fixture_add(bed->fixture, "user", DATA_TYPE_EMBEDDING, 0);
    fixture_add(bed->fixture, "driver", DATA_TYPE_INT, 0);
    for (uint32_t f = 0; f < FEATURES; f++)
        bed->fixture->features[f].created_at_us = 0;
    fixture_forget_slots(bed->fixture);
}

void bed_close(struct bed *bed)
{
    fixture_close(bed->fixture);
    sim_files_destroy(bed->sim);
    buffer_fini(&bed->file);
}

uint64_t version_of(uint32_t feature)
{
    return 1001 + feature;
}

void begin_snapshot(struct bed *bed, uint64_t lsn)
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

void begin_record(struct bed *bed, enum log_record_type type)
{
    bed->record = log_record_begin(&bed->file, type, 0);
}

void end_record(struct bed *bed)
{
    log_record_end(&bed->file, bed->record, FIXTURE_IDENTITY);
}

void begin_rows(struct bed *bed, str entity)
{
    begin_record(bed, LOG_SNAPSHOT_ROWS);
    log_snapshot_rows_begin(&bed->file, entity);
}

void put_row(struct bed *bed, str id, int64_t erased_until_us, const struct log_cell *cells,
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

struct log_cell int_cell(uint32_t feature, int64_t value, int64_t event_time_us)
{
    return (struct log_cell){.version_id = version_of(feature),
                             .event_time_us = event_time_us,
                             .value = value_int(value)};
}

void put_int(struct bed *bed, const char *entity, const char *id, uint32_t feature, int64_t value,
             int64_t event_time_us)
{
    struct log_cell cell = int_cell(feature, value, event_time_us);
    begin_rows(bed, str_from_cstr(entity));
    put_row(bed, str_from_cstr(id), LOG_ROW_NOT_ERASED, &cell, 1);
    end_record(bed);
}

void put_end(struct bed *bed, uint64_t end_lsn)
{
    begin_record(bed, LOG_SNAPSHOT_END);
    log_snapshot_end_encode(
        &bed->file, &(struct log_snapshot_end){
                        .end_lsn = end_lsn, .row_count = bed->rows, .clock_us = T0});
    end_record(bed);
}

void path_of(uint64_t lsn, char path[64])
{
    log_file_path(DATA "/snapshot", lsn, LOG_SNAPSHOT_SUFFIX, path, 64);
}

void save(struct bed *bed, uint64_t lsn)
{
    char path[64];
    path_of(lsn, path);
    assert_false(bed->file.failed);
    sim_files_put(bed->sim, path, bed->file.data, bed->file.len);
}

void finish(struct bed *bed, uint64_t lsn)
{
    put_end(bed, lsn);
    save(bed, lsn);
}

void expect_started(struct bed *bed)
{
    status result = fixture_start(bed->fixture);
    if (!status_is_ok(result))
        print_message("%s\n", bed->fixture->recovery_error.detail);
    assert_true(status_is_ok(result));
}

void expect_damage(struct bed *bed, const char *what)
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

void expect_int(struct bed *bed, const char *id, uint32_t feature, int64_t value)
{
    struct cell cell = fixture_get(bed->fixture, id, feature);
    assert_int_equal(cell.state, CELL_PRESENT);
    assert_int_equal(cell.value.integer, value);
}

void expect_none(struct bed *bed, const char *id, uint32_t feature)
{
    assert_int_equal(fixture_get(bed->fixture, id, feature).state, CELL_NOT_FOUND);
}

uint64_t entities(struct bed *bed)
{
    return fixture_metrics(bed->fixture).entities;
}

static void put_three(struct bed *bed)
{
    for (int i = 0; i < 3; i++)
        fixture_put(bed->fixture, "a", INT, value_int(i), T0);
    fixture_put(bed->fixture, "a", TEXT, value_text(STR(LONG_TEXT)), T0);
}

void open_with_snapshot(struct bed *bed)
{
    bed_open(bed);
    expect_started(bed);
    put_three(bed);
    assert_true(status_is_ok(fixture_snapshot(bed->fixture)));
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/log_row.h"
#include "log_fixture.h"

#define VERSION_ID 3

void log_fixture_init(struct log_fixture *fixture, enum log_fsync fsync, uint64_t seed)
{
    *fixture = (struct log_fixture){
        .sim = sim_files_create(seed, FIXTURE_DIRECTORY),
        .fsync = fsync,
        .fsync_interval_ms = 3600000, /* tests sync themselves */
        .segment_bytes = FIXTURE_SEGMENT_BYTES,
    };
}

void log_fixture_fini(struct log_fixture *fixture)
{
    log_writer_close(fixture->log);
    sim_files_destroy(fixture->sim);
    fixture->log = NULL;
    fixture->sim = NULL;
}

void log_fixture_next(struct log_fixture *fixture, struct sim_files *next)
{
    sim_files_freeze(fixture->sim);
    log_fixture_fini(fixture);
    fixture->sim = next;
}

void log_fixture_path(uint64_t first_lsn, char out[64])
{
    log_file_path(FIXTURE_DIRECTORY, first_lsn, LOG_SEGMENT_SUFFIX, out, 64);
}

void log_fixture_payload(struct buffer *out, uint64_t lsn)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    char id[32];
    int len = snprintf(id, sizeof(id), "id_%llu", (unsigned long long)lsn);
    const struct log_cell cell = {
        .version_id = VERSION_ID,
        .event_time_us = (int64_t)lsn,
        .value = {.type = DATA_TYPE_STRING, .text = str_of(LETTERS, lsn * 7 % sizeof(LETTERS))},
    };
    struct log_row_encoder encoder;
    log_row_begin(&encoder, out, str_of(id, (size_t)len), (int64_t)lsn, LOG_ROW_NOT_ERASED, 1,
                  log_cell_size_max(&cell.value));
    log_row_cell(&encoder, &cell);
    log_row_end(&encoder);
}

static status visit(void *user, const struct log_record *record, struct error *error)
{
    struct log_found *found = user;
    struct log_schema schema;
    struct log_group group;
    struct buffer expected;
    (void)error;
    switch (record->type) {
    case LOG_GROUP:
        assert_true(log_group_decode(record->payload, &group));
        assert_true(group.synced_lsn < record->lsn);
        break;
    case LOG_SCHEMA:
        assert_true(log_schema_decode(record->payload, &schema));
        assert_int_equal(schema.version_id, VERSION_ID);
        found->schemas++;
        break;
    default:
        assert_int_equal(record->type, LOG_WRITE);
        buffer_init(&expected, 4096);
        log_fixture_payload(&expected, record->lsn);
        assert_true(str_eq(record->payload, buffer_str(&expected)));
        buffer_fini(&expected);
        assert_true(record->lsn > found->from_lsn);
        if (found->writes++ == 0)
            found->first_lsn = record->lsn;
        else
            assert_int_equal(record->lsn, found->last_lsn + 1);
        found->last_lsn = record->lsn;
    }
    return OK;
}

status log_fixture_scan(struct log_fixture *fixture, struct log_found *found)
{
    struct log_scan_options options = {
        .files = sim_files_system(fixture->sim),
        .directory = FIXTURE_DIRECTORY,
        .identity = FIXTURE_IDENTITY,
        .from_lsn = found->from_lsn,
        .must_reach_lsn = found->must_reach_lsn,
        .truncate = found->truncate,
        .read_only = found->read_only,
        .visit = visit,
        .user = found,
    };
    return log_scan(&options, &found->scan, &fixture->error);
}

status log_fixture_try_open(struct log_fixture *fixture)
{
    struct log_found found = {0};
    status result = log_fixture_scan(fixture, &found);
    if (!status_is_ok(result))
        return result;
    assert_int_equal(found.writes, found.scan.last_lsn);
    struct log_writer_options options = {
        .files = sim_files_system(fixture->sim),
        .directory = FIXTURE_DIRECTORY,
        .identity = FIXTURE_IDENTITY,
        .fsync = fixture->fsync,
        .fsync_interval_ms = fixture->fsync_interval_ms,
        .segment_bytes = fixture->segment_bytes,
    };
    fixture->lsn = found.scan.last_lsn;
    result = log_writer_open(&options, &found.scan, &fixture->log, &fixture->error);
    log_scan_fini(&found.scan);
    return result;
}

void log_fixture_open(struct log_fixture *fixture)
{
    status result = log_fixture_try_open(fixture);
    if (!status_is_ok(result))
        print_message("%s\n", fixture->error.detail);
    assert_true(status_is_ok(result));
}

static void append_record(struct log_writer *log, uint64_t lsn)
{
    const struct log_schema schema = {
        .version_id = VERSION_ID,
        .data_type = DATA_TYPE_STRING,
        .number = 1,
        .feature = STR("letters"),
        .entity = STR("thing"),
    };
    if (!log_writer_has_schema(log, VERSION_ID))
        assert_true(log_writer_add_schema(log, &schema, lsn));
    log_fixture_payload(log_writer_record(log, LOG_WRITE, lsn), lsn);
    assert_true(status_is_ok(log_writer_record_end(log)));
}

status log_fixture_append(struct log_fixture *fixture, uint32_t count)
{
    uint64_t lsn = fixture->lsn;
    error_clear(&fixture->error);
    TRY(log_writer_begin(fixture->log, lsn + 1, (int64_t)lsn * 1000, &fixture->error));
    for (uint32_t i = 0; i < count; i++)
        append_record(fixture->log, ++lsn);
    TRY(log_writer_commit(fixture->log, lsn, &fixture->error));
    fixture->lsn = lsn;
    return OK;
}

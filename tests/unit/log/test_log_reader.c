#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log_reader.h"
#include "sim_files.h"

#define IDENTITY 42u
#define WINDOW ((size_t)1 << 20) /* of the reader */

static struct sim_files *sim;
static struct file_system *files;
static struct buffer bytes;
static struct log_reader reader;

static int setup(void **state)
{
    const struct log_header header = {.version = 1, .identity = IDENTITY, .lsn = 9,
                                      .synced_lsn = 8, .clock_us = -7};
    char encoded[LOG_HEADER_BYTES];
    (void)state;
    sim = sim_files_create(1, "/d");
    files = sim_files_system(sim);
    buffer_init(&bytes, (size_t)1 << 30);
    log_header_encode(&header, LOG_SEGMENT_MAGIC, encoded);
    buffer_append(&bytes, encoded, sizeof(encoded));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_reader_close(&reader);
    buffer_fini(&bytes);
    sim_files_destroy(sim);
    return 0;
}

static void add_record(uint64_t lsn, size_t len)
{
    size_t begin = log_record_begin(&bytes, LOG_WRITE, lsn);
    for (size_t i = 0; i < len; i++)
        buffer_append_char(&bytes, (char)(lsn + i));
    log_record_end(&bytes, begin, IDENTITY);
}

static status open_file(uint64_t identity, struct error *error)
{
    log_reader_close(&reader);
    sim_files_put(sim, "/d/f", bytes.data, bytes.len);
    return log_reader_open(&reader, files, "/d/f", LOG_SEGMENT_MAGIC, identity, error);
}

static void assert_record(uint64_t lsn, size_t len)
{
    struct log_record record;
    uint64_t offset = reader.offset;
    assert_int_equal(log_reader_next(&reader, &record), LOG_READ_RECORD);
    assert_int_equal(record.lsn, lsn);
    assert_int_equal(record.type, LOG_WRITE);
    assert_int_equal(record.offset, offset);
    assert_int_equal(record.payload.len, len);
    for (size_t i = 0; i < len; i++)
        if (record.payload.data[i] != (char)(lsn + i))
            fail_msg("byte %zu", i);
}

static enum log_read next(void)
{
    struct log_record record;
    return log_reader_next(&reader, &record);
}

static void test_header(void **state)
{
    struct error error;
    (void)state;
    assert_true(status_is_ok(open_file(IDENTITY, &error)));
    assert_int_equal(reader.header.version, 1);
    assert_int_equal(reader.header.identity, IDENTITY);
    assert_int_equal(reader.header.lsn, 9);
    assert_int_equal(reader.header.synced_lsn, 8);
    assert_int_equal(reader.header.clock_us, -7);
    assert_int_equal(next(), LOG_READ_END);
    assert_true(status_is_ok(open_file(0, &error)));
    assert_int_equal(open_file(43, &error).code, STATUS_MALFORMED);
    for (size_t i = 0; i < LOG_HEADER_BYTES; i++) {
        bytes.data[i] ^= 4;
        assert_int_equal(open_file(0, &error).code, STATUS_MALFORMED);
        assert_non_null(strstr(error.detail, "/d/f"));
        assert_int_equal(reader.header.identity, 0);
        bytes.data[i] ^= 4;
    }
    bytes.len--;
    assert_int_equal(open_file(0, &error).code, STATUS_MALFORMED);
    log_reader_close(&reader);
    assert_int_equal(log_reader_open(&reader, files, "/d/f", LOG_SNAPSHOT_MAGIC, 0, &error).code,
                     STATUS_MALFORMED);
    log_reader_close(&reader);
    assert_int_equal(log_reader_open(&reader, files, "/d/g", LOG_SEGMENT_MAGIC, 0, &error).code,
                     STATUS_IO);
    assert_non_null(strstr(error.detail, strerror(ENOENT)));
}

/* What damage makes of the version is no newer format; what was written as one is. */
static void test_version(void **state)
{
    struct log_header header = {.identity = IDENTITY, .lsn = 9};
    struct error error;
    (void)state;
    for (uint32_t version = 0; version < 4; version++) {
        header.version = version;
        log_header_encode(&header, LOG_SEGMENT_MAGIC, bytes.data);
        assert_int_equal(open_file(IDENTITY, &error).code,
                         version == 0                    ? STATUS_MALFORMED
                         : version <= LOG_FORMAT_VERSION ? STATUS_OK
                                                         : STATUS_UNSUPPORTED_MEDIA_TYPE);
    }
    assert_non_null(strstr(error.detail, "newer featured (format 3;"));
    for (unsigned bit = 0; bit < 32; bit++) {
        bytes.data[8 + bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(open_file(IDENTITY, &error).code, STATUS_MALFORMED);
        bytes.data[8 + bit / 8] ^= (char)(1 << bit % 8);
    }
}

/* Records that end just before, at and behind the window's edge; one longer than the window. */
static void test_window(void **state)
{
    (void)state;
    size_t frame = LOG_RECORD_HEADER_BYTES;
    for (size_t gap = 0; gap < 3 * frame; gap++) {
        bytes.len = LOG_HEADER_BYTES;
        add_record(1, WINDOW - frame - gap);
        add_record(2, 20);
        add_record(3, 1);
        add_record(4, WINDOW + 1);
        add_record(5, 1);
        assert_true(status_is_ok(open_file(IDENTITY, NULL)));
        assert_record(1, WINDOW - frame - gap);
        assert_record(2, 20);
        assert_record(3, 1);
        assert_record(4, WINDOW + 1);
        assert_record(5, 1);
        assert_int_equal(next(), LOG_READ_END);
        assert_int_equal(reader.offset, bytes.len);
    }
}

static void test_where_it_ends(void **state)
{
    (void)state;
    add_record(1, 10);
    size_t end = bytes.len;
    for (size_t zeros = 0; zeros < 40; zeros++) {
        bytes.len = end;
        for (size_t i = 0; i < zeros; i++)
            buffer_append_char(&bytes, 0);
        assert_true(status_is_ok(open_file(IDENTITY, NULL)));
        assert_record(1, 10);
        assert_int_equal(next(), LOG_READ_END);
        assert_int_equal(reader.offset, end);
        if (zeros == 0)
            continue;
        bytes.data[bytes.len - 1] = 1;
        assert_true(status_is_ok(open_file(IDENTITY, NULL)));
        assert_record(1, 10);
        /* What lies further behind is for log_scan() to see. */
        assert_int_equal(next(), zeros <= LOG_RECORD_HEADER_BYTES ? LOG_READ_DAMAGED
                                                                  : LOG_READ_END);
    }
    bytes.len = end;
    add_record(2, 10);
    assert_true(status_is_ok(open_file(IDENTITY, NULL)));
    reader.end_offset = end;
    assert_record(1, 10);
    assert_int_equal(next(), LOG_READ_END);
}

static void test_damage(void **state)
{
    (void)state;
    add_record(1, 10);
    for (size_t i = LOG_HEADER_BYTES; i < bytes.len; i++) {
        bytes.data[i] ^= 0x20;
        assert_true(status_is_ok(open_file(IDENTITY, NULL)));
        assert_int_equal(next(), LOG_READ_DAMAGED);
        assert_int_equal(reader.offset, LOG_HEADER_BYTES);
        assert_int_not_equal(reader.reason[0], 0);
        bytes.data[i] ^= 0x20;
    }
    bytes.data[LOG_HEADER_BYTES + 20] ^= 1;
    assert_true(status_is_ok(open_file(IDENTITY, NULL)));
    reader.trusted = true;
    assert_int_equal(next(), LOG_READ_RECORD);
    bytes.len = LOG_HEADER_BYTES;
    size_t begin = log_record_begin(&bytes, (enum log_record_type)8, 1);
    buffer_append_char(&bytes, 1);
    log_record_end(&bytes, begin, IDENTITY);
    assert_true(status_is_ok(open_file(IDENTITY, NULL)));
    assert_int_equal(next(), LOG_READ_DAMAGED);
    assert_non_null(strstr(reader.reason, "type"));
}

static void test_a_failed_read(void **state)
{
    (void)state;
    add_record(1, 10);
    assert_true(status_is_ok(open_file(IDENTITY, NULL)));
    sim_files_fail(sim, SIM_READ, 1, EIO, false);
    assert_int_equal(next(), LOG_READ_FAILED);
    assert_int_equal(reader.error, EIO);
    assert_non_null(strstr(reader.reason, strerror(EIO)));
    assert_record(1, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The files of tests/vectors/storage, made once without this program: they must be read as what they
 * are, and written again byte for byte. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log_reader.h"
#include "log/log_row.h"

#define IDENTITY UINT64_C(0x0123456789abcdef)

static struct buffer text;  /* what the file says, in words */
static struct buffer again; /* the file, encoded from what was decoded */

static void say_bytes(str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] >= ' ' && bytes.data[i] <= '~')
            buffer_append_char(&text, bytes.data[i]);
        else
            buffer_append_format(&text, "\\x%02x", (unsigned char)bytes.data[i]);
}

static void say_value(const struct value *value)
{
    switch (value->type) {
    case DATA_TYPE_INT:
        buffer_append_format(&text, "%" PRId64, value->integer);
        break;
    case DATA_TYPE_FLOAT:
        buffer_append_format(&text, "%g", value->real);
        break;
    case DATA_TYPE_BOOLEAN:
        buffer_append_format(&text, value->boolean ? "true" : "false");
        break;
    case DATA_TYPE_TIMESTAMP:
        buffer_append_format(&text, "%" PRId64, value->timestamp_us);
        break;
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        say_bytes(value->text);
        break;
    case DATA_TYPE_EMBEDDING:
        for (uint32_t i = 0; i < value->embedding.dimension; i++) {
            float number;
            memcpy(&number, value->embedding.data + i, sizeof(number));
            buffer_append_format(&text, "%s%g", i ? "," : "", (double)number);
        }
        break;
    case DATA_TYPE_COUNT:
        fail();
    }
}

static void say_cell(const struct log_cell *cell, int64_t row_time_us)
{
    buffer_append_format(&text, "  cell %" PRIu64 " %s", cell->version_id,
                         data_type_name(cell->value.type));
    if (cell->event_time_us != row_time_us)
        buffer_append_format(&text, " at %" PRId64, cell->event_time_us);
    buffer_append_char(&text, ' ');
    if (cell->is_erased)
        buffer_append_format(&text, "erased");
    else if (cell->value.is_null)
        buffer_append_format(&text, "null");
    else
        say_value(&cell->value);
    buffer_append_char(&text, '\n');
}

static void take_row(struct log_row *row)
{
    struct log_cell cells[16];
    struct log_row_encoder encoder;
    size_t bytes = 0;
    uint32_t count = 0;
    uint32_t expected = row->cell_count;
    buffer_append_format(&text, " row ");
    say_bytes(row->entity_id);
    buffer_append_format(&text, " at %" PRId64, row->event_time_us);
    if (row->erased_until_us != LOG_ROW_NOT_ERASED)
        buffer_append_format(&text, " erased until %" PRId64, row->erased_until_us);
    buffer_append_char(&text, '\n');
    enum log_next next;
    while ((next = log_cell_next(row, &cells[count])) == LOG_NEXT) {
        say_cell(&cells[count], row->event_time_us);
        bytes += log_cell_size_max(&cells[count++].value);
    }
    assert_int_equal(next, LOG_NEXT_END);
    assert_int_equal(count, expected);
    log_row_begin(&encoder, &again, row->entity_id, row->event_time_us, row->erased_until_us,
                  count, bytes);
    for (uint32_t i = 0; i < count; i++)
        log_row_cell(&encoder, &cells[i]);
    log_row_end(&encoder);
}

static void take_rows(str payload)
{
    struct log_row row;
    enum log_next next;
    while ((next = log_row_next(&payload, &row)) == LOG_NEXT)
        take_row(&row);
    assert_int_equal(next, LOG_NEXT_END);
}

static void take_group(str payload)
{
    struct log_group group;
    assert_true(log_group_decode(payload, &group));
    log_group_encode(&again, &group);
    buffer_append_format(&text, "group: synced %" PRIu64 ", clock %" PRId64 "\n",
                         group.synced_lsn, group.clock_us);
}

static void take_schema(str payload)
{
    struct log_schema schema;
    assert_true(log_schema_decode(payload, &schema));
    log_schema_encode(&again, &schema);
    buffer_append_format(&text, "schema %" PRIu64 " %s %.*s@%" PRIu32 " of %.*s, dimension %" PRIu32
                                "\n",
                         schema.version_id, data_type_name(schema.data_type),
                         STR_ARG(schema.feature), schema.number, STR_ARG(schema.entity),
                         schema.dimension);
}

static void take_erase(str payload)
{
    struct log_erase erase;
    uint64_t version_id;
    enum log_next next;
    while ((next = log_erase_next(&payload, &erase)) == LOG_NEXT) {
        size_t begin = log_erase_begin(&again, erase.entity, erase.entity_id,
                                       erase.erased_until_us, erase.version_count);
        buffer_append_format(&text, " %.*s %.*s until %" PRId64 ":", STR_ARG(erase.entity),
                             STR_ARG(erase.entity_id), erase.erased_until_us);
        while (log_erase_next_version(&erase, &version_id)) {
            log_erase_version(&again, version_id);
            buffer_append_format(&text, " %" PRIu64, version_id);
        }
        log_erase_end(&again, begin);
        buffer_append_char(&text, '\n');
    }
    assert_int_equal(next, LOG_NEXT_END);
}

static void take_statistics(str payload)
{
    struct log_statistics one;
    while (log_statistics_next(&payload, &one)) {
        const struct statistics *numbers = &one.statistics;
        log_statistics_encode(&again, &one);
        buffer_append_format(&text, "statistics %" PRIu64 ": %" PRIu64 " + %" PRIu64
                                    " null, %g to %g, mean %g, m2 %g, last %" PRId64 "\n",
                             one.version_id, numbers->count, numbers->null_count, numbers->min,
                             numbers->max, numbers->mean, numbers->m2,
                             numbers->last_event_time_us);
    }
    assert_int_equal(payload.len, 0);
}

static void take_snapshot_rows(str payload)
{
    str entity;
    assert_true(log_snapshot_rows_decode(&payload, &entity));
    log_snapshot_rows_begin(&again, entity);
    buffer_append_format(&text, "rows of %.*s\n", STR_ARG(entity));
    take_rows(payload);
}

static void take_end(str payload)
{
    struct log_snapshot_end end;
    assert_true(log_snapshot_end_decode(payload, &end));
    log_snapshot_end_encode(&again, &end);
    buffer_append_format(&text, "end: LSN %" PRIu64 ", %" PRIu64 " rows, clock %" PRId64 "\n",
                         end.end_lsn, end.row_count, end.clock_us);
}

static void take_record(const struct log_record *record)
{
    size_t begin = log_record_begin(&again, record->type, record->lsn);
    buffer_append_format(&text, "%" PRIu64 " ", record->lsn);
    switch (record->type) {
    case LOG_GROUP:
        take_group(record->payload);
        break;
    case LOG_SCHEMA:
        take_schema(record->payload);
        break;
    case LOG_WRITE:
        buffer_append_format(&text, "write\n");
        take_rows(record->payload);
        break;
    case LOG_ERASE:
        buffer_append_format(&text, "erase\n");
        take_erase(record->payload);
        break;
    case LOG_SNAPSHOT_STATISTICS:
        take_statistics(record->payload);
        break;
    case LOG_SNAPSHOT_ROWS:
        take_snapshot_rows(record->payload);
        break;
    case LOG_SNAPSHOT_END:
        take_end(record->payload);
        break;
    }
    log_record_end(&again, begin, IDENTITY);
}

static void assert_file_is(const char *name, const char *magic, const char *expected)
{
    char path[512];
    char header[LOG_HEADER_BYTES];
    struct log_reader reader;
    struct log_record record;
    struct error error;
    enum log_read read;
    buffer_init(&text, 1 << 20);
    buffer_init(&again, 1 << 20);
    snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
    status opened =
        log_reader_open(&reader, file_system_real(), path, magic, IDENTITY, &error);
    if (!status_is_ok(opened))
        fail_msg("%s", error.detail);
    log_header_encode(&reader.header, magic, header);
    buffer_append(&again, header, sizeof(header));
    buffer_append_format(&text, "LSN %" PRIu64 ", synced %" PRIu64 ", clock %" PRId64 "\n",
                         reader.header.lsn, reader.header.synced_lsn, reader.header.clock_us);
    while ((read = log_reader_next(&reader, &record)) == LOG_READ_RECORD)
        take_record(&record);
    assert_int_equal(read, LOG_READ_END);
    buffer_append_char(&text, '\0');
    assert_string_equal(text.data, expected);
    char *bytes = calloc(1, reader.size_bytes);
    size_t len;
    assert_int_equal(reader.files->read(reader.file, bytes, reader.size_bytes, 0, &len), 0);
    assert_int_equal(again.len, reader.offset);
    assert_memory_equal(again.data, bytes, again.len);
    free(bytes);
    log_reader_close(&reader);
    buffer_fini(&text);
    buffer_fini(&again);
}

#define SCHEMAS(lsn)                                                                               \
    lsn " schema 1 int clicks@1 of user, dimension 0\n"                                            \
    lsn " schema 2 float score@1 of user, dimension 0\n"                                           \
    lsn " schema 3 boolean active@1 of user, dimension 0\n"                                        \
    lsn " schema 4 string city@1 of user, dimension 0\n"                                           \
    lsn " schema 5 timestamp seen@1 of user, dimension 0\n"                                        \
    lsn " schema 6 embedding taste@1 of user, dimension 2\n"                                       \
    lsn " schema 300 json profile@2 of user, dimension 0\n"
#define TEN "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void test_segment(void **state)
{
    (void)state;
    assert_file_is("00000000000000000001.log", LOG_SEGMENT_MAGIC,
                   "LSN 1, synced 0, clock 1700000000000000\n"
                   "1 group: synced 0, clock 1700000000000000\n" SCHEMAS("1")
                   "1 write\n"
                   " row user_1 at 1699999999999999\n"
                   "  cell 1 int -5\n"
                   "  cell 2 float 2.5\n"
                   "  cell 3 boolean true\n"
                   "  cell 4 string K\\xc3\\xb6ln\n"
                   "  cell 5 timestamp -62135596800000000\n"
                   "  cell 6 embedding 1,-0.5\n"
                   "  cell 300 json {\"a\":[1]}\n"
                   "2 group: synced 1, clock 1700000000001000\n"
                   "2 write\n"
                   " row user_2 at 1700000000000000\n"
                   "  cell 4 string " HUNDRED HUNDRED "\n"
                   "  cell 1 int at 1699999999999993 9223372036854775807\n"
                   "  cell 2 float null\n"
                   " row \\x00\\xff at 1700000000000000\n"
                   "3 erase\n"
                   " user user_1 until 1700000000000000: 1 300\n"
                   "4 erase\n"
                   " user user_2 until 1700000000000001: 0\n"
                   " driver user_2 until 1700000000000001: 7 9\n"
                   "5 group: synced 4, clock 1700000000002000\n");
}

static void test_snapshot(void **state)
{
    (void)state;
    assert_file_is("00000000000000000004.snapshot", LOG_SNAPSHOT_MAGIC,
                   "LSN 4, synced 4, clock 1700000000001000\n" SCHEMAS("0")
                   "0 statistics 1: 2 + 0 null, -5 to 9.22337e+18, mean 4.5e+18, m2 4.25e+37, "
                   "last 1700000000000000\n"
                   "statistics 2: 0 + 1 null, 0 to 0, mean 0, m2 0, last -9223372036854775808\n"
                   "0 rows of user\n"
                   " row user_1 at 1699999999999999\n"
                   "  cell 1 int at 1700000000000000 erased\n"
                   "  cell 2 float 2.5\n"
                   " row user_2 at 1700000000000000 erased until 1700000000000001\n"
                   "0 end: LSN 6, 2 rows, clock 1700000000003000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

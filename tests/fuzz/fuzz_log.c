/* Segments and snapshots. The first byte holds options: whether it is a snapshot, whether the header
 * is made right, whether the checksums of the records are, so that damage gets past them to the
 * decoders. Whatever is read back is encoded again and must then be read as the same. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "log/log_reader.h"
#include "log/log_row.h"
#include "log/log_scan.h"

#define IDENTITY UINT64_C(0x0123456789abcdef)
#define SIZE_MAX_BYTES ((size_t)1 << 16)

#define OPTION_SNAPSHOT 1u
#define OPTION_HEADER 2u
#define OPTION_CHECKSUMS 4u
#define OPTION_TRUSTED 8u
#define OPTION_LSN 0x70u /* a snapshot's start */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file in memory, that no call changes. */
struct file {
    char bytes[SIZE_MAX_BYTES];
    size_t len;
};
static struct file only;

static int held_open(struct file_system *system, const char *path, enum file_mode mode,
                       struct file **out)
{
    (void)system;
    (void)path;
    ASSERT(mode == FILE_READ);
    *out = &only;
    return 0;
}

static void held_close(struct file *file)
{
    (void)file;
}

static int held_read(struct file *file, void *data, size_t len, uint64_t offset, size_t *out_len)
{
    size_t left = offset < file->len ? file->len - (size_t)offset : 0;
    *out_len = len < left ? len : left;
    if (*out_len > 0)
        memcpy(data, file->bytes + offset, *out_len);
    return 0;
}

static int held_size(struct file *file, uint64_t *out_bytes)
{
    *out_bytes = file->len;
    return 0;
}

static int held_list(struct file_system *system, const char *path,
                       void (*found)(void *user, const char *name), void *user)
{
    (void)system;
    (void)path;
    found(user, "00000000000000000001.log");
    return 0;
}

static struct file_system files = {
    .open = held_open,
    .close = held_close,
    .read = held_read,
    .size = held_size,
    .list = held_list,
};

/* With the CRC that its bytes ask for. */
static void seal(struct file *file)
{
    uint64_t identity = IDENTITY;
    size_t at = LOG_HEADER_BYTES;
    while (file->len >= at + LOG_RECORD_HEADER_BYTES) {
        uint32_t len;
        char *record = file->bytes + at;
        memcpy(&len, record, sizeof(len));
        if (len == 0 || len > file->len - at - LOG_RECORD_HEADER_BYTES)
            return;
        uint32_t crc = crc32c(0, &identity, sizeof(identity));
        crc = crc32c(crc, record + 8, LOG_RECORD_HEADER_BYTES - 8 + len);
        crc = crc32c(crc, record, sizeof(len));
        memcpy(record + 4, &crc, sizeof(crc));
        at += LOG_RECORD_HEADER_BYTES + (size_t)len;
    }
}

static void fill(unsigned options, const uint8_t *data, size_t size)
{
    only.len = size < SIZE_MAX_BYTES ? size : SIZE_MAX_BYTES;
    memcpy(only.bytes, data, only.len);
    if ((options & OPTION_HEADER) && only.len >= LOG_HEADER_BYTES) {
        const struct log_header header = {.version = 1, .identity = IDENTITY, .lsn = 1};
        log_header_encode(&header,
                          options & OPTION_SNAPSHOT ? LOG_SNAPSHOT_MAGIC : LOG_SEGMENT_MAGIC,
                          only.bytes);
    }
    if (options & OPTION_CHECKSUMS)
        seal(&only);
}

static void check_same_cell(const struct log_cell *a, const struct log_cell *b)
{
    ASSERT(a->version_id == b->version_id && a->event_time_us == b->event_time_us);
    ASSERT(a->is_erased == b->is_erased && value_eq(&a->value, &b->value));
}

/* The row's cells as decoded, up to damage; how many. */
static uint32_t decode_cells(struct log_row *row, struct log_cell *cells, size_t *bytes)
{
    uint32_t count = 0;
    while (log_cell_next(row, &cells[count]) == LOG_NEXT)
        *bytes += log_cell_size_max(&cells[count++].value);
    return count;
}

static void check_row(struct log_row row)
{
    struct log_cell *cells = memory_alloc_array((size_t)row.cell_count + 1, sizeof(*cells));
    struct log_row_encoder encoder;
    struct buffer out;
    size_t bytes = 0;
    if (cells == NULL)
        return;
    uint32_t count = decode_cells(&row, cells, &bytes);
    buffer_init(&out, (size_t)1 << 28);
    log_row_begin(&encoder, &out, row.entity_id, row.event_time_us, row.erased_until_us, count,
                  bytes);
    for (uint32_t i = 0; i < count; i++)
        log_row_cell(&encoder, &cells[i]);
    log_row_end(&encoder);
    ASSERT(!out.failed);
    str payload = buffer_str(&out);
    struct log_row again;
    struct log_cell cell;
    ASSERT(log_row_next(&payload, &again) == LOG_NEXT && payload.len == 0);
    ASSERT(str_eq(again.entity_id, row.entity_id) && again.cell_count == count);
    ASSERT(again.event_time_us == row.event_time_us);
    ASSERT(again.erased_until_us == row.erased_until_us);
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(log_cell_next(&again, &cell) == LOG_NEXT);
        check_same_cell(&cells[i], &cell);
    }
    ASSERT(log_cell_next(&again, &cell) == LOG_NEXT_END);
    buffer_fini(&out);
    memory_free(cells);
}

static void check_rows(str payload)
{
    struct log_row row;
    while (log_row_next(&payload, &row) == LOG_NEXT)
        check_row(row);
}

static void check_erase(struct log_erase erase)
{
    uint64_t version_id;
    uint32_t count = erase.version_count;
    struct log_erase again;
    struct buffer out;
    buffer_init(&out, (size_t)1 << 24);
    size_t begin =
        log_erase_begin(&out, erase.entity, erase.entity_id, erase.erased_until_us, count);
    while (log_erase_next_version(&erase, &version_id))
        log_erase_version(&out, version_id);
    log_erase_end(&out, begin);
    ASSERT(!out.failed);
    str payload = buffer_str(&out);
    ASSERT(log_erase_next(&payload, &again) == LOG_NEXT && payload.len == 0);
    ASSERT(str_eq(again.entity, erase.entity) && str_eq(again.entity_id, erase.entity_id));
    ASSERT(again.erased_until_us == erase.erased_until_us && again.version_count == count);
    buffer_fini(&out);
}

static void check_erasures(str payload)
{
    struct log_erase erase;
    while (log_erase_next(&payload, &erase) == LOG_NEXT)
        check_erase(erase);
}

static void check_record(const struct log_record *record)
{
    struct log_group group;
    struct log_schema schema;
    struct log_statistics statistics;
    struct log_snapshot_end end;
    str payload = record->payload;
    str entity;
    bool is_whole;
    switch (record->type) {
    case LOG_GROUP:
        is_whole = log_group_decode(payload, &group);
        break;
    case LOG_SCHEMA:
        is_whole = log_schema_decode(payload, &schema);
        break;
    case LOG_WRITE:
        check_rows(payload);
        return;
    case LOG_ERASE:
        check_erasures(payload);
        return;
    case LOG_SNAPSHOT_STATISTICS:
        while (log_statistics_next(&payload, &statistics))
            ;
        return;
    case LOG_SNAPSHOT_ROWS:
        is_whole = log_snapshot_rows_decode(&payload, &entity);
        if (is_whole)
            check_rows(payload);
        break;
    case LOG_SNAPSHOT_END:
        is_whole = log_snapshot_end_decode(payload, &end);
        break;
    default:
        is_whole = false;
        break;
    }
    (void)is_whole; /* either is fine: it must come to an end */
}

static void read_file(unsigned options)
{
    struct log_reader reader;
    struct log_record record;
    uint64_t offset = LOG_HEADER_BYTES;
    status opened = log_reader_open(&reader, &files, "f",
                                    options & OPTION_SNAPSHOT ? LOG_SNAPSHOT_MAGIC
                                                              : LOG_SEGMENT_MAGIC,
                                    IDENTITY, NULL);
    reader.trusted = (options & OPTION_TRUSTED) != 0;
    while (status_is_ok(opened) && log_reader_next(&reader, &record) == LOG_READ_RECORD) {
        ASSERT(record.offset == offset && reader.offset > offset && reader.offset <= only.len);
        offset = reader.offset;
        check_record(&record);
    }
    log_reader_close(&reader);
}

static status visit(void *user, const struct log_record *record, struct error *error)
{
    uint64_t *last_lsn = user;
    (void)error;
    ASSERT(record->lsn == *last_lsn || record->lsn == *last_lsn + 1);
    *last_lsn = record->lsn;
    return OK;
}

static void scan_file(unsigned options)
{
    uint64_t from_lsn = (options & OPTION_LSN) >> 4;
    uint64_t last_lsn = from_lsn;
    struct log_scan scan;
    struct log_scan_options scan_options = {
        .files = &files,
        .directory = "d",
        .identity = IDENTITY,
        .from_lsn = from_lsn,
        .read_only = true,
        .visit = visit,
        .user = &last_lsn,
    };
    if (!status_is_ok(log_scan(&scan_options, &scan, NULL)))
        return;
    ASSERT(scan.last_lsn >= from_lsn && scan.synced_lsn <= scan.last_lsn);
    for (uint32_t i = 0; i < scan.segment_count; i++)
        ASSERT(scan.segments[i].end_offset <= only.len);
    log_scan_fini(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    fill(data[0], data + 1, size - 1);
    read_file(data[0]);
    if (!(data[0] & OPTION_SNAPSHOT))
        scan_file(data[0]);
    return 0;
}

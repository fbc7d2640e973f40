#include "log/log_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "log/log_bytes.h"
#include "log/log_crc.h"

#define MAGIC_BYTES 8u
#define HEADER_VERSION_AT 8u
#define HEADER_CRC_AT 12u
#define HEADER_CRC_END 16u
#define WINDOW_BYTES ((size_t)1 << 20)

/* Of everything but the magic, which is compared, and itself. */
static uint32_t header_crc(const char bytes[LOG_HEADER_BYTES])
{
    uint32_t crc = crc32c(0, bytes + HEADER_VERSION_AT, HEADER_CRC_AT - HEADER_VERSION_AT);
    return crc32c(crc, bytes + HEADER_CRC_END, LOG_HEADER_BYTES - HEADER_CRC_END);
}

void log_header_encode(const struct log_header *header, const char *magic,
                       char out[LOG_HEADER_BYTES])
{
    memset(out, 0, LOG_HEADER_BYTES);
    char *at = put_bytes(out, magic, MAGIC_BYTES);
    at = put_u32(at, header->version);
    char *crc = at;
    at = put_u32(at, 0);
    at = put_u64(at, header->identity);
    at = put_u64(at, header->lsn);
    at = put_u64(at, header->synced_lsn);
    put_i64(at, header->clock_us);
    put_u32(crc, header_crc(out));
}

/* Fills reader->header only if it is whole. */
static status decode_header(struct log_reader *reader, const char *magic,
                            const char bytes[LOG_HEADER_BYTES], size_t len, uint64_t identity,
                            struct error *error)
{
    static const char NOT_WHOLE[] = "the header of %s is not whole";
    if (len < LOG_HEADER_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0 ||
        get_u32(bytes + HEADER_CRC_AT) != header_crc(bytes))
        return error_set(error, STATUS_MALFORMED, "log_header", NOT_WHOLE, reader->path);
    uint32_t version = get_u32(bytes + HEADER_VERSION_AT);
    if (version > LOG_FORMAT_VERSION)
        return error_set(error, STATUS_UNSUPPORTED_MEDIA_TYPE, "log_version",
                         "%s was written by a newer featured (format %u; this one reads %u): use "
                         "that version or restore a backup",
                         reader->path, version, LOG_FORMAT_VERSION);
    if (version == 0)
        return error_set(error, STATUS_MALFORMED, "log_header", NOT_WHOLE, reader->path);
    reader->header = (struct log_header){
        .version = version,
        .identity = get_u64(bytes + 16),
        .lsn = get_u64(bytes + 24),
        .synced_lsn = get_u64(bytes + 32),
        .clock_us = get_i64(bytes + 40),
    };
    if (identity != 0 && reader->header.identity != identity)
        return error_set(error, STATUS_MALFORMED, "log_identity",
                         "%s belongs to another data directory (identity %016llx, this one is "
                         "%016llx): put it back where it was",
                         reader->path, (unsigned long long)reader->header.identity,
                         (unsigned long long)identity);
    return OK;
}

status log_reader_open(struct log_reader *reader, struct file_system *files, const char *path,
                       const char *magic, uint64_t identity, struct error *error)
{
    char bytes[LOG_HEADER_BYTES];
    char text[128];
    size_t len = 0;
    memset(reader, 0, sizeof(*reader));
    reader->files = files;
    reader->offset = LOG_HEADER_BYTES;
    reader->end_offset = UINT64_MAX;
    if ((size_t)snprintf(reader->path, sizeof(reader->path), "%s", path) >= sizeof(reader->path))
        reader->error = ENAMETOOLONG;
    if (reader->error == 0)
        reader->error = files->open(files, path, FILE_READ, &reader->file);
    if (reader->error == 0)
        reader->error = files->size(reader->file, &reader->size_bytes);
    if (reader->error == 0)
        reader->error = files->read(reader->file, bytes, sizeof(bytes), 0, &len);
    if (reader->error != 0)
        return error_set(error, STATUS_IO, "log_read", "%s cannot be read: %s", path,
                         strerror_r(reader->error, text, sizeof(text)));
    return decode_header(reader, magic, bytes, len, identity, error);
}

void log_reader_close(struct log_reader *reader)
{
    if (reader->file != NULL)
        reader->files->close(reader->file);
    reader->file = NULL;
    memory_free(reader->window);
    reader->window = NULL;
    reader->window_capacity = 0;
    reader->window_len = 0;
}

static enum log_read failed(struct log_reader *reader, int error)
{
    char text[128];
    reader->error = error;
    snprintf(reader->reason, sizeof(reader->reason), "it cannot be read: %s",
             strerror_r(error, text, sizeof(text)));
    return LOG_READ_FAILED;
}

static enum log_read damaged(struct log_reader *reader, const char *reason)
{
    snprintf(reader->reason, sizeof(reader->reason), "%s", reason);
    return LOG_READ_DAMAGED;
}

static bool is_zero(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != 0)
            return false;
    return true;
}

/* A window that begins at reader->offset and holds at least `len` bytes; an errno. */
static int move_window(struct log_reader *reader, size_t len)
{
    size_t kept = 0;
    uint64_t window_end = reader->window_offset + reader->window_len;
    if (reader->offset >= reader->window_offset && reader->offset < window_end)
        kept = (size_t)(window_end - reader->offset);
    if (len > reader->window_capacity) {
        uint64_t left = reader->size_bytes - reader->offset; /* at least `len` */
        size_t capacity = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        if (capacity < len)
            capacity = len;
        char *window = memory_alloc(capacity);
        if (window == NULL)
            return ENOMEM;
        if (kept > 0)
            memcpy(window, reader->window + (reader->offset - reader->window_offset), kept);
        memory_free(reader->window);
        reader->window = window;
        reader->window_capacity = capacity;
    } else if (kept > 0) {
        memmove(reader->window, reader->window + (reader->offset - reader->window_offset), kept);
    }
    reader->window_offset = reader->offset;
    reader->window_len = kept;
    size_t read;
    int error = reader->files->read(reader->file, reader->window + kept,
                                    reader->window_capacity - kept, reader->offset + kept, &read);
    if (error != 0)
        return error;
    reader->window_len += read;
    return reader->window_len < len ? EIO : 0; /* it has become shorter while we read */
}

/* The next `len` bytes of the file, or NULL: *error. */
static inline const char *bytes_ahead(struct log_reader *reader, size_t len, int *error)
{
    uint64_t from = reader->offset - reader->window_offset;
    if (unlikely(reader->offset < reader->window_offset || from > reader->window_len ||
                 reader->window_len - from < len)) {
        *error = move_window(reader, len);
        if (*error != 0)
            return NULL;
        from = 0;
    }
    return reader->window + from;
}

/* Fewer bytes than a header needs are left. */
static enum log_read read_rest(struct log_reader *reader, size_t len)
{
    int error;
    const char *rest = bytes_ahead(reader, len, &error);
    if (rest == NULL)
        return failed(reader, error);
    return is_zero(rest, len) ? LOG_READ_END : damaged(reader, "the file ends within a record");
}

enum log_read log_reader_next(struct log_reader *reader, struct log_record *out)
{
    int error;
    uint64_t limit =
        reader->end_offset < reader->size_bytes ? reader->end_offset : reader->size_bytes;
    if (reader->offset >= limit)
        return LOG_READ_END;
    uint64_t left = limit - reader->offset;
    if (left < LOG_RECORD_HEADER_BYTES)
        return read_rest(reader, (size_t)left);
    const char *record = bytes_ahead(reader, LOG_RECORD_HEADER_BYTES, &error);
    if (record == NULL)
        return failed(reader, error);
    uint32_t len = get_u32(record);
    if (len == 0)
        return is_zero(record, LOG_RECORD_HEADER_BYTES)
                   ? LOG_READ_END
                   : damaged(reader, "a record without a length");
    if (len > LOG_PAYLOAD_MAX || len > left - LOG_RECORD_HEADER_BYTES)
        return damaged(reader, "a record reaches beyond the end of the file");
    record = bytes_ahead(reader, LOG_RECORD_HEADER_BYTES + (size_t)len, &error);
    if (record == NULL)
        return failed(reader, error);
    if (!reader->trusted &&
        get_u32(record + LOG_CRC_AT) != log_record_crc(reader->header.identity, record, len))
        return damaged(reader, "the checksum of a record does not match");
    uint8_t type = (uint8_t)record[LOG_TYPE_AT];
    if (type < LOG_GROUP || type > LOG_SNAPSHOT_END)
        return damaged(reader, "a record of a type that is not known");
    *out = (struct log_record){
        .type = (enum log_record_type)type,
        .lsn = get_u64(record + LOG_LSN_AT),
        .payload = str_of(record + LOG_RECORD_HEADER_BYTES, len),
        .offset = reader->offset,
    };
    reader->offset += LOG_RECORD_HEADER_BYTES + (uint64_t)len;
    return LOG_READ_RECORD;
}

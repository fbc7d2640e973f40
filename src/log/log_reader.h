/* Reads one segment or snapshot from front to back, checking every CRC. Holds one window of the file
 * in memory, as large as its longest record. Own thread. */
#ifndef FEATURED_LOG_LOG_READER_H
#define FEATURED_LOG_LOG_READER_H

#include "base/error.h"
#include "base/file.h"
#include "log/log_record.h"

struct log_header {
    uint32_t version;
    uint64_t identity;
    uint64_t lsn; /* a segment's first; a snapshot's start: it holds everything up to that */
    uint64_t synced_lsn;
    int64_t clock_us;
};

enum log_read {
    LOG_READ_RECORD,
    LOG_READ_END,     /* the file, or its preallocated zeros; `offset` says where */
    LOG_READ_DAMAGED, /* at `offset`; `reason` says why */
    LOG_READ_FAILED,  /* the file could not be read, or no memory: `reason` */
};

struct log_reader {
    struct file_system *files;
    struct file *file;
    char path[FILE_PATH_MAX];
    struct log_header header;
    uint64_t size_bytes; /* of the file */
    uint64_t offset;     /* of the next record */
    uint64_t end_offset; /* reading stops here as at the end; UINT64_MAX at first */
    char reason[160];
    bool trusted;   /* CRCs were checked in an earlier pass: do not again */
    int error;      /* errno of LOG_READ_FAILED */
    /* private: the window */
    char *window;
    size_t window_capacity;
    uint64_t window_offset;
    size_t window_len;
};

/* `magic`: which kind of file it must be. A missing file, a read error: IO; a header that is not
 * whole, or another identity (0: any): MALFORMED; a newer format: UNSUPPORTED_MEDIA_TYPE; the error
 * names the path. Closed with log_reader_close() also after a failure. */
MUST_CHECK status log_reader_open(struct log_reader *reader, struct file_system *files,
                                  const char *path, const char *magic, uint64_t identity,
                                  struct error *error);
MUST_CHECK enum log_read log_reader_next(struct log_reader *reader, struct log_record *out);
void log_reader_close(struct log_reader *reader);

/* The 64 bytes; for whoever writes a file. */
void log_header_encode(const struct log_header *header, const char *magic,
                       char out[LOG_HEADER_BYTES]);

#endif

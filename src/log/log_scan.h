/* Finds the end of a log after whatever ended the process: verifies every segment in order of LSN,
 * tells the torn tail of what was never promised from damage to what was, and cuts the former off.
 *
 * What is damaged is a torn tail if no valid mark anywhere in the log (the synced_lsn of a group or
 * of a segment's header), and no snapshot, says that the first lost LSN had been synced. To find the
 * marks behind a damage the rest of its segment is searched byte by byte for groups that carry the
 * identity and a right CRC. design.md §6. */
#ifndef FEATURED_LOG_LOG_SCAN_H
#define FEATURED_LOG_LOG_SCAN_H

#include "base/error.h"
#include "base/file.h"
#include "log/log_record.h"

struct log_segment {
    uint64_t first_lsn;
    uint64_t last_lsn;   /* first_lsn - 1: holds no record */
    uint64_t end_offset; /* of the last whole record's end */
    uint64_t size_bytes;
};

struct log_scan_options {
    struct file_system *files;
    const char *directory; /* DATA/log; need not be there */
    uint64_t identity;
    uint64_t from_lsn; /* a snapshot holds everything up to this: earlier segments are not read */
    uint64_t must_reach_lsn; /* and it was synced up to this */
    bool truncate;  /* --recover truncate: cut at damage too */
    bool read_only; /* featured check: change nothing */
    /* Each record with lsn > from_lsn, in order; may be NULL. A failure ends the scan. */
    status (*visit)(void *user, const struct log_record *record, struct error *error);
    void (*progress)(void *user, uint64_t bytes_done, uint64_t bytes_total); /* may be NULL */
    void *user;
};

struct log_scan {
    struct log_segment *segments; /* in order, without those wholly before from_lsn; memory_free() */
    uint32_t segment_count;
    uint64_t last_lsn; /* of the last whole record, or from_lsn */
    uint64_t synced_lsn; /* highest mark */
    int64_t clock_us;  /* highest of all groups and headers; INT64_MIN: none */
    uint64_t cut_bytes; /* torn tail (or damage, with `truncate`) that was cut off; 0: none */
    char cut_path[FILE_PATH_MAX]; /* where, if cut_bytes > 0 */
    uint64_t cut_offset;
};

/* MALFORMED: damage below a mark, or a gap after the snapshot; the error names file, offset and what
 * to do. IO: a file could not be read or cut. */
MUST_CHECK status log_scan(const struct log_scan_options *options, struct log_scan *out,
                           struct error *error);
void log_scan_fini(struct log_scan *scan);

/* Files of a folder whose names are "%020llu" + suffix, as ascending numbers; memory_free(). A
 * folder that is not there is empty; one whose path leaves no room for the names is refused (IO), so
 * that log_file_path() has room afterwards. */
MUST_CHECK status log_list_files(struct file_system *files, const char *directory,
                                 const char *suffix, uint64_t **out, uint32_t *count,
                                 struct error *error);
/* "DIRECTORY/%020llu" + suffix. Of a folder that was listed it fits into FILE_PATH_MAX bytes. */
void log_file_path(const char *directory, uint64_t lsn, const char *suffix, char *out,
                   size_t out_size);

#endif

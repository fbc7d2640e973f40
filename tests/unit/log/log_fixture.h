/* A log in a simulated file system, filled with records that can be told from each other: the record
 * of LSN n is always the same bytes. */
#ifndef FEATURED_TESTS_LOG_FIXTURE_H
#define FEATURED_TESTS_LOG_FIXTURE_H

#include "log/log_scan.h"
#include "log/log_writer.h"
#include "sim_files.h"

#define FIXTURE_DIRECTORY "/log"
#define FIXTURE_IDENTITY UINT64_C(0x0123456789abcdef)
#define FIXTURE_SEGMENT_BYTES 4096u

struct log_fixture {
    struct sim_files *sim;
    struct log_writer *log;
    enum log_fsync fsync;
    int64_t fsync_interval_ms;
    uint64_t lsn;         /* last one that was committed */
    uint64_t segment_bytes;
    struct error error;
};

void log_fixture_init(struct log_fixture *fixture, enum log_fsync fsync, uint64_t seed);
void log_fixture_fini(struct log_fixture *fixture);
/* Ends the process that has the log open: the next one finds `next`. */
void log_fixture_next(struct log_fixture *fixture, struct sim_files *next);

/* Of every record of the log, in order. */
struct log_found {
    uint64_t from_lsn;
    uint64_t must_reach_lsn;
    bool truncate;
    bool read_only;
    uint64_t first_lsn; /* of the writes that were visited; 0: none */
    uint64_t last_lsn;
    uint32_t writes;
    uint32_t schemas;
    struct log_scan scan; /* log_scan_fini() */
};
/* Fails the test if a record is not what that LSN must be, or out of order. */
status log_fixture_scan(struct log_fixture *fixture, struct log_found *found);
/* Scans, which must succeed, and opens the writer. */
void log_fixture_open(struct log_fixture *fixture);
status log_fixture_try_open(struct log_fixture *fixture);
/* One group of so many records. */
status log_fixture_append(struct log_fixture *fixture, uint32_t count);
/* The payload of an LSN's record. */
void log_fixture_payload(struct buffer *out, uint64_t lsn);
void log_fixture_path(uint64_t first_lsn, char out[64]);

#endif

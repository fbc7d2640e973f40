/* Appends to the log in groups: one write, and under `always` one sync, for the requests of many
 * connections.
 *
 * The owner (the store's writer thread) opens a group with its first record, appends records, and
 * commits. Until then nothing is on disk; a commit that fails leaves nothing of the group behind
 * (the file is cut back), or closes the log. Segments are preallocated; a group never spans two.
 *
 * LSNs have no gaps: the first is the last one of log_scan() + 1, each record that is ended takes the
 * next; one that is dropped, and those of a group that could not be committed, are given again.
 *
 * A log that is closed (a sync failed, or a failed write could not be taken back) answers every
 * commit UNAVAILABLE until the process restarts: after a failed sync nobody knows what is on disk,
 * and asking again would say OK (see LWN "PostgreSQL's fsync() surprise", 2018). */
#ifndef FEATURED_LOG_LOG_WRITER_H
#define FEATURED_LOG_LOG_WRITER_H

#include "base/error.h"
#include "base/file.h"
#include "log/log_record.h"
#include "log/log_scan.h"

enum log_fsync { LOG_FSYNC_ALWAYS, LOG_FSYNC_INTERVAL, LOG_FSYNC_NEVER };

#define LOG_SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)

struct log_writer_options {
    struct file_system *files;
    const char *directory; /* DATA/log, which is there; borrowed */
    uint64_t identity;
    enum log_fsync fsync;
    int64_t fsync_interval_ms;
    uint64_t segment_bytes; /* a segment that has reached this is followed by the next one; less is
                               preallocated where the disk has less. 0: the default */
};

/* Readable by any thread. */
struct log_metrics {
    uint64_t segments;
    uint64_t segment_bytes;  /* on disk, preallocated space included */
    uint64_t bytes_written;  /* by this process */
    uint64_t groups;
    uint64_t syncs;
    uint64_t sync_ns; /* all of them together */
    uint64_t written_lsn;
    uint64_t synced_lsn;
    bool closed;
};

struct log_writer;

/* Goes on after what `scan` found; its segments are kept for removal later. Creates nothing yet: the
 * first group begins a new segment. `interval` starts the sync thread. */
MUST_CHECK status log_writer_open(const struct log_writer_options *options,
                                  const struct log_scan *scan, struct log_writer **out,
                                  struct error *error);
/* Syncs what was written (unless closed, or `never`), ends the thread. NULL is fine. */
void log_writer_close(struct log_writer *log);

/* Owner's thread. Before the first record of a group: begins a new segment if the present one is
 * full. UNAVAILABLE: there is no room for one, or the log is closed; OUT_OF_MEMORY; nothing has begun.
 * A no-op while a group is open. */
MUST_CHECK status log_writer_begin(struct log_writer *log, uint64_t first_lsn, int64_t clock_us,
                                   struct error *error);
/* Whether a schema record of this version is in the present segment or group; if not the caller adds
 * one before the record that needs it, with the LSN of that. */
bool log_writer_has_schema(const struct log_writer *log, uint64_t version_id);
MUST_CHECK bool log_writer_add_schema(struct log_writer *log, const struct log_schema *schema,
                                      uint64_t lsn);
/* A record: begin, append the payload to the buffer, then end it, or drop it. end: OUT_OF_MEMORY
 * drops it. */
struct buffer *log_writer_record(struct log_writer *log, enum log_record_type type, uint64_t lsn);
MUST_CHECK status log_writer_record_end(struct log_writer *log);
void log_writer_record_drop(struct log_writer *log);
/* Bytes in the open group; 0: none is open. */
size_t log_writer_group_bytes(const struct log_writer *log);
/* Writes the group, and syncs it under `always`; `last_lsn` is that of its last record. On failure
 * nothing of it will be replayed (UNAVAILABLE, type "log_write": may be tried again) or it is unknown
 * (UNAVAILABLE, type "log_closed"). Either way the group is over. A group without a record is a mark
 * that what was before it is synced: it is written and never synced itself (begin with the next LSN,
 * commit with the last). A no-op without an open group. */
MUST_CHECK status log_writer_commit(struct log_writer *log, uint64_t last_lsn, struct error *error);

/* Any thread. Everything written up to now is durable when this returns OK, whatever the policy. */
MUST_CHECK status log_writer_sync(struct log_writer *log, struct error *error);
/* Any thread. Removes segments that hold nothing after `lsn` and whose last record is older than
 * `retention_ms`. Never the one being written. */
MUST_CHECK status log_writer_remove_until(struct log_writer *log, uint64_t lsn,
                                          int64_t retention_ms, struct error *error);
void log_writer_metrics(struct log_writer *log, struct log_metrics *out);
/* Why the log is closed; OK while it is not. Any thread. */
MUST_CHECK status log_writer_check(struct log_writer *log, struct error *error);

#endif

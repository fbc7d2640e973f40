/* The parts of the log's writer: log_writer.c (records, groups), log_writer_segment.c (files),
 * log_writer_sync.c (what is durable).
 *
 * Two locks, the outer first. `sync_lock` is held by whoever syncs or closes a file, so that a file
 * is not closed under a sync, and that after one thread's failed sync nobody else's says OK: the
 * kernel tells each error once. `lock` guards what several threads look at, never over a system
 * call. */
#ifndef FEATURED_LOG_LOG_WRITER_PRIVATE_H
#define FEATURED_LOG_LOG_WRITER_PRIVATE_H

#include <pthread.h>

#include "log/log_schema_set.h"
#include "log/log_writer.h"

/* So many full segments at most wait for their sync; then the owner waits for it. */
#define LOG_RETIRED_MAX 4u

/* A segment that is open for writing, or written and waiting to be synced. */
struct log_file {
    struct log_file *next;
    struct file *file;
    uint64_t first_lsn;
};

/* A segment on disk. */
struct log_entry {
    uint64_t first_lsn;
    uint64_t last_lsn; /* first_lsn - 1: no record */
    uint64_t size_bytes;
    int64_t clock_us; /* no record of it is newer */
};

struct log_writer {
    struct log_writer_options options;
    /* The owner's. */
    struct buffer group;
    bool has_group;
    bool has_record;
    size_t record_begin;
    uint64_t group_first_lsn;
    int64_t group_clock_us;
    uint64_t next_lsn;
    struct log_schema_set schemas;
    uint64_t offset; /* where the next group goes in the present segment */
    uint64_t allocated_bytes;

    pthread_mutex_t sync_lock;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the sync thread, to stop */
    bool stopping;
    bool has_thread;
    pthread_t thread;
    struct log_file *current; /* NULL before the first group */
    struct log_file *retired; /* oldest first */
    struct log_file **retired_last;
    uint32_t retired_count;
    bool names_are_synced;
    struct log_entry *entries; /* in order; the last is `current`, if there is one */
    uint32_t entry_count;
    uint32_t entry_capacity;
    int64_t unsynced_ns; /* not after the oldest group that is not synced, if there is one */
    struct log_metrics metrics;
    struct error closed; /* why, if metrics.closed */
};

/* log_writer_segment.c */
MUST_CHECK status log_entries_open(struct log_writer *log, const struct log_scan *scan,
                                   struct error *error);
/* A new segment in place of the present one, which is retired. */
MUST_CHECK status log_segment_begin(struct log_writer *log, uint64_t first_lsn, int64_t clock_us,
                                    struct error *error);
/* Room for the present segment to reach `end`; an errno. */
MUST_CHECK int log_segment_extend(struct log_writer *log, uint64_t end);
void log_segment_set_size(struct log_writer *log, uint64_t size_bytes);
void log_segment_path(const struct log_writer *log, const struct log_file *file,
                      char out[FILE_PATH_MAX]);
/* UNAVAILABLE, type "log_write": may be tried again. */
status log_cannot_write(const struct log_writer *log, const char *path, int reason,
                        struct error *error);

/* log_writer_sync.c */
MUST_CHECK status log_sync_thread_start(struct log_writer *log, struct error *error);
void log_sync_thread_stop(struct log_writer *log);
/* Everything that was written when it is called. */
MUST_CHECK status log_sync_written(struct log_writer *log, struct error *error);
/* The same under `interval`, if something has waited for it for as long as that: what the thread has
 * promised, a slow disk must not break. */
MUST_CHECK status log_sync_overdue(struct log_writer *log, struct error *error);
/* The same, if too many retired segments wait for it. */
MUST_CHECK status log_sync_retired(struct log_writer *log, struct error *error);
/* The present file alone, after a cut. */
MUST_CHECK status log_sync_cut(struct log_writer *log, struct error *error);
/* For good. The first reason is kept. */
void log_close_for_good(struct log_writer *log, const char *what, const char *path, int reason);

#endif

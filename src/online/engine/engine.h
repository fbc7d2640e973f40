/* The embedded online store: rows in sharded hash tables, one writer thread (design.md §2, §5), a
 * log before them and snapshots behind (design.md §6).
 *
 * It begins by recovering what the data directory holds. Until that is done everything but metrics
 * and the clock is answered UNAVAILABLE, type "recovering". */
#ifndef FEATURED_ONLINE_ENGINE_ENGINE_H
#define FEATURED_ONLINE_ENGINE_ENGINE_H

#include "base/file.h"
#include "log/log_writer.h"
#include "online/online.h"
#include "runtime/store_clock.h"

#define ENGINE_SNAPSHOT_LOG_BYTES_DEFAULT (UINT64_C(256) << 20)

/* What pointers lead to outlives the store. */
struct engine_options {
    struct epoch *epoch;
    const struct catalog_ref *catalog;
    uint64_t max_memory_bytes;
    struct store_clock *clock; /* the process's */

    /* Durability. All of it is unused without a directory. */
    const char *directory; /* DATA, with its format file; NULL: values live in memory only */
    struct file_system *files;
    uint64_t identity; /* of the data directory */
    enum log_fsync fsync;
    int64_t fsync_interval_ms;
    uint64_t segment_bytes;       /* 0: LOG_SEGMENT_BYTES_DEFAULT */
    int64_t snapshot_interval_ms; /* 0: not by time */
    uint64_t snapshot_log_bytes;  /* 0: ENGINE_SNAPSHOT_LOG_BYTES_DEFAULT */
    int64_t log_retention_ms;     /* how long what a snapshot holds stays in the log too */
    bool recover_truncate;        /* --recover truncate: go on without what is damaged */
    unsigned recovery_threads;    /* 0: one per core, at most 8 */

    /* Called once, on the writer's thread, also without a directory: OK, and the store is ready; or
     * why it never will be. It may be called before engine_open() returns. May be NULL. */
    void (*recovered)(void *user, status result, const struct error *error);
    void *user;
};

/* Starts the threads; recovery goes on in the writer's. A store whose recovery failed must still be
 * closed. */
MUST_CHECK status engine_open(const struct engine_options *options, struct online_store **out,
                              struct error *error);

/* Any thread: asks for a snapshot as soon as may be. */
void engine_snapshot(struct online_store *store);

/* Any thread. Whether the store is recovering, and how far it has come. */
bool engine_progress(struct online_store *store, unsigned *permille);

#endif

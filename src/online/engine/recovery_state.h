/* What the parts of recovery share. Private to recovery*.c.
 *
 * Pass one reads everything once, in order, on the writer's thread: checks every CRC, adds up
 * statistics, clock and numbers of rows (recovery_check.c). Pass two fills the tables, by several
 * threads that each read all files but keep only the rows of their own shards (recovery_load.c). */
#ifndef FEATURED_ONLINE_ENGINE_RECOVERY_STATE_H
#define FEATURED_ONLINE_ENGINE_RECOVERY_STATE_H

#include "log/log_reader.h"
#include "online/engine/recovery.h"
#include "online/engine/recovery_versions.h"
#include "online/engine/snapshot_file.h"

#define RECOVERY_THREADS_MAX 8u

struct recovery {
    struct engine *engine;
    const struct engine_options *options;
    const struct catalog *catalog; /* one image for all of it: the thread stays online */
    struct recovery_versions versions;
    char snapshot_folder[FILE_PATH_MAX];
    char log_folder[FILE_PATH_MAX];
    /* Of the snapshot that is used; 0 and "" without one. */
    char snapshot_path[FILE_PATH_MAX];
    uint64_t snapshot_lsn;
    uint64_t snapshot_end_lsn;
    uint64_t snapshot_bytes;
    uint64_t snapshot_rows;
    uint64_t rows_of[LIMIT_ENTITIES]; /* in the snapshot, by entity index */
    /* Of both. */
    bool has_rows[LIMIT_ENTITIES]; /* by entity index: a table is needed */
    int64_t clock_us;              /* the highest time that anything was given; INT64_MIN: none */
    uint64_t records;              /* of the log */
    struct log_scan scan;
    /* Progress: bytes that all threads have read, of how many they will. */
    uint32_t thread_count;
    uint64_t log_bytes;
    _Atomic uint64_t bytes_done;
};

/* Any thread of recovery. */
void recovery_progress(struct recovery *recovery, uint64_t bytes);
static inline bool recovery_is_over(const struct recovery *recovery)
{
    return atomic_load_explicit(&recovery->engine->closing, memory_order_relaxed);
}
MUST_CHECK status recovery_given_up(struct error *error);
MUST_CHECK status recovery_no_memory(struct error *error);
/* After LOG_READ_FAILED: IO, or OUT_OF_MEMORY. */
MUST_CHECK status recovery_not_read(struct error *error, const struct log_reader *reader);
/* MALFORMED, with what to do about it. */
MUST_CHECK status recovery_damaged(struct error *error, const char *path, uint64_t offset,
                                   const char *reason);

/* Takes the entity's name off the front of a LOG_SNAPSHOT_ROWS; false on damage. *out is NULL if
 * the catalog does not have it. */
MUST_CHECK bool recovery_rows_entity(const struct recovery *recovery, str *payload,
                                     const struct catalog_entity **out);

/* Pass one. MALFORMED: the snapshot is not whole; nothing of it is kept. */
MUST_CHECK status recovery_check_snapshot(struct recovery *recovery, uint64_t lsn,
                                          struct error *error);
/* A visitor of log_scan(). What does not decode is left to pass two, which can say where it is. */
MUST_CHECK status recovery_check_record(void *user, const struct log_record *record,
                                        struct error *error);

/* Pass two. On failure no table is left. */
MUST_CHECK status recovery_load(struct recovery *recovery, uint64_t *memory_bytes,
                                uint64_t *entities, struct error *error);

#endif

#include "online/engine/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/engine/recovery_state.h"

static void show_progress(struct recovery *recovery, uint64_t done)
{
    uint64_t all = (recovery->snapshot_bytes + recovery->log_bytes) *
                   (1 + (uint64_t)recovery->thread_count);
    unsigned permille = all > 0 ? (unsigned)(done * 1000 / all) : 0;
    _Atomic unsigned *shown = &recovery->engine->recovery_permille;
    /* What is known to come grows when the log is looked at: never show less than before. */
    unsigned before = atomic_load_explicit(shown, memory_order_relaxed);
    permille = permille < 999 ? permille : 999;
    if (permille > before)
        atomic_store_explicit(shown, permille, memory_order_relaxed);
}

void recovery_progress(struct recovery *recovery, uint64_t bytes)
{
    uint64_t done =
        atomic_fetch_add_explicit(&recovery->bytes_done, bytes, memory_order_relaxed) + bytes;
    show_progress(recovery, done);
}

status recovery_given_up(struct error *error)
{
    return error_set(error, STATUS_UNAVAILABLE, "closing", "the store was closed while recovering");
}

status recovery_no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory for what the data directory holds");
}

status recovery_not_read(struct error *error, const struct log_reader *reader)
{
    if (reader->error == ENOMEM)
        return recovery_no_memory(error);
    return error_set(error, STATUS_IO, "recovery_read", "%s: %s", reader->path, reader->reason);
}

status recovery_damaged(struct error *error, const char *path, uint64_t offset,
                        const char *reason)
{
    return error_set(error, STATUS_MALFORMED, "damaged",
                     "%s: damaged at byte %llu: %s. Restore the data directory from a backup", path,
                     (unsigned long long)offset, reason);
}

struct snapshots {
    uint64_t *lsns; /* ascending */
    uint32_t count;
    struct error newest_error; /* why the newest is not whole */
    bool is_newest_damaged;
};

/* The newest that is whole; recovery->snapshot_path is "" if there is none. */
static status choose_snapshot(struct recovery *recovery, struct snapshots *snapshots,
                              struct error *error)
{
    for (uint32_t i = snapshots->count; i-- > 0;) {
        struct error why = {0};
        status result = recovery_check_snapshot(recovery, snapshots->lsns[i], &why);
        if (status_is_ok(result))
            return OK;
        if (result.code != STATUS_MALFORMED) {
            if (error != NULL)
                *error = why;
            return result;
        }
        log_event(LOG_WARN, "snapshot_damaged", "error=\"%s\"", why.detail);
        if (!snapshots->is_newest_damaged)
            snapshots->newest_error = why;
        snapshots->is_newest_damaged = true;
    }
    return OK;
}

static void scan_progress(void *user, uint64_t bytes_done, uint64_t bytes_total)
{
    struct recovery *recovery = user;
    uint64_t done = recovery->snapshot_bytes + bytes_done;
    recovery->log_bytes = bytes_total;
    atomic_store_explicit(&recovery->bytes_done, done, memory_order_relaxed);
    show_progress(recovery, done);
}

/* Without a whole snapshot and told to go on: from where the log begins, but never with an LSN that
 * the lost snapshot had seen. */
static status from_what_is_left(struct recovery *recovery, const struct snapshots *snapshots,
                                uint64_t *from_lsn, struct error *error)
{
    uint64_t *lsns;
    uint32_t count;
    TRY(log_list_files(recovery->options->files, recovery->log_folder, LOG_SEGMENT_SUFFIX, &lsns,
                       &count, error));
    if (count == 0)
        *from_lsn = snapshots->lsns[snapshots->count - 1];
    else if (lsns[0] > 0)
        *from_lsn = lsns[0] - 1;
    memory_free(lsns);
    return OK;
}

/* Adds to the log's complaint why it was asked to reach back that far. */
static status explain(const struct snapshots *snapshots, status result, struct error *error)
{
    if (result.code != STATUS_MALFORMED || !snapshots->is_newest_damaged || error == NULL)
        return result;
    struct error of_log = *error;
    return error_set(error, STATUS_MALFORMED, "damaged",
                     "%s; and the log alone does not do: %s. With --recover truncate the store "
                     "starts with what is left",
                     snapshots->newest_error.detail, of_log.detail);
}

static status scan_log(struct recovery *recovery, const struct snapshots *snapshots,
                       struct error *error)
{
    const struct engine_options *options = recovery->options;
    bool is_whole = recovery->snapshot_path[0] != '\0';
    struct log_scan_options scan = {
        .files = options->files,
        .directory = recovery->log_folder,
        .identity = options->identity,
        .from_lsn = recovery->snapshot_lsn,
        .must_reach_lsn = recovery->snapshot_end_lsn,
        .truncate = options->recover_truncate,
        .visit = recovery_check_record,
        .progress = scan_progress,
        .user = recovery,
    };
    if (snapshots->is_newest_damaged && !options->recover_truncate) {
        /* It was named when the log had been synced that far. */
        uint64_t newest_lsn = snapshots->lsns[snapshots->count - 1];
        if (scan.must_reach_lsn < newest_lsn)
            scan.must_reach_lsn = newest_lsn;
    } else if (!is_whole && snapshots->count > 0) {
        TRY(from_what_is_left(recovery, snapshots, &scan.from_lsn, error));
    }
    return explain(snapshots, log_scan(&scan, &recovery->scan, error), error);
}

static void count_log_bytes(struct recovery *recovery)
{
    const struct log_scan *scan = &recovery->scan;
    recovery->log_bytes = 0;
    for (uint32_t i = 0; i < scan->segment_count; i++)
        recovery->log_bytes += scan->segments[i].end_offset;
    if (scan->cut_bytes > 0)
        log_event(LOG_WARN, "log_cut", "path=%s offset=%llu bytes=%llu", scan->cut_path,
                  (unsigned long long)scan->cut_offset, (unsigned long long)scan->cut_bytes);
}

static status pass_one(struct recovery *recovery, struct error *error)
{
    const struct engine_options *options = recovery->options;
    struct snapshots snapshots = {0};
    TRY(log_list_files(options->files, recovery->snapshot_folder, LOG_SNAPSHOT_SUFFIX,
                       &snapshots.lsns, &snapshots.count, error));
    status result = choose_snapshot(recovery, &snapshots, error);
    if (status_is_ok(result))
        result = scan_log(recovery, &snapshots, error);
    memory_free(snapshots.lsns);
    if (!status_is_ok(result))
        return result;
    count_log_bytes(recovery);
    if (recovery->scan.clock_us > recovery->clock_us)
        recovery->clock_us = recovery->scan.clock_us;
    store_clock_advance(recovery->engine->clock, recovery->clock_us);
    return OK;
}

static status make_folder(struct file_system *files, const char *path, struct error *error)
{
    int code = files->make_directory(files, path);
    return code == 0 ? OK
                     : error_set(error, STATUS_IO, "data_directory", "%s: cannot create it: %s",
                                 path, strerror(code));
}

static status prepare_folders(struct recovery *recovery, struct error *error)
{
    const struct engine_options *options = recovery->options;
    struct file_system *files = options->files;
    size_t size = sizeof(recovery->log_folder);
    if ((size_t)snprintf(recovery->log_folder, size, "%s/%s", options->directory, LOG_FOLDER) >=
            size ||
        (size_t)snprintf(recovery->snapshot_folder, size, "%s/%s", options->directory,
                         LOG_SNAPSHOT_FOLDER) >= size)
        return error_set(error, STATUS_IO, "data_directory",
                         "the data directory's path is too long");
    TRY(make_folder(files, recovery->log_folder, error));
    TRY(make_folder(files, recovery->snapshot_folder, error));
    int code = files->sync_directory(files, options->directory);
    if (code != 0)
        return error_set(error, STATUS_IO, "data_directory", "%s: cannot sync it: %s",
                         options->directory, strerror(code));
    return snapshot_remove_unfinished(files, options->directory, error);
}

static uint32_t threads_of(const struct engine_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = options->recovery_threads;
    if (count == 0)
        count = cores > 0 ? (unsigned)cores : 1;
    return count < RECOVERY_THREADS_MAX ? count : RECOVERY_THREADS_MAX;
}

/* All that may fail; what is held is given up by the caller. */
static status recover(struct recovery *recovery, struct recovery_result *out, struct error *error)
{
    uint64_t bytes = 0;
    uint64_t entities = 0;
    if (!recovery_versions_init(&recovery->versions, recovery->catalog))
        return recovery_no_memory(error);
    TRY(prepare_folders(recovery, error));
    TRY(pass_one(recovery, error));
    struct statistics_store statistics;
    if (!recovery_versions_statistics(&recovery->versions, &statistics))
        return recovery_no_memory(error);
    status result = recovery_load(recovery, &bytes, &entities, error);
    if (!status_is_ok(result)) {
        statistics_store_fini(&statistics);
        return result;
    }
    *out->memory_bytes += bytes;
    out->statistics = statistics;
    out->entities = entities;
    return OK;
}

static void tell(struct recovery *recovery, struct recovery_result *out, int64_t begin_ns)
{
    out->last_lsn = recovery->scan.last_lsn;
    out->scan = recovery->scan;
    recovery->scan = (struct log_scan){0};
    out->facts = (struct engine_recovery){
        .duration_ns = (uint64_t)(clock_monotonic_ns() - begin_ns),
        .rows = recovery->snapshot_rows,
        .records = recovery->records,
        .cut_bytes = out->scan.cut_bytes,
        .snapshot_lsn = recovery->snapshot_lsn,
        .snapshot_bytes = recovery->snapshot_bytes,
        .log_bytes = recovery->log_bytes,
    };
}

static status run(struct recovery *recovery, struct epoch_reader *reader,
                  struct recovery_result *out, struct error *error)
{
    struct engine *engine = recovery->engine;
    int64_t begin_ns = clock_monotonic_ns();
    epoch_online(engine->epoch, reader);
    recovery->catalog = catalog_current(engine->catalog);
    recovery->clock_us = INT64_MIN;
    recovery->thread_count = threads_of(recovery->options);
    status result = recover(recovery, out, error);
    if (status_is_ok(result))
        tell(recovery, out, begin_ns);
    log_scan_fini(&recovery->scan);
    recovery_versions_fini(&recovery->versions);
    epoch_offline(reader);
    return result;
}

status recovery_run(struct engine *engine, const struct engine_options *options,
                    struct recovery_result *out, struct error *error)
{
    struct recovery *recovery = memory_alloc_zero(sizeof(*recovery));
    struct epoch_reader *reader = epoch_register(engine->epoch);
    status result;
    if (recovery == NULL) {
        result = recovery_no_memory(error);
    } else if (reader == NULL) {
        result = error_set(error, STATUS_TOO_MANY, "too_many", "too many threads");
    } else {
        recovery->engine = engine;
        recovery->options = options;
        result = run(recovery, reader, out, error);
    }
    if (reader != NULL)
        epoch_unregister(reader);
    memory_free(recovery);
    return result;
}

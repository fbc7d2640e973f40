#include "log/log_writer_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

void log_close_for_good(struct log_writer *log, const char *what, const char *path, int reason)
{
    char text[128];
    pthread_mutex_lock(&log->lock);
    if (!log->metrics.closed) {
        log->metrics.closed = true;
        status closed = error_set(
            &log->closed, STATUS_UNAVAILABLE, "log_closed",
            "the log is closed: %s %s (%s), so whether the last changes are on disk is unknown; "
            "values are still served; check the disk, then restart",
            what, path, strerror_r(reason, text, sizeof(text)));
        (void)closed;
    }
    pthread_mutex_unlock(&log->lock);
}

/* With sync_lock held; an errno, and then the log is closed. */
static int sync_file(struct log_writer *log, const struct log_file *file)
{
    int64_t begun_ns = clock_monotonic_ns();
    int failed = log->options.files->sync(file->file);
    int64_t took_ns = clock_monotonic_ns() - begun_ns;
    if (failed != 0) {
        char path[FILE_PATH_MAX];
        log_segment_path(log, file, path);
        log_close_for_good(log, "a sync failed of", path, failed);
        return failed;
    }
    pthread_mutex_lock(&log->lock);
    log->metrics.syncs++;
    log->metrics.sync_ns += (uint64_t)took_ns;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* Without a descriptor the folder was not asked anything: the next sync does that. */
static bool is_without_descriptor(int failed)
{
    return failed == EMFILE || failed == ENFILE;
}

static int sync_names(struct log_writer *log)
{
    struct file_system *files = log->options.files;
    int failed = files->sync_directory(files, log->options.directory);
    if (is_without_descriptor(failed)) {
        pthread_mutex_lock(&log->lock);
        log->names_are_synced = false;
        pthread_mutex_unlock(&log->lock);
    } else if (failed != 0) {
        log_close_for_good(log, "a sync failed of", log->options.directory, failed);
    }
    return failed;
}

/* What a sync has to do, as of one moment. */
struct work {
    struct log_file *retired; /* the oldest; those after it follow */
    uint32_t retired_count;
    const struct log_file *current; /* NULL: there is none, or nothing new in it */
    bool syncs_names;
    uint64_t written_lsn;
    uint64_t synced_lsn;
    int64_t begun_ns;
};

static void find_work(struct log_writer *log, struct work *work)
{
    pthread_mutex_lock(&log->lock);
    *work = (struct work){
        .retired = log->retired,
        .retired_count = log->retired_count,
        .syncs_names = !log->names_are_synced,
        .written_lsn = log->metrics.written_lsn,
        .synced_lsn = log->metrics.synced_lsn,
        .begun_ns = clock_monotonic_ns(),
    };
    if (work->written_lsn > work->synced_lsn)
        work->current = log->current;
    log->names_are_synced = true; /* unless sync_names() fails */
    pthread_mutex_unlock(&log->lock);
}

/* The oldest of the retired: synced, it needs no more looking after. Gives the next oldest. */
static struct log_file *forget_retired(struct log_writer *log)
{
    pthread_mutex_lock(&log->lock);
    struct log_file *file = log->retired;
    log->retired = file->next;
    if (log->retired == NULL)
        log->retired_last = &log->retired;
    log->retired_count--;
    struct log_file *next = log->retired; /* the writer may be adding to the list */
    pthread_mutex_unlock(&log->lock);
    log->options.files->close(file->file);
    memory_free(file);
    return next;
}

/* With sync_lock held: nobody else takes from the list. */
static int sync_oldest(struct log_writer *log, const struct work *work, uint32_t count)
{
    struct log_file *file = work->retired;
    for (uint32_t i = 0; i < count; i++) {
        int failed = work->written_lsn > work->synced_lsn ? sync_file(log, file) : 0;
        if (failed != 0)
            return failed;
        file = forget_retired(log);
    }
    return 0;
}

static void note_synced(struct log_writer *log, const struct work *work)
{
    pthread_mutex_lock(&log->lock);
    if (log->metrics.synced_lsn < work->written_lsn) {
        log->metrics.synced_lsn = work->written_lsn;
        log->unsynced_ns = work->begun_ns; /* what is left was written later */
    }
    pthread_mutex_unlock(&log->lock);
}

static status sync_failure(struct log_writer *log, int failed, struct error *error)
{
    TRY(log_writer_check(log, error));
    return log_cannot_write(log, log->options.directory, failed, error);
}

status log_sync_written(struct log_writer *log, struct error *error)
{
    struct work work;
    pthread_mutex_lock(&log->sync_lock);
    status result = log_writer_check(log, error);
    if (status_is_ok(result)) {
        find_work(log, &work);
        int failed = sync_oldest(log, &work, work.retired_count);
        if (failed == 0 && work.current != NULL)
            failed = sync_file(log, work.current);
        if (failed == 0 && work.syncs_names)
            failed = sync_names(log);
        if (failed == 0)
            note_synced(log, &work);
        else
            result = sync_failure(log, failed, error);
    }
    pthread_mutex_unlock(&log->sync_lock);
    return result;
}

status log_sync_overdue(struct log_writer *log, struct error *error)
{
    if (log->options.fsync != LOG_FSYNC_INTERVAL)
        return OK;
    pthread_mutex_lock(&log->lock);
    bool is_overdue =
        log->metrics.written_lsn > log->metrics.synced_lsn &&
        clock_monotonic_ns() - log->unsynced_ns > log->options.fsync_interval_ms * NS_PER_MS;
    pthread_mutex_unlock(&log->lock);
    return is_overdue ? log_sync_written(log, error) : OK;
}

status log_sync_retired(struct log_writer *log, struct error *error)
{
    pthread_mutex_lock(&log->lock);
    bool is_needed = log->retired_count > LOG_RETIRED_MAX;
    pthread_mutex_unlock(&log->lock);
    return is_needed ? log_sync_written(log, error) : OK;
}

status log_sync_cut(struct log_writer *log, struct error *error)
{
    pthread_mutex_lock(&log->sync_lock);
    status result = log_writer_check(log, error);
    if (status_is_ok(result) && sync_file(log, log->current) != 0)
        result = log_writer_check(log, error);
    pthread_mutex_unlock(&log->sync_lock);
    return result;
}

status log_writer_sync(struct log_writer *log, struct error *error)
{
    return log_sync_written(log, error);
}

static void *run(void *argument)
{
    struct log_writer *log = argument;
    /* Twice in an interval: there has to be time for the sync itself. */
    int64_t pause_ns = log->options.fsync_interval_ms * NS_PER_MS / 2;
    pthread_mutex_lock(&log->lock);
    while (!log->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + pause_ns % NS_PER_SECOND;
        until.tv_sec += pause_ns / NS_PER_SECOND + ns / NS_PER_SECOND;
        until.tv_nsec = ns % NS_PER_SECOND;
        while (!log->stopping && pthread_cond_timedwait(&log->wake, &log->lock, &until) == 0)
            ;
        if (!log->stopping && log->metrics.written_lsn > log->metrics.synced_lsn &&
            !log->metrics.closed) {
            pthread_mutex_unlock(&log->lock);
            status result = log_sync_written(log, NULL); /* a failure is told to the next commit */
            (void)result;
            pthread_mutex_lock(&log->lock);
        }
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

status log_sync_thread_start(struct log_writer *log, struct error *error)
{
    if (pthread_create(&log->thread, NULL, run, log) != 0)
        return error_set(error, STATUS_UNAVAILABLE, "log_thread",
                         "the log's sync thread cannot be started");
    pthread_setname_np(log->thread, "sync");
    log->has_thread = true;
    return OK;
}

void log_sync_thread_stop(struct log_writer *log)
{
    if (!log->has_thread)
        return;
    pthread_mutex_lock(&log->lock);
    log->stopping = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    log->has_thread = false;
}

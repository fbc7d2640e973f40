#include "log/log_writer.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "log/log_writer_private.h"

#define GROUP_BYTES_KEPT ((size_t)4 << 20)

static status init_locks(struct log_writer *log)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return status_of(STATUS_OUT_OF_MEMORY);
    bool is_ready = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                    pthread_cond_init(&log->wake, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (!is_ready)
        return status_of(STATUS_OUT_OF_MEMORY);
    pthread_mutex_init(&log->sync_lock, NULL);
    pthread_mutex_init(&log->lock, NULL);
    return OK;
}

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "no memory for the log");
}

static void free_file(struct log_writer *log, struct log_file *file)
{
    log->options.files->close(file->file);
    memory_free(file);
}

static void destroy(struct log_writer *log)
{
    while (log->retired != NULL) {
        struct log_file *file = log->retired;
        log->retired = file->next;
        free_file(log, file);
    }
    if (log->current != NULL)
        free_file(log, log->current);
    buffer_fini(&log->group);
    log_schema_set_fini(&log->schemas);
    memory_free(log->entries);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->sync_lock);
    memory_free(log);
}

status log_writer_open(const struct log_writer_options *options, const struct log_scan *scan,
                       struct log_writer **out, struct error *error)
{
    struct log_writer *log = memory_alloc_zero(sizeof(*log));
    if (log == NULL)
        return no_memory(error);
    log->options = *options;
    if (log->options.segment_bytes == 0)
        log->options.segment_bytes = LOG_SEGMENT_BYTES_DEFAULT;
    log->next_lsn = scan->last_lsn + 1;
    log->metrics.written_lsn = scan->last_lsn;
    log->metrics.synced_lsn = scan->last_lsn; /* log_scan() has seen to it */
    log->names_are_synced = true;
    log->retired_last = &log->retired;
    buffer_init(&log->group, LOG_PAYLOAD_MAX);
    if (!status_is_ok(init_locks(log))) {
        memory_free(log);
        return no_memory(error);
    }
    status result = log_entries_open(log, scan, error);
    if (status_is_ok(result) && options->fsync == LOG_FSYNC_INTERVAL)
        result = log_sync_thread_start(log, error);
    if (!status_is_ok(result)) {
        destroy(log);
        return result;
    }
    *out = log;
    return OK;
}

void log_writer_close(struct log_writer *log)
{
    if (log == NULL)
        return;
    log_sync_thread_stop(log);
    if (log->options.fsync != LOG_FSYNC_NEVER) {
        status result = log_sync_written(log, NULL); /* a failure has nobody left to tell */
        (void)result;
    }
    destroy(log);
}

status log_writer_check(struct log_writer *log, struct error *error)
{
    status result = OK;
    pthread_mutex_lock(&log->lock);
    if (log->metrics.closed) {
        result = status_of(log->closed.code);
        if (error != NULL)
            *error = log->closed;
    }
    pthread_mutex_unlock(&log->lock);
    return result;
}

void log_writer_metrics(struct log_writer *log, struct log_metrics *out)
{
    pthread_mutex_lock(&log->lock);
    *out = log->metrics;
    pthread_mutex_unlock(&log->lock);
}

/* A version is described once in each segment, by a record that is sure to be in it. */
static void end_group(struct log_writer *log, bool is_kept)
{
    if (!is_kept)
        log_schema_set_clear(&log->schemas);
    log->has_group = false;
    buffer_reset(&log->group, GROUP_BYTES_KEPT);
}

static uint64_t synced_lsn(struct log_writer *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t lsn = log->metrics.synced_lsn;
    pthread_mutex_unlock(&log->lock);
    return lsn;
}

status log_writer_begin(struct log_writer *log, uint64_t first_lsn, int64_t clock_us,
                        struct error *error)
{
    if (log->has_group)
        return OK;
    ASSERT(first_lsn == log->next_lsn);
    TRY(log_writer_check(log, error));
    if (log->current == NULL || log->offset >= log->options.segment_bytes)
        TRY(log_segment_begin(log, first_lsn, clock_us, error));
    struct log_group group = {
        .identity = log->options.identity,
        .synced_lsn = synced_lsn(log),
        .clock_us = clock_us,
    };
    size_t begin = log_record_begin(&log->group, LOG_GROUP, first_lsn);
    log_group_encode(&log->group, &group);
    log_record_end(&log->group, begin, log->options.identity);
    if (log->group.failed) {
        buffer_reset(&log->group, GROUP_BYTES_KEPT);
        return no_memory(error);
    }
    log->group_first_lsn = first_lsn;
    log->group_clock_us = clock_us;
    log->has_group = true;
    return OK;
}

size_t log_writer_group_bytes(const struct log_writer *log)
{
    return log->has_group ? log->group.len : 0;
}

bool log_writer_has_schema(const struct log_writer *log, uint64_t version_id)
{
    return log_schema_set_has(&log->schemas, version_id);
}

struct buffer *log_writer_record(struct log_writer *log, enum log_record_type type, uint64_t lsn)
{
    ASSERT(log->has_group && !log->has_record && lsn == log->next_lsn);
    log->has_record = true;
    log->record_begin = log->group.len;
    log_record_begin(&log->group, type, lsn);
    return &log->group;
}

void log_writer_record_drop(struct log_writer *log)
{
    ASSERT(log->has_record);
    log->group.len = log->record_begin;
    log->group.failed = false;
    log->has_record = false;
}

static status finish_record(struct log_writer *log)
{
    ASSERT(log->has_record);
    log_record_end(&log->group, log->record_begin, log->options.identity);
    if (log->group.failed) {
        log_writer_record_drop(log);
        return status_of(STATUS_OUT_OF_MEMORY);
    }
    log->has_record = false;
    return OK;
}

status log_writer_record_end(struct log_writer *log)
{
    TRY(finish_record(log));
    log->next_lsn++;
    return OK;
}

bool log_writer_add_schema(struct log_writer *log, const struct log_schema *schema, uint64_t lsn)
{
    log_schema_encode(log_writer_record(log, LOG_SCHEMA, lsn), schema);
    size_t begin = log->record_begin;
    if (!status_is_ok(finish_record(log)))
        return false;
    if (!log_schema_set_add(&log->schemas, schema->version_id)) {
        log->group.len = begin;
        return false;
    }
    return true;
}

/* After a write of which any part may be in the file. */
static status take_back(struct log_writer *log, int reason, struct error *error)
{
    struct file_system *files = log->options.files;
    char path[FILE_PATH_MAX];
    log_segment_path(log, log->current, path);
    int failed = files->truncate(log->current->file, log->offset);
    if (failed != 0) {
        log_close_for_good(log, "a failed write could not be taken back from", path, failed);
        return log_writer_check(log, error);
    }
    /* The place comes back, as zeros, if it can be had; the next group asks again. */
    if (files->allocate(log->current->file, log->allocated_bytes) != 0)
        log->allocated_bytes = log->offset;
    log_segment_set_size(log, log->allocated_bytes);
    /* Else parts of this group might outlive a power failure behind the next one. */
    TRY(log_sync_cut(log, error));
    return log_cannot_write(log, path, reason, error);
}

static status write_group(struct log_writer *log, struct error *error)
{
    uint64_t end = log->offset + log->group.len;
    char path[FILE_PATH_MAX];
    if (end > log->allocated_bytes) {
        int failed = log_segment_extend(log, end);
        if (failed != 0) {
            log_segment_path(log, log->current, path);
            return log_cannot_write(log, path, failed, error);
        }
    }
    int failed = log->options.files->write(log->current->file, log->group.data, log->group.len,
                                           log->offset);
    return failed != 0 ? take_back(log, failed, error) : OK;
}

static void note_written(struct log_writer *log, uint64_t last_lsn)
{
    pthread_mutex_lock(&log->lock);
    struct log_entry *entry = &log->entries[log->entry_count - 1];
    if (log->metrics.written_lsn == log->metrics.synced_lsn)
        log->unsynced_ns = clock_monotonic_ns();
    entry->last_lsn = last_lsn;
    entry->clock_us = log->group_clock_us;
    log->metrics.written_lsn = last_lsn;
    log->metrics.bytes_written += log->group.len;
    log->metrics.groups += last_lsn >= log->group_first_lsn;
    pthread_mutex_unlock(&log->lock);
}

/* Whoever was answered "unknown" should not find it there after a restart, when the page cache may
 * still show what the disk does not have. */
static void cut_unknown(struct log_writer *log)
{
    int failed = log->options.files->truncate(log->current->file, log->offset);
    (void)failed; /* the log is closed already */
}

status log_writer_commit(struct log_writer *log, uint64_t last_lsn, struct error *error)
{
    if (!log->has_group)
        return OK;
    ASSERT(!log->has_record && last_lsn == log->next_lsn - 1);
    bool is_mark_alone = last_lsn < log->group_first_lsn;
    status result = log_writer_check(log, error);
    if (status_is_ok(result))
        result = log_sync_overdue(log, error);
    if (status_is_ok(result))
        result = write_group(log, error);
    if (status_is_ok(result)) {
        note_written(log, last_lsn);
        if (log->options.fsync == LOG_FSYNC_ALWAYS && !is_mark_alone) {
            result = log_sync_written(log, error);
            if (!status_is_ok(result))
                cut_unknown(log);
        }
    }
    if (status_is_ok(result))
        log->offset += log->group.len;
    else
        log->next_lsn = log->group_first_lsn;
    end_group(log, status_is_ok(result));
    return result;
}

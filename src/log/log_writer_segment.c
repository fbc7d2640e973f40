#include "log/log_writer_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "log/log_reader.h"

#define SEGMENT_BYTES_MIN ((uint64_t)64 << 10)
#define EXTEND_BYTES ((uint64_t)1 << 20)

void log_segment_path(const struct log_writer *log, const struct log_file *file,
                      char out[FILE_PATH_MAX])
{
    log_file_path(log->options.directory, file->first_lsn, LOG_SEGMENT_SUFFIX, out, FILE_PATH_MAX);
}

static bool is_full(int reason)
{
    return reason == ENOSPC || reason == EDQUOT;
}

status log_cannot_write(const struct log_writer *log, const char *path, int reason,
                        struct error *error)
{
    char text[128];
    const char *words = strerror_r(reason, text, sizeof(text));
    if (is_full(reason))
        return error_set(error, STATUS_UNAVAILABLE, "log_write",
                         "the log cannot be written (%s: %s): the disk is full: free space in %s; "
                         "ingestion goes on by itself",
                         path, words, log->options.directory);
    return error_set(error, STATUS_UNAVAILABLE, "log_write",
                     "the log cannot be written (%s: %s): ingestion goes on by itself once it can",
                     path, words);
}

/* Only the owner makes entries, others remove some: the place stays. */
static bool reserve_entry(struct log_writer *log)
{
    pthread_mutex_lock(&log->lock);
    bool has_place = log->entry_count < log->entry_capacity;
    pthread_mutex_unlock(&log->lock);
    if (has_place)
        return true;
    uint32_t capacity = log->entry_capacity ? log->entry_capacity * 2 : 16;
    struct log_entry *entries = memory_alloc_array(capacity, sizeof(*entries));
    if (entries == NULL)
        return false;
    pthread_mutex_lock(&log->lock);
    if (log->entry_count > 0)
        memcpy(entries, log->entries, log->entry_count * sizeof(*entries));
    struct log_entry *held = log->entries;
    log->entries = entries;
    log->entry_capacity = capacity;
    pthread_mutex_unlock(&log->lock);
    memory_free(held);
    return true;
}

/* With the lock held. */
static void remove_entry(struct log_writer *log, uint64_t first_lsn)
{
    for (uint32_t i = 0; i < log->entry_count; i++) {
        struct log_entry *entry = &log->entries[i];
        if (entry->first_lsn != first_lsn)
            continue;
        log->metrics.segments--;
        log->metrics.segment_bytes -= entry->size_bytes;
        memmove(entry, entry + 1, (log->entry_count - i - 1) * sizeof(*entry));
        log->entry_count--;
        return;
    }
}

/* With the lock held, and a place reserved. */
static void add_entry(struct log_writer *log, const struct log_entry *entry)
{
    log->entries[log->entry_count++] = *entry;
    log->metrics.segments++;
    log->metrics.segment_bytes += entry->size_bytes;
}

/* What an older segment's header says; a segment that cannot be read counts as empty and new. */
static void read_entry(struct log_writer *log, uint64_t first_lsn, uint64_t *size_bytes,
                       int64_t *clock_us)
{
    struct log_reader reader;
    char path[FILE_PATH_MAX];
    log_file_path(log->options.directory, first_lsn, LOG_SEGMENT_SUFFIX, path, sizeof(path));
    status result = log_reader_open(&reader, log->options.files, path, LOG_SEGMENT_MAGIC, 0, NULL);
    if (status_is_ok(result))
        *clock_us = reader.header.clock_us;
    *size_bytes = reader.size_bytes;
    log_reader_close(&reader);
}

status log_entries_open(struct log_writer *log, const struct log_scan *scan, struct error *error)
{
    uint64_t *numbers = NULL;
    uint32_t count = 0;
    TRY(log_list_files(log->options.files, log->options.directory, LOG_SEGMENT_SUFFIX, &numbers,
                       &count, error));
    status result = OK;
    struct log_entry next = {.first_lsn = scan->last_lsn + 1, .clock_us = scan->clock_us};
    for (uint32_t i = 0; i < count && status_is_ok(result); i++)
        if (!reserve_entry(log))
            result = error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                               "no memory for the log");
        else
            add_entry(log, &(struct log_entry){.first_lsn = numbers[i]});
    /* Nothing in a segment is newer than the header of the next one. */
    for (uint32_t i = log->entry_count; i-- > 0;) {
        struct log_entry *entry = &log->entries[i];
        int64_t begun_us = next.clock_us;
        entry->last_lsn = next.first_lsn - 1;
        entry->clock_us = next.clock_us;
        read_entry(log, entry->first_lsn, &entry->size_bytes, &begun_us);
        log->metrics.segment_bytes += entry->size_bytes;
        next = (struct log_entry){.first_lsn = entry->first_lsn, .clock_us = begun_us};
    }
    memory_free(numbers);
    return result;
}

/* As large as the disk allows; an errno. */
static int allocate(struct file_system *files, struct file *file, uint64_t wanted_bytes,
                    uint64_t *allocated_bytes)
{
    uint64_t size_bytes = wanted_bytes;
    int failed = files->allocate(file, size_bytes);
    while (is_full(failed) && size_bytes / 2 >= SEGMENT_BYTES_MIN) {
        size_bytes /= 2;
        failed = files->truncate(file, 0);
        if (failed == 0)
            failed = files->allocate(file, size_bytes);
    }
    *allocated_bytes = size_bytes;
    return failed;
}

/* The contents of a new segment, and its name; an errno. */
static int fill(struct log_writer *log, const struct log_file *made, int64_t clock_us,
                uint64_t *allocated_bytes)
{
    struct file_system *files = log->options.files;
    char bytes[LOG_HEADER_BYTES];
    struct log_header header = {
        .version = LOG_FORMAT_VERSION,
        .identity = log->options.identity,
        .lsn = made->first_lsn,
        .clock_us = clock_us,
    };
    pthread_mutex_lock(&log->lock);
    header.synced_lsn = log->metrics.synced_lsn;
    pthread_mutex_unlock(&log->lock);
    log_header_encode(&header, LOG_SEGMENT_MAGIC, bytes);
    int failed = allocate(files, made->file, log->options.segment_bytes, allocated_bytes);
    if (failed == 0)
        failed = files->write(made->file, bytes, sizeof(bytes), 0);
    if (failed == 0 && log->options.fsync != LOG_FSYNC_NEVER)
        failed = files->sync(made->file);
    if (failed == 0 && log->options.fsync != LOG_FSYNC_NEVER)
        failed = files->sync_directory(files, log->options.directory);
    return failed;
}

/* What has this name already holds no record: no record of this LSN was ever kept. */
static int create(struct file_system *files, const char *path, struct file **out)
{
    int failed = files->open(files, path, FILE_CREATE, out);
    if (failed != EEXIST)
        return failed;
    failed = files->remove(files, path);
    return failed != 0 ? failed : files->open(files, path, FILE_CREATE, out);
}

/* An errno; then nothing is left of it. */
static int make(struct log_writer *log, struct log_file *made, int64_t clock_us,
                uint64_t *allocated_bytes)
{
    struct file_system *files = log->options.files;
    char path[FILE_PATH_MAX];
    log_segment_path(log, made, path);
    int failed = create(files, path, &made->file);
    if (failed != 0)
        return failed;
    failed = fill(log, made, clock_us, allocated_bytes);
    if (failed == 0)
        return 0;
    files->close(made->file);
    int left = files->remove(files, path);
    (void)left; /* create() meets it again */
    return failed;
}

/* From now on groups go into `made`. */
static void adopt(struct log_writer *log, struct log_file *made, int64_t clock_us,
                  uint64_t allocated_bytes)
{
    struct log_entry entry = {
        .first_lsn = made->first_lsn,
        .last_lsn = made->first_lsn - 1,
        .size_bytes = allocated_bytes,
        .clock_us = clock_us,
    };
    pthread_mutex_lock(&log->lock);
    if (log->current != NULL) {
        *log->retired_last = log->current;
        log->retired_last = &log->current->next;
        log->retired_count++;
    }
    log->current = made;
    if (log->options.fsync == LOG_FSYNC_NEVER)
        log->names_are_synced = false;
    remove_entry(log, made->first_lsn); /* an empty one of an earlier process */
    add_entry(log, &entry);
    pthread_mutex_unlock(&log->lock);
    log->offset = LOG_HEADER_BYTES;
    log->allocated_bytes = allocated_bytes;
    log_schema_set_clear(&log->schemas);
}

status log_segment_begin(struct log_writer *log, uint64_t first_lsn, int64_t clock_us,
                         struct error *error)
{
    struct log_file *made = memory_alloc_zero(sizeof(*made));
    if (made == NULL || !reserve_entry(log)) {
        memory_free(made);
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "no memory for the log");
    }
    made->first_lsn = first_lsn;
    uint64_t allocated_bytes;
    int failed = make(log, made, clock_us, &allocated_bytes);
    if (failed != 0) {
        char path[FILE_PATH_MAX];
        log_segment_path(log, made, path);
        memory_free(made);
        return log_cannot_write(log, path, failed, error);
    }
    adopt(log, made, clock_us, allocated_bytes);
    return log_sync_retired(log, error);
}

void log_segment_set_size(struct log_writer *log, uint64_t size_bytes)
{
    pthread_mutex_lock(&log->lock);
    struct log_entry *entry = &log->entries[log->entry_count - 1];
    log->metrics.segment_bytes += size_bytes - entry->size_bytes;
    entry->size_bytes = size_bytes;
    pthread_mutex_unlock(&log->lock);
}

int log_segment_extend(struct log_writer *log, uint64_t end)
{
    struct file_system *files = log->options.files;
    uint64_t wanted = end + EXTEND_BYTES;
    if (wanted > log->options.segment_bytes)
        wanted = log->options.segment_bytes;
    if (wanted < end)
        wanted = end;
    int failed = files->allocate(log->current->file, wanted);
    if (is_full(failed) && wanted > end) {
        wanted = end;
        failed = files->allocate(log->current->file, wanted);
    }
    if (failed != 0)
        return failed;
    log->allocated_bytes = wanted;
    log_segment_set_size(log, wanted);
    return 0;
}

/* The oldest segment, if it may go. One without a record may not: it has the name that the owner
 * gives to the next one, perhaps at this moment. */
static bool find_removable(struct log_writer *log, uint64_t lsn, int64_t older_than_us,
                           uint64_t *first_lsn)
{
    pthread_mutex_lock(&log->lock);
    uint32_t removable = log->entry_count - (log->current != NULL);
    const struct log_entry *entry = log->entries;
    bool is_found = removable > 0 && entry->first_lsn <= entry->last_lsn &&
                    entry->last_lsn <= lsn && entry->clock_us <= older_than_us;
    if (is_found)
        *first_lsn = entry->first_lsn;
    pthread_mutex_unlock(&log->lock);
    return is_found;
}

static status cannot_remove(const char *path, int reason, struct error *error)
{
    char text[128];
    return error_set(error, STATUS_IO, "log_remove", "%s cannot be removed: %s", path,
                     strerror_r(reason, text, sizeof(text)));
}

status log_writer_remove_until(struct log_writer *log, uint64_t lsn, int64_t retention_ms,
                               struct error *error)
{
    struct file_system *files = log->options.files;
    int64_t retention_us;
    int64_t older_than_us;
    uint64_t first_lsn;
    bool has_removed = false;
    if (__builtin_mul_overflow(retention_ms, 1000, &retention_us) ||
        __builtin_sub_overflow(clock_wall_us(), retention_us, &older_than_us))
        return OK;
    if (retention_ms == 0)
        older_than_us = INT64_MAX; /* whatever the clocks say */
    while (find_removable(log, lsn, older_than_us, &first_lsn)) {
        char path[FILE_PATH_MAX];
        log_file_path(log->options.directory, first_lsn, LOG_SEGMENT_SUFFIX, path, sizeof(path));
        int failed = files->remove(files, path);
        if (failed != 0 && failed != ENOENT)
            return cannot_remove(path, failed, error);
        pthread_mutex_lock(&log->lock);
        remove_entry(log, first_lsn);
        pthread_mutex_unlock(&log->lock);
        has_removed = true;
    }
    int failed = has_removed ? files->sync_directory(files, log->options.directory) : 0;
    return failed != 0 ? cannot_remove(log->options.directory, failed, error) : OK;
}

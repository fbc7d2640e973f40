#include "server/data_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "log/log_reader.h"
#include "server/data_registry.h"
#include "server/data_values.h"
#include "server/registry_file.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define END_TRIES 20
#define END_RETRY_MS 20
#define RETRIES 20 /* a running server replaces the snapshot at most every few seconds */

struct source {
    uint64_t lsn;
    uint64_t size_bytes;
    bool is_snapshot;
    int fd;
};

struct backup {
    const struct data_backup_options *options;
    struct error *error;
    uint64_t identity;
    bool in_use;
    char fresh[PATH_MAX]; /* under which it is made */
    struct source *sources;
    uint32_t source_count;
    uint64_t bytes_done;
    uint64_t bytes_total;
    char *piece;
};

static status io_failure(struct backup *backup, const char *what, const char *path)
{
    return error_set(backup->error, STATUS_IO, "io", "cannot %s %s: %s", what, path,
                     strerror(errno));
}

static void tell_progress(struct backup *backup, uint64_t bytes_of_file)
{
    const struct data_backup_options *options = backup->options;
    if (options->progress)
        options->progress(options->user, DATA_BACKUP_COPIES, backup->bytes_done + bytes_of_file,
                          backup->bytes_total, 0);
}

static status check_target(struct backup *backup)
{
    const char *to = backup->options->to;
    const struct dirent *entry;
    DIR *folder = opendir(to);
    bool is_empty = true;
    if (folder == NULL && errno == ENOENT)
        return OK;
    if (folder == NULL)
        return io_failure(backup, "use", to);
    while ((entry = readdir(folder)) != NULL)
        is_empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(folder);
    return is_empty ? OK
                    : error_set(backup->error, STATUS_CONFLICT, "exists",
                                "%s is not empty: a backup takes a directory of its own", to);
}

static status make_folder(struct backup *backup, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.4000s%s%s", backup->fresh, name[0] ? "/" : "", name);
    if (mkdir(path, 0700) == 0)
        return OK;
    if (errno == EEXIST)
        return error_set(backup->error, STATUS_CONFLICT, "exists",
                         "%s is there: another backup is being made, or one was not finished; "
                         "then remove it",
                         path);
    return io_failure(backup, "make", path);
}

static void close_sources(struct backup *backup)
{
    for (uint32_t i = 0; i < backup->source_count; i++)
        close(backup->sources[i].fd);
    backup->source_count = 0;
    backup->bytes_total = 0;
}

/* *vanished: it was removed since it was listed. */
static status open_source(struct backup *backup, const char *folder, const char *suffix,
                          uint64_t lsn, bool *vanished)
{
    char directory[PATH_MAX];
    char path[PATH_MAX];
    struct stat found;
    snprintf(directory, sizeof(directory), "%s/%s", backup->options->data, folder);
    log_file_path(directory, lsn, suffix, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *vanished = true;
        return OK;
    }
    if (fd < 0 || fstat(fd, &found) != 0) {
        status failed = io_failure(backup, "open", path);
        if (fd >= 0)
            close(fd);
        return failed;
    }
    backup->sources[backup->source_count++] = (struct source){
        .lsn = lsn,
        .size_bytes = (uint64_t)found.st_size,
        .is_snapshot = strcmp(folder, LOG_SNAPSHOT_FOLDER) == 0,
        .fd = fd,
    };
    backup->bytes_total += (uint64_t)found.st_size;
    return OK;
}

static status list(struct backup *backup, const char *folder, const char *suffix, uint64_t **lsns,
                   uint32_t *count)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof(directory), "%s/%s", backup->options->data, folder);
    return log_list_files(file_system_real(), directory, suffix, lsns, count, backup->error);
}

/* 0: there is none. */
static status newest_snapshot(struct backup *backup, uint64_t *lsn, bool *found)
{
    uint64_t *lsns = NULL;
    uint32_t count = 0;
    TRY(list(backup, LOG_SNAPSHOT_FOLDER, LOG_SNAPSHOT_SUFFIX, &lsns, &count));
    *found = count > 0;
    *lsn = count > 0 ? lsns[count - 1] : 0;
    memory_free(lsns);
    return OK;
}

static status open_segments(struct backup *backup, bool *vanished)
{
    uint64_t *lsns = NULL;
    uint32_t count = 0;
    status result = OK;
    TRY(list(backup, LOG_FOLDER, LOG_SEGMENT_SUFFIX, &lsns, &count));
    struct source *sources =
        memory_realloc(backup->sources, (backup->source_count + count + 1) * sizeof(*sources));
    if (sources == NULL)
        result = error_no_memory(backup->error);
    else
        backup->sources = sources;
    for (uint32_t i = 0; i < count && status_is_ok(result) && !*vanished; i++)
        result = open_source(backup, LOG_FOLDER, LOG_SEGMENT_SUFFIX, lsns[i], vanished);
    memory_free(lsns);
    return result;
}

/* The newest snapshot, then the log as it is while that still is the newest. */
static status open_once(struct backup *backup, bool *vanished)
{
    uint64_t lsn, lsn_after;
    bool has_snapshot, has_snapshot_after;
    TRY(newest_snapshot(backup, &lsn, &has_snapshot));
    backup->sources = memory_realloc(backup->sources, sizeof(*backup->sources));
    if (backup->sources == NULL)
        return error_no_memory(backup->error);
    if (has_snapshot)
        TRY(open_source(backup, LOG_SNAPSHOT_FOLDER, LOG_SNAPSHOT_SUFFIX, lsn, vanished));
    if (!*vanished)
        TRY(open_segments(backup, vanished));
    TRY(newest_snapshot(backup, &lsn_after, &has_snapshot_after));
    *vanished |= has_snapshot != has_snapshot_after || lsn != lsn_after;
    return OK;
}

static status open_sources(struct backup *backup)
{
    for (int i = 0; i < RETRIES; i++) {
        bool vanished = false;
        TRY(open_once(backup, &vanished));
        if (!vanished)
            return OK;
        close_sources(backup);
    }
    return error_set(backup->error, STATUS_BUSY, "busy",
                     "the files of %s change too fast to be opened: try again",
                     backup->options->data);
}

/* *end: of the whole records; what follows is preallocated. False: they do not end, but in what is
 * no record. */
static bool find_end(struct backup *backup, const struct source *source, uint64_t *end)
{
    char path[40];
    struct log_reader reader;
    struct log_record record;
    struct error ignored;
    enum log_read next = LOG_READ_DAMAGED;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", source->fd);
    if (status_is_ok(log_reader_open(&reader, file_system_real(), path, LOG_SEGMENT_MAGIC,
                                     backup->identity, &ignored))) {
        while ((next = log_reader_next(&reader, &record)) == LOG_READ_RECORD)
            continue;
        *end = reader.offset;
    }
    log_reader_close(&reader);
    return next == LOG_READ_END;
}

/* Up to where a segment is copied. What is no record at its end may be a group that is just being
 * written: then it soon is one. Else it is a torn tail or damage: all of it is copied, and the
 * verification of the copy tells which. */
static uint64_t end_of_segment(struct backup *backup, const struct source *source)
{
    const struct timespec pause = {.tv_nsec = END_RETRY_MS * 1000000L};
    uint64_t end = 0;
    for (int i = 0; i < END_TRIES; i++) {
        if (find_end(backup, source, &end))
            return end;
        if (!backup->in_use)
            break;
        nanosleep(&pause, NULL);
    }
    return UINT64_MAX;
}

static status copy_bytes(struct backup *backup, const struct source *source, uint64_t end, int to,
                         const char *path)
{
    uint64_t offset = 0;
    while (offset < end) {
        size_t want = end - offset < PIECE_BYTES ? (size_t)(end - offset) : PIECE_BYTES;
        ssize_t got = pread(source->fd, backup->piece, want, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_failure(backup, "read what goes to", path);
        if (got == 0)
            break; /* it was cut back meanwhile */
        if (pwrite(to, backup->piece, (size_t)got, (off_t)offset) != got)
            return io_failure(backup, "write", path);
        offset += (uint64_t)got;
        tell_progress(backup, offset);
    }
    return fsync(to) == 0 ? OK : io_failure(backup, "sync", path);
}

static status copy_source(struct backup *backup, const struct source *source)
{
    char directory[PATH_MAX];
    char path[PATH_MAX];
    snprintf(directory, sizeof(directory), "%.4000s/%s", backup->fresh,
             source->is_snapshot ? LOG_SNAPSHOT_FOLDER : LOG_FOLDER);
    log_file_path(directory, source->lsn,
                  source->is_snapshot ? LOG_SNAPSHOT_SUFFIX : LOG_SEGMENT_SUFFIX, path,
                  sizeof(path));
    uint64_t end = source->is_snapshot ? source->size_bytes : end_of_segment(backup, source);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return io_failure(backup, "make", path);
    status copied = copy_bytes(backup, source, end, to, path);
    close(to);
    backup->bytes_done += source->size_bytes;
    tell_progress(backup, 0);
    return copied;
}

static status copy_registry(struct backup *backup)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    char shared[DATA_REGISTRY_IDENTITY_MAX];
    TRY(data_registry_read(backup->options->data, shared, backup->error));
    if (shared[0] != '\0')
        return data_registry_write(backup->fresh, shared, backup->error);
    snprintf(from, sizeof(from), "%s/" DATA_DIR_REGISTRY, backup->options->data);
    snprintf(to, sizeof(to), "%.4000s/" DATA_DIR_REGISTRY, backup->fresh);
    return registry_file_copy(from, backup->in_use, to, backup->error);
}

static status copy_values_note(struct backup *backup)
{
    char redis[DATA_VALUES_URL_MAX];
    TRY(data_values_read(backup->options->data, redis, backup->error));
    return redis[0] ? data_values_write(backup->fresh, redis, backup->error) : OK;
}

static status sync_folders(struct backup *backup)
{
    static const char *const NAMES[] = {LOG_FOLDER, LOG_SNAPSHOT_FOLDER};
    char path[PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        snprintf(path, sizeof(path), "%.4000s/%s", backup->fresh, NAMES[i]);
        TRY(data_dir_sync(path, backup->error));
    }
    return OK;
}

/* The format file is last: without it nothing takes the copy for a data directory. */
static status copy_all(struct backup *backup)
{
    TRY(make_folder(backup, LOG_FOLDER));
    TRY(make_folder(backup, LOG_SNAPSHOT_FOLDER));
    for (uint32_t i = 0; i < backup->source_count; i++)
        TRY(copy_source(backup, &backup->sources[i]));
    TRY(copy_registry(backup));
    TRY(copy_values_note(backup));
    TRY(sync_folders(backup));
    return data_dir_write_format(backup->fresh, backup->identity, backup->error);
}

static void verify_progress(void *user, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows)
{
    const struct backup *backup = user;
    const struct data_backup_options *options = backup->options;
    if (options->progress)
        options->progress(options->user, DATA_BACKUP_VERIFIES, bytes_done, bytes_total, rows);
}

static status verify(struct backup *backup, struct data_check *check)
{
    struct data_check_options options = {
        .path = backup->fresh, .progress = verify_progress, .user = backup};
    data_check_fini(check);
    TRY(data_check_run(&options, check, backup->error));
    str rest;
    str first = str_split(buffer_str(&check->problems), '\n', &rest);
    return check->problem_count == 0
               ? OK
               : error_set(backup->error, STATUS_MALFORMED, "damaged",
                           "the copy is not whole, so there is no backup: %.*s; "
                           "`featured check %s` says more",
                           STR_ARG(first), backup->options->data);
}

static status publish(struct backup *backup)
{
    const char *to = backup->options->to;
    char parent[PATH_MAX];
    if (rename(backup->fresh, to) != 0)
        return io_failure(backup, "make", to);
    snprintf(parent, sizeof(parent), "%.4000s/..", to);
    return data_dir_sync(parent, backup->error);
}

static void remove_folder(const char *path)
{
    char inner[PATH_MAX];
    const struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        snprintf(inner, sizeof(inner), "%.3500s/%.500s", path, entry->d_name);
        (void)unlink(inner); /* fails for folders, which rmdir() then does not remove */
    }
    if (folder != NULL)
        closedir(folder);
    (void)rmdir(path);
}

/* Only what copy_all() made. */
static void abandon(struct backup *backup)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.4000s/" LOG_FOLDER, backup->fresh);
    remove_folder(path);
    snprintf(path, sizeof(path), "%.4000s/" LOG_SNAPSHOT_FOLDER, backup->fresh);
    remove_folder(path);
    remove_folder(backup->fresh);
}

static status prepare(struct backup *backup)
{
    char holder[DATA_DIR_HOLDER_MAX];
    str to = str_from_cstr(backup->options->to);
    while (to.len > 1 && to.data[to.len - 1] == '/')
        to.len--;
    if (to.len == 0 || to.len > 400)
        return error_set(backup->error, STATUS_INVALID, "path",
                         "the path of the backup is empty or longer than 400 bytes");
    snprintf(backup->fresh, sizeof(backup->fresh), "%.*s.new", STR_ARG(to));
    TRY(data_dir_read_format(backup->options->data, &backup->identity, backup->error));
    backup->in_use = data_dir_is_in_use(backup->options->data, holder);
    TRY(check_target(backup));
    backup->piece = memory_alloc(PIECE_BYTES);
    return backup->piece ? OK : error_no_memory(backup->error);
}

static status make(struct backup *backup, struct data_check *out)
{
    TRY(prepare(backup));
    TRY(open_sources(backup));
    TRY(make_folder(backup, ""));
    status made = copy_all(backup);
    if (status_is_ok(made))
        made = verify(backup, out);
    if (status_is_ok(made))
        made = publish(backup);
    if (!status_is_ok(made))
        abandon(backup);
    return made;
}

status data_backup_run(const struct data_backup_options *options, struct data_check *out,
                       struct error *error)
{
    struct backup backup = {.options = options, .error = error};
    *out = (struct data_check){0};
    status made = make(&backup, out);
    close_sources(&backup);
    memory_free(backup.sources);
    memory_free(backup.piece);
    return made;
}

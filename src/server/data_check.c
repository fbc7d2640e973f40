#include "server/data_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "log/log_reader.h"
#include "server/data_tally.h"
#include "server/data_registry.h"
#include "server/registry_file.h"

#define PROBLEMS_BYTES_MAX ((size_t)1 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define RETRIES 10 /* a running server replaces snapshots and removes segments */

static const char ADVICE[] = "restore a backup, or go on without what follows by one start with "
                             "--recover truncate";

/* One attempt. */
struct run {
    const struct data_check_options *options;
    struct data_check *check;
    struct data_tally tally;
    struct error *error;
    uint64_t bytes_done; /* of the files before the present one */
    uint64_t bytes_total;
    uint64_t must_reach_lsn;
    bool vanished; /* a file that was listed is gone: begin again */
};

static PRINTF_LIKE(2, 3) void problem(struct data_check *check, const char *format, ...)
{
    char text[ERROR_DETAIL_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_append_str(&check->problems, str_from_cstr(text));
    buffer_append_char(&check->problems, '\n');
    check->problem_count++;
}

static void tell_progress(const struct run *run, uint64_t bytes_of_file)
{
    if (run->options->progress)
        run->options->progress(run->options->user, run->bytes_done + bytes_of_file,
                               run->bytes_total, run->check->rows);
}

static status check_format(struct run *run)
{
    struct data_check *check = run->check;
    struct stat found;
    if (stat(run->options->path, &found) != 0)
        return error_set(run->error, STATUS_NOT_FOUND, "path", "cannot look at %s: %s",
                         run->options->path, strerror(errno));
    check->in_use = data_dir_is_in_use(run->options->path, check->holder);
    struct error reason;
    error_clear(&reason);
    status read = data_dir_read_format(run->options->path, &check->identity, &reason);
    if (!status_is_ok(read))
        problem(check, "%s", reason.detail);
    return OK;
}

static void check_values(struct run *run)
{
    struct error reason;
    error_clear(&reason);
    if (!status_is_ok(data_values_read(run->options->path, run->check->redis, &reason)))
        problem(run->check, "%s", reason.detail);
}

static const struct catalog *check_registry(struct run *run)
{
    struct data_check *check = run->check;
    const struct catalog *catalog;
    char path[PATH_MAX];
    char shared[DATA_REGISTRY_IDENTITY_MAX];
    struct error reason;
    error_clear(&reason);
    if (!status_is_ok(data_registry_read(run->options->path, shared, &reason))) {
        problem(check, "%s", reason.detail);
        return NULL;
    }
    check->has_shared_registry = shared[0] != '\0';
    if (check->has_shared_registry)
        return NULL;
    snprintf(path, sizeof(path), "%s/" DATA_DIR_REGISTRY, run->options->path);
    if (!status_is_ok(registry_file_load(path, check->in_use, &catalog, &reason))) {
        problem(check, "%s", reason.detail);
        return NULL;
    }
    check->has_catalog = true;
    check->revision = catalog->revision;
    check->features = catalog->feature_count;
    check->services = catalog->service_count;
    check->versions = 0;
    for (uint32_t i = 0; i < catalog->feature_count; i++)
        check->versions += catalog->features[i]->version_count;
    return catalog;
}

/* Adds the files of one kind to the list. */
static status list_files(struct run *run, const char *folder, const char *suffix,
                         enum data_check_state state)
{
    struct data_check *check = run->check;
    char directory[PATH_MAX];
    char path[PATH_MAX];
    uint64_t *lsns = NULL;
    uint32_t count = 0;
    struct stat found;
    snprintf(directory, sizeof(directory), "%s/%s", run->options->path, folder);
    TRY(log_list_files(file_system_real(), directory, suffix, &lsns, &count, run->error));
    struct data_check_file *files =
        memory_realloc(check->files, (check->file_count + count + 1) * sizeof(*files));
    if (files != NULL)
        check->files = files;
    for (uint32_t i = 0; files != NULL && i < count; i++) {
        struct data_check_file *file = &files[check->file_count++];
        *file = (struct data_check_file){
            .is_snapshot = strcmp(folder, LOG_SNAPSHOT_FOLDER) == 0,
            .state = state,
            .first_lsn = lsns[i],
        };
        snprintf(file->name, sizeof(file->name), "%s/%020" PRIu64 "%s", folder, lsns[i], suffix);
        log_file_path(directory, lsns[i], suffix, path, sizeof(path));
        file->size_bytes = stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
        if (state == DATA_CHECK_WHOLE)
            run->bytes_total += file->size_bytes;
    }
    memory_free(lsns);
    return files != NULL ? OK : status_of(STATUS_OUT_OF_MEMORY);
}

static status list_all(struct run *run)
{
    TRY(list_files(run, LOG_SNAPSHOT_FOLDER, LOG_SNAPSHOT_SUFFIX, DATA_CHECK_WHOLE));
    TRY(list_files(run, LOG_SNAPSHOT_FOLDER, LOG_SNAPSHOT_SUFFIX LOG_NEW_SUFFIX,
                   DATA_CHECK_UNFINISHED));
    TRY(list_files(run, LOG_FOLDER, LOG_SEGMENT_SUFFIX, DATA_CHECK_WHOLE));
    return list_files(run, LOG_FOLDER, LOG_SEGMENT_SUFFIX LOG_NEW_SUFFIX, DATA_CHECK_UNFINISHED);
}

/* To its end, or to the first thing that is wrong. What is only not whole at the end of a segment
 * is judged by check_log(). */
static status read_records(struct run *run, struct data_check_file *file, struct log_reader *reader)
{
    struct log_record record;
    enum log_read next;
    while ((next = log_reader_next(reader, &record)) == LOG_READ_RECORD) {
        status counted = data_tally_record(&run->tally, &record);
        if (counted.code == STATUS_OUT_OF_MEMORY)
            return counted;
        if (!status_is_ok(counted)) {
            file->state = DATA_CHECK_DAMAGED;
            problem(run->check, "%s: damaged at offset %" PRIu64 ": %s; %s", reader->path,
                    record.offset, run->tally.reason, ADVICE);
            return OK;
        }
        tell_progress(run, reader->offset);
    }
    file->used_bytes = reader->offset;
    if (next == LOG_READ_FAILED) {
        file->state = DATA_CHECK_DAMAGED;
        problem(run->check, "%s: cannot be read at offset %" PRIu64 ": %s", reader->path,
                reader->offset, reader->reason);
    } else if (next == LOG_READ_DAMAGED) {
        file->state = file->is_snapshot ? DATA_CHECK_DAMAGED : DATA_CHECK_TORN;
        if (file->is_snapshot)
            problem(run->check, "%s: damaged at offset %" PRIu64 ": %s; %s", reader->path,
                    reader->offset, reader->reason, ADVICE);
    } else if (file->is_snapshot && !run->tally.ended) {
        file->state = DATA_CHECK_DAMAGED;
        problem(run->check, "%s: ends at offset %" PRIu64 " before it is whole; %s", reader->path,
                reader->offset, ADVICE);
    }
    return OK;
}

/* A segment whose header is not whole is the business of check_log(), as its end is. */
static void refuse_file(struct run *run, struct data_check_file *file, const char *path,
                        status opened, const struct error *reason)
{
    file->state = DATA_CHECK_DAMAGED;
    if (run->check->in_use && access(path, F_OK) != 0)
        run->vanished = true;
    else if (!file->is_snapshot && opened.code == STATUS_MALFORMED)
        file->state = DATA_CHECK_TORN;
    else
        problem(run->check, "%s", reason->detail);
}

static status check_file(struct run *run, struct data_check_file *file)
{
    char path[PATH_MAX];
    struct log_reader reader;
    struct error reason;
    status result = OK;
    error_clear(&reason);
    snprintf(path, sizeof(path), "%s/%s", run->options->path, file->name);
    status opened = log_reader_open(&reader, file_system_real(), path,
                                    file->is_snapshot ? LOG_SNAPSHOT_MAGIC : LOG_SEGMENT_MAGIC,
                                    run->check->identity, &reason);
    data_tally_begin(&run->tally, file);
    if (status_is_ok(opened) && reader.header.lsn != file->first_lsn) {
        file->state = DATA_CHECK_DAMAGED;
        problem(run->check, "%s: its header says LSN %" PRIu64 ": it was renamed; %s", path,
                reader.header.lsn, ADVICE);
    } else if (status_is_ok(opened))
        result = read_records(run, file, &reader);
    else
        refuse_file(run, file, path, opened, &reason);
    log_reader_close(&reader);
    run->bytes_done += file->size_bytes;
    tell_progress(run, 0);
    return result;
}

static status check_snapshots(struct run *run)
{
    struct data_check *check = run->check;
    for (uint32_t i = 0; i < check->file_count && !run->vanished; i++) {
        struct data_check_file *file = &check->files[i];
        if (!file->is_snapshot || file->state == DATA_CHECK_UNFINISHED)
            continue;
        for (struct data_check_entity *at = check->entities; at != NULL; at = at->next)
            at->snapshot_rows = 0;
        TRY(check_file(run, file));
        if (file->state != DATA_CHECK_WHOLE)
            continue;
        check->snapshot_lsn = file->first_lsn;
        run->must_reach_lsn = file->last_lsn;
    }
    return OK;
}

static status check_segments(struct run *run)
{
    struct data_check *check = run->check;
    run->tally.after_lsn = check->snapshot_lsn;
    for (uint32_t i = 0; i < check->file_count && !run->vanished; i++) {
        struct data_check_file *file = &check->files[i];
        if (file->is_snapshot || file->state == DATA_CHECK_UNFINISHED)
            continue;
        TRY(check_file(run, file));
        check->log_bytes += file->used_bytes;
    }
    return OK;
}

/* The verdict on the log as a whole: is it there from the snapshot on without a gap, and is what is
 * not whole at its end a torn tail or damage? The same code decides at a start. */
static status check_log(struct run *run)
{
    struct data_check *check = run->check;
    char directory[PATH_MAX];
    struct log_scan scan = {0};
    struct error reason;
    error_clear(&reason);
    snprintf(directory, sizeof(directory), "%s/" LOG_FOLDER, run->options->path);
    struct log_scan_options options = {
        .files = file_system_real(),
        .directory = directory,
        .identity = check->identity,
        .from_lsn = check->snapshot_lsn,
        .must_reach_lsn = run->must_reach_lsn,
        .read_only = true,
    };
    status scanned = log_scan(&options, &scan, &reason);
    if (!status_is_ok(scanned)) {
        if (scanned.code == STATUS_OUT_OF_MEMORY)
            return scanned;
        for (uint32_t i = 0; i < check->file_count; i++)
            if (check->files[i].state == DATA_CHECK_TORN)
                check->files[i].state = DATA_CHECK_DAMAGED;
        problem(check, "%s", reason.detail);
        return OK;
    }
    check->last_lsn = scan.last_lsn;
    check->torn_bytes = scan.cut_bytes;
    snprintf(check->torn_path, sizeof(check->torn_path), "%s", scan.cut_path);
    check->torn_offset = scan.cut_offset;
    log_scan_fini(&scan);
    return OK;
}

/* Segments that the snapshot holds are not read at a start; damage to one is told all the same. */
static void check_old_segments(struct run *run)
{
    struct data_check *check = run->check;
    for (uint32_t i = 0; i + 1 < check->file_count; i++) {
        struct data_check_file *file = &check->files[i];
        if (file->is_snapshot || file->state != DATA_CHECK_TORN ||
            check->files[i + 1].first_lsn > check->snapshot_lsn + 1 ||
            check->files[i + 1].state == DATA_CHECK_UNFINISHED)
            continue;
        file->state = DATA_CHECK_DAMAGED;
        problem(check,
                "%s/%s: damaged at offset %" PRIu64 "; a start does not need it: the snapshot "
                "holds what was in it",
                run->options->path, file->name, file->used_bytes);
    }
}

static status run_once(struct run *run)
{
    TRY(check_format(run));
    check_values(run);
    const struct catalog *catalog = check_registry(run);
    data_tally_init(&run->tally, run->check, catalog);
    status result = list_all(run);
    if (status_is_ok(result))
        result = check_snapshots(run);
    if (status_is_ok(result) && !run->vanished)
        result = check_segments(run);
    if (status_is_ok(result) && !run->vanished)
        result = check_log(run);
    if (status_is_ok(result))
        check_old_segments(run);
    data_tally_fini(&run->tally);
    if (catalog != NULL)
        catalog_destroy(catalog);
    return result;
}

static void init(struct data_check *check)
{
    *check = (struct data_check){0};
    buffer_init(&check->problems, PROBLEMS_BYTES_MAX);
    arena_init(&check->arena, ARENA_BYTES_MAX);
}

status data_check_run(const struct data_check_options *options, struct data_check *out,
                      struct error *error)
{
    init(out);
    for (int i = 0; i < RETRIES; i++) {
        struct run run = {.options = options, .check = out, .error = error};
        status result = run_once(&run);
        if (result.code == STATUS_OUT_OF_MEMORY)
            return error_set(error, result.code, "out_of_memory", "not enough memory to check");
        if (!status_is_ok(result) || !run.vanished)
            return result;
        data_check_fini(out);
        init(out);
    }
    return error_set(error, STATUS_BUSY, "busy",
                     "the files of %s change too fast to be read: try again", options->path);
}

void data_check_fini(struct data_check *check)
{
    memory_free(check->files);
    buffer_fini(&check->problems);
    arena_fini(&check->arena);
    check->files = NULL;
}

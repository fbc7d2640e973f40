#include "log/log_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "log/log_reader.h"
#include "log/log_search.h"

#define PROGRESS_BYTES ((uint64_t)1 << 20)
#define COPY_BYTES ((size_t)1 << 20)

/* Up to where a segment is known to be on disk. A mark says so of LSNs; of the groups only every so
 * many is remembered: a new one once the last was confirmed. */
struct settled {
    uint64_t offset;
    uint64_t next_offset; /* once `next_lsn` is below a mark */
    uint64_t next_lsn;
};

/* Segments are numbered as they stand in `numbers`. */
struct scan {
    const struct log_scan_options *options;
    struct log_scan *out;
    uint64_t *numbers; /* first LSNs */
    uint32_t count;
    uint32_t start;    /* the first that is read */
    struct settled *settled; /* one for each of out->segments */
    uint64_t last_lsn; /* of the last whole record */
    bool is_lost;      /* what lies behind here is not part of the log: */
    uint32_t lost_index;
    uint64_t lost_offset; /* 0: the segment as a whole */
    char reason[240];
    uint64_t bytes_done; /* of segments that are finished */
    uint64_t bytes_told;
    uint64_t bytes_total;
};

static void path_of(const struct scan *scan, uint32_t index, char out[FILE_PATH_MAX])
{
    log_file_path(scan->options->directory, scan->numbers[index], LOG_SEGMENT_SUFFIX, out,
                  FILE_PATH_MAX);
}

static status io_error(const char *path, const char *what, int reason, struct error *error)
{
    char text[128];
    if (reason == ENOMEM)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "no memory to read %s",
                         path);
    return error_set(error, STATUS_IO, "log_io", "%s cannot be %s: %s", path, what,
                     strerror_r(reason, text, sizeof(text)));
}

static void raise_mark(struct scan *scan, uint64_t synced_lsn)
{
    if (scan->out->synced_lsn < synced_lsn)
        scan->out->synced_lsn = synced_lsn;
}

static void raise_clock(struct scan *scan, int64_t clock_us)
{
    if (scan->out->clock_us < clock_us)
        scan->out->clock_us = clock_us;
}

PRINTF_LIKE(4, 5)
static void lose(struct scan *scan, uint32_t index, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    scan->is_lost = true;
    scan->lost_index = index;
    scan->lost_offset = offset;
    va_start(arguments, format);
    vsnprintf(scan->reason, sizeof(scan->reason), format, arguments);
    va_end(arguments);
}

static void tell_progress(struct scan *scan, uint64_t offset)
{
    uint64_t done = scan->bytes_done + offset;
    if (scan->options->progress == NULL || done < scan->bytes_told + PROGRESS_BYTES)
        return;
    scan->bytes_told = done;
    scan->options->progress(scan->options->user, done, scan->bytes_total);
}

/* The last segment that begins at or before the first LSN that is wanted. */
static void find_start(struct scan *scan)
{
    while (scan->start + 1 < scan->count &&
           scan->numbers[scan->start + 1] <= scan->options->from_lsn + 1)
        scan->start++;
}

static status measure(struct scan *scan, struct error *error)
{
    struct file_system *files = scan->options->files;
    for (uint32_t i = scan->start; i < scan->count; i++) {
        char path[FILE_PATH_MAX];
        struct file *file;
        uint64_t size_bytes;
        path_of(scan, i, path);
        int failed = files->open(files, path, FILE_READ, &file);
        if (failed != 0)
            return io_error(path, "read", failed, error);
        failed = files->size(file, &size_bytes);
        files->close(file);
        if (failed != 0)
            return io_error(path, "read", failed, error);
        scan->bytes_total += size_bytes;
    }
    return OK;
}

static void raise_settled(const struct scan *scan, struct settled *settled)
{
    if (settled->next_lsn <= scan->out->synced_lsn)
        settled->offset = settled->next_offset;
}

static void note_group(struct scan *scan, uint64_t offset)
{
    const struct log_segment *segment = &scan->out->segments[scan->out->segment_count - 1];
    struct settled *settled = &scan->settled[scan->out->segment_count - 1];
    if (segment->last_lsn < segment->first_lsn)
        return; /* a mark says something of this file only through a record in it */
    raise_settled(scan, settled);
    if (settled->offset == settled->next_offset) {
        settled->next_lsn = scan->last_lsn;
        settled->next_offset = offset;
        raise_settled(scan, settled);
    }
}

/* Whether the record may follow what was read. */
static bool check_record(struct scan *scan, struct log_segment *segment, uint32_t index,
                         const struct log_record *record, bool is_first)
{
    struct log_group group;
    if (record->lsn != scan->last_lsn + 1) {
        lose(scan, index, record->offset, "LSN %llu where %llu must follow",
             (unsigned long long)record->lsn, (unsigned long long)scan->last_lsn + 1);
        return false;
    }
    switch (record->type) {
    case LOG_GROUP:
        if (!log_group_decode(record->payload, &group) ||
            group.identity != scan->options->identity)
            break;
        raise_mark(scan, group.synced_lsn);
        raise_clock(scan, group.clock_us);
        note_group(scan, record->offset);
        return true;
    case LOG_SCHEMA:
        if (is_first)
            break;
        return true;
    case LOG_WRITE:
    case LOG_ERASE:
        if (is_first)
            break;
        segment->last_lsn = scan->last_lsn = record->lsn;
        return true;
    default:
        break;
    }
    lose(scan, index, record->offset, "a record that does not belong there");
    return false;
}

static status read_records(struct scan *scan, struct log_segment *segment, uint32_t index,
                           struct log_reader *reader, struct error *error)
{
    const struct log_scan_options *options = scan->options;
    struct log_record record;
    struct log_search search;
    enum log_read read;
    while ((read = log_reader_next(reader, &record)) == LOG_READ_RECORD) {
        if (!check_record(scan, segment, index, &record, record.offset == LOG_HEADER_BYTES))
            return OK;
        segment->end_offset = reader->offset;
        if (options->visit != NULL && record.lsn > options->from_lsn)
            TRY(options->visit(options->user, &record, error));
        tell_progress(scan, reader->offset);
    }
    if (read == LOG_READ_FAILED)
        return io_error(reader->path, "read", reader->error, error);
    if (read == LOG_READ_DAMAGED) {
        lose(scan, index, reader->offset, "%s", reader->reason);
        return OK;
    }
    int failed = log_search(options->files, reader->file, reader->offset, options->identity,
                            &search);
    if (failed != 0)
        return io_error(reader->path, "read", failed, error);
    if (search.end_offset > reader->offset)
        lose(scan, index, reader->offset, "there is something after the last record");
    return OK;
}

/* Whether the segment continues the log; lost as a whole if not. */
static bool check_header(struct scan *scan, uint32_t index, const struct log_header *header)
{
    uint64_t first_lsn = scan->numbers[index];
    bool is_start = index == scan->start;
    if (header->lsn != first_lsn || first_lsn == 0) {
        lose(scan, index, 0, "its header says that it begins with LSN %llu",
             (unsigned long long)header->lsn);
        return false;
    }
    if (is_start ? first_lsn > scan->options->from_lsn + 1 : first_lsn != scan->last_lsn + 1) {
        lose(scan, index, 0, "LSN %llu to %llu are missing before it",
             (unsigned long long)(is_start ? scan->options->from_lsn : scan->last_lsn) + 1,
             (unsigned long long)first_lsn - 1);
        return false;
    }
    scan->last_lsn = first_lsn - 1;
    raise_mark(scan, header->synced_lsn);
    raise_clock(scan, header->clock_us);
    return true;
}

/* A segment of another directory or a newer format is an error; one without a whole header is lost. */
static status open_segment(struct scan *scan, uint32_t index, struct log_reader *reader,
                           bool *is_whole, struct error *error)
{
    char path[FILE_PATH_MAX];
    path_of(scan, index, path);
    status result = log_reader_open(reader, scan->options->files, path, LOG_SEGMENT_MAGIC,
                                    scan->options->identity, error);
    *is_whole = status_is_ok(result);
    if (result.code == STATUS_MALFORMED && reader->header.identity == 0)
        return OK;
    return result;
}

static status scan_segment(struct scan *scan, uint32_t index, struct error *error)
{
    struct log_reader reader;
    bool is_whole;
    status result = open_segment(scan, index, &reader, &is_whole, error);
    if (status_is_ok(result) && !is_whole)
        lose(scan, index, 0, "its header is not whole");
    if (status_is_ok(result) && is_whole && check_header(scan, index, &reader.header)) {
        struct log_segment *segment = &scan->out->segments[scan->out->segment_count++];
        *segment = (struct log_segment){
            .first_lsn = scan->numbers[index],
            .last_lsn = scan->numbers[index] - 1,
            .end_offset = LOG_HEADER_BYTES,
            .size_bytes = reader.size_bytes,
        };
        result = read_records(scan, segment, index, &reader, error);
    }
    scan->bytes_done += reader.size_bytes;
    log_reader_close(&reader);
    return result;
}

/* Marks in what is lost, and how much that is. */
static status search_lost(struct scan *scan, struct error *error)
{
    for (uint32_t i = scan->lost_index; i < scan->count; i++) {
        uint64_t from = i == scan->lost_index ? scan->lost_offset : 0;
        struct log_reader reader;
        struct log_search search;
        bool is_whole;
        status result = open_segment(scan, i, &reader, &is_whole, error);
        if (status_is_ok(result)) {
            if (is_whole)
                raise_mark(scan, reader.header.synced_lsn);
            int failed = log_search(scan->options->files, reader.file, from,
                                    scan->options->identity, &search);
            if (failed != 0)
                result = io_error(reader.path, "read", failed, error);
        }
        log_reader_close(&reader);
        TRY(result);
        raise_mark(scan, search.synced_lsn);
        scan->out->cut_bytes += search.end_offset - from;
    }
    path_of(scan, scan->lost_index, scan->out->cut_path);
    scan->out->cut_offset = scan->lost_offset;
    return OK;
}

static const char ADVICE[] =
    "were promised to be durable; restore a backup (featured backup), or start once with "
    "--recover truncate to go on with what is before it";

/* What was synced must be there. */
static status judge(struct scan *scan, struct error *error)
{
    struct log_scan *out = scan->out;
    uint64_t promised = out->synced_lsn;
    if (promised < scan->options->must_reach_lsn)
        promised = scan->options->must_reach_lsn;
    if (promised <= out->last_lsn || scan->options->truncate)
        return OK;
    unsigned long long first = out->last_lsn + 1;
    if (!scan->is_lost)
        return error_set(error, STATUS_MALFORMED, "log_damaged",
                         "the log in %s ends too early: LSN %llu to %llu %s",
                         scan->options->directory, first, (unsigned long long)promised, ADVICE);
    char path[FILE_PATH_MAX];
    path_of(scan, scan->lost_index, path);
    return error_set(error, STATUS_MALFORMED, "log_damaged",
                     "%s is damaged at offset %llu (%s): LSN %llu to %llu %s", path,
                     (unsigned long long)scan->lost_offset, scan->reason, first,
                     (unsigned long long)promised, ADVICE);
}

/* The last first: whenever this ends, what is left is still a log with a torn tail. */
static status remove_lost(struct scan *scan, struct error *error)
{
    struct file_system *files = scan->options->files;
    uint32_t kept = scan->lost_offset == 0 ? scan->lost_index : scan->lost_index + 1;
    for (uint32_t i = scan->count; i-- > kept;) {
        char path[FILE_PATH_MAX];
        path_of(scan, i, path);
        int failed = files->remove(files, path);
        if (failed != 0)
            return io_error(path, "removed", failed, error);
    }
    return OK;
}

/* What is behind the last mark may be in the page cache alone, and after a failed sync the kernel
 * takes it for clean: only what is written again is sure to reach the disk. Returns an errno. */
static int write_again(struct file_system *files, struct file *file, uint64_t offset,
                       uint64_t end_offset)
{
    char *window = memory_alloc(COPY_BYTES);
    int failed = window == NULL ? ENOMEM : 0;
    while (failed == 0 && offset < end_offset) {
        uint64_t left = end_offset - offset;
        size_t len = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        failed = files->read(file, window, len, offset, &len);
        if (failed == 0)
            failed = len == 0 ? EIO : files->write(file, window, len, offset);
        offset += len;
    }
    memory_free(window);
    return failed;
}

static int settle_file(struct file_system *files, struct file *file, struct log_segment *segment,
                       bool is_last, uint64_t settled_offset)
{
    int failed = 0;
    /* What is lost, and space that was allocated in advance: nothing more is written here. */
    if (is_last && segment->size_bytes > segment->end_offset) {
        failed = files->truncate(file, segment->end_offset);
        if (failed == 0)
            segment->size_bytes = segment->end_offset;
    }
    if (failed == 0)
        failed = write_again(files, file, settled_offset, segment->end_offset);
    return failed == 0 ? files->sync(file) : failed;
}

static status settle_segment(struct scan *scan, uint32_t index, struct error *error)
{
    struct file_system *files = scan->options->files;
    struct log_segment *segment = &scan->out->segments[index];
    bool is_last = index + 1 == scan->out->segment_count;
    char path[FILE_PATH_MAX];
    struct file *file;
    if (!is_last && segment->last_lsn <= scan->out->synced_lsn)
        return OK;
    raise_settled(scan, &scan->settled[index]);
    log_file_path(scan->options->directory, segment->first_lsn, LOG_SEGMENT_SUFFIX, path,
                  sizeof(path));
    int failed = files->open(files, path, FILE_WRITE, &file);
    if (failed != 0)
        return io_error(path, "written", failed, error);
    failed = settle_file(files, file, segment, is_last, scan->settled[index].offset);
    files->close(file);
    return failed != 0 ? io_error(path, "written", failed, error) : OK;
}

/* What is kept is durable, names included, before anybody builds on it. */
static status settle(struct scan *scan, struct error *error)
{
    const struct log_scan_options *options = scan->options;
    if (options->read_only || scan->count == 0)
        return OK;
    if (scan->is_lost)
        TRY(remove_lost(scan, error));
    int failed = options->files->sync_directory(options->files, options->directory);
    if (failed != 0)
        return io_error(options->directory, "synced", failed, error);
    for (uint32_t i = 0; i < scan->out->segment_count; i++)
        TRY(settle_segment(scan, i, error));
    return OK;
}

static status scan_all(struct scan *scan, struct error *error)
{
    const struct log_scan_options *options = scan->options;
    struct log_scan *out = scan->out;
    TRY(log_list_files(options->files, options->directory, LOG_SEGMENT_SUFFIX, &scan->numbers,
                       &scan->count, error));
    find_start(scan);
    TRY(measure(scan, error));
    out->segments = memory_alloc_array(scan->count, sizeof(*out->segments));
    scan->settled = memory_alloc_array(scan->count, sizeof(*scan->settled));
    if (out->segments == NULL || scan->settled == NULL)
        return io_error(options->directory, "read", ENOMEM, error);
    for (uint32_t i = scan->start; i < scan->count && !scan->is_lost; i++)
        TRY(scan_segment(scan, i, error));
    out->last_lsn = scan->last_lsn > options->from_lsn ? scan->last_lsn : options->from_lsn;
    if (scan->is_lost)
        TRY(search_lost(scan, error));
    TRY(judge(scan, error));
    return settle(scan, error);
}

status log_scan(const struct log_scan_options *options, struct log_scan *out, struct error *error)
{
    struct log_scan found = {.clock_us = INT64_MIN};
    struct scan scan = {.options = options, .out = &found};
    status result = scan_all(&scan, error);
    memory_free(scan.numbers);
    memory_free(scan.settled);
    if (status_is_ok(result))
        *out = found;
    else
        log_scan_fini(&found);
    return result;
}

void log_scan_fini(struct log_scan *scan)
{
    memory_free(scan->segments);
    scan->segments = NULL;
    scan->segment_count = 0;
}

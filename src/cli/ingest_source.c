#include "cli/ingest_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

status ingest_source_open(struct ingest_source *source, const char *path, enum ingest_format format,
                          uint64_t part_bytes, struct error *error)
{
    struct stat stat;
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "file",
                         "cannot open %s: %s", path, strerror(errno));
    char *data = memory_alloc(INGEST_READ_BYTES);
    if (data == NULL || S_ISDIR(stat.st_mode)) {
        memory_free(data);
        if (!is_stdin)
            close(fd);
        return error_set(error, STATUS_IO, "file", "cannot read %s: %s", path,
                         strerror(S_ISDIR(stat.st_mode) ? EISDIR : ENOMEM));
    }
    *source = (struct ingest_source){
        .name = is_stdin ? "standard input" : path,
        .format = format,
        .part_bytes = part_bytes,
        .total_bytes = S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0,
        .fd = fd,
        .is_file = S_ISREG(stat.st_mode),
        .data = data,
        .line = 1,
        .first_part = true,
        .part_over = true,
        .field_starts = true,
        .row_empty = true,
    };
    buffer_init(&source->header, INGEST_HEADER_BYTES_MAX);
    ingest_arrow_init(&source->arrow);
    return OK;
}

void ingest_source_close(struct ingest_source *source)
{
    if (source->fd != STDIN_FILENO)
        close(source->fd);
    memory_free(source->data);
    buffer_fini(&source->header);
    ingest_arrow_fini(&source->arrow);
}

/* False at the end of the file, or if reading failed. */
static bool fill(struct ingest_source *source)
{
    while (source->at == source->len && !source->at_end) {
        ssize_t got = read(source->fd, source->data, INGEST_READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            source->read_errno = errno;
        source->at_end = got <= 0;
        source->at = 0;
        source->len = got > 0 ? (size_t)got : 0;
    }
    return source->at < source->len;
}

bool ingest_source_next_part(struct ingest_source *source)
{
    bool first = !source->started;
    bool more = ingest_arrow_is_waiting(&source->arrow) || fill(source);
    if (!first && !more)
        return false;
    source->started = true;
    source->first_part = first;
    source->part_over = false;
    source->part_given = 0;
    source->part_has_batch = false;
    source->part_line = source->line;
    source->header_at = first ? source->header.len : 0;
    return true; /* an empty file is one empty part: the server says what it thinks of that */
}

static void end_row(struct ingest_source *source)
{
    if (source->format == INGEST_CSV && !source->header_done) {
        source->header_done = true;
        source->header_lines = source->line - 1;
        source->header_at = source->header.len;
    } else {
        source->rows += !source->row_empty;
    }
    source->row_empty = true;
    source->field_starts = true;
    source->after_quote = false;
}

/* Follows RFC 4180's quotes: a quote opens at the start of a field, or right after one that closed
 * (that is, inside a field a doubled quote). True if the byte ends a row. */
static bool follow(struct ingest_source *source, char c)
{
    bool was_after_quote = source->after_quote;
    source->after_quote = false;
    if (c == '\n')
        source->line++;
    else if (c != '\r')
        source->row_empty = false;
    if (source->format == INGEST_NDJSON)
        return c == '\n';
    if (source->in_quotes) {
        source->in_quotes = c != '"';
        source->after_quote = c == '"';
        return false;
    }
    source->in_quotes = c == '"' && (source->field_starts || was_after_quote);
    source->field_starts = c == ',';
    return c == '\n';
}

/* Takes bytes for the caller up to the end of the part. */
static size_t take(struct ingest_source *source, char *to, size_t room)
{
    const char *from = source->data + source->at;
    size_t left = source->len - source->at;
    size_t most = left < room ? left : room;
    size_t taken = 0;
    bool in_header = source->format == INGEST_CSV && !source->header_done;
    while (taken < most && !source->part_over) {
        if (!follow(source, from[taken++]))
            continue;
        if (in_header)
            buffer_append(&source->header, from, taken);
        end_row(source);
        /* without the header in memory the file can only go in one part */
        source->part_over =
            source->part_given + taken >= source->part_bytes && !source->header.failed;
        if (in_header)
            break;
    }
    if (in_header && !source->header_done)
        buffer_append(&source->header, from, taken);
    memcpy(to, from, taken);
    source->at += taken;
    source->bytes += taken;
    source->part_given += taken;
    return taken;
}

/* A pipe whose writer is silent between two rows: what came so far is better acknowledged than held
 * in a request that the server would cut off. */
static bool is_idle(struct ingest_source *source)
{
    struct pollfd readable = {.fd = source->fd, .events = POLLIN};
    bool between_rows = source->row_empty && source->part_given > 0;
    if (source->format == INGEST_ARROW)
        between_rows = between_rows && ingest_arrow_is_between(&source->arrow);
    else if (source->format == INGEST_CSV)
        between_rows = between_rows && source->header_done;
    return between_rows && !source->is_file && source->at == source->len && !source->at_end &&
           poll(&readable, 1, INGEST_IDLE_MS) == 0;
}

static size_t copy(struct ingest_source *source, char *to, size_t most)
{
    size_t left = source->len - source->at;
    size_t taken = left < most ? left : most;
    memcpy(to, source->data + source->at, taken);
    source->at += taken;
    source->bytes += taken;
    source->part_given += taken;
    return taken;
}

/* What comes before the batches is kept for the parts that follow; in this one it has been given.
 */
static void keep_for_parts(struct ingest_source *source, const char *bytes, size_t len)
{
    if (source->arrow.is_batch)
        return;
    buffer_append(&source->header, bytes, len);
    source->header_at = source->header.len;
}

/* Until the next message shows what it is. */
static void take_arrow_head(struct ingest_source *source)
{
    struct ingest_arrow *arrow = &source->arrow;
    size_t wanted;
    while ((wanted = ingest_arrow_head_wants(arrow)) > 0 && fill(source)) {
        size_t left = source->len - source->at;
        size_t taken = arrow->has_ended || left < wanted ? left : wanted;
        if (!arrow->has_ended) /* else it is the footer of a file */
            ingest_arrow_take_head(arrow, str_of(source->data + source->at, taken));
        source->at += taken;
        source->bytes += taken;
    }
    if (!arrow->has_head && arrow->head.len > 0)
        arrow->is_raw = true; /* it ends here */
}

static void end_arrow_message(struct ingest_source *source)
{
    source->part_has_batch |= source->arrow.is_batch;
    source->rows += source->arrow.rows;
    source->line += source->arrow.rows;
    ingest_arrow_end_message(&source->arrow);
}

/* As ingest_source_read(), of an Arrow stream. */
static ssize_t read_arrow(struct ingest_source *source, char *to, size_t room)
{
    struct ingest_arrow *arrow = &source->arrow;
    size_t taken = 0;
    if (!arrow->is_raw)
        take_arrow_head(source);
    if (arrow->head_given < arrow->head.len) {
        bool is_full = source->part_has_batch && source->part_given >= source->part_bytes &&
                       !source->header.failed;
        source->part_over = is_full && arrow->is_batch && ingest_arrow_is_waiting(arrow);
        if (source->part_over)
            return 0;
        taken = arrow->head.len - arrow->head_given;
        taken = taken < room ? taken : room;
        memcpy(to, arrow->head.data + arrow->head_given, taken);
        keep_for_parts(source, to, taken);
        arrow->head_given += taken;
        source->part_given += taken;
    } else if ((arrow->is_raw || arrow->body_left > 0) && fill(source)) {
        taken =
            copy(source, to, arrow->is_raw || arrow->body_left > room ? room : arrow->body_left);
        if (!arrow->is_raw) {
            keep_for_parts(source, to, taken);
            arrow->body_left -= taken;
        }
    }
    if (arrow->has_head && arrow->body_left == 0 && arrow->head_given == arrow->head.len)
        end_arrow_message(source);
    source->part_over = taken == 0;
    errno = source->read_errno;
    return taken == 0 && source->read_errno ? -1 : (ssize_t)taken;
}

ssize_t ingest_source_read(struct ingest_source *source, char *to, size_t room)
{
    if (!source->first_part && source->header_at < source->header.len) {
        size_t left = source->header.len - source->header_at;
        size_t taken = left < room ? left : room;
        memcpy(to, source->header.data + source->header_at, taken);
        source->header_at += taken;
        return (ssize_t)taken;
    }
    source->part_over = source->part_over || is_idle(source);
    if (source->part_over)
        return 0;
    if (source->format == INGEST_ARROW)
        return read_arrow(source, to, room);
    if (fill(source))
        return (ssize_t)take(source, to, room);
    if (!source->row_empty)
        end_row(source);
    source->part_over = true;
    errno = source->read_errno;
    return source->read_errno ? -1 : 0;
}

uint64_t ingest_source_line(const struct ingest_source *source, uint64_t line)
{
    uint64_t before_rows = source->first_part ? 0 : source->header_lines;
    if (source->first_part || line <= before_rows)
        return line;
    return source->part_line + (line - before_rows) - 1;
}

#include "cli/progress.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/terminal.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define REDRAW_NS (NS_PER_SECOND / 10)
#define PLAIN_NS (NS_PER_SECOND * 3)
#define SETTLE_NS (NS_PER_SECOND / 2) /* before, a rate would only be noise */
#define BAR_MIN 10u
#define BAR_MAX 40u
#define LINE_BYTES_MAX 1024u

void progress_append_time(struct buffer *out, uint64_t seconds)
{
    if (seconds >= 3600)
        buffer_append_format(out, "%" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60);
    else
        buffer_append_format(out, "%" PRIu64, seconds / 60);
    buffer_append_format(out, ":%02" PRIu64, seconds % 60);
}

void progress_append_bytes(struct buffer *out, uint64_t bytes)
{
    static const char *const UNITS[] = {"kB", "MB", "GB", "TB", "PB"};
    double shown = (double)bytes / 1000;
    size_t unit = 0;
    if (bytes < 1000) {
        buffer_append_format(out, "%" PRIu64 " B", bytes);
        return;
    }
    while (shown >= 999.95 && unit + 1 < ARRAY_LEN(UNITS)) {
        shown /= 1000;
        unit++;
    }
    buffer_append_format(out, "%.1f %s", shown, UNITS[unit]);
}

static uint64_t per_second(uint64_t count, int64_t elapsed_ns)
{
    return elapsed_ns <= 0 ? 0 : (uint64_t)((double)count * 1e9 / (double)elapsed_ns);
}

static void append_figures(struct buffer *out, const struct progress *progress, const char *gap)
{
    uint64_t total = progress->total_bytes;
    const char *row_unit = progress->row_unit ? progress->row_unit : "rows";
    bool settled = progress->elapsed_ns >= SETTLE_NS && progress->bytes > 0;
    if (total > 0)
        buffer_append_format(out, "%3" PRIu64 " %%%s",
                             (uint64_t)((double)progress->bytes * 100 / (double)total), gap);
    if (!progress->hides_rows) {
        terminal_append_count(out, progress->rows);
        buffer_append_format(out, " %s%s", row_unit, gap);
    }
    if (progress->unit == NULL) {
        progress_append_bytes(out, progress->bytes);
    } else {
        terminal_append_count(out, progress->bytes);
        buffer_append_format(out, " %s", progress->unit);
    }
    if (settled && !progress->hides_rows) {
        buffer_append_format(out, "%s", gap);
        terminal_append_count(out, per_second(progress->rows, progress->elapsed_ns));
        buffer_append_format(out, " %s/s", row_unit);
    }
    if (settled && total > progress->bytes) {
        double left = (double)(total - progress->bytes) * (double)progress->elapsed_ns /
                      (double)progress->bytes / 1e9;
        buffer_append_format(out, "%s", gap);
        progress_append_time(out, (uint64_t)(left + 0.999));
        buffer_append_str(out, STR(" left"));
    } else if (total > 0 && progress->bytes >= total && progress->then != NULL) {
        buffer_append_format(out, "%s%s", gap, progress->then);
    }
}

static void append_bar(struct buffer *out, const struct progress *progress, size_t width)
{
    double share = (double)progress->bytes / (double)progress->total_bytes;
    size_t full = (size_t)((share > 1 ? 1 : share) * (double)width);
    buffer_append_char(out, '[');
    for (size_t i = 0; i < width; i++)
        buffer_append_char(out, i < full ? '#' : ' ');
    buffer_append_str(out, STR("] "));
}

/* Of a long path its end. */
static str shorten(str label, size_t columns)
{
    while (terminal_columns(label) > columns)
        label = str_of(label.data + 1, label.len - 1);
    while (label.len > 0 && ((unsigned char)label.data[0] & 0xc0) == 0x80)
        label = str_of(label.data + 1, label.len - 1);
    return label;
}

void progress_append(struct buffer *out, const struct progress *progress, unsigned columns)
{
    struct buffer figures;
    buffer_init(&figures, LINE_BYTES_MAX);
    append_figures(&figures, progress, columns ? "  " : ", ");
    str text = buffer_str(&figures);
    if (columns == 0) {
        buffer_append_format(out, "%s: ", progress->label);
        buffer_append_str(out, str_trim(text));
    } else {
        size_t left = columns > text.len + 1 ? columns - text.len - 1 : 0;
        str label = shorten(str_from_cstr(progress->label), left / 2);
        size_t used = terminal_columns(label) + 4; /* blanks and brackets */
        terminal_append_safe(out, label);
        buffer_append_char(out, ' ');
        if (progress->total_bytes > 0 && left >= used + BAR_MIN)
            append_bar(out, progress, left - used < BAR_MAX ? left - used : BAR_MAX);
        buffer_append(out, text.data, text.len < columns ? text.len : columns);
    }
    buffer_fini(&figures);
}

void progress_start(struct progress *progress, const char *label, uint64_t total_bytes)
{
    *progress = (struct progress){
        .label = label,
        .total_bytes = total_bytes,
        .started_ns = clock_monotonic_ns(),
        .on_terminal = terminal_is(STDERR_FILENO),
    };
    progress->shown_ns = progress->started_ns;
}

static void write_line(const struct buffer *line)
{
    if (line->failed)
        return;
    ssize_t ignored = write(STDERR_FILENO, line->data, line->len);
    (void)ignored;
}

void progress_update(struct progress *progress, uint64_t bytes, uint64_t rows)
{
    struct buffer line;
    int64_t now = clock_monotonic_ns();
    progress->bytes = bytes;
    progress->rows = rows;
    progress->elapsed_ns = now - progress->started_ns;
    if (now - progress->shown_ns < (progress->on_terminal ? REDRAW_NS : PLAIN_NS))
        return;
    progress->shown_ns = now;
    buffer_init(&line, LINE_BYTES_MAX * 8);
    if (progress->on_terminal) {
        buffer_append_str(&line, STR("\r\033[K"));
        progress_append(&line, progress, terminal_width(STDERR_FILENO) - 1);
        progress->drawn = true;
    } else {
        progress_append(&line, progress, 0);
        buffer_append_char(&line, '\n');
    }
    write_line(&line);
    buffer_fini(&line);
}

void progress_clear(struct progress *progress)
{
    progress->elapsed_ns = clock_monotonic_ns() - progress->started_ns;
    if (!progress->drawn)
        return;
    progress->drawn = false;
    ssize_t ignored = write(STDERR_FILENO, "\r\033[K", 4);
    (void)ignored;
}

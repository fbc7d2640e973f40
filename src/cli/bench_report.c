#include "cli/bench_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/progress.h"
#include "cli/terminal.h"

#define ROWS_MAX 24u
#define PERCENTILE_COLUMNS 100u /* of their whole table */
#define BAR_COLUMNS_MIN 10u
#define BAR_COLUMNS_MAX 60u
#define ROW_FIXED_COLUMNS 34u /* of a row of the histogram: all but its bar */

void bench_report_append_duration(struct buffer *out, double ns)
{
    static const struct {
        double ns;
        const char *name;
    } UNITS[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(UNITS) && ns < UNITS[i].ns * 0.9995)
        i++;
    double value = ns / UNITS[i].ns;
    int digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    buffer_append_format(out, "%.*f %s", digits, value, UNITS[i].name);
}

/* Aligned to the right in so many columns. */
static void append_right(struct buffer *out, const struct buffer *text, size_t columns)
{
    size_t used = terminal_columns(buffer_str(text));
    buffer_append_format(out, "%*s", (int)(used < columns ? columns - used : 0), "");
    buffer_append_str(out, buffer_str(text));
}

static void append_duration_right(struct buffer *out, double ns, size_t columns)
{
    struct buffer text;
    buffer_init(&text, 64);
    bench_report_append_duration(&text, ns);
    append_right(out, &text, columns);
    buffer_fini(&text);
}

static void append_count_right(struct buffer *out, uint64_t count, size_t columns)
{
    struct buffer text;
    buffer_init(&text, 64);
    terminal_append_count(&text, count);
    append_right(out, &text, columns);
    buffer_fini(&text);
}

static void append_asked(struct buffer *out, const struct bench_result *result)
{
    buffer_append_str(out, STR("load       "));
    if (result->rate > 0) {
        terminal_append_count(out, (uint64_t)llround(result->rate));
        buffer_append_str(out, STR(" requests/s, open loop (latency from when each was due), "));
    } else {
        buffer_append_str(out, STR("closed loop (each connection sends on when answered), "));
    }
    buffer_append_format(out, "%" PRIu64 " connections, %" PRIu64 " thread%s\nworkload   ",
                         result->connections, result->threads, result->threads == 1 ? "" : "s");
    buffer_append_str(out, str_from_cstr(result->mix));
    if (strstr(result->mix, "batch") != NULL)
        buffer_append_format(out, " (batches of %" PRIu64 ")", result->batch_size);
    buffer_append_str(out, STR(": "));
    terminal_append_safe(out, str_from_cstr(result->features));
    buffer_append_str(out, STR(" of "));
    terminal_append_count(out, result->id_count);
    buffer_append_char(out, ' ');
    terminal_append_safe(out, str_from_cstr(result->entity));
    buffer_append_str(out, STR(" ids ("));
    terminal_append_safe(out, str_from_cstr(result->ids));
    buffer_append_format(out, ", %s)%s\n", result->distribution,
                         result->tensors ? ", as tensors" : "");
}

static void append_measured(struct buffer *out, const struct bench_result *result,
                            const struct bench_page *page)
{
    buffer_append_format(out, "answered   %s", page->bold);
    terminal_append_count(out, (uint64_t)llround(bench_result_rate(result)));
    buffer_append_format(out, " requests/s%s", page->plain);
    if (result->ids_in_time != result->answers_in_time) {
        buffer_append_str(out, STR(", "));
        terminal_append_count(out, (uint64_t)llround(bench_result_ids_rate(result)));
        buffer_append_str(out, STR(" ids/s"));
    }
    buffer_append_str(out, STR(", "));
    progress_append_bytes(
        out, result->seconds > 0 ? (uint64_t)((double)result->bytes_in / result->seconds) : 0);
    buffer_append_format(out, "/s, over %.1f s%s\n", result->seconds,
                         result->interrupted ? " (interrupted)" : "");
}

static void append_named(struct buffer *out, uint64_t count, const char *what, bool *first)
{
    if (count == 0)
        return;
    buffer_append_str(out, *first ? STR(": ") : STR(", "));
    *first = false;
    terminal_append_count(out, count);
    buffer_append_format(out, " %s", what);
}

static void append_errors(struct buffer *out, const struct bench_result *result,
                          const struct bench_page *page)
{
    uint64_t errors = bench_result_errors(result);
    bool first = true;
    buffer_append_format(out, "errors     %s", errors > 0 ? page->red : "");
    terminal_append_count(out, errors);
    for (unsigned i = 0; i < BENCH_HTTP_STATUS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "× status %u", i);
        append_named(out, result->statuses[i], name, &first);
    }
    append_named(out, result->broken, "connections broken", &first);
    append_named(out, result->timeouts, "timed out", &first);
    append_named(out, result->unanswered, "unanswered at the end", &first);
    buffer_append_format(out, "%s\n", errors > 0 ? page->plain : "");
}

static void append_generator(struct buffer *out, const struct bench_result *result,
                             const struct bench_page *page)
{
    const char *bottleneck = bench_result_bottleneck(result);
    buffer_append_format(out, "generator  %.0f %% of a core", result->cpu_share * 100);
    if (result->rate > 0 && result->lag.max_us > 0) {
        buffer_append_str(out, STR(", sent late by p50 "));
        bench_report_append_duration(out, result->lag.p50_us * 1000);
        buffer_append_str(out, STR(", p99 "));
        bench_report_append_duration(out, result->lag.p99_us * 1000);
    }
    buffer_append_char(out, '\n');
    if (bottleneck != NULL)
        buffer_append_format(out, "%snote       the generator may be what was measured: %s%s\n",
                             page->yellow, bottleneck, page->plain);
    if (result->waited_share > 0.01)
        buffer_append_format(out,
                             "%snote       %.1f %% of the requests waited for a free connection: "
                             "the server was slower than the rate, or more --connections are "
                             "needed%s\n",
                             page->yellow, result->waited_share * 100, page->plain);
}

static int kinds_used(const struct bench_result *result)
{
    int used = 0;
    for (int i = 0; i < BENCH_KINDS; i++)
        used += result->latency[i].count > 0;
    return used;
}

/* A narrow terminal goes without p75 and p95. */
static bool has_room(const struct bench_page *page, size_t percentile)
{
    double share = BENCH_PERCENTILE_LIST[percentile].share;
    return page->columns >= PERCENTILE_COLUMNS || (share != 0.75 && share != 0.95);
}

static void append_percentile_row(struct buffer *out, const char *name,
                                  const struct hdr_histogram *latency,
                                  const struct bench_page *page)
{
    buffer_append_format(out, "%-9s", name);
    append_count_right(out, latency->count, 11);
    for (size_t i = 0; i < BENCH_PERCENTILES; i++) {
        double share = BENCH_PERCENTILE_LIST[i].share;
        if (!has_room(page, i))
            continue;
        if (bench_percentile_is_known(latency, share))
            append_duration_right(out, (double)hdr_histogram_quantile_ns(latency, share), 10);
        else
            buffer_append_format(out, "%10s", "-");
    }
    buffer_append_char(out, '\n');
}

static void append_percentiles(struct buffer *out, const struct bench_result *result,
                               const struct bench_page *page)
{
    buffer_append_format(out, "\n%s%-9s%11s", page->bold, "latency", "requests");
    for (size_t i = 0; i < BENCH_PERCENTILES; i++) {
        if (has_room(page, i))
            buffer_append_format(out, "%10s", BENCH_PERCENTILE_LIST[i].label);
    }
    buffer_append_format(out, "%s\n", page->plain);
    for (int i = 0; i < BENCH_KINDS && kinds_used(result) > 1; i++) {
        if (result->latency[i].count > 0)
            append_percentile_row(out, BENCH_KIND_NAMES[i], &result->latency[i], page);
    }
    append_percentile_row(out, "all", &result->all, page);
}

/* Bounds in the preferred numbers of Renard's series: 10, 5, 2 or 1 a decade, as many as fit. */
struct rows {
    double low_ns;
    double step;
    unsigned count;
};

static struct rows choose_rows(const struct hdr_histogram *latency)
{
    static const int PER_DECADE[] = {20, 10, 5, 2, 1};
    double least = latency->min_ns > 0 ? (double)latency->min_ns : 1;
    double most = latency->max_ns > 0 ? (double)latency->max_ns : 1;
    struct rows rows = {0};
    for (size_t i = 0; i < ARRAY_LEN(PER_DECADE); i++) {
        double first = floor(log10(least) * PER_DECADE[i] + 1e-9);
        double last = floor(log10(most) * PER_DECADE[i] + 1e-9);
        rows = (struct rows){.low_ns = pow(10, first / PER_DECADE[i]),
                             .step = pow(10, 1.0 / PER_DECADE[i]),
                             .count = (unsigned)(last - first) + 1};
        if (rows.count <= ROWS_MAX)
            break;
    }
    return rows;
}

static void append_bar(struct buffer *out, const struct bench_page *page, double share,
                       unsigned columns)
{
    static const char *const EIGHTHS[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    double length = share * columns;
    unsigned whole = (unsigned)length;
    for (unsigned i = 0; i < whole; i++)
        buffer_append_str(out, page->blocks ? STR("█") : STR("#"));
    unsigned eighths = (unsigned)((length - whole) * 8);
    if (page->blocks)
        buffer_append_str(out, str_from_cstr(EIGHTHS[whole == 0 && eighths == 0 ? 1 : eighths]));
    else if (whole == 0)
        buffer_append_char(out, '.');
}

static void append_histogram(struct buffer *out, const struct bench_result *result,
                             const struct bench_page *page)
{
    uint64_t counts[ROWS_MAX + 1] = {0};
    uint64_t most = 1;
    const struct hdr_histogram *latency = &result->all;
    struct rows rows = choose_rows(latency);
    unsigned columns = page->columns > ROW_FIXED_COLUMNS + BAR_COLUMNS_MIN
                           ? page->columns - ROW_FIXED_COLUMNS
                           : BAR_COLUMNS_MIN;
    if (columns > BAR_COLUMNS_MAX)
        columns = BAR_COLUMNS_MAX;
    if (rows.count > ROWS_MAX)
        rows.count = ROWS_MAX;
    for (unsigned i = 0; i < rows.count; i++) {
        uint64_t from = (uint64_t)(rows.low_ns * pow(rows.step, i));
        uint64_t until = (uint64_t)(rows.low_ns * pow(rows.step, i + 1));
        counts[i] = (i == 0 ? latency->count : hdr_histogram_count_from(latency, from)) -
                    (i + 1 == rows.count ? 0 : hdr_histogram_count_from(latency, until));
        if (counts[i] > most)
            most = counts[i];
    }
    buffer_append_char(out, '\n');
    for (unsigned i = 0; i < rows.count; i++) {
        append_duration_right(out, rows.low_ns * pow(rows.step, i), 9);
        append_count_right(out, counts[i], 13);
        buffer_append_format(out, "%8.3f %%", 100 * (double)counts[i] / (double)latency->count);
        if (counts[i] > 0) {
            buffer_append_char(out, ' ');
            append_bar(out, page, (double)counts[i] / (double)most, columns);
        }
        buffer_append_char(out, '\n');
    }
}

void bench_report_append(const struct bench_result *result, const struct bench_page *page,
                         struct buffer *out)
{
    append_asked(out, result);
    append_measured(out, result, page);
    append_errors(out, result, page);
    append_generator(out, result, page);
    if (result->all.count == 0)
        return;
    append_percentiles(out, result, page);
    append_histogram(out, result, page);
}

#include <math.h>

#include "cli/bench_report.h"
#include "cli/terminal.h"

/* What one run differs from the next by without any reason: below, no share of it is news. */
#define ERROR_SHARE_NOISE 0.0001
#define ABOVE_MIN                                                                                  \
    10 /* values beyond a percentile, without which it is no more than an anecdote                 \
        */

static void append_signed_percent(struct buffer *out, double change)
{
    if (isfinite(change))
        buffer_append_format(out, "%+8.1f %%", change * 100);
    else
        buffer_append_format(out, "%10s", "-");
}

static void append_verdict(struct buffer *out, const struct bench_page *page, bool worse,
                           bool better)
{
    buffer_append_format(out, "  %s%s%s\n",
                         worse    ? page->red
                         : better ? page->green
                                  : "",
                         worse    ? "worse"
                         : better ? "better"
                                  : "same",
                         worse || better ? page->plain : "");
}

static void append_cell(struct buffer *out, const struct buffer *text)
{
    size_t used = terminal_columns(buffer_str(text));
    buffer_append_format(out, "%*s", (int)(used < 14 ? 14 - used : 0), "");
    buffer_append_str(out, buffer_str(text));
}

static void append_duration_cell(struct buffer *out, uint64_t ns)
{
    struct buffer text;
    buffer_init(&text, 64);
    bench_report_append_duration(&text, (double)ns);
    append_cell(out, &text);
    buffer_fini(&text);
}

static bool compare_rate(const struct bench_result *before, const struct bench_result *after,
                         double tolerance, const struct bench_page *page, struct buffer *out)
{
    double from = bench_result_rate(before);
    double to = bench_result_rate(after);
    bool worse = to < from * (1 - tolerance);
    buffer_append_format(out, "%-12s%14.0f%14.0f", "requests/s", from, to);
    append_signed_percent(out, to / from - 1);
    append_verdict(out, page, worse, to > from * (1 + tolerance));
    return !worse;
}

static bool compare_percentile(const struct bench_percentile *percentile,
                               const struct hdr_histogram *before,
                               const struct hdr_histogram *after, double tolerance,
                               const struct bench_page *page, struct buffer *out)
{
    double least = (double)(before->count < after->count ? before->count : after->count);
    if (least * (1 - percentile->share) < ABOVE_MIN - 1e-6)
        return true;
    uint64_t from = hdr_histogram_quantile_ns(before, percentile->share);
    uint64_t to = hdr_histogram_quantile_ns(after, percentile->share);
    bool worse = (double)to > (double)from * (1 + tolerance);
    buffer_append_format(out, "%-12s", percentile->label);
    append_duration_cell(out, from);
    append_duration_cell(out, to);
    append_signed_percent(out, (double)to / (double)from - 1);
    append_verdict(out, page, worse, (double)to < (double)from * (1 - tolerance));
    return !worse;
}

static bool compare_errors(const struct bench_result *before, const struct bench_result *after,
                           const struct bench_page *page, struct buffer *out)
{
    double from = bench_result_error_share(before);
    double to = bench_result_error_share(after);
    bool worse = to > from + ERROR_SHARE_NOISE;
    buffer_append_format(out, "%-12s%12.3f %%%12.3f %%%10s", "errors", from * 100, to * 100, "");
    append_verdict(out, page, worse, to < from - ERROR_SHARE_NOISE);
    return !worse;
}

static bool is_same_work(const struct bench_result *a, const struct bench_result *b)
{
    return fabs(a->rate - b->rate) < 0.001 && a->connections == b->connections &&
           strcmp(a->mix, b->mix) == 0 && a->batch_size == b->batch_size &&
           strcmp(a->features, b->features) == 0 && a->id_count == b->id_count &&
           strcmp(a->distribution, b->distribution) == 0 && a->tensors == b->tensors;
}

bool bench_compare_append(const struct bench_result *before, const struct bench_result *after,
                          double tolerance, const struct bench_page *page, struct buffer *out)
{
    bool fine = true;
    if (!is_same_work(before, after))
        buffer_append_format(out,
                             "%snote: the two did not ask for the same (load, mix, features, ids "
                             "or distribution differ)%s\n",
                             page->yellow, page->plain);
    buffer_append_format(out, "%s%-12s%14s%14s%10s%s\n", page->bold, "", "before", "after",
                         "change", page->plain);
    fine &= compare_rate(before, after, tolerance, page, out);
    for (size_t i = 0; i < BENCH_PERCENTILES; i++)
        fine &= compare_percentile(&BENCH_PERCENTILE_LIST[i], &before->all, &after->all, tolerance,
                                   page, out);
    fine &= compare_errors(before, after, page, out);
    return fine;
}

/* A result as a person reads it: a page for the terminal, a chart for a file, the difference
 * between two. Pure: nothing is printed here. */
#ifndef FEATURED_CLI_BENCH_REPORT_H
#define FEATURED_CLI_BENCH_REPORT_H

#include "cli/bench_result.h"

/* How the page may look; the styles are ANSI sequences or "". */
struct bench_page {
    unsigned columns;
    bool blocks; /* bars of block characters, else of # */
    const char *bold, *yellow, *red, *green, *plain;
};

void bench_report_append(const struct bench_result *result, const struct bench_page *page,
                         struct buffer *out);
/* "1.23 ms", "45.6 µs", "2.10 s": three digits. */
void bench_report_append_duration(struct buffer *out, double ns);

/* Latency by percentile, as one SVG file that needs nothing else and follows the reader's choice of
 * light or dark. */
struct bench_series {
    const char *name;
    const struct hdr_histogram *latency;
};
#define BENCH_SERIES_MAX 6u
void bench_svg_append(struct buffer *out, const char *title, const char *subtitle,
                      const struct bench_series *series, size_t count);

/* Whether `after` is no worse than `before` by more than `tolerance` (0.1: 10 %); a table of what
 * was compared is appended. */
bool bench_compare_append(const struct bench_result *before, const struct bench_result *after,
                          double tolerance, const struct bench_page *page, struct buffer *out);

#endif

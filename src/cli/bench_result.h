/* What a load found: what was asked for, how many answers came how fast, what went wrong. Written
 * as JSON (docs/cli.md, "What bench does", has the schema) and read back for comparing. */
#ifndef FEATURED_CLI_BENCH_RESULT_H
#define FEATURED_CLI_BENCH_RESULT_H

#include "base/hdr_histogram.h"
#include "cli/bench_loop.h"

#define BENCH_TEXT_MAX 512u
#define BENCH_FILE_BYTES_MAX ((size_t)64 << 20)

struct bench_lag {
    double p50_us, p99_us, max_us;
};

struct bench_result {
    char server[BENCH_TEXT_MAX];
    char entity[BENCH_TEXT_MAX];
    char mix[BENCH_TEXT_MAX];          /* "single", "single=8,ingest=2" */
    char features[BENCH_TEXT_MAX];     /* names, separated by commas; cut where there are many */
    char ids[BENCH_TEXT_MAX];          /* where they come from, for a person */
    char distribution[BENCH_TEXT_MAX]; /* "uniform", "zipf 0.99" */
    int64_t started_us;
    bool interrupted;
    bool tensors;
    bool precise; /* the generator polls: its share of a core means nothing */
    double rate;  /* requests per second; 0: closed loop */
    uint64_t connections, threads, batch_size, id_count, seed;
    double warmup_seconds;
    double seconds; /* of the window */
    uint64_t answers_in_time, ids_in_time, bytes_in;
    uint64_t answers[BENCH_KINDS];
    uint64_t statuses[BENCH_HTTP_STATUS_MAX];
    uint64_t broken, timeouts, unanswered;
    /* of the generator */
    double cpu_share;    /* of its busiest thread */
    double waited_share; /* open loop: of requests that were due while no connection was free */
    struct bench_lag lag;
    struct hdr_histogram latency[BENCH_KINDS];
    struct hdr_histogram all;
};

/* The percentiles that are shown, and their names as JSON keys. */
struct bench_percentile {
    double share;
    const char *key;   /* "p99_9" */
    const char *label; /* "p99.9" */
};
#define BENCH_PERCENTILES 8
extern const struct bench_percentile BENCH_PERCENTILE_LIST[BENCH_PERCENTILES];

/* 0 to 1 of so many values: whether at least one value is expected above it. */
bool bench_percentile_is_known(const struct hdr_histogram *histogram, double share);
uint64_t bench_result_errors(const struct bench_result *result);
/* Of all requests that count. */
double bench_result_error_share(const struct bench_result *result);
double bench_result_rate(const struct bench_result *result);     /* good answers per second */
double bench_result_ids_rate(const struct bench_result *result); /* entity ids per second */
/* Why the generator, not the server, may be what was measured; NULL: it was not in the way. */
const char *bench_result_bottleneck(const struct bench_result *result);

void bench_result_append_json(const struct bench_result *result, struct buffer *out);
/* INVALID if it is not what bench_result_append_json() writes; `name` is said in the detail. */
MUST_CHECK status bench_result_parse(struct bench_result *result, str json, const char *name,
                                     struct error *error);

#endif

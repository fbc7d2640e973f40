/* What `featured bench` is asked to do, from its command line. */
#ifndef FEATURED_CLI_BENCH_OPTIONS_H
#define FEATURED_CLI_BENCH_OPTIONS_H

#include "cli/bench_workload.h"
#include "cli/option.h"

struct bench_options {
    bool compare, setup, teardown, write_existing, json, tensors, precise, is_zipf;
    double rate; /* requests per second; 0: closed loop */
    double zipf_exponent;
    double tolerance; /* 0.1: 10 % */
    uint32_t connections, threads, batch_size;
    uint64_t users, seed;
    int64_t duration_ms, warmup_ms, timeout_ms;
    uint32_t shares[BENCH_KINDS];
    /* borrowed from the arguments; NULL: not given */
    const char *mix, *entity, *features, *ids, *id_file, *svg;
};

/* False after saying what is wrong. */
MUST_CHECK bool bench_options_take(const struct cli_arguments *arguments,
                                   struct bench_options *out);

/* What CLI_BENCH runs. */
int cli_bench(int argc, char **argv);

#endif

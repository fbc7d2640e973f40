/* A load as a whole: the threads of it, what is shown meanwhile, and what they found together. */
#ifndef FEATURED_CLI_BENCH_RUN_H
#define FEATURED_CLI_BENCH_RUN_H

#include "cli/bench_result.h"

#define BENCH_THREADS_MAX 64u

struct bench_target {
    struct bench_address address;
    char host[BENCH_TEXT_MAX]; /* with the port, as the header Host says it */
    char path[BENCH_TEXT_MAX]; /* before the routes; "" or "/…" */
};

/* Finds an address of an http:// server that takes connections. */
MUST_CHECK status bench_target_find(const char *server, struct bench_target *out,
                                    struct error *error);

struct bench_run {
    struct bench_target target;
    const struct bench_workload *workload; /* prepared */
    uint32_t threads;
    uint32_t connections; /* at least as many as threads */
    double rate;          /* requests per second; 0: closed loop */
    int64_t warmup_ns, duration_ns, timeout_ns;
    bool is_precise;
    bool shows_progress; /* a line a second on standard error */
};

/* Fills what was measured; ends early when interrupt_asked(). */
MUST_CHECK status bench_run(const struct bench_run *run, struct bench_result *result,
                            struct error *error);

#endif

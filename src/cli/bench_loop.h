/* One thread of a load: its own connections to the server (epoll, keep-alive, one request in flight
 * on each), its own random numbers and counts.
 *
 * Open loop: request i is due at begin + i × interval, whatever the answers do, and its latency
 * counts from then: also while it waits for a connection or the server stands still, so that a
 * stall counts for all it held up (no coordinated omission). Closed loop: a connection sends its
 * next request when the answer to the last one is there. Either way all that was due in the window
 * and has no answer when the loop gives up counts with the time it has waited.
 *
 * Counted are requests whose latency begins in the measured window. Times are nanoseconds of the
 * monotonic clock. The owner sets the upper part, runs bench_loop_run() on a thread, joins it and
 * reads the counts; meanwhile any thread may read `live` and set `stop`. */
#ifndef FEATURED_CLI_BENCH_LOOP_H
#define FEATURED_CLI_BENCH_LOOP_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/hdr_histogram.h"
#include "base/histogram.h"
#include "cli/bench_workload.h"

#define BENCH_CONNECTIONS_MAX 10000u
#define BENCH_HTTP_STATUS_MAX 600u

struct bench_address {
    struct sockaddr_storage socket;
    socklen_t len;
};

/* What is read while the loop runs: one owner adds, relaxed. */
struct bench_live {
    struct histogram latency; /* of good answers */
    _Atomic uint64_t answers; /* good ones */
    _Atomic uint64_t errors;
};

struct bench_counts {
    struct hdr_histogram latency[BENCH_KINDS]; /* of good answers, timeouts and the unanswered */
    struct hdr_histogram lag;      /* open loop: how late the loop itself sent what was due */
    uint64_t answers[BENCH_KINDS]; /* good ones */
    uint64_t answers_in_time;      /* of them, those that came inside the window */
    uint64_t ids_in_time;          /* entity ids they were about */
    uint64_t statuses[BENCH_HTTP_STATUS_MAX]; /* answers that were not 2xx */
    uint64_t broken;     /* requests whose connection ended, or whose answer was no HTTP */
    uint64_t timeouts;   /* requests given up */
    uint64_t unanswered; /* due in the window, and neither sent nor answered at the end */
    uint64_t waited;     /* open loop: due while no connection was free */
    uint64_t sent;       /* open loop: all that were due */
    uint64_t bytes_in;   /* inside the window */
    int64_t cpu_ns;      /* of this thread inside the window */
};

struct bench_loop {
    struct bench_address address;
    const struct bench_workload *workload; /* borrowed */
    uint64_t stream;                       /* of random numbers */
    uint32_t connection_count;
    double interval_ns; /* between two requests; 0: closed loop */
    bool is_precise;    /* open loop: waits for due times busily */
    int64_t timeout_ns; /* of a request, and of waiting for answers after the end */
    int64_t begin_ns;   /* warm-up from here */
    int64_t measure_ns;
    int64_t end_ns;    /* earlier if it was stopped */
    _Atomic bool stop; /* from anyone: the window ends, answers are waited for a second at most */
    struct bench_live live;
    struct bench_counts *counts; /* owned by who made the loop */
    status result;
    struct error error;
};

/* Sets `result` and `error`: no memory. A server that cannot be reached is tried again and again.
 */
void bench_loop_run(struct bench_loop *loop);

#endif

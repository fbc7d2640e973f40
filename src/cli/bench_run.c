#include "cli/bench_run.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/bench_report.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define LOOK_NS INT64_C(20000000)
#define HEAD_START_NS INT64_C(20000000) /* for the threads to be there when the load begins */

struct worker {
    struct bench_loop loop;
    pthread_t thread;
    bool started;
};

/* What the line before has counted. */
struct shown {
    uint64_t answers;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

struct crew {
    const struct bench_run *run;
    struct worker *workers;
    uint32_t count;
    int64_t begin_ns, measure_ns, end_ns;
    struct shown shown;
};

static void *work(void *context)
{
    struct worker *worker = context;
    bench_loop_run(&worker->loop);
    return NULL;
}

/* Connections and the rate are dealt out evenly; the threads' requests are due in turns. */
static status start_worker(struct crew *crew, uint32_t index, struct error *error)
{
    const struct bench_run *run = crew->run;
    struct bench_loop *loop = &crew->workers[index].loop;
    double interval_ns = run->rate > 0 ? 1e9 / run->rate : 0;
    loop->counts = memory_alloc_zero(sizeof(*loop->counts));
    if (loop->counts == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "bench", "out of memory");
    loop->address = run->target.address;
    loop->workload = run->workload;
    loop->stream = index;
    loop->connection_count =
        run->connections / crew->count + (index < run->connections % crew->count);
    loop->interval_ns = interval_ns * crew->count;
    loop->is_precise = run->is_precise;
    loop->timeout_ns = run->timeout_ns;
    loop->begin_ns = crew->begin_ns + (int64_t)(interval_ns * index);
    loop->measure_ns = crew->measure_ns;
    loop->end_ns = crew->end_ns;
    if (pthread_create(&crew->workers[index].thread, NULL, work, &crew->workers[index]) != 0)
        return error_set(error, STATUS_OUT_OF_MEMORY, "bench", "cannot start a thread");
    crew->workers[index].started = true;
    return OK;
}

/* Signals are for the thread that shows the progress. */
static status start_all(struct crew *crew, struct error *error)
{
    sigset_t blocked, before;
    status result = OK;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    for (uint32_t i = 0; i < crew->count && status_is_ok(result); i++)
        result = start_worker(crew, i, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static void stop_all(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++)
        atomic_store_explicit(&crew->workers[i].loop.stop, true, memory_order_relaxed);
}

static void join_all(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->workers[i].started)
            pthread_join(crew->workers[i].thread, NULL);
    }
}

/* The bucket that holds the given share of what came since the last line. */
static uint64_t interval_quantile_ns(const uint64_t counts[HISTOGRAM_BUCKETS], double share)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += counts[i];
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        seen += counts[i];
        if (total > 0 && (double)seen >= share * (double)total)
            return histogram_bound_ns(i);
    }
    return histogram_bound_ns(HISTOGRAM_BUCKETS - 2);
}

static void show(struct crew *crew, int64_t now_ns)
{
    uint64_t answers = 0, errors = 0, since[HISTOGRAM_BUCKETS];
    struct buffer line;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < crew->count; i++)
            sum += atomic_load_explicit(&crew->workers[i].loop.live.latency.counts[bucket],
                                        memory_order_relaxed);
        since[bucket] = sum - crew->shown.counts[bucket];
        crew->shown.counts[bucket] = sum;
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        answers += atomic_load_explicit(&crew->workers[i].loop.live.answers, memory_order_relaxed);
        errors += atomic_load_explicit(&crew->workers[i].loop.live.errors, memory_order_relaxed);
    }
    buffer_init(&line, 1024);
    buffer_append_format(&line, "%3lld s  ",
                         (long long)((now_ns - crew->begin_ns) / NS_PER_SECOND));
    terminal_append_count(&line, answers - crew->shown.answers);
    buffer_append_str(&line, STR(" requests/s"));
    if (answers > crew->shown.answers) {
        buffer_append_str(&line, STR("  p50 below "));
        bench_report_append_duration(&line, (double)interval_quantile_ns(since, 0.5));
        buffer_append_str(&line, STR("  p99 below "));
        bench_report_append_duration(&line, (double)interval_quantile_ns(since, 0.99));
    }
    if (errors > 0) {
        buffer_append_str(&line, STR("  errors "));
        terminal_append_count(&line, errors);
    }
    buffer_append_str(&line, now_ns < crew->measure_ns + NS_PER_SECOND / 2 ? STR("  (warm-up)\n")
                                                                           : STR("\n"));
    if (!line.failed)
        fwrite(line.data, 1, line.len, stderr);
    buffer_fini(&line);
    crew->shown.answers = answers;
}

static void watch(struct crew *crew)
{
    int64_t next_line_ns = crew->begin_ns + NS_PER_SECOND;
    for (int64_t now_ns = clock_monotonic_ns(); now_ns < crew->end_ns && !interrupt_asked();
         now_ns = clock_monotonic_ns()) {
        if (now_ns >= next_line_ns) {
            if (crew->run->shows_progress)
                show(crew, now_ns);
            next_line_ns += NS_PER_SECOND;
        }
        struct timespec pause = {.tv_nsec = LOOK_NS};
        nanosleep(&pause, NULL);
    }
    if (interrupt_asked())
        stop_all(crew);
}

/* Answers may be waited for as long as the timeout: Ctrl-C ends that too. */
static void wait_for_all(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];
        while (worker->started) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += LOOK_NS;
            until.tv_sec += until.tv_nsec / NS_PER_SECOND;
            until.tv_nsec %= NS_PER_SECOND;
            if (pthread_timedjoin_np(worker->thread, NULL, &until) == 0)
                worker->started = false;
            else if (interrupt_asked())
                stop_all(crew);
        }
    }
}

static void add_counts(struct bench_result *result, const struct bench_counts *counts)
{
    for (int i = 0; i < BENCH_KINDS; i++) {
        hdr_histogram_merge(&result->latency[i], &counts->latency[i]);
        hdr_histogram_merge(&result->all, &counts->latency[i]);
        result->answers[i] += counts->answers[i];
    }
    for (size_t i = 0; i < BENCH_HTTP_STATUS_MAX; i++)
        result->statuses[i] += counts->statuses[i];
    result->answers_in_time += counts->answers_in_time;
    result->ids_in_time += counts->ids_in_time;
    result->bytes_in += counts->bytes_in;
    result->broken += counts->broken;
    result->timeouts += counts->timeouts;
    result->unanswered += counts->unanswered;
    double share = result->seconds > 0 ? (double)counts->cpu_ns / 1e9 / result->seconds : 0;
    if (share > result->cpu_share)
        result->cpu_share = share;
}

static status add_up(struct crew *crew, struct bench_result *result, struct error *error)
{
    uint64_t sent = 0, waited = 0;
    struct hdr_histogram *lag = memory_alloc_zero(sizeof(*lag));
    if (lag == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "bench", "out of memory");
    status outcome = OK;
    int64_t end_ns = crew->workers[0].loop.end_ns;
    result->seconds = end_ns > crew->measure_ns ? (double)(end_ns - crew->measure_ns) / 1e9 : 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        const struct bench_loop *loop = &crew->workers[i].loop;
        if (!status_is_ok(loop->result))
            outcome = error_set(error, loop->result.code, "bench", "%s", loop->error.detail);
        add_counts(result, loop->counts);
        hdr_histogram_merge(lag, &loop->counts->lag);
        sent += loop->counts->sent;
        waited += loop->counts->waited;
    }
    result->waited_share = sent > 0 ? (double)waited / (double)sent : 0;
    result->lag = (struct bench_lag){.p50_us = (double)hdr_histogram_quantile_ns(lag, 0.5) / 1000,
                                     .p99_us = (double)hdr_histogram_quantile_ns(lag, 0.99) / 1000,
                                     .max_us = (double)lag->max_ns / 1000};
    result->interrupted = interrupt_asked();
    memory_free(lag);
    return outcome;
}

status bench_run(const struct bench_run *run, struct bench_result *result, struct error *error)
{
    struct crew crew = {.run = run, .count = run->threads};
    crew.workers = memory_alloc_array(crew.count, sizeof(*crew.workers));
    if (crew.workers == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "bench", "out of memory");
    result->started_us = clock_wall_us();
    crew.begin_ns = clock_monotonic_ns() + HEAD_START_NS;
    crew.measure_ns = crew.begin_ns + run->warmup_ns;
    crew.end_ns = crew.measure_ns + run->duration_ns;
    status outcome = start_all(&crew, error);
    if (status_is_ok(outcome)) {
        watch(&crew);
        wait_for_all(&crew);
        outcome = add_up(&crew, result, error);
    } else {
        stop_all(&crew);
        join_all(&crew);
    }
    for (uint32_t i = 0; i < crew.count; i++)
        memory_free(crew.workers[i].loop.counts);
    memory_free(crew.workers);
    return outcome;
}

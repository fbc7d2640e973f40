#include "online/engine/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/engine/snapshot_file.h"
#include "online/engine/snapshot_write.h"
#include "online/engine/writer.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define LOOK_INTERVAL_NS NS_PER_SECOND       /* at the log's growth */
#define RETRY_INTERVAL_NS (60 * NS_PER_SECOND) /* after a failure */
#define THREAD_NICE 10

struct snapshotter {
    struct engine *engine;
    struct epoch_reader *reader; /* of whoever holds `making` */
    pthread_t thread;
    pthread_mutex_t making; /* held while a snapshot is made; taken before `lock` */
    pthread_mutex_t lock;   /* of what is below */
    pthread_cond_t changed; /* on the monotonic clock */
    bool stopping;
    bool requested;
    bool answered; /* the writer has said what of */
    _Atomic bool cancelled;
    bool is_known;             /* what is below is set from engine->recovery */
    uint64_t written_at_start; /* log_metrics.bytes_written when the last one was begun */
    uint64_t log_bytes_before; /* of earlier processes, not in a snapshot */
    int64_t last_ns;           /* when the last one was begun, or the store was opened */
    int64_t failed_ns;         /* when one failed last; INT64_MIN: not since the last success */
    struct online_durability figures; /* those of snapshots */
};

/* Under `lock`, the store being ready. */
static void learn_recovery(struct snapshotter *snapshotter)
{
    const struct engine_recovery *recovery = &snapshotter->engine->recovery;
    if (snapshotter->is_known)
        return;
    snapshotter->is_known = true;
    snapshotter->log_bytes_before = recovery->log_bytes;
    snapshotter->figures.snapshot_bytes = recovery->snapshot_bytes;
    snapshotter->figures.snapshot_lsn = recovery->snapshot_lsn;
}

static uint64_t bytes_since(const struct snapshotter *snapshotter,
                            const struct log_metrics *metrics)
{
    return snapshotter->log_bytes_before + metrics->bytes_written - snapshotter->written_at_start;
}

static bool is_anything_new(const struct snapshotter *snapshotter)
{
    return counter_get(&snapshotter->engine->counters.lsn) > snapshotter->figures.snapshot_lsn;
}

/* Enough log that writing all rows again at most doubles what is written, and the log is at most
 * about as long as the rows. */
static bool has_log_grown(const struct snapshotter *snapshotter)
{
    struct log_metrics metrics;
    uint64_t least = snapshotter->engine->options.snapshot_log_bytes;
    if (least == 0)
        least = ENGINE_SNAPSHOT_LOG_BYTES_DEFAULT;
    if (least < snapshotter->figures.snapshot_bytes)
        least = snapshotter->figures.snapshot_bytes;
    log_writer_metrics(snapshotter->engine->log, &metrics);
    return bytes_since(snapshotter, &metrics) >= least;
}

static bool is_time(const struct snapshotter *snapshotter, int64_t now_ns)
{
    int64_t interval_ms = snapshotter->engine->options.snapshot_interval_ms;
    return interval_ms > 0 && (now_ns - snapshotter->last_ns) / NS_PER_MS >= interval_ms;
}

/* Under `lock`. */
static bool is_due(struct snapshotter *snapshotter)
{
    if (engine_state(snapshotter->engine) != ENGINE_READY)
        return false;
    learn_recovery(snapshotter);
    if (snapshotter->requested)
        return true;
    int64_t now_ns = clock_monotonic_ns();
    if (snapshotter->failed_ns != INT64_MIN && now_ns - snapshotter->failed_ns < RETRY_INTERVAL_NS)
        return false;
    return is_anything_new(snapshotter) &&
           (snapshotter->failed_ns != INT64_MIN || has_log_grown(snapshotter) ||
            is_time(snapshotter, now_ns));
}

/* False when stopping. */
static bool wait_until_due(struct snapshotter *snapshotter)
{
    pthread_mutex_lock(&snapshotter->lock);
    while (!snapshotter->stopping && !is_due(snapshotter)) {
        int64_t end_ns = clock_monotonic_ns() + LOOK_INTERVAL_NS;
        struct timespec end = {.tv_sec = end_ns / NS_PER_SECOND,
                               .tv_nsec = end_ns % NS_PER_SECOND};
        pthread_cond_timedwait(&snapshotter->changed, &snapshotter->lock, &end);
    }
    bool stopping = snapshotter->stopping;
    snapshotter->requested = false;
    pthread_mutex_unlock(&snapshotter->lock);
    return !stopping;
}

static void source_known(struct snapshot_request *request)
{
    struct snapshotter *snapshotter = request->user;
    pthread_mutex_lock(&snapshotter->lock);
    snapshotter->answered = true;
    pthread_cond_broadcast(&snapshotter->changed);
    pthread_mutex_unlock(&snapshotter->lock);
}

/* Asks the writer of one instant. */
static void ask(struct snapshotter *snapshotter, struct snapshot_request *request)
{
    *request = (struct snapshot_request){.done = source_known, .user = snapshotter};
    snapshotter->answered = false; /* nobody else has the request yet */
    writer_submit_snapshot(snapshotter->engine->writer, request);
    pthread_mutex_lock(&snapshotter->lock);
    while (!snapshotter->answered)
        pthread_cond_wait(&snapshotter->changed, &snapshotter->lock);
    pthread_mutex_unlock(&snapshotter->lock);
}

/* What the new snapshot makes superfluous. A failure costs space only; the next one tries again. */
static void remove_superfluous(struct engine *engine, uint64_t start_lsn)
{
    struct error error = {0};
    const struct engine_options *options = &engine->options;
    status result =
        snapshot_remove_others(options->files, options->directory, start_lsn, &error);
    if (status_is_ok(result))
        result = log_writer_remove_until(engine->log, start_lsn, options->log_retention_ms, &error);
    if (!status_is_ok(result))
        log_event(LOG_WARN, "snapshot_cleanup_failed", "error=\"%s\"", error.detail);
}

static void note_begin(struct snapshotter *snapshotter)
{
    pthread_mutex_lock(&snapshotter->lock);
    snapshotter->figures.snapshot_running = true;
    snapshotter->figures.snapshot_started_us = clock_wall_us();
    pthread_mutex_unlock(&snapshotter->lock);
    log_event(LOG_INFO, "snapshot_started", "lsn=%llu",
              (unsigned long long)counter_get(&snapshotter->engine->counters.lsn));
}

static void note_success(struct snapshotter *snapshotter, const struct snapshot_source *source,
                         const struct snapshot_written *written, uint64_t written_at_start,
                         int64_t begin_ns)
{
    int64_t duration_ns = clock_monotonic_ns() - begin_ns;
    pthread_mutex_lock(&snapshotter->lock);
    struct online_durability *figures = &snapshotter->figures;
    figures->snapshots++;
    figures->snapshot_bytes = written->bytes;
    figures->snapshot_bytes_written += written->bytes;
    figures->snapshot_rows = written->rows;
    figures->snapshot_duration_ns = duration_ns;
    figures->snapshot_lsn = source->start_lsn;
    figures->snapshot_running = false;
    snapshotter->written_at_start = written_at_start;
    snapshotter->log_bytes_before = 0;
    snapshotter->last_ns = begin_ns;
    snapshotter->failed_ns = INT64_MIN;
    pthread_cond_broadcast(&snapshotter->changed);
    pthread_mutex_unlock(&snapshotter->lock);
    log_event(LOG_INFO, "snapshot_written", "lsn=%llu rows=%llu bytes=%llu seconds=%.3f",
              (unsigned long long)source->start_lsn, (unsigned long long)written->rows,
              (unsigned long long)written->bytes, (double)duration_ns / (double)NS_PER_SECOND);
}

/* Given up on purpose is no failure. */
static void note_failure(struct snapshotter *snapshotter, const struct error *error)
{
    bool cancelled = atomic_load_explicit(&snapshotter->cancelled, memory_order_relaxed);
    pthread_mutex_lock(&snapshotter->lock);
    snapshotter->figures.snapshot_running = false;
    snapshotter->figures.snapshot_failures += !cancelled;
    snapshotter->failed_ns = clock_monotonic_ns();
    pthread_cond_broadcast(&snapshotter->changed);
    pthread_mutex_unlock(&snapshotter->lock);
    if (!cancelled)
        log_event(LOG_ERROR, "snapshot_failed", "error=\"%s\"", error->detail);
}

/* Under `making`. */
static status make(struct snapshotter *snapshotter, struct error *error)
{
    struct engine *engine = snapshotter->engine;
    struct snapshot_request request;
    struct snapshot_written written;
    struct log_metrics metrics;
    int64_t begin_ns = clock_monotonic_ns();
    /* A closed log cannot be synced in the end: better not to write all rows for that. */
    status result = log_writer_check(engine->log, error);
    if (!status_is_ok(result)) {
        note_failure(snapshotter, error);
        return result;
    }
    note_begin(snapshotter);
    /* Before the start: so nothing that is not in the snapshot is left out. */
    log_writer_metrics(engine->log, &metrics);
    ask(snapshotter, &request);
    struct snapshot_source source = {
        .engine = engine,
        .reader = snapshotter->reader,
        .start_lsn = request.start_lsn,
        .clock_us = request.clock_us,
        .statistics = request.statistics,
        .statistics_count = request.statistics_count,
        .cancelled = &snapshotter->cancelled,
    };
    result = request.status;
    if (status_is_ok(result))
        result = snapshot_write(&source, &written, error);
    else
        error_set(error, result.code, status_name(result.code),
                  "no memory for the statistics of the snapshot");
    memory_free(request.statistics);
    if (!status_is_ok(result)) {
        note_failure(snapshotter, error);
        return result;
    }
    remove_superfluous(engine, source.start_lsn);
    note_success(snapshotter, &source, &written, metrics.bytes_written, begin_ns);
    return OK;
}

status snapshotter_run(struct snapshotter *snapshotter, struct error *error)
{
    ASSERT(engine_state(snapshotter->engine) == ENGINE_READY);
    pthread_mutex_lock(&snapshotter->lock);
    learn_recovery(snapshotter);
    pthread_mutex_unlock(&snapshotter->lock);
    pthread_mutex_lock(&snapshotter->making);
    status result = make(snapshotter, error);
    pthread_mutex_unlock(&snapshotter->making);
    return result;
}

static void *run(void *argument)
{
    struct snapshotter *snapshotter = argument;
    struct error error = {0};
    /* Serving goes first. On Linux this is of the thread alone; without it snapshots are as urgent
     * as the rest. */
    (void)!setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), THREAD_NICE);
    while (wait_until_due(snapshotter))
        (void)!status_is_ok(snapshotter_run(snapshotter, &error)); /* noted there */
    return NULL;
}

static void init(struct snapshotter *snapshotter, struct engine *engine)
{
    pthread_condattr_t attributes;
    snapshotter->engine = engine;
    snapshotter->last_ns = clock_monotonic_ns();
    snapshotter->failed_ns = INT64_MIN;
    ASSERT(pthread_mutex_init(&snapshotter->making, NULL) == 0);
    ASSERT(pthread_mutex_init(&snapshotter->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&snapshotter->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

status snapshotter_start(struct engine *engine, struct error *error)
{
    struct snapshotter *snapshotter = memory_alloc_zero(sizeof(*snapshotter));
    if (snapshotter == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the online store");
    init(snapshotter, engine);
    status result = OK;
    snapshotter->reader = epoch_register(engine->epoch);
    if (snapshotter->reader == NULL)
        result = status_of(STATUS_TOO_MANY);
    else if (pthread_create(&snapshotter->thread, NULL, run, snapshotter) != 0)
        result = status_of(STATUS_UNAVAILABLE);
    if (!status_is_ok(result)) {
        snapshotter_destroy(snapshotter);
        return error_set(error, result.code, "online_store",
                         "the online store's snapshot thread cannot be started: %s",
                         status_name(result.code));
    }
    pthread_setname_np(snapshotter->thread, "snapshot");
    engine->snapshotter = snapshotter;
    return OK;
}

void snapshotter_stop(struct snapshotter *snapshotter)
{
    if (snapshotter == NULL)
        return;
    atomic_store(&snapshotter->cancelled, true);
    pthread_mutex_lock(&snapshotter->lock);
    snapshotter->stopping = true;
    pthread_cond_broadcast(&snapshotter->changed);
    pthread_mutex_unlock(&snapshotter->lock);
    pthread_join(snapshotter->thread, NULL);
    atomic_store(&snapshotter->cancelled, false);
    if (engine_state(snapshotter->engine) != ENGINE_READY)
        return;
    struct error error = {0};
    learn_recovery(snapshotter); /* the thread has ended: nobody else is left */
    if (is_anything_new(snapshotter))
        (void)!status_is_ok(snapshotter_run(snapshotter, &error)); /* noted there */
}

void snapshotter_destroy(struct snapshotter *snapshotter)
{
    if (snapshotter == NULL)
        return;
    if (snapshotter->reader != NULL)
        epoch_unregister(snapshotter->reader);
    pthread_cond_destroy(&snapshotter->changed);
    pthread_mutex_destroy(&snapshotter->lock);
    pthread_mutex_destroy(&snapshotter->making);
    memory_free(snapshotter);
}

void snapshotter_request(struct snapshotter *snapshotter)
{
    if (snapshotter == NULL)
        return;
    pthread_mutex_lock(&snapshotter->lock);
    snapshotter->requested = true;
    pthread_cond_broadcast(&snapshotter->changed);
    pthread_mutex_unlock(&snapshotter->lock);
}

void snapshotter_metrics(struct snapshotter *snapshotter, struct online_durability *out)
{
    struct engine *engine = snapshotter->engine;
    struct log_metrics metrics = {0};
    bool ready = engine_state(engine) == ENGINE_READY;
    pthread_mutex_lock(&snapshotter->lock);
    if (ready) {
        learn_recovery(snapshotter);
        log_writer_metrics(engine->log, &metrics);
    }
    const struct online_durability *figures = &snapshotter->figures;
    out->log_bytes_since_snapshot = ready ? bytes_since(snapshotter, &metrics) : 0;
    out->snapshot_running = figures->snapshot_running;
    out->snapshots = figures->snapshots;
    out->snapshot_failures = figures->snapshot_failures;
    out->snapshot_bytes = figures->snapshot_bytes;
    out->snapshot_bytes_written = figures->snapshot_bytes_written;
    out->snapshot_rows = figures->snapshot_rows;
    out->snapshot_started_us = figures->snapshot_started_us;
    out->snapshot_duration_ns = figures->snapshot_duration_ns;
    out->snapshot_lsn = figures->snapshot_lsn;
    pthread_mutex_unlock(&snapshotter->lock);
}

#include "online/engine/writer.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/engine/recovery.h"
#include "online/engine/snapshot_file.h"
#include "online/engine/snapshot_write.h"
#include "online/engine/writer_state.h"

/* While rows wait for a reader to let go of them. */
#define RECLAIM_FIRST_NS INT64_C(1000000)
#define RECLAIM_LAST_NS INT64_C(64000000)
/* A group waits for clients to come back while they do: until none has come for as long as a sync
 * takes (but time enough for a loop to get to them), and for some syncs' time in all. */
#define GATHER_QUIET_MIN_NS INT64_C(200000)
#define GATHER_QUIET_MAX_NS INT64_C(1000000)
#define GATHER_QUIETS_MAX 8
#define GATHER_STEPS 4 /* looks in each quiet time */
#define MARK_AFTER_NS INT64_C(1000000000)

static status open_log(struct writer *writer, const struct log_scan *scan, struct error *error)
{
    const struct engine_options *options = &writer->engine->options;
    char *path = writer->log_directory;
    int len = snprintf(path, sizeof(writer->log_directory), "%s/" LOG_FOLDER, options->directory);
    if (len < 0 || (size_t)len >= sizeof(writer->log_directory))
        return error_set(error, STATUS_IO, "data_directory",
                         "the data directory's path is too long");
    struct log_writer_options log_options = {
        .files = options->files,
        .directory = path,
        .identity = options->identity,
        .fsync = options->fsync,
        .fsync_interval_ms = options->fsync_interval_ms,
        .segment_bytes = options->segment_bytes,
    };
    return log_writer_open(&log_options, scan, &writer->engine->log, error);
}

/* After --recover truncate: the snapshot that was damaged, or had seen more of the log than is
 * left, gives way to one of what is there now. Else the next start would miss the same again. */
static status replace_snapshots(struct writer *writer, struct error *error)
{
    struct engine *engine = writer->engine;
    const struct engine_options *options = &engine->options;
    struct snapshot_written written;
    struct snapshot_source source = {
        .engine = engine,
        .reader = writer->reader,
        .start_lsn = writer->lsn,
        .clock_us = store_clock_now_us(engine->clock),
        .cancelled = &engine->closing,
    };
    struct log_statistics *statistics =
        statistics_store_copy(&writer->prepare.statistics, &source.statistics_count);
    if (statistics == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for writing the snapshot");
    source.statistics = statistics;
    status result = snapshot_write(&source, &written, error);
    memory_free(statistics);
    TRY(result);
    engine->recovery.snapshot_lsn = source.start_lsn;
    engine->recovery.snapshot_bytes = written.bytes;
    engine->recovery.log_bytes = 0;
    return snapshot_remove_others(options->files, options->directory, source.start_lsn, error);
}

/* Serving goes on without it: who asked to go on with what is left may have to ask again. */
static void settle_truncation(struct writer *writer)
{
    struct error error = {0};
    if (writer->engine->options.recover_truncate && writer->lsn > 0 &&
        !status_is_ok(replace_snapshots(writer, &error)))
        log_event(LOG_WARN, "snapshot_failed", "error=\"%s\"", error.detail);
}

static status recover(struct writer *writer, struct error *error)
{
    struct engine *engine = writer->engine;
    struct prepare *prepare = &writer->prepare;
    struct recovery_result result = {.memory_bytes = &prepare->memory_bytes};
    if (engine->options.directory == NULL)
        return OK;
    TRY(recovery_run(engine, &engine->options, &result, error));
    statistics_store_fini(&prepare->statistics);
    prepare->statistics = result.statistics;
    writer->entities = result.entities;
    writer->lsn = result.last_lsn;
    writer->published_lsn = result.last_lsn;
    engine->recovery = result.facts;
    status opened = open_log(writer, &result.scan, error);
    log_scan_fini(&result.scan);
    if (status_is_ok(opened))
        settle_truncation(writer);
    return opened;
}

static void begin(struct writer *writer)
{
    struct engine *engine = writer->engine;
    error_clear(&engine->failure);
    status result = recover(writer, &engine->failure);
    prepare_begin_group(&writer->prepare);
    writer_publish_counters(writer);
    atomic_store_explicit(&engine->state, status_is_ok(result) ? ENGINE_READY : ENGINE_FAILED,
                          memory_order_release);
    if (engine->options.recovered != NULL)
        engine->options.recovered(engine->options.user, result, &engine->failure);
}

static void take_more(struct writer *writer)
{
    struct queue_node **last = &writer->taken;
    while (*last != NULL)
        last = &(*last)->next;
    *last = queue_take_all(&writer->queue);
}

/* Under `always` what is answered together comes back together. A group that began with the first
 * of them would sync for a few, and the others would wait for the next: so it waits until as many
 * requests are here as were under way when the last one ended. A lone client never waits. */
static void gather(struct writer *writer)
{
    const struct engine *engine = writer->engine;
    if (engine->log == NULL || engine->options.fsync != LOG_FSYNC_ALWAYS)
        return;
    int64_t quiet_ns = writer->commit_ns;
    quiet_ns = quiet_ns > GATHER_QUIET_MIN_NS ? quiet_ns : GATHER_QUIET_MIN_NS;
    quiet_ns = quiet_ns < GATHER_QUIET_MAX_NS ? quiet_ns : GATHER_QUIET_MAX_NS;
    int64_t now_ns = clock_monotonic_ns();
    int64_t end_ns = now_ns + quiet_ns * GATHER_QUIETS_MAX;
    int64_t came_ns = now_ns;
    uint64_t here = 0;
    while (now_ns < end_ns && now_ns - came_ns <= quiet_ns && !atomic_load(&writer->stopping)) {
        uint64_t seen = counter_get(&engine->counters.queued_requests);
        if (seen >= writer->in_flight)
            break;
        if (seen > here)
            came_ns = now_ns;
        here = seen;
        nanosleep(&(struct timespec){.tv_nsec = quiet_ns / GATHER_STEPS}, NULL);
        now_ns = clock_monotonic_ns();
    }
    take_more(writer);
}

/* After the last write a group without records, so that the last one that was acknowledged is below
 * a mark: were it damaged, the next start would say so instead of taking it for torn. */
static void mark(struct writer *writer)
{
    struct log_writer *log = writer->engine->log;
    struct log_metrics metrics;
    log_writer_metrics(log, &metrics);
    writer->committed_at_ns = clock_monotonic_ns(); /* not before another second */
    if (metrics.closed || writer->engine->options.fsync == LOG_FSYNC_NEVER)
        writer->wants_mark = false;
    if (metrics.synced_lsn < writer->lsn || !writer->wants_mark)
        return;
    writer->wants_mark = false;
    int64_t now_us = store_clock_now_us(writer->engine->clock);
    if (!status_is_ok(log_writer_begin(log, writer->lsn + 1, now_us, NULL)) ||
        !status_is_ok(log_writer_commit(log, writer->lsn, NULL)))
        counter_add(&writer->engine->counters.log_failures, 1);
}

/* How long the writer may sleep when nothing comes. */
static int64_t sleep_ns(const struct writer *writer, int64_t reclaim_ns)
{
    int64_t result_ns = writer->prepare.limbo.count == 0 ? INT64_MAX : reclaim_ns;
    if (!writer->wants_mark)
        return result_ns;
    int64_t mark_ns = writer->committed_at_ns + MARK_AFTER_NS - clock_monotonic_ns();
    mark_ns = mark_ns > 0 ? mark_ns : 0;
    return mark_ns < result_ns ? mark_ns : result_ns;
}

static void idle(struct writer *writer)
{
    if (writer->wants_mark && clock_monotonic_ns() >= writer->committed_at_ns + MARK_AFTER_NS)
        mark(writer);
    epoch_reclaim(&writer->prepare.limbo);
    writer_publish_counters(writer);
}

static int64_t reclaim_wait(int64_t wait_ns)
{
    return wait_ns * 2 < RECLAIM_LAST_NS ? wait_ns * 2 : RECLAIM_LAST_NS;
}

static void *run(void *argument)
{
    struct writer *writer = argument;
    int64_t reclaim_ns = RECLAIM_FIRST_NS;
    begin(writer);
    while (true) {
        bool stopping = atomic_load(&writer->stopping);
        writer->taken = stopping
                            ? queue_take_all(&writer->queue)
                            : queue_wait_all(&writer->queue, sleep_ns(writer, reclaim_ns));
        if (writer->taken == NULL && stopping)
            return NULL;
        if (writer->taken != NULL) {
            reclaim_ns = RECLAIM_FIRST_NS;
            gather(writer);
        } else {
            reclaim_ns = reclaim_wait(reclaim_ns);
            idle(writer);
        }
        while (writer->taken != NULL)
            writer_process_group(writer);
    }
}

static void init(struct writer *writer, struct engine *engine)
{
    writer->engine = engine;
    writer->answered_last = &writer->answered;
    queue_init(&writer->queue);
    struct prepare *prepare = &writer->prepare;
    prepare->engine = engine;
    epoch_limbo_init(&prepare->limbo, engine->epoch);
    group_init(&prepare->group, &prepare->limbo, &prepare->memory_bytes);
    statistics_store_init(&prepare->statistics);
}

static void fini(struct writer *writer)
{
    struct prepare *prepare = &writer->prepare;
    for (uint32_t i = 0; i < LIMIT_ENTITIES; i++)
        table_destroy(engine_table(writer->engine, i), &prepare->memory_bytes);
    group_fini(&prepare->group);
    epoch_limbo_fini(&prepare->limbo);
    statistics_store_fini(&prepare->statistics);
    ASSERT(prepare->memory_bytes == 0);
    queue_fini(&writer->queue);
    if (writer->reader != NULL)
        epoch_unregister(writer->reader);
    memory_free(writer);
}

status writer_start(struct engine *engine, struct error *error)
{
    struct writer *writer = memory_alloc_zero(sizeof(*writer));
    if (writer == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the online store");
    init(writer, engine);
    status result = OK;
    writer->reader = epoch_register(engine->epoch);
    if (writer->reader == NULL)
        result = status_of(STATUS_TOO_MANY);
    engine->writer = writer;
    if (status_is_ok(result) && pthread_create(&writer->thread, NULL, run, writer) != 0)
        result = status_of(STATUS_UNAVAILABLE);
    if (!status_is_ok(result)) {
        engine->writer = NULL;
        fini(writer);
        return error_set(error, result.code, "online_store",
                         "the online store's writer cannot be started: %s",
                         status_name(result.code));
    }
    pthread_setname_np(writer->thread, "writer");
    return OK;
}

void writer_stop(struct writer *writer)
{
    atomic_store(&writer->stopping, true);
    queue_interrupt(&writer->queue);
    pthread_join(writer->thread, NULL);
}

void writer_destroy(struct writer *writer)
{
    if (writer != NULL)
        fini(writer);
}

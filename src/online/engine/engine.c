#include "online/engine/engine.h"

#include "base/assert.h"
#include "base/memory.h"
#include "online/engine/engine_state.h"
#include "online/engine/scan.h"
#include "online/engine/snapshot.h"
#include "online/engine/sweeper.h"
#include "online/engine/writer.h"

/* What jemalloc reads when it starts. Huge pages: with 10 million rows most of a lookup is the walk
 * of page tables (docs/performance.md, row 7). Background threads: freed pages go back to the
 * system although the writer sleeps. Other allocators do not know the name. */
extern const char *malloc_conf;
const char *malloc_conf = "thp:always,background_thread:true";

static struct engine *engine_of(struct online_store *store)
{
    return CONTAINER_OF(store, struct engine, store);
}

static status failed_status(const struct engine *engine, struct error *error)
{
    return error_set(error, STATUS_UNAVAILABLE, "recovery_failed",
                     "the store could not be recovered: %s", engine->failure.detail);
}

status engine_check_ready(const struct engine *engine, struct error *error)
{
    enum engine_state state = engine_state(engine);
    if (likely(state == ENGINE_READY))
        return OK;
    if (state == ENGINE_FAILED)
        return failed_status(engine, error);
    unsigned permille = atomic_load_explicit(&engine->recovery_permille, memory_order_relaxed);
    return error_set(error, STATUS_UNAVAILABLE, "recovering",
                     "the store is being recovered: %u %% done", permille / 10);
}

static void fill_not_found(struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cells[i].state = CELL_NOT_FOUND;
}

/* NULL: nobody registered the entity, or nothing of it was ever written. */
static const struct table *table_of(const struct engine *engine,
                                    const struct catalog_entity *entity)
{
    ASSERT(entity == NULL || entity->index < LIMIT_ENTITIES);
    return entity ? engine_table(engine, entity->index) : NULL;
}

static void read_rows(struct engine *engine, const struct online_read *read)
{
    const struct table *table = table_of(engine, read->entity);
    if (table == NULL) {
        fill_not_found(read->cells, (size_t)read->id_count * read->version_count);
        return;
    }
    const struct row *rows[ONLINE_READ_IDS_MAX];
    table_find_batch(table, read->entity_ids, read->id_count, rows);
    int64_t now_us = store_clock_now_us(engine->clock);
    for (uint32_t i = 0; i < read->id_count; i++) {
        struct cell *cells = read->cells + (size_t)i * read->version_count;
        if (rows[i] == NULL)
            fill_not_found(cells, read->version_count);
        else
            row_read(rows[i], read->versions, read->version_count, now_us, cells);
    }
}

static void engine_read(struct online_store *store, struct online_read *read)
{
    _Static_assert(ONLINE_READ_IDS_MAX <= TABLE_BATCH_MAX, "a read is one batch");
    ASSERT(read->id_count <= ONLINE_READ_IDS_MAX);
    ASSERT(epoch_is_online(read->loop->reader));
    ASSERT(read->others == NULL); /* nobody else writes here */
    read->status = engine_check_ready(engine_of(store), read->error);
    if (status_is_ok(read->status))
        read_rows(engine_of(store), read);
    read->done(read);
}

static void engine_write(struct online_store *store, struct online_write *write)
{
    writer_submit_write(engine_of(store)->writer, write);
}

static void engine_erase(struct online_store *store, struct online_erase *erase)
{
    writer_submit_erase(engine_of(store)->writer, erase);
}

static void engine_scan(struct online_store *store, struct online_scan *scan)
{
    const struct engine *engine = engine_of(store);
    ASSERT(epoch_is_online(scan->loop->reader));
    scan->status = engine_check_ready(engine, &scan->error);
    if (status_is_ok(scan->status))
        scan->status = scan_table(table_of(engine, scan->entity), scan);
    scan->done(scan);
}

static void engine_statistics(struct online_store *store, struct online_statistics *request)
{
    writer_submit_statistics(engine_of(store)->writer, request);
}

static void durability_metrics(const struct engine *engine, struct online_durability *out)
{
    struct log_metrics log;
    out->enabled = true;
    out->recovering = engine_state(engine) == ENGINE_RECOVERING;
    if (engine_state(engine) != ENGINE_READY)
        return;
    snapshotter_metrics(engine->snapshotter, out);
    log_writer_metrics(engine->log, &log);
    out->log_closed = log.closed;
    out->log_segments = log.segments;
    out->log_segment_bytes = log.segment_bytes;
    out->log_bytes_written = log.bytes_written;
    out->log_groups = log.groups;
    out->log_syncs = log.syncs;
    out->log_sync_ns = log.sync_ns;
    out->log_written_lsn = log.written_lsn;
    out->log_synced_lsn = log.synced_lsn;
    out->log_failures = counter_get(&engine->counters.log_failures);
    out->recovery_ns = engine->recovery.duration_ns;
    out->recovery_rows = engine->recovery.rows;
    out->recovery_records = engine->recovery.records;
    out->recovery_cut_bytes = engine->recovery.cut_bytes;
}

static void engine_metrics(struct online_store *store, struct online_metrics *out)
{
    const struct engine *engine = engine_of(store);
    const struct engine_counters *counters = &engine->counters;
    *out = (struct online_metrics){
        .entities = counter_get(&counters->entities),
        .memory_bytes = counter_get(&counters->memory_bytes) + counter_get(&counters->queued_bytes),
        .memory_max_bytes = engine->max_memory_bytes,
        .values_written = counter_get(&counters->values_written),
        .values_late = counter_get(&counters->values_late),
        .values_expired = counter_get(&counters->values_expired),
        .values_erased = counter_get(&counters->values_erased),
        .lsn = counter_get(&counters->lsn),
        .writes_queued = counter_get(&counters->queued_requests),
    };
    if (engine->options.directory != NULL)
        durability_metrics(engine, &out->durability);
}

static int64_t engine_now_us(struct online_store *store)
{
    return store_clock_now_us(engine_of(store)->clock);
}

/* Reading goes on whatever happens to the log. */
static status engine_check(struct online_store *store, struct error *error)
{
    return engine_check_ready(engine_of(store), error);
}

/* A disk that is full is not known before the next write tries. */
static status engine_check_ingestion(struct online_store *store, struct error *error)
{
    const struct engine *engine = engine_of(store);
    TRY(engine_check_ready(engine, error));
    return engine->log != NULL ? log_writer_check(engine->log, error) : OK;
}

void engine_snapshot(struct online_store *store)
{
    snapshotter_request(engine_of(store)->snapshotter);
}

bool engine_progress(struct online_store *store, unsigned *permille)
{
    const struct engine *engine = engine_of(store);
    *permille = atomic_load_explicit(&engine->recovery_permille, memory_order_relaxed);
    return engine_state(engine) == ENGINE_RECOVERING;
}

/* Sweeps and the last snapshot need the writer, so it goes last. */
static void stop_and_free(struct engine *engine)
{
    atomic_store(&engine->closing, true);
    if (engine->sweeper != NULL)
        sweeper_stop(engine->sweeper);
    snapshotter_stop(engine->snapshotter);
    if (engine->writer != NULL)
        writer_stop(engine->writer);
    log_writer_close(engine->log);
    sweeper_destroy(engine->sweeper);
    snapshotter_destroy(engine->snapshotter);
    writer_destroy(engine->writer);
    memory_free(engine);
}

static void engine_close(struct online_store *store)
{
    stop_and_free(engine_of(store));
}

static const struct online_driver driver = {
    .name = "embedded",
    .read = engine_read,
    .write = engine_write,
    .erase = engine_erase,
    .scan = engine_scan,
    .statistics = engine_statistics,
    .metrics = engine_metrics,
    .now_us = engine_now_us,
    .check = engine_check,
    .check_ingestion = engine_check_ingestion,
    .close = engine_close,
};

static status start_threads(struct engine *engine, struct error *error)
{
    TRY(writer_start(engine, error));
    TRY(sweeper_start(engine, error));
    return engine->options.directory != NULL ? snapshotter_start(engine, error) : OK;
}

status engine_open(const struct engine_options *options, struct online_store **out,
                   struct error *error)
{
    struct engine *engine = memory_alloc_aligned(_Alignof(struct engine), sizeof(*engine));
    if (engine == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the online store");
    memset(engine, 0, sizeof(*engine));
    engine->store.driver = &driver;
    engine->epoch = options->epoch;
    engine->catalog = options->catalog;
    engine->max_memory_bytes = options->max_memory_bytes;
    engine->clock = options->clock;
    engine->options = *options;
    atomic_init(&engine->state, ENGINE_RECOVERING);
    status result = start_threads(engine, error);
    if (!status_is_ok(result)) {
        stop_and_free(engine);
        return result;
    }
    *out = &engine->store;
    return OK;
}

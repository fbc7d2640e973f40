/* Pass two: every thread reads all files and fills the shards that are its own. Reading is cheap
 * beside building rows, and so no two threads ever touch one shard, and each sees the changes of a
 * row in their order. */
#include "online/engine/recovery_state.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/engine/edit.h"

#define SMALL_BYTES (UINT64_C(1) << 20) /* not worth a second thread */
#define PRESIZE_ROWS (TABLE_SHARDS * 4u)

struct loader {
    struct recovery *recovery;
    uint32_t first_shard;
    uint32_t end_shard;
    pthread_t thread;
    bool is_running;
    _Atomic bool *failed; /* one of them */
    int64_t now_us;
    uint64_t memory_bytes; /* may wrap below zero: the sum of all does not */
    uint64_t entities;
    uint64_t dropped; /* values of versions that the catalog does not have */
    struct table_memory memory;
    const char *path; /* that is being read */
    uint64_t offset;
    status result;
    struct error error;
    struct row_draft draft;
};

/* The row being changed. */
struct load_row {
    const struct catalog_entity *entity;
    struct table *table;
    str entity_id;
    uint64_t hash;
    struct row *held;
    struct edit_counts counts;
};

static status damaged(struct loader *loader, const char *reason)
{
    return recovery_damaged(&loader->error, loader->path, loader->offset, reason);
}

static bool is_own(const struct loader *loader, uint64_t hash)
{
    uint32_t shard = table_shard_of(hash);
    return shard >= loader->first_shard && shard < loader->end_shard;
}

static void begin(struct loader *loader, struct load_row *at, const struct catalog_entity *entity)
{
    at->entity = entity;
    at->table = engine_table(loader->recovery->engine, entity->index);
    ASSERT(at->table != NULL); /* pass one saw that the entity has rows */
    at->held = (struct row *)(uintptr_t)table_find(at->table, at->hash, at->entity_id);
    if (at->held != NULL)
        row_draft_begin_with(&loader->draft, at->held, entity);
    else
        row_draft_begin(&loader->draft, at->entity_id);
}

static status put(struct loader *loader, struct load_row *at)
{
    struct row *row = row_create(&loader->draft, &loader->memory_bytes);
    if (row == NULL)
        return recovery_no_memory(&loader->error);
    if (at->held != NULL) {
        table_replace(at->table, at->hash, at->held, row);
        return OK;
    }
    if (!status_is_ok(table_reserve(at->table, at->hash, UINT64_MAX, &loader->memory))) {
        row_destroy(row, &loader->memory_bytes);
        return recovery_no_memory(&loader->error);
    }
    table_insert(at->table, at->hash, row);
    loader->entities++;
    return OK;
}

/* The draft becomes the row. Nobody reads yet: what was held goes at once. */
static status finish(struct loader *loader, struct load_row *at)
{
    if (!at->counts.changed)
        return OK;
    if (!row_draft_is_empty(&loader->draft)) {
        TRY(put(loader, at));
    } else if (at->held != NULL) {
        table_remove(at->table, at->hash, at->held);
        table_shrink(at->table, at->hash, &loader->memory);
        loader->entities--;
    }
    if (at->held != NULL)
        row_destroy(at->held, &loader->memory_bytes);
    return OK;
}

static status apply_cell(struct loader *loader, struct load_row *at, const struct log_cell *cell)
{
    const struct recovery_version *known =
        recovery_versions_find(&loader->recovery->versions, cell->version_id);
    if (known == NULL) {
        loader->dropped++;
        return OK;
    }
    const struct catalog_version *version = known->version;
    const char *mismatch = recovery_cell_mismatch(version, cell);
    if (mismatch != NULL)
        return damaged(loader, mismatch);
    if (at->entity == NULL)
        begin(loader, at, version->entity);
    else if (at->entity != version->entity)
        return damaged(loader, "a row has features of two entities");
    /* Neither the value nor any older one can be served again. */
    if (!cell_rule_is_alive(cell->event_time_us, loader->now_us, version->ttl_us,
                            version->dead_before_us))
        return OK;
    if (cell->is_erased)
        edit_erase_version(&loader->draft, version, cell->event_time_us, &at->counts);
    else
        edit_write(&loader->draft, at->entity,
                   &(struct online_write_cell){
                       .version_id = cell->version_id,
                       .slot = version->slot,
                       .value = cell->value,
                       .event_time_us = cell->event_time_us,
                   },
                   &at->counts);
    return OK;
}

static status apply_cells(struct loader *loader, struct load_row *at, struct log_row *row,
                          bool from_log)
{
    struct log_cell cell;
    enum log_next next;
    while ((next = log_cell_next(row, &cell)) == LOG_NEXT) {
        if (from_log && cell.is_erased)
            return damaged(loader, "an erased value in a write");
        TRY(apply_cell(loader, at, &cell));
    }
    return next == LOG_NEXT_END ? OK : damaged(loader, "a value does not decode");
}

/* `entity` NULL: that of its cells, as in the log. */
static status apply_row(struct loader *loader, struct log_row *row,
                        const struct catalog_entity *entity)
{
    struct load_row at = {.entity_id = row->entity_id};
    if (row->entity_id.len == 0 || row->entity_id.len > LIMIT_ENTITY_ID_BYTES)
        return damaged(loader, "an entity id is too long, or empty");
    at.hash = table_hash(row->entity_id);
    if (!is_own(loader, at.hash))
        return OK;
    if (entity != NULL)
        begin(loader, &at, entity);
    bool erased = row->erased_until_us != LOG_ROW_NOT_ERASED;
    if (erased && entity == NULL)
        return damaged(loader, "an erased row in a write");
    if (erased)
        edit_erase_all(&loader->draft, entity, row->erased_until_us, &at.counts);
    TRY(apply_cells(loader, &at, row, entity == NULL));
    if (erased)
        edit_sweep(&loader->draft, entity, loader->now_us, &at.counts);
    return finish(loader, &at);
}

static status apply_rows(struct loader *loader, str payload, const struct catalog_entity *entity)
{
    struct log_row row;
    enum log_next next;
    while ((next = log_row_next(&payload, &row)) == LOG_NEXT)
        TRY(apply_row(loader, &row, entity));
    return next == LOG_NEXT_END ? OK : damaged(loader, "a row does not decode");
}

/* All features of the entity are gone. */
static void drop_rows(struct loader *loader, str payload)
{
    struct log_row row;
    while (log_row_next(&payload, &row) == LOG_NEXT)
        if (is_own(loader, table_hash(row.entity_id)))
            loader->dropped += row.cell_count;
}

static status apply_snapshot_rows(struct loader *loader, str payload)
{
    const struct catalog_entity *entity;
    if (!recovery_rows_entity(loader->recovery, &payload, &entity))
        return damaged(loader, "rows without an entity");
    if (entity == NULL) {
        drop_rows(loader, payload);
        return OK;
    }
    return apply_rows(loader, payload, entity);
}

static status erase_versions(struct loader *loader, struct load_row *at, struct log_erase *erase)
{
    uint64_t version_id;
    while (log_erase_next_version(erase, &version_id)) {
        const struct recovery_version *known =
            recovery_versions_find(&loader->recovery->versions, version_id);
        if (version_id == 0)
            edit_erase_all(&loader->draft, at->entity, erase->erased_until_us, &at->counts);
        else if (known != NULL && known->version->entity == at->entity)
            edit_erase_version(&loader->draft, known->version, erase->erased_until_us,
                               &at->counts);
        else if (known != NULL)
            return damaged(loader, "an erasure of another entity's feature");
    }
    return OK;
}

static status erase_entity(struct loader *loader, struct log_erase *erase)
{
    const struct catalog_entity *entity =
        catalog_find_entity(loader->recovery->catalog, erase->entity);
    struct load_row at = {.entity_id = erase->entity_id, .hash = table_hash(erase->entity_id)};
    if (entity == NULL || !is_own(loader, at.hash))
        return OK;
    begin(loader, &at, entity);
    TRY(erase_versions(loader, &at, erase));
    edit_sweep(&loader->draft, entity, loader->now_us, &at.counts);
    return finish(loader, &at);
}

static status apply_erase(struct loader *loader, str payload)
{
    struct log_erase erase;
    enum log_next next;
    while ((next = log_erase_next(&payload, &erase)) == LOG_NEXT)
        TRY(erase_entity(loader, &erase));
    return next == LOG_NEXT_END ? OK : damaged(loader, "an erasure does not decode");
}

static status apply_record(struct loader *loader, const struct log_record *record)
{
    bool replayed = record->lsn > loader->recovery->snapshot_lsn;
    loader->offset = record->offset;
    switch (record->type) {
    case LOG_SNAPSHOT_ROWS:
        return apply_snapshot_rows(loader, record->payload);
    case LOG_WRITE:
        return replayed ? apply_rows(loader, record->payload, NULL) : OK;
    case LOG_ERASE:
        return replayed ? apply_erase(loader, record->payload) : OK;
    default:
        return OK;
    }
}

static status apply_records(struct loader *loader, struct log_reader *reader)
{
    struct recovery *recovery = loader->recovery;
    struct log_record record;
    enum log_read read;
    uint64_t done = 0;
    while ((read = log_reader_next(reader, &record)) == LOG_READ_RECORD) {
        TRY(apply_record(loader, &record));
        if (recovery_is_over(recovery) ||
            atomic_load_explicit(loader->failed, memory_order_relaxed))
            return recovery_given_up(&loader->error);
        recovery_progress(recovery, reader->offset - done);
        done = reader->offset;
    }
    if (read == LOG_READ_END)
        return OK;
    if (read == LOG_READ_DAMAGED) {
        loader->offset = reader->offset;
        return damaged(loader, reader->reason);
    }
    return recovery_not_read(&loader->error, reader);
}

/* `end_offset`: where pass one found that the file ends. */
static status load_file(struct loader *loader, const char *path, const char *magic,
                        uint64_t end_offset)
{
    const struct engine_options *options = loader->recovery->options;
    struct log_reader reader = {0};
    loader->path = path;
    status result = log_reader_open(&reader, options->files, path, magic, options->identity,
                                    &loader->error);
    reader.trusted = true;
    reader.end_offset = end_offset;
    if (status_is_ok(result))
        result = apply_records(loader, &reader);
    log_reader_close(&reader);
    return result;
}

/* As large as inserting one row after the other would have made them, or less. */
static status presize(struct loader *loader)
{
    const struct recovery *recovery = loader->recovery;
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++) {
        if (recovery->rows_of[e] < PRESIZE_ROWS)
            continue;
        uint64_t each = recovery->rows_of[e] / TABLE_SHARDS;
        struct table *table = engine_table(recovery->engine, e);
        for (uint32_t i = loader->first_shard; i < loader->end_shard; i++)
            if (each > UINT32_MAX / 2 ||
                !table_presize(table, i, (uint32_t)each, &loader->memory))
                return recovery_no_memory(&loader->error);
    }
    return OK;
}

static status load_files(struct loader *loader)
{
    const struct recovery *recovery = loader->recovery;
    TRY(presize(loader));
    if (recovery->snapshot_path[0] != '\0')
        TRY(load_file(loader, recovery->snapshot_path, LOG_SNAPSHOT_MAGIC, UINT64_MAX));
    for (uint32_t i = 0; i < recovery->scan.segment_count; i++) {
        char path[FILE_PATH_MAX];
        const struct log_segment *segment = &recovery->scan.segments[i];
        log_file_path(recovery->log_folder, segment->first_lsn, LOG_SEGMENT_SUFFIX, path,
                      sizeof(path));
        TRY(load_file(loader, path, LOG_SEGMENT_MAGIC, segment->end_offset));
    }
    return OK;
}

static void *run(void *argument)
{
    struct loader *loader = argument;
    loader->result = load_files(loader);
    if (!status_is_ok(loader->result))
        atomic_store(loader->failed, true);
    return NULL;
}

static status create_tables(struct recovery *recovery, const struct table_memory *memory,
                            struct error *error)
{
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++) {
        if (!recovery->has_rows[e])
            continue;
        struct table *table = table_create(memory);
        if (table == NULL)
            return recovery_no_memory(error);
        atomic_store_explicit(&recovery->engine->tables[e], table, memory_order_release);
    }
    return OK;
}

static void destroy_tables(struct recovery *recovery, uint64_t *memory_bytes)
{
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++) {
        table_destroy(engine_table(recovery->engine, e), memory_bytes);
        atomic_store_explicit(&recovery->engine->tables[e], NULL, memory_order_release);
    }
}

static void init_loader(struct loader *loader, struct recovery *recovery, uint32_t i,
                        _Atomic bool *failed)
{
    uint32_t count = recovery->thread_count;
    loader->recovery = recovery;
    loader->first_shard = TABLE_SHARDS * i / count;
    loader->end_shard = TABLE_SHARDS * (i + 1) / count;
    loader->failed = failed;
    loader->now_us = store_clock_now_us(recovery->engine->clock);
    loader->memory = (struct table_memory){.bytes = &loader->memory_bytes};
}

/* The first loader works on this thread; so does one whose own cannot be started. */
static void run_all(struct loader *loaders, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        loaders[i].is_running =
            pthread_create(&loaders[i].thread, NULL, run, &loaders[i]) == 0;
    for (uint32_t i = 0; i < count; i++)
        if (!loaders[i].is_running)
            run(&loaders[i]);
    for (uint32_t i = 0; i < count; i++)
        if (loaders[i].is_running)
            pthread_join(loaders[i].thread, NULL);
}

/* Values without a feature are usual after features were deleted. But a registry in which nothing
 * was ever defined is not the one that these files were written with, and going on would forget
 * them all at the next snapshot. */
static status judge_dropped(const struct recovery *recovery, const struct loader *loaders,
                            struct error *error)
{
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < recovery->thread_count; i++)
        dropped += loaders[i].dropped;
    if (dropped == 0)
        return OK;
    if (recovery->catalog->revision == 0 && !recovery->options->recover_truncate)
        return error_set(error, STATUS_MALFORMED, "no_registry",
                         "%s holds %llu values, but its registry has never had a definition: was "
                         "registry.db moved or removed? Put it back or restore a backup; with "
                         "--recover truncate the values are dropped",
                         recovery->options->directory, (unsigned long long)dropped);
    log_event(LOG_WARN, "values_dropped",
              "count=%llu reason=\"their features are not registered\"",
              (unsigned long long)dropped);
    return OK;
}

/* Sums up; of several failures the one that did not come from another. */
static status gather(const struct loader *loaders, uint32_t count, uint64_t *memory_bytes,
                     uint64_t *entities, struct error *error)
{
    const struct loader *failed = NULL;
    for (uint32_t i = 0; i < count; i++) {
        *memory_bytes += loaders[i].memory_bytes;
        *entities += loaders[i].entities;
        if (!status_is_ok(loaders[i].result) &&
            (failed == NULL || failed->result.code == STATUS_UNAVAILABLE))
            failed = &loaders[i];
    }
    if (failed == NULL)
        return OK;
    if (error != NULL)
        *error = failed->error;
    return failed->result;
}

static void choose_threads(struct recovery *recovery)
{
    if (recovery->snapshot_bytes + recovery->log_bytes < SMALL_BYTES &&
        recovery->options->recovery_threads == 0)
        recovery->thread_count = 1;
}

status recovery_load(struct recovery *recovery, uint64_t *memory_bytes, uint64_t *entities,
                     struct error *error)
{
    _Atomic bool failed = false;
    uint64_t bytes = 0;
    uint64_t rows = 0;
    choose_threads(recovery);
    struct loader *loaders = memory_alloc_array(recovery->thread_count, sizeof(*loaders));
    if (loaders == NULL)
        return recovery_no_memory(error);
    struct table_memory memory = {.bytes = &bytes};
    status result = create_tables(recovery, &memory, error);
    if (status_is_ok(result)) {
        for (uint32_t i = 0; i < recovery->thread_count; i++)
            init_loader(&loaders[i], recovery, i, &failed);
        run_all(loaders, recovery->thread_count);
        result = gather(loaders, recovery->thread_count, &bytes, &rows, error);
        if (status_is_ok(result))
            result = judge_dropped(recovery, loaders, error);
    }
    memory_free(loaders);
    if (!status_is_ok(result)) {
        destroy_tables(recovery, &bytes);
        ASSERT(bytes == 0);
        return result;
    }
    *memory_bytes += bytes;
    *entities = rows;
    return OK;
}

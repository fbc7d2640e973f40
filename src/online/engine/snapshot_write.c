#include "online/engine/snapshot_write.h"

#include <sched.h>

#include "base/assert.h"
#include "base/memory.h"
#include "log/log_writer.h"
#include "online/engine/snapshot_file.h"
#include "online/engine/snapshot_row.h"

#define RECORD_BYTES ((size_t)256 << 10)  /* of rows; one longer row is a record of its own */
#define BUFFER_LIMIT ((size_t)LOG_PAYLOAD_MAX)
/* After so many rows, some 50 µs, whoever waits for this core has it: reads above all. */
#define ROWS_UNTIL_YIELD 512u
#define STATISTICS_PER_RECORD 4096u
/* A shard that gets a new array this often while it is walked is walked in one stretch: retired
 * rows then wait until it is on disk, but the walk ends. */
#define RESTARTS_MAX 8u

struct snapshot_walk {
    const struct snapshot_source *source;
    struct snapshot_file file;
    struct buffer schemas; /* of versions that `rows` is the first to hold: goes before it */
    struct buffer rows;
    size_t record; /* where in `rows` the record begins that is open, if is_open */
    bool is_open;
    uint32_t entity_index;
    const struct catalog *image; /* whose schemas are written */
    uint32_t slots_written[LIMIT_ENTITIES];
    uint64_t row_count;
    struct snapshot_row row;
};

static void put_schema(struct snapshot_walk *walk, const struct catalog_version *version)
{
    struct log_schema schema = log_schema_of(version);
    size_t record = log_record_begin(&walk->schemas, LOG_SCHEMA, 0);
    log_schema_encode(&walk->schemas, &schema);
    log_record_end(&walk->schemas, record, walk->file.identity);
}

/* The schemas of every version that this image has and those before had not. */
static void put_schemas(struct snapshot_walk *walk, const struct catalog *image)
{
    for (uint32_t e = 0; e < image->entity_count; e++) {
        const struct catalog_entity *entity = image->entities[e];
        for (uint32_t s = walk->slots_written[e]; s < entity->slot_count; s++)
            if (entity->slots[s].version != NULL)
                put_schema(walk, entity->slots[s].version);
        walk->slots_written[e] = entity->slot_count;
    }
    walk->image = image;
}

static void put_statistics(struct snapshot_walk *walk)
{
    const struct snapshot_source *source = walk->source;
    for (uint32_t i = 0; i < source->statistics_count;) {
        size_t record = log_record_begin(&walk->rows, LOG_SNAPSHOT_STATISTICS, 0);
        for (uint32_t n = 0; n < STATISTICS_PER_RECORD && i < source->statistics_count; n++)
            log_statistics_encode(&walk->rows, &source->statistics[i++]);
        log_record_end(&walk->rows, record, walk->file.identity);
    }
}

static status flush(struct snapshot_walk *walk, struct error *error)
{
    TRY(snapshot_file_write(&walk->file, &walk->schemas, error));
    TRY(snapshot_file_write(&walk->file, &walk->rows, error));
    if (atomic_load_explicit(walk->source->cancelled, memory_order_relaxed))
        return error_set(error, STATUS_UNAVAILABLE, "cancelled", "the snapshot was given up");
    return OK;
}

static void open_record(struct snapshot_walk *walk, str entity_name)
{
    walk->record = log_record_begin(&walk->rows, LOG_SNAPSHOT_ROWS, 0);
    walk->is_open = true;
    log_snapshot_rows_begin(&walk->rows, entity_name);
}

static void close_record(struct snapshot_walk *walk)
{
    if (walk->is_open)
        log_record_end(&walk->rows, walk->record, walk->file.identity);
    walk->is_open = false;
}

static void put_row(struct snapshot_walk *walk, const struct row *row)
{
    /* Only after the row, so that the image knows every slot of it: the writer took an image, then
     * published the row. */
    const struct catalog *image = catalog_current(walk->source->engine->catalog);
    if (image != walk->image)
        put_schemas(walk, image);
    const struct catalog_entity *entity = image->entities[walk->entity_index];
    if (!walk->is_open)
        open_record(walk, entity->name);
    walk->row_count += snapshot_row_encode(&walk->row, row, entity, &walk->rows);
}

/* One stretch online: as many rows as make a record. False at the shard's end. */
static bool walk_stretch(struct snapshot_walk *walk, struct table_walk *shard)
{
    size_t begin = walk->is_open ? walk->record : walk->rows.len;
    while (walk->rows.len - begin < RECORD_BYTES && !walk->rows.failed) {
        const struct row *row = table_walk_next(shard);
        if (row == NULL)
            return false;
        put_row(walk, row);
        if (walk->row_count % ROWS_UNTIL_YIELD == 0)
            sched_yield();
    }
    return true;
}

/* What has been gathered becomes a record as soon as that is long enough; the last one of a shard
 * stays open for the next shard's rows. */
static status walk_shard(struct snapshot_walk *walk, const struct table *table, uint32_t index,
                         struct error *error)
{
    const struct snapshot_source *source = walk->source;
    struct table_walk shard;
    uint32_t restarts = 0;
    bool more = true;
    status result = OK;
    table_walk_begin(&shard, table, index);
    while (more && status_is_ok(result)) {
        if (!epoch_is_online(source->reader)) {
            epoch_online(source->engine->epoch, source->reader);
            /* Images seen before this stretch may be gone, and another may lie where one was. */
            walk->image = NULL;
            restarts += !table_walk_resume(&shard);
        }
        more = walk_stretch(walk, &shard);
        if (restarts <= RESTARTS_MAX)
            epoch_offline(source->reader);
        if (!more)
            break;
        close_record(walk);
        result = flush(walk, error);
    }
    epoch_offline(source->reader);
    return result;
}

static status walk_entity(struct snapshot_walk *walk, uint32_t entity_index, struct error *error)
{
    const struct table *table = engine_table(walk->source->engine, entity_index);
    if (table == NULL)
        return OK;
    walk->entity_index = entity_index;
    for (uint32_t i = 0; i < TABLE_SHARDS; i++)
        TRY(walk_shard(walk, table, i, error));
    close_record(walk);
    return flush(walk, error);
}

static status write_rows(struct snapshot_walk *walk, struct error *error)
{
    const struct snapshot_source *source = walk->source;
    epoch_online(source->engine->epoch, source->reader);
    put_schemas(walk, catalog_current(source->engine->catalog));
    epoch_offline(source->reader);
    put_statistics(walk);
    TRY(flush(walk, error));
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++)
        TRY(walk_entity(walk, e, error));
    return OK;
}

/* Rows in the file may come from records that are not durable yet. They must be before the file is
 * valid: what it holds may not be lost below it (else the LSNs would be given again). */
static status write_end(struct snapshot_walk *walk, struct snapshot_written *out,
                        struct error *error)
{
    struct engine *engine = walk->source->engine;
    struct log_metrics metrics;
    log_writer_metrics(engine->log, &metrics);
    out->end_lsn = metrics.written_lsn > walk->source->start_lsn ? metrics.written_lsn
                                                                 : walk->source->start_lsn;
    TRY(log_writer_sync(engine->log, error));
    size_t record = log_record_begin(&walk->rows, LOG_SNAPSHOT_END, 0);
    log_snapshot_end_encode(&walk->rows, &(struct log_snapshot_end){
                                             .end_lsn = out->end_lsn,
                                             .row_count = walk->row_count,
                                             .clock_us = store_clock_now_us(engine->clock),
                                         });
    log_record_end(&walk->rows, record, walk->file.identity);
    TRY(flush(walk, error));
    out->bytes = walk->file.size_bytes;
    out->rows = walk->row_count;
    return OK;
}

static status write_file(struct snapshot_walk *walk, struct snapshot_written *out,
                         struct error *error)
{
    const struct engine_options *options = &walk->source->engine->options;
    const struct log_header header = {
        .version = LOG_FORMAT_VERSION,
        .identity = options->identity,
        .lsn = walk->source->start_lsn,
        .synced_lsn = walk->source->start_lsn,
        .clock_us = walk->source->clock_us,
    };
    TRY(snapshot_file_create(&walk->file, options->files, options->directory, &header, error));
    status result = write_rows(walk, error);
    if (status_is_ok(result))
        result = write_end(walk, out, error);
    if (status_is_ok(result))
        result = snapshot_file_publish(&walk->file, error);
    if (!status_is_ok(result))
        snapshot_file_abandon(&walk->file);
    return result;
}

status snapshot_write(const struct snapshot_source *source, struct snapshot_written *out,
                      struct error *error)
{
    ASSERT(!epoch_is_online(source->reader));
    struct snapshot_walk *walk = memory_alloc_zero(sizeof(*walk));
    if (walk == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for writing the snapshot");
    walk->source = source;
    buffer_init(&walk->schemas, BUFFER_LIMIT);
    buffer_init(&walk->rows, BUFFER_LIMIT);
    struct snapshot_written written = {0};
    status result = write_file(walk, &written, error);
    if (status_is_ok(result))
        *out = written;
    buffer_fini(&walk->schemas);
    buffer_fini(&walk->rows);
    memory_free(walk);
    return result;
}

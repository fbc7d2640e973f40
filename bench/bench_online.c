/* Goals 7 and 9: nanoseconds per entity of a batch of 50 random ids, and memory per entity, in the
 * embedded online store filled with workload W (4 features, ids user_0 …).
 *
 *     bench_online [entities [batches]]        default 1,000,000 and 200,000
 *
 * Prints one JSON object. Reads all 4 features of each id through the port, on one thread, while
 * nothing is written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "model/catalog_builder.h"
#include "online/engine/engine.h"

#define FEATURES 4
#define BATCH 50
#define CHUNK_ROWS 1000
#define ID_MAX 16
#define SAMPLES 9

static const char *const names[FEATURES] = {"user_age", "user_clicks_30d", "user_purchases_7d",
                                            "user_avg_session_time"};

struct bench {
    struct epoch epoch;
    struct loop loop;
    struct catalog_ref catalog;
    struct online_store *store;
    const struct catalog_version *versions[FEATURES];
    bool answered;
    uint64_t random;
};

static uint64_t next_random(struct bench *bench)
{
    uint64_t x = bench->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    bench->random = x;
    return x * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static void make_catalog(struct bench *bench)
{
    const struct catalog *image;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    ASSERT(builder != NULL);
    for (int i = 0; i < FEATURES; i++) {
        enum data_type type = i == 3 ? DATA_TYPE_FLOAT : DATA_TYPE_INT;
        struct catalog_builder_version version = {.id = (uint64_t)i + 1, .number = 1,
                                                  .data_type = type, .dead_before_us = INT64_MIN};
        struct catalog_builder_feature feature = {
            .id = i + 1,
            .definition = {.name = str_from_cstr(names[i]), .entity = STR("user"),
                           .data_type = type, .ttl_seconds = 3600, .tags_json = STR("{}")},
            .active_version = 1, .versions = &version, .version_count = 1};
        ASSERT(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
    }
    ASSERT(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    atomic_store(&bench->catalog.image, image);
    for (int i = 0; i < FEATURES; i++)
        bench->versions[i] = catalog_resolve(image, str_from_cstr(names[i]));
}

static void write_done(struct online_write *write)
{
    ((struct bench *)write->user)->answered = true;
}

struct chunk {
    struct online_write write;
    struct online_write_row rows[CHUNK_ROWS];
    struct online_write_cell cells[CHUNK_ROWS][FEATURES];
    char ids[CHUNK_ROWS][ID_MAX];
};

static void write_chunk(struct bench *bench, struct chunk *chunk, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int len = snprintf(chunk->ids[i], ID_MAX, "user_%" PRIu64, first + i);
        for (uint32_t k = 0; k < FEATURES; k++)
            chunk->cells[i][k] = (struct online_write_cell){
                .version_id = bench->versions[k]->id,
                .slot = bench->versions[k]->slot,
                .value = {.type = bench->versions[k]->data_type, .integer = (int64_t)(first + i)},
                .event_time_us = ONLINE_EVENT_TIME_NOW};
        chunk->rows[i] = (struct online_write_row){0, str_of(chunk->ids[i], (size_t)len),
                                                   chunk->cells[i], FEATURES, true};
    }
    chunk->write = (struct online_write){.rows = chunk->rows, .row_count = count,
                                         .loop = &bench->loop, .done = write_done, .user = bench};
    bench->answered = false;
    online_write(bench->store, &chunk->write);
    while (!bench->answered)
        uv_run(&bench->loop.uv, UV_RUN_ONCE);
    epoch_offline(bench->loop.reader);
    ASSERT(status_is_ok(chunk->write.status));
}

static void fill(struct bench *bench, uint64_t entities)
{
    struct chunk *chunk = memory_alloc(sizeof(*chunk));
    ASSERT(chunk != NULL);
    for (uint64_t first = 0; first < entities; first += CHUNK_ROWS) {
        uint64_t left = entities - first;
        write_chunk(bench, chunk, first, left < CHUNK_ROWS ? (uint32_t)left : CHUNK_ROWS);
    }
    memory_free(chunk);
}

static void read_done(struct online_read *read)
{
    (*(uint64_t *)read->user)++;
}

/* Nanoseconds of reading `batches` batches. The ids are made before the clock runs. */
static int64_t read_batches(struct bench *bench, uint64_t entities, uint32_t batches)
{
    static char texts[1000][BATCH][ID_MAX];
    static str ids[1000][BATCH];
    static struct cell cells[BATCH * FEATURES];
    uint64_t done = 0;
    int64_t total_ns = 0;
    for (uint32_t first = 0; first < batches; first += 1000) {
        for (uint32_t b = 0; b < 1000; b++)
            for (uint32_t i = 0; i < BATCH; i++)
                ids[b][i] = str_of(texts[b][i],
                                   (size_t)snprintf(texts[b][i], ID_MAX, "user_%" PRIu64,
                                                    next_random(bench) % entities));
        int64_t begin_ns = clock_monotonic_ns();
        for (uint32_t b = 0; b < 1000; b++) {
            struct online_read read = {.entity = bench->versions[0]->entity,
                                       .entity_ids = ids[b], .id_count = BATCH,
                                       .versions = bench->versions, .version_count = FEATURES,
                                       .cells = cells, .loop = &bench->loop, .done = read_done,
                                       .user = &done};
            loop_enter(&bench->loop);
            online_read(bench->store, &read);
            for (uint32_t i = 0; i < BATCH * FEATURES; i++)
                ASSERT(cells[i].state == CELL_PRESENT);
            epoch_offline(bench->loop.reader);
        }
        total_ns += clock_monotonic_ns() - begin_ns;
    }
    return total_ns;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run(struct bench *bench, uint64_t entities, uint32_t batches)
{
    double samples[SAMPLES];
    struct online_metrics metrics;
    int64_t begin_ns = clock_monotonic_ns();
    fill(bench, entities);
    double fill_ns = (double)(clock_monotonic_ns() - begin_ns);
    bench->store->driver->metrics(bench->store, &metrics);
    ASSERT(metrics.entities == entities);
    uint32_t each = (batches / SAMPLES + 999) / 1000 * 1000;
    for (int i = 0; i < SAMPLES; i++)
        samples[i] = (double)read_batches(bench, entities, each) / ((double)each * BATCH);
    qsort(samples, SAMPLES, sizeof(samples[0]), compare_doubles);
    printf("{\"entities\": %" PRIu64 ", \"batch\": %d, \"features\": %d, "
           "\"ns_per_entity\": %.1f, \"ns_per_entity_min\": %.1f, \"ns_per_entity_max\": %.1f, "
           "\"bytes_per_entity\": %.1f, \"write_ns_per_row\": %.1f}\n",
           entities, BATCH, FEATURES, samples[SAMPLES / 2], samples[0], samples[SAMPLES - 1],
           (double)metrics.memory_bytes / (double)entities, fill_ns / (double)entities);
}

int main(int argc, char **argv)
{
    uint64_t entities = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint32_t batches = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200000;
    static struct bench bench = {.random = 88172645463325252u};
    hash_seed_init();
    epoch_init(&bench.epoch);
    ASSERT(entities > 0 && status_is_ok(loop_init(&bench.loop, &bench.epoch, 0)));
    make_catalog(&bench);
    struct engine_options options = {.epoch = &bench.epoch, .catalog = &bench.catalog,
                                     .max_memory_bytes = UINT64_MAX / 2, .wall_us = clock_wall_us};
    ASSERT(status_is_ok(engine_open(&options, &bench.store, NULL)));
    run(&bench, entities, batches);
    bench.store->driver->close(bench.store);
    loop_fini(&bench.loop);
    catalog_destroy(atomic_load(&bench.catalog.image));
    return 0;
}

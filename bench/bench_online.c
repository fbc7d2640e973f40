/*
 * bench_online: what one entity costs inside a batch read of the embedded store.
 *
 * Fills the engine through its port with workload W (four features with a TTL of an hour), then
 * times online_read() of batches of random ids, nothing else: the ids are rendered beforehand, as
 * they would stand in a request's buffer, and no JSON is made. One thread reads, as one event loop
 * would. Prints one JSON object: nanoseconds per entity, one figure per run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/catalog_builder.h"
#include "online/engine/engine.h"

enum {
    FEATURE_COUNT = 4,
    ROWS_PER_WRITE = 500,
    ID_SIZE_BYTES = 24,
    LOOKUPS_PER_RUN = 2000000,
};

static const char *const feature_names[FEATURE_COUNT] = {
    "user_age", "user_clicks_30d", "user_purchases_7d", "user_avg_session_time"};

struct bench {
    uint64_t entities;
    uint32_t batch;
    unsigned runs;

    struct loop loop;
    struct online_store *store;
    const struct catalog_entity *entity;
    const struct catalog_version *versions[FEATURE_COUNT];

    struct loop_task start;
    struct online_write write;
    struct online_write_row rows[ROWS_PER_WRITE];
    struct online_write_cell cells[ROWS_PER_WRITE][FEATURE_COUNT];
    uint64_t written;

    struct cell read_cells[ONLINE_READ_IDS_MAX * FEATURE_COUNT];
    str ids[ONLINE_READ_IDS_MAX];
    char id_texts[ONLINE_READ_IDS_MAX > ROWS_PER_WRITE ? ONLINE_READ_IDS_MAX : ROWS_PER_WRITE]
                 [ID_SIZE_BYTES];
    uint64_t numbers[ONLINE_READ_IDS_MAX];
    uint64_t random;
};

static void fail(const char *what, const struct error *error)
{
    fprintf(stderr, "bench_online: %s: %s\n", what, error != NULL ? error->detail : "failed");
    exit(1);
}

static struct value value_of(uint64_t user, unsigned feature)
{
    static const uint64_t factors[] = {1, 7919, 1}, moduli[] = {70, 1000, 20};
    if (feature == FEATURE_COUNT - 1) {
        double real = (double)(user * 37 % 60000 * 10 + 5) / 1000;
        return (struct value){.type = DATA_TYPE_FLOAT, .real = real};
    }
    uint64_t integer = user * factors[feature] % moduli[feature];
    return (struct value){.type = DATA_TYPE_INT, .integer = (int64_t)integer};
}

static str id_of(char text[ID_SIZE_BYTES], uint64_t user)
{
    int len = snprintf(text, ID_SIZE_BYTES, "user_%" PRIu64, user);
    return str_of(text, (size_t)len);
}

/* splitmix64 (Steele, Lea, Flood, 2014): the same users in every run of the program. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static const struct catalog *build_catalog(void)
{
    struct error error;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    if (builder == NULL)
        fail("catalog", NULL);
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        enum data_type type = i == FEATURE_COUNT - 1 ? DATA_TYPE_FLOAT : DATA_TYPE_INT;
        struct catalog_builder_version version = {
            .id = i + 1, .number = 1, .data_type = type, .dead_before_us = INT64_MIN};
        struct catalog_builder_feature feature = {
            .id = (int64_t)i + 1,
            .definition = {.name = str_from_cstr(feature_names[i]),
                           .entity = STR("user"),
                           .data_type = type,
                           .is_nullable = true,
                           .ttl_seconds = 3600,
                           .tags_json = STR("{}")},
            .active_version = 1,
            .versions = &version,
            .version_count = 1};
        if (!status_is_ok(catalog_builder_add_feature(builder, &feature, &error)))
            fail("catalog", &error);
    }
    const struct catalog *catalog = NULL;
    if (!status_is_ok(catalog_builder_finish(builder, &catalog, &error)))
        fail("catalog", &error);
    return catalog;
}

static void write_next(struct bench *bench)
{
    uint32_t count = 0;
    for (; count < ROWS_PER_WRITE && bench->written < bench->entities; count++) {
        struct online_write_cell *cells = bench->cells[count];
        for (unsigned i = 0; i < FEATURE_COUNT; i++) {
            cells[i] = (struct online_write_cell){.version_id = bench->versions[i]->id,
                                                  .slot = bench->versions[i]->slot,
                                                  .value = value_of(bench->written, i),
                                                  .event_time_us = ONLINE_EVENT_TIME_NOW};
        }
        bench->rows[count] = (struct online_write_row){
            .entity_index = bench->entity->index,
            .entity_id = id_of(bench->id_texts[count], bench->written++),
            .cells = cells,
            .cell_count = FEATURE_COUNT,
            .ends_record = true};
    }
    bench->write.rows = bench->rows;
    bench->write.row_count = count;
    bench->store->driver->write(bench->store, &bench->write);
}

static void check_read(struct online_read *read)
{
    struct bench *bench = read->user;
    for (uint32_t i = 0; i < read->id_count; i++) {
        for (unsigned k = 0; k < FEATURE_COUNT; k++) {
            const struct cell *cell = &read->cells[i * FEATURE_COUNT + k];
            struct value expected = value_of(bench->numbers[i], k);
            if (cell->state != CELL_PRESENT || !value_eq(&cell->value, &expected))
                fail("a wrong value was read", NULL);
        }
    }
}

static void read_done(struct online_read *read)
{
    if (!status_is_ok(read->status))
        fail("read", NULL);
}

static double read_run(struct bench *bench, uint32_t batch, bool check)
{
    struct online_read read = {.entity = bench->entity,
                               .entity_ids = bench->ids,
                               .id_count = batch,
                               .versions = bench->versions,
                               .version_count = FEATURE_COUNT,
                               .cells = bench->read_cells,
                               .loop = &bench->loop,
                               .done = check ? check_read : read_done,
                               .user = bench};
    uint32_t lookups = (check ? LOOKUPS_PER_RUN / 100 : LOOKUPS_PER_RUN) / batch;
    int64_t elapsed_ns = 0;
    for (uint32_t n = 0; n < lookups; n++) {
        for (uint32_t i = 0; i < batch; i++) {
            bench->numbers[i] = random_next(&bench->random) % bench->entities;
            bench->ids[i] = id_of(bench->id_texts[i], bench->numbers[i]);
        }
        int64_t start_ns = clock_monotonic_ns();
        bench->store->driver->read(bench->store, &read);
        elapsed_ns += clock_monotonic_ns() - start_ns;
    }
    return (double)elapsed_ns / lookups / batch;
}

static void print_runs(struct bench *bench, const char *name, uint32_t batch)
{
    printf("\"%s\":[", name);
    for (unsigned run = 0; run < bench->runs; run++)
        printf("%s%.2f", run > 0 ? "," : "", read_run(bench, batch, false));
    printf("]");
}

static void measure(struct bench *bench)
{
    struct online_metrics metrics;
    bench->store->driver->metrics(bench->store, &metrics);
    read_run(bench, bench->batch, true);
    printf("{\"entities\":%" PRIu64 ",\"batch\":%u,\"memory_bytes_per_entity\":%.1f,",
           bench->entities, bench->batch, (double)metrics.memory_bytes / (double)bench->entities);
    print_runs(bench, "ns_per_entity", bench->batch);
    printf(",");
    print_runs(bench, "ns_single", 1);
    printf("}\n");
}

static void write_done(struct online_write *write)
{
    struct bench *bench = write->user;
    if (!status_is_ok(write->status))
        fail("write", &write->error);
    if (bench->written < bench->entities) {
        write_next(bench);
        return;
    }
    measure(bench);
    loop_stop(&bench->loop);
}

static void start_run(struct loop_task *task)
{
    struct bench *bench = (struct bench *)((char *)task - offsetof(struct bench, start));
    write_next(bench);
}

/* The writer's thread; perhaps before engine_open() returns, but the loop runs after it. */
static void recovered(void *user, status result, const struct error *error)
{
    struct bench *bench = user;
    if (!status_is_ok(result))
        fail("recovery", error);
    loop_post(&bench->loop, &bench->start);
}

static uint64_t option(char **argv, const char *name, uint64_t fallback)
{
    for (; argv[0] != NULL && argv[1] != NULL; argv++) {
        if (strcmp(argv[0], name) == 0)
            return strtoull(argv[1], NULL, 10);
    }
    return fallback;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    static struct epoch epoch;
    static struct catalog_ref catalog;
    static struct store_clock store_clock;
    struct error error;

    bench.entities = option(argv, "--entities", 10000000);
    bench.batch = (uint32_t)option(argv, "--batch", 50);
    bench.runs = (unsigned)option(argv, "--runs", 5);
    if (argc % 2 == 0 || bench.entities == 0 || bench.batch == 0 ||
        bench.batch > ONLINE_READ_IDS_MAX) {
        fputs("usage: bench_online [--entities 10000000] [--batch 50] [--runs 5]\n", stderr);
        return 2;
    }
    epoch_init(&epoch);
    store_clock_init(&store_clock, clock_wall_us);
    const struct catalog *image = build_catalog();
    atomic_store(&catalog.image, image);
    bench.entity = catalog_find_entity(image, STR("user"));
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        bench.versions[i] = catalog_find_feature(image, str_from_cstr(feature_names[i]))->active;
    if (!status_is_ok(loop_init(&bench.loop, &epoch, 0)))
        fail("loop", NULL);
    struct engine_options options = {.epoch = &epoch,
                                     .catalog = &catalog,
                                     .max_memory_bytes = UINT64_C(1) << 40,
                                     .clock = &store_clock,
                                     .recovered = recovered,
                                     .user = &bench};
    bench.start.run = start_run;
    bench.write.loop = &bench.loop;
    bench.write.done = write_done;
    bench.write.user = &bench;
    if (!status_is_ok(engine_open(&options, &bench.store, &error)))
        fail("engine", &error);
    loop_run(&bench.loop);
    bench.store->driver->close(bench.store);
    loop_fini(&bench.loop);
    catalog_destroy(image);
    return 0;
}

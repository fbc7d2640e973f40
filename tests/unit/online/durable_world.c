#include "durable_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "model/cell_rule.h"
#include "durable_values.h"

#define ROWS_MAX 4
#define CELLS_MAX 5
#define REQUESTS_MAX 8
#define PLENTY (UINT64_C(1) << 40)

void world_fail(const struct world *world, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_error("%s, seed %llu, generation %u: %s\n", world->label, (unsigned long long)world->seed,
                world->generation, text);
    fail();
}

uint64_t world_below(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

static void add_feature(struct world *world, const char *entity, enum data_type type,
                        int64_t ttl_seconds)
{
    assert_true(world->feature_count < WORLD_FEATURES_MAX);
    uint32_t number = world->feature_count++;
    struct world_feature *feature = &world->features[number];
    *feature = (struct world_feature){.version_id = 100 + number,
                                      .entity = entity,
                                      .type = type,
                                      .ttl_seconds = ttl_seconds,
                                      .born_at = world->event_count};
    snprintf(feature->name, sizeof(feature->name), "f%u", number);
}

void world_replace_feature(struct world *world, uint32_t number)
{
    struct world_feature *old = &world->features[number];
    if (world->feature_count == WORLD_FEATURES_MAX || old->is_dropped)
        return;
    add_feature(world, old->entity, old->type, old->ttl_seconds);
    old->is_dropped = true;
    memcpy(world->features[world->feature_count - 1].name, old->name, sizeof(old->name));
}

static void build_feature(const struct world_feature *feature, struct catalog_builder *builder)
{
    struct catalog_builder_version version = {.id = feature->version_id,
                                              .number = 1,
                                              .data_type = feature->type,
                                              .dead_before_us = CELL_NEVER_DEAD};
    struct catalog_builder_feature row = {
        .id = (int64_t)feature->version_id,
        .definition = {.name = str_from_cstr(feature->name),
                       .entity = str_from_cstr(feature->entity),
                       .data_type = feature->type,
                       .ttl_seconds = feature->ttl_seconds,
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    assert_true(status_is_ok(catalog_builder_add_feature(builder, &row, NULL)));
}

/* In another order each time: slots and entity indexes are the process's own. */
static const struct catalog *build_catalog(struct world *world)
{
    const struct catalog *image;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    assert_non_null(builder);
    uint32_t count = world->feature_count;
    uint32_t first = (uint32_t)world_below(world, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct world_feature *feature = &world->features[(first + i) % count];
        if (!feature->is_dropped)
            build_feature(feature, builder);
    }
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

static const struct catalog_version *version_of(const struct world *world, uint32_t feature)
{
    const struct catalog *image = catalog_current(&world->process->catalog);
    const struct catalog_feature *found =
        catalog_find_feature(image, str_from_cstr(world->features[feature].name));
    assert_non_null(found);
    assert_int_equal(found->active->id, world->features[feature].version_id);
    return found->active;
}

struct world *world_create(const char *label, uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->label = label;
    world->seed = seed;
    world->random.state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < 8; i++)
        (void)random_next(&world->random);
    if (getenv("FEATURED_TEST_LOG") == NULL)
        log_set_level(
            (enum log_level)(LOG_ERROR + 1)); /* failures are what these tests are made of */
    world->sim = sim_files_create(seed, WORLD_DIRECTORY);
    fixture_set_wall(FIXTURE_START_US);
    for (uint32_t i = 0; i < DATA_TYPE_COUNT; i++)
        add_feature(world, "user", (enum data_type)i, 0);
    add_feature(world, "driver", DATA_TYPE_INT, 0);
    add_feature(world, "driver", DATA_TYPE_STRING, 0);
    add_feature(world, "user", DATA_TYPE_FLOAT, 20);
    world->options = (struct engine_options){
        .max_memory_bytes = PLENTY,
        .fsync = LOG_FSYNC_ALWAYS,
        .fsync_interval_ms = 1000,
        .segment_bytes = 4096,
        .recovery_threads = 2,
    };
    return world;
}

void world_destroy(struct world *world)
{
    world_close(world);
    sim_files_destroy(world->sim);
    free(world->events);
    free(world->cells);
    free(world);
}

static void recovered(void *user, status result, const struct error *error)
{
    struct world_process *process = user;
    process->recovery = result;
    if (!status_is_ok(result) && error)
        process->error = *error;
    sem_post(&process->recovered);
}

static struct world_process *start_process(struct world *world)
{
    struct world_process *process = NULL;
    assert_int_equal(
        posix_memalign((void **)&process, _Alignof(struct world_process), sizeof(*process)), 0);
    memset(process, 0, sizeof(*process));
    sem_init(&process->recovered, 0, 0);
    epoch_init(&process->epoch);
    store_clock_init(&process->clock, fixture_wall_us);
    assert_true(status_is_ok(loop_init(&process->loop, &process->epoch, 0)));
    atomic_store(&process->catalog.image, build_catalog(world));
    return process;
}

static void end_process(struct world_process *process)
{
    if (process->store)
        process->store->driver->close(process->store);
    loop_fini(&process->loop);
    catalog_destroy(atomic_load(&process->catalog.image));
    sem_destroy(&process->recovered);
    free(process);
}

status world_open(struct world *world)
{
    assert_null(world->process);
    struct world_process *process = start_process(world);
    struct engine_options options = world->options;
    options.epoch = &process->epoch;
    options.catalog = &process->catalog;
    options.clock = &process->clock;
    options.directory = WORLD_DIRECTORY;
    options.files = sim_files_system(world->sim);
    options.identity = WORLD_IDENTITY;
    options.recovered = recovered;
    options.user = process;
    world->process = process;
    world->has_unknown = world->is_closed = false;
    error_clear(&world->last_error);
    if (world->memory_fails_at > 0)
        memory_fail_after(world->memory_fails_at - 1);
    status result = engine_open(&options, &process->store, &world->last_error);
    if (!status_is_ok(result)) {
        process->store = NULL;
        return result;
    }
    sem_wait(&process->recovered);
    if (!status_is_ok(process->recovery))
        world->last_error = process->error;
    return process->recovery;
}

void world_close(struct world *world)
{
    if (world->process)
        end_process(world->process);
    world->process = NULL;
}

void world_replace_files(struct world *world, struct sim_files *image)
{
    world_close(world);
    sim_files_destroy(world->sim);
    world->sim = image;
}

static void wait_for_answers(struct world *world)
{
    struct world_process *process = world->process;
    while (process->waiting > 0)
        uv_run(&process->loop.uv, UV_RUN_ONCE);
    epoch_offline(process->loop.reader);
}

struct request {
    struct online_write write;
    struct world *world;
    struct online_write_row rows[ROWS_MAX];
    struct online_write_cell cells[ROWS_MAX][CELLS_MAX];
    uint32_t ids[ROWS_MAX];
    uint32_t features[ROWS_MAX][CELLS_MAX];
    bool has_time[ROWS_MAX][CELLS_MAX];
    uint64_t numbers[ROWS_MAX];
    char id_texts[ROWS_MAX][VALUES_ID_BYTES];
    struct values_text texts[ROWS_MAX][CELLS_MAX];
    uint64_t sequence;
};

struct erasure {
    struct online_erase erase;
    struct world *world;
    struct online_erase_target targets[2];
    char id_text[VALUES_ID_BYTES];
    uint32_t id, feature;
    int64_t time_us;
    uint64_t sequence;
};

static uint32_t any_feature(struct world *world)
{
    uint32_t feature;
    do
        feature = (uint32_t)world_below(world, world->feature_count);
    while (world->features[feature].is_dropped);
    return feature;
}

static int64_t any_event_time(struct world *world, int64_t now_us)
{
    switch (world_below(world, 6)) {
    case 0:
        return now_us + (int64_t)world_below(world, 30) * SECOND_US;
    case 1:
        return now_us - (int64_t)world_below(world, 4); /* ties */
    case 2:
        return now_us - (int64_t)world_below(world, 30) * SECOND_US;
    default:
        return ONLINE_EVENT_TIME_NOW;
    }
}

static void fill_cell(struct world *world, struct request *request, uint32_t n, uint32_t k,
                      uint32_t feature, int64_t event_time_us)
{
    const struct catalog_version *version = version_of(world, feature);
    uint64_t number = request->numbers[n];
    request->features[n][k] = feature;
    request->has_time[n][k] = event_time_us != ONLINE_EVENT_TIME_NOW;
    request->cells[n][k] = (struct online_write_cell){
        .version_id = version->id,
        .slot = version->slot,
        .value = values_of(version->data_type, number, values_is_null(number, feature),
                           &request->texts[n][k]),
        .event_time_us = event_time_us,
    };
}

static void fill_row(struct world *world, struct request *request, uint32_t n)
{
    int64_t now_us = online_now_us(world->process->store);
    uint32_t wanted = 1 + (uint32_t)world_below(world, CELLS_MAX);
    const char *entity = NULL;
    uint32_t count = 0;
    request->ids[n] = (uint32_t)world_below(world, WORLD_IDS);
    for (uint32_t k = 0; k < wanted; k++) {
        uint32_t feature = any_feature(world);
        if (entity && strcmp(entity, world->features[feature].entity) != 0)
            continue;
        entity = world->features[feature].entity;
        fill_cell(world, request, n, count++, feature, any_event_time(world, now_us));
    }
    request->rows[n].cell_count = count;
}

static void write_done(struct online_write *write)
{
    struct request *request = CONTAINER_OF(write, struct request, write);
    request->sequence = sim_files_sequence(request->world->sim);
    request->world->process->waiting--;
}

static void submit(struct world *world, struct request *request, uint32_t row_count)
{
    for (uint32_t n = 0; n < row_count; n++) {
        struct online_write_row *row = &request->rows[n];
        values_id(request->ids[n], request->id_texts[n]);
        row->entity_index = version_of(world, request->features[n][0])->entity->index;
        row->entity_id = str_from_cstr(request->id_texts[n]);
        row->cells = request->cells[n];
    }
    request->rows[row_count - 1].ends_record = true;
    request->world = world;
    request->write = (struct online_write){.loop = &world->process->loop,
                                           .done = write_done,
                                           .rows = request->rows,
                                           .row_count = row_count};
    world->process->waiting++;
    online_write(world->process->store, &request->write);
}

/* Rows of one record have one number. */
static void submit_any(struct world *world, struct request *request)
{
    uint32_t row_count = 1 + (uint32_t)world_below(world, ROWS_MAX);
    for (uint32_t n = 0; n < row_count; n++) {
        if (n == 0 || request->rows[n - 1].ends_record)
            world->next_number++;
        request->numbers[n] = world->next_number;
        request->rows[n].ends_record = world_below(world, 3) == 0;
        fill_row(world, request, n);
    }
    submit(world, request, row_count);
}

uint64_t world_lsn(const struct world *world)
{
    struct online_metrics metrics;
    world->process->store->driver->metrics(world->process->store, &metrics);
    return metrics.lsn;
}

static struct world_event *add_event(struct world *world)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity ? 2 * world->event_capacity : 256;
        world->events = realloc(world->events, world->event_capacity * sizeof(*world->events));
        assert_non_null(world->events);
    }
    struct world_event *event = &world->events[world->event_count++];
    *event = (struct world_event){.first_cell = world->cell_count};
    return event;
}

static void add_cell(struct world *world, const struct world_cell *cell)
{
    if (world->cell_count == world->cell_capacity) {
        world->cell_capacity = world->cell_capacity ? 2 * world->cell_capacity : 1024;
        world->cells = realloc(world->cells, world->cell_capacity * sizeof(*world->cells));
        assert_non_null(world->cells);
    }
    world->cells[world->cell_count++] = *cell;
}

static enum world_outcome outcome_of(struct world *world, status result, const struct error *error)
{
    if (status_is_ok(result))
        return WORLD_ACKNOWLEDGED;
    world->answers_failed++;
    world->last_error = *error;
    if (result.code != STATUS_UNAVAILABLE && result.code != STATUS_OUT_OF_MEMORY)
        world_fail(world, "answered %s: %s", status_name(result.code), error->detail);
    if (strcmp(error->type, "log_closed") != 0)
        return WORLD_FAILED;
    world->has_unknown = true;
    return world->is_closed ? WORLD_FAILED : WORLD_UNKNOWN; /* it was closed when this came */
}

static void note_row(struct world *world, const struct request *request, uint32_t n,
                     struct world_event *event)
{
    for (uint32_t k = 0; k < request->rows[n].cell_count; k++) {
        const struct online_write_cell *cell = &request->cells[n][k];
        add_cell(world, &(struct world_cell){.id = request->ids[n],
                                             .feature = request->features[n][k],
                                             .event_time_us = cell->event_time_us,
                                             .is_time_given = !request->has_time[n][k],
                                             .is_null = cell->value.is_null,
                                             .number = request->numbers[n]});
        event->cell_count++;
        if (cell->event_time_us == ONLINE_EVENT_TIME_NOW && event->outcome == WORLD_ACKNOWLEDGED)
            world_fail(world, "a value was acknowledged without an event time");
    }
}

/* `lsn`: that of the event before; moves on. Those whose outcome is unknown may have got the next.
 */
static void note_request(struct world *world, const struct request *request, uint64_t *lsn)
{
    const struct online_write *write = &request->write;
    uint32_t records = 0;
    for (uint32_t n = 0; n < write->row_count;) {
        struct world_event *event = add_event(world);
        bool is_done = records++ < write->records_applied;
        event->outcome =
            is_done ? WORLD_ACKNOWLEDGED : outcome_of(world, write->status, &write->error);
        event->sequence = request->sequence;
        event->lsn = event->outcome == WORLD_FAILED ? *lsn : ++*lsn;
        do
            note_row(world, request, n, event);
        while (!write->rows[n++].ends_record);
    }
    if (status_is_ok(write->status) && records != write->records_applied)
        world_fail(world, "%u of %u records applied, and yet OK", write->records_applied, records);
}

static void erase_done(struct online_erase *erase)
{
    struct erasure *erasure = CONTAINER_OF(erase, struct erasure, erase);
    erasure->sequence = sim_files_sequence(erasure->world->sim);
    erasure->world->process->waiting--;
}

static struct online_erase_target everything_of(const struct world *world, str entity)
{
    const struct catalog *image = catalog_current(&world->process->catalog);
    return (struct online_erase_target){.entity_index = catalog_find_entity(image, entity)->index};
}

/* How many. */
static uint32_t set_targets(const struct world *world, uint32_t feature,
                            struct online_erase_target *targets)
{
    if (feature == WORLD_EVERYWHERE) {
        targets[0] = everything_of(world, STR("user"));
        targets[1] = everything_of(world, STR("driver"));
        return 2;
    }
    if (feature == FIXTURE_ALL) {
        targets[0] = everything_of(world, str_from_cstr(world->features[0].entity));
        return 1;
    }
    const struct catalog_version *version = version_of(world, feature);
    targets[0] = (struct online_erase_target){
        .entity_index = version->entity->index,
        .version_id = version->id,
        .slot = version->slot,
    };
    return 1;
}

/* Nothing else may be under way that ends an erasure: its time is the clock's now. */
static void submit_erasure(struct world *world, struct erasure *erasure, uint32_t id,
                           uint32_t feature)
{
    values_id(id, erasure->id_text);
    erasure->world = world;
    erasure->id = id;
    erasure->feature = feature;
    erasure->time_us = online_now_us(world->process->store);
    erasure->erase = (struct online_erase){
        .loop = &world->process->loop,
        .done = erase_done,
        .entity_id = str_from_cstr(erasure->id_text),
        .targets = erasure->targets,
        .target_count = set_targets(world, feature, erasure->targets),
    };
    world->process->waiting++;
    online_erase(world->process->store, &erasure->erase);
}

/* The last of its batch: whether it took an LSN shows in the store's last one. */
static enum world_outcome note_erasure(struct world *world, const struct erasure *erasure,
                                       uint64_t lsn)
{
    struct world_event *event = add_event(world);
    event->is_erasure = true;
    event->id = erasure->id;
    event->feature = erasure->feature;
    event->erased_until_us = erasure->time_us;
    event->outcome = outcome_of(world, erasure->erase.status, &erasure->erase.error);
    event->sequence = erasure->sequence;
    enum world_outcome outcome = event->outcome;
    event->lsn = outcome == WORLD_UNKNOWN || world_lsn(world) > lsn ? lsn + 1 : lsn;
    /* An erasure that changes nothing needs no log: not part of any order. */
    if (outcome == WORLD_ACKNOWLEDGED && world->has_unknown)
        event->outcome = WORLD_FAILED;
    return outcome;
}

/* The LSN that it goes on from. */
static uint64_t begin_batch(struct world *world)
{
    world->is_closed = world->has_unknown;
    return world_lsn(world);
}

void world_write(struct world *world, uint32_t requests)
{
    static struct request request[REQUESTS_MAX];
    static struct erasure erasure;
    assert_true(requests <= REQUESTS_MAX);
    uint64_t lsn = begin_batch(world);
    for (uint32_t i = 0; i < requests; i++)
        submit_any(world, &request[i]);
    bool erases = world_below(world, 5) == 0;
    if (erases) {
        static const uint32_t all[] = {FIXTURE_ALL, WORLD_EVERYWHERE};
        uint32_t feature =
            world_below(world, 2) ? any_feature(world) : all[world_below(world, ARRAY_LEN(all))];
        submit_erasure(world, &erasure, (uint32_t)world_below(world, WORLD_IDS), feature);
    }
    wait_for_answers(world);
    for (uint32_t i = 0; i < requests; i++)
        note_request(world, &request[i], &lsn);
    if (erases)
        (void)note_erasure(world, &erasure, lsn);
}

enum world_outcome world_put(struct world *world, uint32_t id, uint32_t feature)
{
    static struct request request;
    uint64_t lsn = begin_batch(world);
    request.numbers[0] = ++world->next_number;
    request.ids[0] = id;
    request.rows[0].cell_count = 1;
    fill_cell(world, &request, 0, 0, feature, ONLINE_EVENT_TIME_NOW);
    submit(world, &request, 1);
    wait_for_answers(world);
    note_request(world, &request, &lsn);
    return world->events[world->event_count - 1].outcome;
}

enum world_outcome world_erase(struct world *world, uint32_t id, uint32_t feature)
{
    static struct erasure erasure;
    uint64_t lsn = begin_batch(world);
    submit_erasure(world, &erasure, id, feature);
    wait_for_answers(world);
    return note_erasure(world, &erasure, lsn);
}

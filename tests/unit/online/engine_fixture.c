#include "engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/cell_rule.h"
#include "online/engine/snapshot.h"
#include "sim_files.h"

#define PLENTY (UINT64_C(1) << 40)

static _Atomic int64_t wall_us;

void fixture_set_wall(int64_t now_us)
{
    atomic_store(&wall_us, now_us);
}

int64_t fixture_wall_us(void)
{
    return atomic_load(&wall_us);
}

void fixture_remove_log(struct file_system *files, const char *directory)
{
    uint64_t *lsns;
    uint32_t count;
    char path[64];
    assert_true(status_is_ok(
        log_list_files(files, directory, LOG_SEGMENT_SUFFIX, &lsns, &count, NULL)));
    for (uint32_t i = 0; i < count; i++) {
        log_file_path(directory, lsns[i], LOG_SEGMENT_SUFFIX, path, sizeof(path));
        assert_int_equal(files->remove(files, path), 0);
    }
    memory_free(lsns);
}

struct engine *fixture_engine(struct fixture *fixture)
{
    return CONTAINER_OF(fixture->store, struct engine, store);
}

static void add_to(struct catalog_builder *builder, const struct fixture_feature *feature)
{
    struct catalog_builder_version version = {
        .id = 1000 + (uint64_t)feature->id,
        .number = 1,
        .data_type = feature->type,
        .dimension = feature->dimension,
        .dead_before_us = feature->dead_before_us,
        .created_at_us = feature->created_at_us,
    };
    struct catalog_builder_feature row = {
        .id = feature->id,
        .definition = {.name = str_from_cstr(feature->name),
                       .entity = str_from_cstr(feature->entity),
                       .data_type = feature->type,
                       .dimension = feature->dimension,
                       .ttl_seconds = feature->ttl_seconds,
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    assert_true(status_is_ok(catalog_builder_add_feature(builder, &row, NULL)));
}

static void publish(struct fixture *fixture)
{
    const struct catalog *previous = atomic_load(&fixture->catalog.image);
    const struct catalog *image;
    struct catalog_builder *builder =
        catalog_builder_create(previous, previous ? previous->revision + 1 : 1);
    assert_non_null(builder);
    for (uint32_t i = 0; i < fixture->feature_count; i++)
        if (fixture->features[i].id != 0)
            add_to(builder, &fixture->features[i]);
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    assert_true(fixture->image_count < ARRAY_LEN(fixture->images));
    fixture->images[fixture->image_count++] = image;
    atomic_store_explicit(&fixture->catalog.image, image, memory_order_release);
}

uint32_t fixture_add(struct fixture *fixture, const char *entity, enum data_type type,
                     int64_t ttl_seconds)
{
    assert_true(fixture->feature_count < FIXTURE_FEATURES_MAX);
    uint32_t number = fixture->feature_count++;
    struct fixture_feature *feature = &fixture->features[number];
    *feature = (struct fixture_feature){
        .id = number + 1,
        .entity = entity,
        .type = type,
        .ttl_seconds = ttl_seconds,
        .dead_before_us = CELL_NEVER_DEAD,
        .created_at_us = store_clock_now_us(&fixture->clock),
    };
    snprintf(feature->name, sizeof(feature->name), "f%u", number);
    publish(fixture);
    return number;
}

void fixture_forget_slots(struct fixture *fixture)
{
    assert_null(fixture->store);
    atomic_store(&fixture->catalog.image, NULL);
    publish(fixture);
}

void fixture_drop(struct fixture *fixture, uint32_t feature)
{
    fixture->features[feature].id = 0;
    publish(fixture);
}

void fixture_set_ttl(struct fixture *fixture, uint32_t number, int64_t ttl_seconds)
{
    struct fixture_feature *feature = &fixture->features[number];
    feature->dead_before_us =
        cell_rule_dead_before(feature->dead_before_us, online_now_us(fixture->store),
                              feature->ttl_seconds * SECOND_US);
    feature->ttl_seconds = ttl_seconds;
    publish(fixture);
}

const struct catalog_version *fixture_version(struct fixture *fixture, uint32_t feature)
{
    const struct catalog *image = catalog_current(&fixture->catalog);
    const struct catalog_feature *found =
        catalog_find_feature(image, str_from_cstr(fixture->features[feature].name));
    return found ? found->active : NULL;
}

static void recovered(void *user, status result, const struct error *error)
{
    struct fixture *fixture = user;
    pthread_mutex_lock(&fixture->lock);
    assert_false(fixture->has_recovered);
    fixture->has_recovered = true;
    fixture->recovery = result;
    fixture->recovery_error = *error;
    pthread_cond_signal(&fixture->recovered);
    pthread_mutex_unlock(&fixture->lock);
}

status fixture_await(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    while (!fixture->has_recovered)
        pthread_cond_wait(&fixture->recovered, &fixture->lock);
    status result = fixture->recovery;
    pthread_mutex_unlock(&fixture->lock);
    return result;
}

status fixture_start(struct fixture *fixture)
{
    fixture->has_recovered = false;
    assert_true(status_is_ok(engine_open(&fixture->options, &fixture->store, NULL)));
    return fixture_await(fixture);
}

void fixture_stop(struct fixture *fixture)
{
    epoch_offline(fixture->loop.reader);
    fixture->store->driver->close(fixture->store);
    fixture->store = NULL;
}

status fixture_restart(struct fixture *fixture)
{
    fixture_stop(fixture);
    return fixture_start(fixture);
}

void fixture_kill(struct fixture *fixture, struct sim_files **sim)
{
    struct sim_files *left = sim_files_kill(*sim);
    fixture_stop(fixture);
    sim_files_destroy(*sim);
    *sim = left;
    fixture->options.files = sim_files_system(left);
}

status fixture_snapshot(struct fixture *fixture)
{
    struct error error;
    epoch_offline(fixture->loop.reader);
    return snapshotter_run(fixture_engine(fixture)->snapshotter, &error);
}

static struct fixture *create(void)
{
    struct fixture *fixture = NULL;
    assert_int_equal(posix_memalign((void **)&fixture, _Alignof(struct fixture),
                                    sizeof(*fixture)), 0);
    memset(fixture, 0, sizeof(*fixture));
    fixture_set_wall(FIXTURE_START_US);
    epoch_init(&fixture->epoch);
    store_clock_init(&fixture->clock, fixture_wall_us);
    assert_true(status_is_ok(loop_init(&fixture->loop, &fixture->epoch, 0)));
    assert_int_equal(pthread_mutex_init(&fixture->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&fixture->recovered, NULL), 0);
    publish(fixture);
    fixture->options = (struct engine_options){
        .epoch = &fixture->epoch,
        .catalog = &fixture->catalog,
        .max_memory_bytes = PLENTY,
        .clock = &fixture->clock,
        .recovered = recovered,
        .user = fixture,
    };
    return fixture;
}

struct fixture *fixture_open(uint64_t max_memory_bytes)
{
    struct fixture *fixture = create();
    if (max_memory_bytes != 0)
        fixture->options.max_memory_bytes = max_memory_bytes;
    assert_true(status_is_ok(fixture_start(fixture)));
    return fixture;
}

struct fixture *fixture_open_on(struct file_system *files, const char *directory,
                                enum log_fsync fsync)
{
    struct fixture *fixture = create();
    fixture->options.files = files;
    fixture->options.directory = directory;
    fixture->options.identity = FIXTURE_IDENTITY;
    fixture->options.fsync = fsync;
    fixture->options.fsync_interval_ms = 1000;
    fixture->options.segment_bytes = 64 << 10;
    fixture->options.recovery_threads = 2;
    assert_true(status_is_ok(fixture_start(fixture)));
    return fixture;
}

void fixture_close(struct fixture *fixture)
{
    if (fixture->store != NULL)
        fixture_stop(fixture);
    loop_fini(&fixture->loop);
    pthread_cond_destroy(&fixture->recovered);
    pthread_mutex_destroy(&fixture->lock);
    for (uint32_t i = 0; i < fixture->image_count; i++)
        catalog_destroy(fixture->images[i]);
    free(fixture);
}

void fixture_wait(struct fixture *fixture)
{
    while (fixture->waiting > 0)
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    epoch_offline(fixture->loop.reader); /* as loop_run() does at its end */
}

static void write_done(struct online_write *write)
{
    ((struct fixture *)write->user)->waiting--;
}

void fixture_submit(struct fixture *fixture, struct online_write *write)
{
    write->loop = &fixture->loop;
    write->done = write_done;
    write->user = fixture;
    fixture->waiting++;
    online_write(fixture->store, write);
}

status fixture_write(struct fixture *fixture, struct online_write *write)
{
    fixture_submit(fixture, write);
    fixture_wait(fixture);
    return write->status;
}

struct online_write_cell fixture_cell(struct fixture *fixture, uint32_t feature,
                                      struct value value, int64_t event_time_us)
{
    const struct catalog_version *version = fixture_version(fixture, feature);
    assert_non_null(version);
    return (struct online_write_cell){
        .version_id = version->id,
        .slot = version->slot,
        .value = value,
        .event_time_us = event_time_us,
    };
}

bool fixture_put(struct fixture *fixture, const char *id, uint32_t feature, struct value value,
                 int64_t event_time_us)
{
    struct online_write_cell cell = fixture_cell(fixture, feature, value, event_time_us);
    struct online_write_row row = {
        .entity_index = fixture_version(fixture, feature)->entity->index,
        .entity_id = str_from_cstr(id),
        .cells = &cell,
        .cell_count = 1,
        .ends_record = true,
    };
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_true(status_is_ok(fixture_write(fixture, &write)));
    assert_int_equal(write.records_applied, 1);
    assert_int_equal(write.values_written + write.values_late, 1);
    return write.values_written == 1;
}

static void erase_done(struct online_erase *erase)
{
    ((struct fixture *)erase->user)->waiting--;
}

status fixture_try_erase(struct fixture *fixture, const char *id, uint32_t feature,
                         uint64_t *deleted)
{
    const struct catalog_version *version =
        fixture_version(fixture, feature == FIXTURE_ALL ? 0 : feature);
    struct online_erase_target target = {
        .entity_index = version->entity->index,
        .version_id = feature == FIXTURE_ALL ? 0 : version->id,
        .slot = version->slot,
    };
    struct online_erase erase = {
        .loop = &fixture->loop,
        .done = erase_done,
        .user = fixture,
        .entity_id = str_from_cstr(id),
        .targets = &target,
        .target_count = 1,
    };
    fixture->waiting++;
    online_erase(fixture->store, &erase);
    fixture_wait(fixture);
    *deleted = erase.values_deleted;
    return erase.status;
}

uint64_t fixture_erase(struct fixture *fixture, const char *id, uint32_t feature)
{
    uint64_t deleted;
    assert_true(status_is_ok(fixture_try_erase(fixture, id, feature, &deleted)));
    return deleted;
}

static void read_done(struct online_read *read)
{
    *(bool *)read->user = true;
}

void fixture_read(struct fixture *fixture, struct online_read *read)
{
    bool done = false;
    read->loop = &fixture->loop;
    read->done = read_done;
    read->user = &done;
    loop_enter(&fixture->loop);
    online_read(fixture->store, read);
    assert_true(done);
    assert_true(status_is_ok(read->status));
}

struct cell fixture_get(struct fixture *fixture, const char *id, uint32_t feature)
{
    const struct catalog_version *version = fixture_version(fixture, feature);
    str entity_id = str_from_cstr(id);
    struct cell cell;
    struct online_read read = {
        .entity = version->entity,
        .entity_ids = &entity_id,
        .id_count = 1,
        .versions = &version,
        .version_count = 1,
        .cells = &cell,
    };
    fixture_read(fixture, &read);
    return cell;
}

static void statistics_done(struct online_statistics *request)
{
    ((struct fixture *)request->user)->waiting--;
}

struct statistics fixture_statistics(struct fixture *fixture, uint32_t feature)
{
    uint64_t id = fixture_version(fixture, feature)->id;
    struct statistics out;
    struct online_statistics request = {
        .loop = &fixture->loop,
        .done = statistics_done,
        .user = fixture,
        .version_ids = &id,
        .count = 1,
        .out = &out,
    };
    fixture->waiting++;
    fixture->store->driver->statistics(fixture->store, &request);
    fixture_wait(fixture);
    assert_true(status_is_ok(request.status));
    return out;
}

struct online_metrics fixture_metrics(struct fixture *fixture)
{
    struct online_metrics metrics;
    fixture->store->driver->metrics(fixture->store, &metrics);
    return metrics;
}

void fixture_sweep(struct fixture *fixture)
{
    epoch_offline(fixture->loop.reader);
    sweeper_run_pass(fixture_engine(fixture)->sweeper);
}

void random_init(struct random *random)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    uint64_t seed;
    if (given == NULL || !str_to_uint64(str_from_cstr(given), &seed) || seed == 0)
        seed = (uint64_t)clock_monotonic_ns() | 1;
    random->state = seed;
    print_message("FEATURED_TEST_SEED=%llu\n", (unsigned long long)seed);
}

uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    return (random_next(random) >> 16) % bound;
}

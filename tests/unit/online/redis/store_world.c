#include "store_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "model/cell_rule.h"

struct store_world world;
static redisReply *last_reply;

static void publish(void)
{
    const struct catalog *previous = atomic_load(&world.catalog.image);
    const struct catalog *image;
    struct catalog_builder *builder =
        catalog_builder_create(previous, previous ? previous->revision + 1 : 1);
    assert_non_null(builder);
    for (uint32_t i = 0; i < world.feature_count; i++) {
        const struct store_feature *feature = &world.features[i];
        if (feature->id == 0)
            continue;
        struct catalog_builder_version version = {
            .id = 1000 + (uint64_t)feature->id,
            .number = feature->number,
            .data_type = feature->type,
            .dimension = feature->dimension,
            .dead_before_us = feature->dead_before_us,
            .created_at_us = 1,
        };
        struct catalog_builder_feature row = {
            .id = feature->id,
            .definition = {.name = str_from_cstr(feature->name),
                           .entity = str_from_cstr(feature->entity),
                           .data_type = feature->type,
                           .dimension = feature->dimension,
                           .ttl_seconds = feature->ttl_seconds,
                           .is_nullable = true,
                           .tags_json = STR("{}")},
            .active_version = feature->number,
            .versions = &version,
            .version_count = 1,
        };
        assert_true(status_is_ok(catalog_builder_add_feature(builder, &row, NULL)));
    }
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    assert_true(world.image_count < ARRAY_LEN(world.images));
    world.images[world.image_count++] = image;
    atomic_store_explicit(&world.catalog.image, image, memory_order_release);
}

uint32_t store_add(const char *entity, enum data_type type, int64_t ttl_seconds)
{
    assert_true(world.feature_count < STORE_FEATURES_MAX);
    uint32_t number = world.feature_count++;
    struct store_feature *feature = &world.features[number];
    *feature = (struct store_feature){
        .id = number + 1,
        .entity = entity,
        .type = type,
        .ttl_seconds = ttl_seconds,
        .dead_before_us = CELL_NEVER_DEAD,
        .number = 1,
    };
    snprintf(feature->name, sizeof(feature->name), "f%u", number);
    publish();
    return number;
}

void store_drop(uint32_t feature)
{
    world.features[feature].id = 0;
    publish();
}

void store_set_ttl(uint32_t number, int64_t ttl_seconds)
{
    struct store_feature *feature = &world.features[number];
    feature->dead_before_us =
        cell_rule_dead_before(feature->dead_before_us, store_clock_now_us(&world.clock),
                              feature->ttl_seconds * SECOND_US);
    feature->ttl_seconds = ttl_seconds;
    publish();
}

const struct catalog_version *store_version(uint32_t feature)
{
    const struct catalog_feature *found = catalog_find_feature(
        catalog_current(&world.catalog), str_from_cstr(world.features[feature].name));
    assert_non_null(found);
    return found->active;
}

int store_setup(void **state)
{
    (void)state;
    char url[160];
    memset(&world, 0, sizeof(world));
    epoch_init(&world.epoch);
    store_clock_init(&world.clock, clock_wall_us);
    assert_true(status_is_ok(loop_init(&world.loop, &world.epoch, 0)));
    arena_init(&world.arena, 256 << 20);
    for (uint32_t i = 0; i < STORE_FEATURES_MAX; i++)
        statistics_init(&world.shared[i]);
    redis_server_start(&world.server, NULL);
    snprintf(url, sizeof(url), "unix://%s", world.server.socket_path);
    assert_true(status_is_ok(redis_url_parse(str_from_cstr(url), &world.url, NULL)));
    world.redis = redisConnectUnix(world.server.socket_path);
    assert_non_null(world.redis);
    assert_int_equal(world.redis->err, 0);
    publish();
    return 0;
}

int store_setup_open(void **state)
{
    if (store_setup(state) != 0)
        return -1;
    store_open(IDENTITY);
    assert_true(status_is_ok(world.open_result));
    return 0;
}

int store_teardown(void **state)
{
    (void)state;
    if (world.store != NULL)
        store_drain_and_close();
    freeReplyObject(last_reply);
    last_reply = NULL;
    redisFree(world.redis);
    redis_server_stop(&world.server);
    arena_fini(&world.arena);
    loop_fini(&world.loop);
    for (uint32_t i = 0; i < world.image_count; i++)
        catalog_destroy(world.images[i]);
    return 0;
}

int64_t store_now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* The loop wakes up for the store's tick at the latest, each second. */
void store_turn(void)
{
    uv_run(&world.loop.uv, UV_RUN_ONCE);
}

static void opened(void *user, status result, const struct error *error)
{
    (void)user;
    world.opened++;
    world.open_result = result;
    world.open_error = *error;
}

static void merge(void *user, struct redis_statistics_request *request)
{
    (void)user;
    bool is_new = request->number > world.last_number;
    request->status = OK;
    if (world.registry_is_away) {
        request->status = status_of(STATUS_UNAVAILABLE);
        request->done(request);
        return;
    }
    for (uint32_t i = 0; i < request->delta_count && is_new; i++)
        statistics_merge(&world.shared[request->deltas[i].version_id - 1001],
                         &request->deltas[i].delta);
    if (request->delta_count > 0) {
        world.last_number = request->number;
        world.merges++;
    }
    for (uint32_t i = 0; i < request->count; i++)
        request->out[i] = world.shared[request->version_ids[i] - 1001];
    if (world.registry_forgets)
        request->status = status_of(STATUS_UNAVAILABLE);
    request->done(request);
}

void store_begin(const char *identity)
{
    world.options = (struct redis_store_options){
        .url = &world.url,
        .timeout_ms = 5000,
        .max_pending = world.max_pending ? world.max_pending : 10000,
        .loops = &world.loop,
        .loop_count = 1,
        .clock = &world.clock,
        .catalog = &world.catalog,
        .registry_identity = str_from_cstr(identity),
        .statistics = merge,
        .opened = opened,
    };
    world.opened = 0;
    assert_true(status_is_ok(redis_store_open(&world.options, &world.store, NULL)));
    redis_store_start(world.store);
}

void store_open(const char *identity)
{
    store_begin(identity);
    STORE_UNTIL(world.opened);
}

static void drained(void *user)
{
    *(bool *)user = true;
}

void store_drain_and_close(void)
{
    world.is_drained = false;
    world.store->driver->drain(world.store, drained, &world.is_drained);
    STORE_UNTIL(world.is_drained);
    epoch_offline(world.loop.reader);
    world.store->driver->close(world.store);
    world.store = NULL;
}

static void write_done(struct online_write *write)
{
    (void)write;
    world.waiting--;
}

status store_write(struct online_write *write)
{
    write->loop = &world.loop;
    write->done = write_done;
    world.waiting++;
    loop_enter(&world.loop);
    online_write(world.store, write);
    STORE_UNTIL(world.waiting == 0);
    return write->status;
}

struct online_write_cell store_cell(uint32_t feature, struct value value, int64_t event_time_us)
{
    const struct catalog_version *version = store_version(feature);
    return (struct online_write_cell){
        .version_id = version->id,
        .slot = version->slot,
        .value = value,
        .event_time_us = event_time_us,
    };
}

/* The cell and the row are gone then. */
static status put(const char *id, uint32_t feature, struct value value, int64_t event_time_us,
                  struct online_write *write)
{
    struct online_write_cell cell = store_cell(feature, value, event_time_us);
    struct online_write_row row = {
        .entity_index = store_version(feature)->entity->index,
        .entity_id = str_from_cstr(id),
        .cells = &cell,
        .cell_count = 1,
        .ends_record = true,
    };
    *write = (struct online_write){.rows = &row, .row_count = 1};
    status result = store_write(write);
    write->rows = NULL;
    return result;
}

status store_try_put(const char *id, uint32_t feature, struct value value, int64_t event_time_us,
                     struct error *error)
{
    struct online_write write;
    status result = put(id, feature, value, event_time_us, &write);
    *error = write.error;
    return result;
}

bool store_put(const char *id, uint32_t feature, struct value value, int64_t event_time_us)
{
    struct online_write write;
    if (!status_is_ok(put(id, feature, value, event_time_us, &write)))
        fail_msg("write: %s", write.error.detail);
    assert_int_equal(write.records_applied, 1);
    assert_int_equal(write.values_written + write.values_late, 1);
    return write.values_written == 1;
}

static void erase_done(struct online_erase *erase)
{
    (void)erase;
    world.waiting--;
}

status store_try_erase(const char *id, uint32_t feature, uint64_t *deleted)
{
    const struct catalog_version *version = store_version(feature == STORE_ALL ? 0 : feature);
    struct online_erase_target target = {
        .entity_index = version->entity->index,
        .version_id = feature == STORE_ALL ? 0 : version->id,
        .slot = version->slot,
    };
    struct online_erase erase = {
        .loop = &world.loop,
        .done = erase_done,
        .entity_id = str_from_cstr(id),
        .targets = &target,
        .target_count = 1,
    };
    world.waiting++;
    loop_enter(&world.loop);
    online_erase(world.store, &erase);
    STORE_UNTIL(world.waiting == 0);
    *deleted = erase.values_deleted;
    return erase.status;
}

uint64_t store_erase(const char *id, uint32_t feature)
{
    uint64_t deleted;
    assert_true(status_is_ok(store_try_erase(id, feature, &deleted)));
    return deleted;
}

static void read_done(struct online_read *read)
{
    (void)read;
    world.waiting--;
}

status store_read(struct online_read *read)
{
    arena_reset(&world.arena);
    read->loop = &world.loop;
    read->arena = &world.arena;
    read->done = read_done;
    world.waiting++;
    loop_enter(&world.loop);
    online_read(world.store, read);
    STORE_UNTIL(world.waiting == 0);
    return read->status;
}

struct cell store_get(const char *id, uint32_t feature)
{
    const struct catalog_version *version = store_version(feature);
    str entity_id = str_from_cstr(id);
    struct cell cell;
    struct error error;
    struct online_read read = {
        .entity_name = version->entity->name,
        .entity = version->entity,
        .entity_ids = &entity_id,
        .id_count = 1,
        .versions = &version,
        .version_count = 1,
        .cells = &cell,
        .error = &error,
    };
    if (!status_is_ok(store_read(&read)))
        fail_msg("read: %s", error.detail);
    return cell;
}

struct online_others store_others(const char *id)
{
    const struct catalog_version *version = store_version(0);
    str entity_id = str_from_cstr(id);
    struct cell cell;
    struct online_others others;
    struct online_read read = {
        .entity_name = version->entity->name,
        .entity = version->entity,
        .entity_ids = &entity_id,
        .id_count = 1,
        .versions = &version,
        .version_count = 1,
        .cells = &cell,
        .others = &others,
    };
    assert_true(status_is_ok(store_read(&read)));
    return others;
}

static void scan_done(struct online_scan *scan)
{
    (void)scan;
    world.waiting--;
}

void store_scan(struct online_scan *scan)
{
    arena_reset(&world.arena);
    scan->loop = &world.loop;
    scan->arena = &world.arena;
    scan->done = scan_done;
    world.waiting++;
    loop_enter(&world.loop);
    online_scan(world.store, scan);
    STORE_UNTIL(world.waiting == 0);
}

static void statistics_done(struct online_statistics *request)
{
    (void)request;
    world.waiting--;
}

struct statistics store_statistics(uint32_t feature)
{
    uint64_t id = store_version(feature)->id;
    struct statistics out;
    struct online_statistics request = {
        .loop = &world.loop,
        .done = statistics_done,
        .version_ids = &id,
        .count = 1,
        .out = &out,
    };
    world.waiting++;
    world.store->driver->statistics(world.store, &request);
    STORE_UNTIL(world.waiting == 0);
    assert_true(status_is_ok(request.status));
    return out;
}

struct online_metrics store_metrics(void)
{
    struct online_metrics metrics;
    world.store->driver->metrics(world.store, &metrics);
    return metrics;
}

const redisReply *store_redis(const char *format, ...)
{
    va_list arguments;
    freeReplyObject(last_reply);
    va_start(arguments, format);
    last_reply = redisvCommand(world.redis, format, arguments);
    va_end(arguments);
    assert_non_null(last_reply);
    return last_reply;
}

void expect_int(const char *id, uint32_t feature, int64_t expected)
{
    struct cell cell = store_get(id, feature);
    assert_int_equal(cell.state, CELL_PRESENT);
    assert_int_equal(cell.value.type, DATA_TYPE_INT);
    assert_int_equal(cell.value.integer, expected);
}

void expect_reply(const char *expected, const redisReply *reply)
{
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_string_equal(reply->str, expected);
}

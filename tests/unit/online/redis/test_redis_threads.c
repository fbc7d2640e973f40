/* The driver on several event loops at once, each its own thread, over a real Redis; metrics and checks
 * from yet another one. For ThreadSanitizer, and for what the loops share: statistics, start, drain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "model/catalog_builder.h"
#include "online/redis/online_redis.h"
#include "redis_server.h"

#define LOOPS 3u
#define ROUNDS 100u

struct worker {
    struct loop *loop;
    pthread_t thread;
    struct loop_task task;
    uint32_t round;
    char id[16];
    struct online_write_cell cell;
    struct online_write_row row;
    struct online_write write;
    struct online_read read;
    struct cell cells[1];
    str entity_id;
    const struct catalog_version *version;
    struct arena arena;
    struct online_statistics statistics_request;
    uint64_t version_id;
    struct statistics statistics;
};

static struct epoch epoch;
static struct store_clock store_clock;
static struct loop loops[LOOPS];
static struct worker workers[LOOPS];
static struct catalog_ref catalog;
static struct redis_server server;
static struct redis_url url;
static struct online_store *store;
static struct statistics shared;
static uint64_t last_number;
static sem_t opened_now, finished, drained_now;
static struct loop_task begin_task, drain_task;

static void publish(void)
{
    const struct catalog *image;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    struct catalog_builder_version version = {
        .id = 7, .number = 1, .data_type = DATA_TYPE_INT, .dead_before_us = INT64_MIN};
    struct catalog_builder_feature feature = {
        .id = 1,
        .definition = {.name = STR("clicks"),
                       .entity = STR("user"),
                       .data_type = DATA_TYPE_INT,
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    assert_true(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    atomic_store(&catalog.image, image);
}

static void next_round(struct worker *worker);

static void statistics_done(struct online_statistics *request)
{
    struct worker *worker = request->user;
    ASSERT(worker->statistics.count >= worker->round); /* its own at least */
    next_round(worker);
}

static void read_done(struct online_read *read)
{
    struct worker *worker = read->user;
    ASSERT(status_is_ok(read->status) && worker->cells[0].state == CELL_PRESENT);
    ASSERT(worker->cells[0].value.integer == (int64_t)worker->round);
    worker->round++;
    if (worker->round % 10 != 0) {
        next_round(worker);
        return;
    }
    worker->statistics_request = (struct online_statistics){
        .loop = worker->loop,
        .done = statistics_done,
        .user = worker,
        .version_ids = &worker->version_id,
        .count = 1,
        .out = &worker->statistics,
    };
    store->driver->statistics(store, &worker->statistics_request);
}

static void write_done(struct online_write *write)
{
    struct worker *worker = write->user;
    ASSERT(status_is_ok(write->status) && write->values_written == 1);
    arena_reset(&worker->arena);
    worker->version = catalog_current(&catalog)->features[0]->active;
    worker->read = (struct online_read){
        .entity_name = STR("user"),
        .entity = worker->version->entity,
        .entity_ids = &worker->entity_id,
        .id_count = 1,
        .versions = &worker->version,
        .version_count = 1,
        .cells = worker->cells,
        .arena = &worker->arena,
        .loop = worker->loop,
        .done = read_done,
        .user = worker,
    };
    online_read(store, &worker->read);
}

static void next_round(struct worker *worker)
{
    const struct catalog_version *version = catalog_current(&catalog)->features[0]->active;
    if (worker->round == ROUNDS) {
        sem_post(&finished);
        return;
    }
    worker->cell = (struct online_write_cell){
        .version_id = version->id,
        .slot = version->slot,
        .value = {.type = DATA_TYPE_INT, .integer = worker->round},
        .event_time_us = ONLINE_EVENT_TIME_NOW,
    };
    worker->row = (struct online_write_row){version->entity->index, worker->entity_id,
                                            &worker->cell, 1, true};
    worker->write = (struct online_write){.loop = worker->loop,
                                          .done = write_done,
                                          .user = worker,
                                          .rows = &worker->row,
                                          .row_count = 1};
    online_write(store, &worker->write);
}

static void begin_work(struct loop_task *task)
{
    next_round(CONTAINER_OF(task, struct worker, task));
}

static void *run(void *loop)
{
    loop_run(loop);
    return NULL;
}

static void start_store(struct loop_task *task)
{
    (void)task;
    redis_store_start(store);
}

static void opened(void *user, status result, const struct error *error)
{
    (void)user;
    (void)error;
    ASSERT(status_is_ok(result));
    sem_post(&opened_now);
}

static void merge(void *user, struct redis_statistics_request *request)
{
    (void)user;
    for (uint32_t i = 0; i < request->delta_count && request->number > last_number; i++)
        statistics_merge(&shared, &request->deltas[i].delta);
    if (request->delta_count > 0)
        last_number = request->number;
    for (uint32_t i = 0; i < request->count; i++)
        request->out[i] = shared;
    request->status = OK;
    request->done(request);
}

static void drained(void *user)
{
    (void)user;
    sem_post(&drained_now);
}

static void drain_store(struct loop_task *task)
{
    (void)task;
    store->driver->drain(store, drained, NULL);
}

static void open_store(void)
{
    const struct redis_store_options options = {
        .url = &url,
        .timeout_ms = 10000,
        .max_pending = 1000,
        .loops = loops,
        .loop_count = LOOPS,
        .clock = &store_clock,
        .catalog = &catalog,
        .registry_identity = STR("of threads"),
        .statistics = merge,
        .opened = opened,
    };
    assert_true(status_is_ok(redis_store_open(&options, &store, NULL)));
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &loops[i]), 0);
    begin_task.run = start_store;
    loop_post(&loops[0], &begin_task);
    sem_wait(&opened_now);
}

static void work(void)
{
    struct online_metrics metrics;
    struct error error;
    for (unsigned i = 0; i < LOOPS; i++) {
        struct worker *worker = &workers[i];
        worker->loop = &loops[i];
        worker->version_id = 7;
        snprintf(worker->id, sizeof(worker->id), "u%u", i);
        worker->entity_id = str_from_cstr(worker->id);
        arena_init(&worker->arena, 1 << 20);
        worker->task.run = begin_work;
        loop_post(worker->loop, &worker->task);
    }
    for (unsigned left = LOOPS; left > 0;) {
        store->driver->metrics(store, &metrics);
        (void)!status_is_ok(store->driver->check(store, &error));
        if (sem_trywait(&finished) == 0)
            left--;
        else
            sched_yield();
    }
    store->driver->metrics(store, &metrics);
    assert_int_equal(metrics.values_written, LOOPS * ROUNDS);
    assert_true(status_is_ok(store->driver->check(store, &error)));
}

static void test_several_loops(void **state)
{
    (void)state;
    char text[160];
    epoch_init(&epoch);
    store_clock_init(&store_clock, clock_wall_us);
    statistics_init(&shared);
    assert_int_equal(sem_init(&opened_now, 0, 0), 0);
    assert_int_equal(sem_init(&finished, 0, 0), 0);
    assert_int_equal(sem_init(&drained_now, 0, 0), 0);
    for (unsigned i = 0; i < LOOPS; i++)
        assert_true(status_is_ok(loop_init(&loops[i], &epoch, i)));
    publish();
    redis_server_start(&server, NULL);
    snprintf(text, sizeof(text), "unix://%s", server.socket_path);
    assert_true(status_is_ok(redis_url_parse(str_from_cstr(text), &url, NULL)));
    open_store();
    work();
    drain_task.run = drain_store;
    loop_post(&loops[0], &drain_task);
    sem_wait(&drained_now);
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_stop(&loops[i]);
        pthread_join(workers[i].thread, NULL);
        arena_fini(&workers[i].arena);
    }
    store->driver->close(store);
    assert_int_equal(shared.count, LOOPS * ROUNDS);
    for (unsigned i = 0; i < LOOPS; i++)
        loop_fini(&loops[i]);
    catalog_destroy(atomic_load(&catalog.image));
    redis_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_several_loops)};
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

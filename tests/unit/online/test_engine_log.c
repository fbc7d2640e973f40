/* The writer and its log: what is acknowledged comes back, what could not be logged never happened
 * (promise 8), on a file system that fails when told to. */
#include "engine_fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sim_files.h"

#define DATA "data"

struct world {
    struct sim_files *sim;
    struct fixture *f;
    uint32_t age;  /* of user, int */
    uint32_t city; /* of user, string */
    uint32_t rank; /* of driver, int */
};

static void world_open(struct world *world, enum log_fsync fsync)
{
    world->sim = sim_files_create(1, DATA);
    assert_non_null(world->sim);
    struct fixture *f = fixture_open_on(sim_files_system(world->sim), DATA, fsync);
    world->f = f;
    world->age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    world->city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    world->rank = fixture_add(f, "driver", DATA_TYPE_INT, 0);
}

static void world_close(struct world *world)
{
    fixture_close(world->f);
    sim_files_destroy(world->sim);
}

/* The next process: what was on the disk when this one was killed. */
static void world_kill(struct world *world)
{
    fixture_kill(world->f, &world->sim);
    assert_true(status_is_ok(fixture_start(world->f)));
}

static status try_put(struct world *world, const char *id, uint32_t feature, int64_t value,
                      int64_t event_time_us, struct error *error)
{
    struct online_write_cell cell =
        fixture_cell(world->f, feature, value_int(value), event_time_us);
    struct online_write_row row = {
        .entity_index = fixture_version(world->f, feature)->entity->index,
        .entity_id = str_from_cstr(id),
        .cells = &cell,
        .cell_count = 1,
        .ends_record = true,
    };
    struct online_write write = {.rows = &row, .row_count = 1};
    status result = fixture_write(world->f, &write);
    if (error != NULL)
        *error = write.error;
    assert_int_equal(write.records_applied, status_is_ok(result) ? 1 : 0);
    return result;
}

static int64_t int_of(struct world *world, const char *id, uint32_t feature)
{
    struct cell cell = fixture_get(world->f, id, feature);
    return cell.state == CELL_PRESENT ? cell.value.integer : -1;
}

static void what_was_acknowledged_comes_back(void **state)
{
    (void)state;
    const enum log_fsync policies[] = {LOG_FSYNC_ALWAYS, LOG_FSYNC_INTERVAL, LOG_FSYNC_NEVER};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct world w;
        world_open(&w, policies[i]);
        fixture_put(w.f, "u1", w.age, value_int(1), 1000);
        fixture_put(w.f, "u1", w.age, value_int(2), 2000);
        fixture_put(w.f, "u1", w.age, value_int(3), 1500); /* late */
        fixture_put(w.f, "u1", w.city, value_text(STR("Oslo")), ONLINE_EVENT_TIME_NOW);
        fixture_put(w.f, "u2", w.age, value_null(DATA_TYPE_INT), 1000);
        fixture_put(w.f, "d1", w.rank, value_int(7), 1000);
        world_kill(&w);
        assert_int_equal(fixture_metrics(w.f).lsn, 6);
        assert_int_equal(fixture_metrics(w.f).entities, 3);
        assert_int_equal(fixture_metrics(w.f).durability.recovery_records, 6);
        assert_int_equal(int_of(&w, "u1", w.age), 2);
        assert_int_equal(fixture_get(w.f, "u1", w.age).event_time_us, 2000);
        assert_int_equal(fixture_get(w.f, "u1", w.city).event_time_us, FIXTURE_START_US);
        assert_true(str_eq(fixture_get(w.f, "u1", w.city).value.text, STR("Oslo")));
        assert_int_equal(fixture_get(w.f, "u2", w.age).state, CELL_NULL);
        assert_int_equal(int_of(&w, "d1", w.rank), 7);
        struct statistics statistics = fixture_statistics(w.f, w.age);
        assert_int_equal(statistics.count, 3); /* each once, the late one too */
        assert_int_equal(statistics.null_count, 1);
        assert_true(statistics.mean == 2);
        fixture_put(w.f, "u1", w.age, value_int(4), 2000);
        assert_int_equal(fixture_metrics(w.f).lsn, 7);
        assert_true(status_is_ok(fixture_restart(w.f))); /* in order: with a snapshot */
        assert_int_equal(fixture_metrics(w.f).durability.recovery_records, 0);
        assert_int_equal(fixture_metrics(w.f).durability.recovery_rows, 3);
        assert_int_equal(int_of(&w, "u1", w.age), 4);
        assert_int_equal(fixture_statistics(w.f, w.age).count, 4);
        world_close(&w);
    }
}

/* A directory whose own path leaves little room for the names in it. */
static status write_and_kill_in(const char *directory)
{
    struct world w = {.sim = sim_files_create(1, directory)};
    w.f = fixture_open(0);
    fixture_stop(w.f);
    w.age = fixture_add(w.f, "user", DATA_TYPE_INT, 0);
    w.f->options.files = sim_files_system(w.sim);
    w.f->options.directory = directory;
    w.f->options.identity = FIXTURE_IDENTITY;
    w.f->options.segment_bytes = 256; /* several, so that none may take another's name */
    status result = fixture_start(w.f);
    if (status_is_ok(result)) {
        char id[8];
        for (int i = 0; i < 10; i++) {
            snprintf(id, sizeof(id), "u%d", i);
            assert_true(fixture_put(w.f, id, w.age, value_int(i), 1000));
        }
        world_kill(&w);
        for (int i = 0; i < 10; i++) {
            snprintf(id, sizeof(id), "u%d", i);
            assert_int_equal(int_of(&w, id, w.age), i);
        }
        assert_true(status_is_ok(fixture_restart(w.f))); /* from a snapshot */
        assert_int_equal(int_of(&w, "u9", w.age), 9);
    } else {
        assert_non_null(strstr(w.f->recovery_error.detail, "too long"));
    }
    world_close(&w);
    return result;
}

static void the_directory_may_lie_deep(void **state)
{
    (void)state;
    static char directory[8192];
    const size_t lengths[] = {480, 484, 488, 500, 507, 1000, 4032, 4090, 5000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (size_t k = 0; k < lengths[i]; k++)
            directory[k] = k % 100 == 99 ? '/' : 'd';
        directory[lengths[i]] = '\0';
        assert_int_equal(status_is_ok(write_and_kill_in(directory)), lengths[i] <= 4032);
    }
}

static void erase_done(struct online_erase *erase)
{
    ((struct fixture *)erase->user)->waiting--;
}

static status erase_targets(struct world *world, const char *id,
                            const struct online_erase_target *targets, uint32_t count,
                            uint64_t *deleted)
{
    struct online_erase erase = {
        .loop = &world->f->loop,
        .done = erase_done,
        .user = world->f,
        .entity_id = str_from_cstr(id),
        .targets = targets,
        .target_count = count,
    };
    world->f->waiting++;
    online_erase(world->f->store, &erase);
    fixture_wait(world->f);
    *deleted = erase.values_deleted;
    return erase.status;
}

static struct online_erase_target target_of(struct world *world, uint32_t feature, bool whole)
{
    const struct catalog_version *version = fixture_version(world->f, feature);
    return (struct online_erase_target){version->entity->index, whole ? 0 : version->id,
                                        version->slot};
}

static void erased_values_stay_away_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    uint64_t deleted;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(1), 1000);
    fixture_put(w.f, "x", w.city, value_text(STR("Oslo")), 1000);
    fixture_put(w.f, "x", w.rank, value_int(2), 1000);
    /* One erasure, two entities, in an order that mixes them. */
    struct online_erase_target targets[] = {
        target_of(&w, w.age, false), target_of(&w, w.rank, true), target_of(&w, w.city, false)};
    assert_true(status_is_ok(erase_targets(&w, "x", targets, 3, &deleted)));
    assert_int_equal(deleted, 3);
    assert_int_equal(fixture_metrics(w.f).lsn, 4); /* one for both entities */
    fixture_put(w.f, "x", w.age, value_int(3), ONLINE_EVENT_TIME_NOW);
    world_kill(&w);
    assert_int_equal(fixture_metrics(w.f).lsn, 5);
    assert_int_equal(int_of(&w, "x", w.age), 3); /* came after the erasure */
    assert_int_equal(fixture_get(w.f, "x", w.city).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_get(w.f, "x", w.rank).state, CELL_NOT_FOUND);
    assert_false(fixture_put(w.f, "x", w.rank, value_int(9), 2000)); /* late: it was erased */
    assert_false(fixture_put(w.f, "x", w.city, value_text(STR("Rome")), 2000));
    world_close(&w);
}

static void many_versions_are_erased_at_once(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    struct world w;
    uint32_t features[COUNT];
    struct online_write_cell cells[COUNT];
    struct online_erase_target targets[COUNT];
    uint64_t deleted;
    world_open(&w, LOG_FSYNC_ALWAYS);
    for (uint32_t i = 0; i < COUNT; i++) {
        features[i] = fixture_add(w.f, "user", DATA_TYPE_INT, 0);
        cells[i] = fixture_cell(w.f, features[i], value_int(i), 1000);
        targets[i] = target_of(&w, features[i], false);
    }
    struct online_write_row row = {0, STR("x"), cells, COUNT, true};
    struct online_write write = {.rows = &row, .row_count = 1};
    assert_true(status_is_ok(fixture_write(w.f, &write)));
    assert_true(status_is_ok(erase_targets(&w, "x", targets, COUNT - 1, &deleted)));
    assert_int_equal(deleted, COUNT - 1);
    assert_int_equal(fixture_metrics(w.f).lsn, 2); /* one record */
    for (int restart = 0; restart < 2; restart++) {
        for (uint32_t i = 0; i < COUNT - 1; i++)
            assert_int_equal(fixture_get(w.f, "x", features[i]).state, CELL_NOT_FOUND);
        assert_int_equal(int_of(&w, "x", features[COUNT - 1]), COUNT - 1);
        if (restart == 0)
            world_kill(&w);
    }
    world_close(&w);
}

static void an_erasure_that_changes_nothing_takes_no_lsn(void **state)
{
    (void)state;
    struct world w;
    uint64_t deleted;
    world_open(&w, LOG_FSYNC_ALWAYS);
    struct online_erase_target target = target_of(&w, w.age, false);
    fixture_put(w.f, "x", w.age, value_int(1), FIXTURE_START_US + 1000); /* newer */
    assert_true(status_is_ok(erase_targets(&w, "x", &target, 1, &deleted)));
    assert_int_equal(deleted, 0);
    assert_true(status_is_ok(erase_targets(&w, "x", &target, 0, &deleted)));
    assert_int_equal(fixture_metrics(w.f).lsn, 1);
    world_kill(&w);
    assert_int_equal(int_of(&w, "x", w.age), 1);
    world_close(&w);
}

/* Event times that the writer gave do not lie ahead of the clock after a restart, though the wall
 * clock has stepped back meanwhile. */
static void the_clock_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(1), ONLINE_EVENT_TIME_NOW);
    fixture_set_wall(FIXTURE_START_US - 3600 * SECOND_US);
    store_clock_init(&w.f->clock, fixture_wall_us); /* as a new process has it */
    world_kill(&w);
    assert_true(fixture_put(w.f, "x", w.age, value_int(2), ONLINE_EVENT_TIME_NOW));
    assert_int_equal(fixture_erase(w.f, "x", w.age), 1);
    store_clock_init(&w.f->clock, fixture_wall_us);
    world_kill(&w);
    assert_true(fixture_put(w.f, "x", w.age, value_int(3), ONLINE_EVENT_TIME_NOW));
    world_close(&w);
}

static void a_failed_write_is_answered_and_tried_again(void **state)
{
    (void)state;
    struct world w;
    struct error error;
    world_open(&w, LOG_FSYNC_ALWAYS);
    assert_true(status_is_ok(try_put(&w, "x", w.age, 1, 1000, NULL)));
    sim_files_fail(w.sim, SIM_WRITE, 1, ENOSPC, false);
    assert_int_equal(try_put(&w, "x", w.age, 2, 2000, &error).code, STATUS_UNAVAILABLE);
    assert_int_equal(error.code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "log_write");
    assert_int_equal(fixture_metrics(w.f).lsn, 1);
    assert_int_equal(fixture_metrics(w.f).durability.log_failures, 1);
    assert_int_equal(int_of(&w, "x", w.age), 1);
    assert_int_equal(fixture_statistics(w.f, w.age).count, 1);
    assert_true(status_is_ok(w.f->store->driver->check_ingestion(w.f->store, NULL)));
    assert_true(status_is_ok(try_put(&w, "x", w.age, 3, 2000, NULL)));
    assert_int_equal(int_of(&w, "x", w.age), 3);
    world_kill(&w);
    assert_int_equal(int_of(&w, "x", w.age), 3);
    assert_int_equal(fixture_metrics(w.f).lsn, 2);
    assert_int_equal(fixture_statistics(w.f, w.age).count, 2);
    world_close(&w);
}

static void a_full_disk_keeps_reading_and_goes_on_with_space(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    assert_true(status_is_ok(try_put(&w, "x", w.age, 1, 1, NULL)));
    sim_files_set_space(w.sim, sim_files_used(w.sim));
    status result = OK;
    int64_t n = 1;
    while (status_is_ok(result)) { /* what was preallocated is still there */
        n++;
        result = try_put(&w, "x", w.age, n, n, NULL);
    }
    assert_int_equal(result.code, STATUS_UNAVAILABLE);
    assert_int_equal(int_of(&w, "x", w.age), n - 1);
    uint64_t deleted;
    while (status_is_ok(result = fixture_try_erase(w.f, "y", w.age, &deleted)))
        ;
    assert_int_equal(result.code, STATUS_UNAVAILABLE);
    assert_int_equal(int_of(&w, "x", w.age), n - 1);
    sim_files_set_space(w.sim, UINT64_MAX);
    assert_true(status_is_ok(try_put(&w, "x", w.age, n, n, NULL)));
    world_kill(&w);
    assert_int_equal(int_of(&w, "x", w.age), n);
    world_close(&w);
}

static void after_a_failed_sync_the_log_stays_closed(void **state)
{
    (void)state;
    struct world w;
    struct error error;
    uint64_t deleted;
    world_open(&w, LOG_FSYNC_ALWAYS);
    assert_true(status_is_ok(try_put(&w, "x", w.age, 1, 1000, NULL)));
    sim_files_fail(w.sim, SIM_SYNC, 1, EIO, false);
    assert_int_equal(try_put(&w, "x", w.age, 2, 2000, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "log_closed");
    uint64_t syncs = sim_files_calls(w.sim, SIM_SYNC);
    assert_int_equal(try_put(&w, "y", w.age, 3, 3000, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "log_closed");
    assert_int_equal(fixture_try_erase(w.f, "x", w.age, &deleted).code, STATUS_UNAVAILABLE);
    assert_int_equal(sim_files_calls(w.sim, SIM_SYNC), syncs); /* never asked again */
    assert_int_equal(int_of(&w, "x", w.age), 1);
    assert_int_equal(fixture_get(w.f, "y", w.age).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_statistics(w.f, w.age).count, 1);
    assert_true(fixture_metrics(w.f).durability.log_closed);
    assert_true(status_is_ok(w.f->store->driver->check(w.f->store, NULL)));
    assert_int_equal(w.f->store->driver->check_ingestion(w.f->store, &error).code,
                     STATUS_UNAVAILABLE);
    uint64_t writes = sim_files_calls(w.sim, SIM_WRITE);
    assert_int_equal(fixture_snapshot(w.f).code, STATUS_UNAVAILABLE);
    assert_int_equal(sim_files_calls(w.sim, SIM_WRITE), writes); /* not a row for nothing */
    world_kill(&w);
    assert_true(int_of(&w, "x", w.age) == 1 || int_of(&w, "x", w.age) == 2); /* unknown */
    assert_int_equal(fixture_get(w.f, "y", w.age).state, CELL_NOT_FOUND);
    assert_true(status_is_ok(try_put(&w, "y", w.age, 3, 3000, NULL)));
    world_close(&w);
}

/* Many requests at once, of which each group either is there or is not. */
static void a_group_fails_as_a_whole(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    struct world w;
    static char ids[COUNT][8];
    static struct online_write_cell cells[COUNT];
    static struct online_write_row rows[COUNT];
    static struct online_write writes[COUNT];
    world_open(&w, LOG_FSYNC_ALWAYS);
    assert_true(status_is_ok(try_put(&w, "x", w.age, 1, 1, NULL))); /* begins the segment */
    sim_files_set_sync_us(w.sim, 2000); /* so that groups form */
    for (int64_t round = 1; round <= 3; round++) {
        sim_files_fail(w.sim, SIM_WRITE, 1, ENOSPC, false);
        for (uint32_t i = 0; i < COUNT; i++) {
            snprintf(ids[i], sizeof(ids[i]), "g%u", i);
            cells[i] = fixture_cell(w.f, w.age, value_int(round), round);
            rows[i] = (struct online_write_row){0, str_from_cstr(ids[i]), &cells[i], 1, true};
            writes[i] = (struct online_write){.rows = &rows[i], .row_count = 1};
            fixture_submit(w.f, &writes[i]);
        }
        fixture_wait(w.f);
        for (uint32_t i = 0; i < COUNT; i++) {
            bool applied = status_is_ok(writes[i].status);
            assert_int_equal(writes[i].records_applied, applied);
            assert_int_equal(writes[i].values_written, applied);
            assert_true(applied == (int_of(&w, ids[i], w.age) == round));
        }
    }
    static int64_t held[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        held[i] = int_of(&w, ids[i], w.age);
    uint64_t count = fixture_statistics(w.f, w.age).count;
    uint64_t lsn = fixture_metrics(w.f).lsn;
    assert_int_equal(count, lsn);
    assert_int_equal(fixture_metrics(w.f).durability.log_failures, 3);
    world_kill(&w);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(int_of(&w, ids[i], w.age), held[i]);
    assert_int_equal(fixture_statistics(w.f, w.age).count, count);
    assert_int_equal(fixture_metrics(w.f).lsn, lsn);
    world_close(&w);
}

/* A sweep that shares its group with a write that fails goes on all the same. */
static void a_sweep_outlives_a_failed_group(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    struct world w;
    char id[8];
    world_open(&w, LOG_FSYNC_ALWAYS);
    uint32_t brief = fixture_add(w.f, "user", DATA_TYPE_INT, 10);
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        fixture_put(w.f, id, brief, value_int(i), FIXTURE_START_US);
    }
    fixture_set_wall(FIXTURE_START_US + 11 * SECOND_US);
    sim_files_set_sync_us(w.sim, 100000); /* what comes meanwhile is one group */
    sim_files_fail(w.sim, SIM_WRITE, 2, ENOSPC, false);
    struct online_write_cell cells[] = {fixture_cell(w.f, w.age, value_int(1), 1),
                                        fixture_cell(w.f, w.age, value_int(2), 1)};
    struct online_write_row rows[] = {{0, STR("a"), &cells[0], 1, true},
                                      {0, STR("s3"), &cells[1], 1, true}};
    struct online_write writes[] = {{.rows = &rows[0], .row_count = 1},
                                    {.rows = &rows[1], .row_count = 1}};
    uint64_t calls = sim_files_calls(w.sim, SIM_SYNC);
    fixture_submit(w.f, &writes[0]);
    while (sim_files_calls(w.sim, SIM_SYNC) == calls) /* soon: the first is on its way */
        sched_yield();
    fixture_submit(w.f, &writes[1]);
    fixture_sweep(w.f);
    fixture_wait(w.f);
    assert_true(status_is_ok(writes[0].status));
    assert_int_equal(writes[1].status.code, STATUS_UNAVAILABLE);
    assert_int_equal(fixture_metrics(w.f).values_expired, COUNT);
    assert_int_equal(fixture_metrics(w.f).entities, 1);
    assert_int_equal(fixture_get(w.f, "s3", w.age).state, CELL_NOT_FOUND);
    world_close(&w);
}

#define BULK_ROWS 5000u

struct bulk {
    char ids[BULK_ROWS][8];
    struct online_write_cell cells[BULK_ROWS];
    struct online_write_row rows[BULK_ROWS];
    struct online_write write;
};

static struct bulk *bulk_create(struct world *world)
{
    struct bulk *bulk = calloc(1, sizeof(*bulk));
    assert_non_null(bulk);
    for (uint32_t i = 0; i < BULK_ROWS; i++) {
        snprintf(bulk->ids[i], sizeof(bulk->ids[i]), "b%u", i);
        bulk->cells[i] = fixture_cell(world->f, world->age, value_int(i), 1000);
        bulk->rows[i] =
            (struct online_write_row){0, str_from_cstr(bulk->ids[i]), &bulk->cells[i], 1, true};
    }
    bulk->write = (struct online_write){.rows = bulk->rows, .row_count = BULK_ROWS};
    return bulk;
}

/* A request of more than two groups: what was in earlier groups stays. */
static void a_bulk_request_stops_at_the_group_that_failed(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) {
        struct world w;
        world_open(&w, LOG_FSYNC_ALWAYS);
        w.f->options.segment_bytes = 1 << 20; /* a write for each group, and none for segments */
        assert_true(status_is_ok(fixture_restart(w.f)));
        assert_true(status_is_ok(try_put(&w, "x", w.age, 1, 1, NULL)));
        struct bulk *bulk = bulk_create(&w);
        sim_files_fail(w.sim, SIM_WRITE, nth, ENOSPC, false);
        assert_int_equal(fixture_write(w.f, &bulk->write).code, STATUS_UNAVAILABLE);
        uint32_t applied = bulk->write.records_applied;
        assert_int_equal(applied, (nth - 1) * 2048);
        assert_int_equal(bulk->write.values_written, applied);
        assert_string_equal(bulk->write.error.type, "log_write");
        for (int restart = 0; restart < 2; restart++) {
            assert_int_equal(fixture_metrics(w.f).lsn, 1 + applied);
            assert_int_equal(fixture_metrics(w.f).entities, 1 + applied);
            assert_int_equal(fixture_statistics(w.f, w.age).count, 1 + applied);
            for (uint32_t i = 0; i < BULK_ROWS; i++)
                assert_int_equal(int_of(&w, bulk->ids[i], w.age), i < applied ? (int64_t)i : -1);
            if (restart == 0)
                world_kill(&w);
        }
        free(bulk);
        world_close(&w);
    }
}

#define LONG_ID_BYTES 400

/* So long that an erasure over two entities does not fit what the log's buffer begins with. */
static const char *long_id(void)
{
    static char id[LONG_ID_BYTES + 1];
    memset(id, 'v', LONG_ID_BYTES);
    return id;
}

/* A record of two entities, an erasure of two, a text out of line: with the n-th allocation
 * failing, what was answered is what is there, before and after a restart. */
static uint32_t work_without_memory(struct world *world, uint64_t n)
{
    char text[] = "a text that is longer than a row keeps inline, so out of line";
    struct online_write_cell cells[] = {
        fixture_cell(world->f, world->age, value_int((int64_t)n + 1), 10),
        fixture_cell(world->f, world->city, value_text(str_from_cstr(text)), 10),
        fixture_cell(world->f, world->rank, value_int((int64_t)n + 1), 10),
    };
    struct online_write_row rows[] = {
        {0, STR("u"), &cells[0], 2, false},
        {1, STR("d"), &cells[2], 1, true},
    };
    struct online_write write = {.rows = rows, .row_count = 2};
    struct online_erase_target targets[] = {target_of(world, world->city, false),
                                            target_of(world, world->rank, true)};
    uint64_t deleted;
    memory_fail_after(n);
    status written = fixture_write(world->f, &write);
    status erased = erase_targets(world, long_id(), targets, 2, &deleted);
    memory_fail_after(UINT64_MAX);
    if (!status_is_ok(written))
        assert_true(written.code == STATUS_OUT_OF_MEMORY || written.code == STATUS_UNAVAILABLE);
    if (!status_is_ok(erased))
        assert_true(erased.code == STATUS_OUT_OF_MEMORY || erased.code == STATUS_UNAVAILABLE);
    for (int restart = 0; restart < 2; restart++) {
        int64_t expected = status_is_ok(written) ? (int64_t)n + 1 : -1;
        assert_int_equal(int_of(world, "u", world->age), expected);
        assert_int_equal(int_of(world, "d", world->rank), expected);
        assert_int_equal(fixture_get(world->f, "u", world->city).state,
                         status_is_ok(written) ? CELL_PRESENT : CELL_NOT_FOUND);
        assert_int_equal(fixture_statistics(world->f, world->age).count, status_is_ok(written));
        enum cell_state gone = status_is_ok(erased) ? CELL_NOT_FOUND : CELL_PRESENT;
        assert_int_equal(fixture_get(world->f, long_id(), world->city).state, gone);
        assert_int_equal(fixture_get(world->f, long_id(), world->rank).state, gone);
        assert_int_equal(fixture_metrics(world->f).lsn,
                         2 + status_is_ok(written) + status_is_ok(erased));
        if (restart == 0)
            world_kill(world);
    }
    return !status_is_ok(written) + !status_is_ok(erased);
}

static void log_and_tables_agree_without_memory(void **state)
{
    (void)state;
    uint32_t failures = 0;
    uint64_t n = 0;
    for (uint32_t failed = 1; failed > 0 || n < 40; n++) {
        struct world w;
        world_open(&w, LOG_FSYNC_ALWAYS);
        fixture_put(w.f, long_id(), w.city, value_text(STR("Oslo")), 5);
        fixture_put(w.f, long_id(), w.rank, value_int(5), 5);
        /* A new process: a new segment, its schemas, and the writer's arrays are still to come. */
        world_kill(&w);
        failed = work_without_memory(&w, n);
        failures += failed;
        world_close(&w);
    }
    assert_true(failures >= 15);
}

/* Everything of the simulated files, but listing a folder waits for the gate. */
struct gated {
    struct file_system system; /* first */
    struct file_system *inner;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
};

static struct gated gated;

static int gated_list(struct file_system *system, const char *path,
                      void (*found)(void *user, const char *name), void *user)
{
    (void)system;
    pthread_mutex_lock(&gated.lock);
    while (!gated.is_open)
        pthread_cond_wait(&gated.opened, &gated.lock);
    pthread_mutex_unlock(&gated.lock);
    return gated.inner->list(gated.inner, path, found, user);
}

static int gated_open(struct file_system *system, const char *path, enum file_mode mode,
                      struct file **out)
{
    (void)system;
    return gated.inner->open(gated.inner, path, mode, out);
}

static int gated_rename(struct file_system *system, const char *from, const char *to)
{
    (void)system;
    return gated.inner->rename(gated.inner, from, to);
}

static int gated_remove(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->remove(gated.inner, path);
}

static int gated_make_directory(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->make_directory(gated.inner, path);
}

static int gated_sync_directory(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->sync_directory(gated.inner, path);
}

static void gate_init(struct file_system *inner)
{
    gated.system = *inner;
    gated.system.list = gated_list;
    gated.system.open = gated_open;
    gated.system.rename = gated_rename;
    gated.system.remove = gated_remove;
    gated.system.make_directory = gated_make_directory;
    gated.system.sync_directory = gated_sync_directory;
    gated.inner = inner;
    gated.is_open = false;
    pthread_mutex_init(&gated.lock, NULL);
    pthread_cond_init(&gated.opened, NULL);
}

static void gate_open(void)
{
    pthread_mutex_lock(&gated.lock);
    gated.is_open = true;
    pthread_cond_broadcast(&gated.opened);
    pthread_mutex_unlock(&gated.lock);
}

static void read_done(struct online_read *read)
{
    *(bool *)read->user = true;
}

static void statistics_done(struct online_statistics *request)
{
    ((struct fixture *)request->user)->waiting--;
}

/* Every kind of request is refused, with this type. */
static void assert_refuses(struct world *world, const char *type)
{
    struct fixture *f = world->f;
    struct error error;
    uint64_t deleted;
    assert_int_equal(try_put(world, "x", world->age, 1, 1, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    assert_int_equal(fixture_try_erase(f, "x", world->age, &deleted).code, STATUS_UNAVAILABLE);
    const struct catalog_version *version = fixture_version(f, world->age);
    str id = STR("x");
    struct cell cell;
    bool done = false;
    struct online_read read = {.entity = version->entity, .entity_ids = &id, .id_count = 1,
                               .versions = &version, .version_count = 1, .cells = &cell,
                               .loop = &f->loop, .done = read_done, .user = &done,
                               .error = &error};
    error_clear(&error);
    loop_enter(&f->loop);
    online_read(f->store, &read);
    epoch_offline(f->loop.reader);
    assert_true(done);
    assert_int_equal(read.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    struct statistics out;
    struct online_statistics request = {.loop = &f->loop, .done = statistics_done, .user = f,
                                        .version_ids = &version->id, .count = 1, .out = &out};
    f->waiting++;
    f->store->driver->statistics(f->store, &request);
    fixture_wait(f);
    assert_int_equal(request.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(request.error.type, type);
    assert_int_equal(f->store->driver->check(f->store, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    assert_int_equal(f->store->driver->check_ingestion(f->store, &error).code,
                     STATUS_UNAVAILABLE);
}

static void everything_is_refused_while_recovering(void **state)
{
    (void)state;
    struct world w;
    unsigned permille;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    fixture_stop(w.f);
    gate_init(sim_files_system(w.sim));
    w.f->options.files = &gated.system;
    w.f->has_recovered = false;
    assert_true(status_is_ok(engine_open(&w.f->options, &w.f->store, NULL)));
    assert_refuses(&w, "recovering");
    assert_true(engine_progress(w.f->store, &permille));
    assert_true(permille < 1000);
    assert_true(fixture_metrics(w.f).durability.recovering);
    engine_snapshot(w.f->store); /* asked for too early: comes later, or not, but does no harm */
    gate_open();
    assert_true(status_is_ok(fixture_await(w.f)));
    assert_false(engine_progress(w.f->store, &permille));
    assert_false(fixture_metrics(w.f).durability.recovering);
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

static void a_store_can_be_closed_while_recovering(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    fixture_stop(w.f);
    gate_init(sim_files_system(w.sim));
    w.f->options.files = &gated.system;
    w.f->has_recovered = false;
    assert_true(status_is_ok(engine_open(&w.f->options, &w.f->store, NULL)));
    gate_open();
    fixture_stop(w.f);
    (void)!status_is_ok(fixture_await(w.f)); /* ready just before, or given up */
    assert_true(status_is_ok(fixture_start(w.f)));
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

static void a_failed_recovery_refuses_everything(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    fixture_stop(w.f);
    sim_files_fail(w.sim, SIM_LIST, 1, EIO, true);
    assert_int_equal(fixture_start(w.f).code, STATUS_IO);
    assert_true(strlen(w.f->recovery_error.detail) > 0);
    assert_refuses(&w, "recovery_failed");
    fixture_sweep(w.f);
    sim_files_fail(w.sim, SIM_LIST, 0, 0, false);
    assert_true(status_is_ok(fixture_restart(w.f)));
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

#define CLIENTS 16u

struct client {
    struct online_write write;
    struct online_write_cell cell;
    struct online_write_row row;
    struct world *world;
    uint32_t left;
    char id[8];
};

static void client_done(struct online_write *write)
{
    struct client *client = write->user;
    assert_true(status_is_ok(write->status));
    if (--client->left > 0)
        online_write(client->world->f->store, write); /* as whoever has its answer */
    else
        client->world->f->waiting--;
}

static void run_clients(struct world *world, uint32_t count, uint32_t each)
{
    static struct client clients[CLIENTS];
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = &clients[i];
        *client = (struct client){.world = world, .left = each};
        snprintf(client->id, sizeof(client->id), "c%u", i);
        client->cell = fixture_cell(world->f, world->age, value_int(1), 1);
        client->row =
            (struct online_write_row){0, str_from_cstr(client->id), &client->cell, 1, true};
        client->write = (struct online_write){.rows = &client->row, .row_count = 1,
                                              .loop = &world->f->loop, .done = client_done,
                                              .user = client};
        world->f->waiting++;
        online_write(world->f->store, &client->write);
    }
    fixture_wait(world->f);
}

/* Clients that come back at once share their syncs; a lone one has each of its own. */
static void clients_share_a_sync(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    w.f->options.segment_bytes = 1 << 20;
    assert_true(status_is_ok(fixture_restart(w.f)));
    sim_files_set_sync_us(w.sim, 3000);
    run_clients(&w, CLIENTS, 2); /* gets to know them */
    uint64_t groups = fixture_metrics(w.f).durability.log_groups;
    run_clients(&w, CLIENTS, 50);
    groups = fixture_metrics(w.f).durability.log_groups - groups;
    print_message("%u clients: %.1f rows per sync\n", CLIENTS, CLIENTS * 50.0 / (double)groups);
    assert_true(groups <= 75); /* 50 are needed; without waiting it would be 100 */
    groups = fixture_metrics(w.f).durability.log_groups;
    run_clients(&w, 1, 20);
    assert_true(fixture_metrics(w.f).durability.log_groups - groups >= 20);
    world_close(&w);
}

/* A second after the last write the log has a mark that this write is below. */
static void an_idle_log_is_marked(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(1), 1);
    uint64_t bytes = fixture_metrics(w.f).durability.log_bytes_written;
    int64_t begin_ns = clock_monotonic_ns();
    while (fixture_metrics(w.f).durability.log_bytes_written == bytes &&
           clock_monotonic_ns() < begin_ns + INT64_C(20000000000))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(fixture_metrics(w.f).durability.log_bytes_written > bytes);
    assert_true(clock_monotonic_ns() - begin_ns > 500000000);
    assert_int_equal(fixture_metrics(w.f).lsn, 1);
    world_kill(&w);
    assert_int_equal(fixture_metrics(w.f).lsn, 1);
    assert_int_equal(int_of(&w, "x", w.age), 1);
    fixture_put(w.f, "x", w.age, value_int(2), 1);
    assert_int_equal(fixture_metrics(w.f).lsn, 2);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_comes_back),
        cmocka_unit_test(the_directory_may_lie_deep),
        cmocka_unit_test(erased_values_stay_away_after_a_restart),
        cmocka_unit_test(many_versions_are_erased_at_once),
        cmocka_unit_test(an_erasure_that_changes_nothing_takes_no_lsn),
        cmocka_unit_test(the_clock_goes_on_after_a_restart),
        cmocka_unit_test(a_failed_write_is_answered_and_tried_again),
        cmocka_unit_test(a_full_disk_keeps_reading_and_goes_on_with_space),
        cmocka_unit_test(after_a_failed_sync_the_log_stays_closed),
        cmocka_unit_test(a_group_fails_as_a_whole),
        cmocka_unit_test(a_sweep_outlives_a_failed_group),
        cmocka_unit_test(a_bulk_request_stops_at_the_group_that_failed),
        cmocka_unit_test(log_and_tables_agree_without_memory),
        cmocka_unit_test(everything_is_refused_while_recovering),
        cmocka_unit_test(a_store_can_be_closed_while_recovering),
        cmocka_unit_test(a_failed_recovery_refuses_everything),
        cmocka_unit_test(clients_share_a_sync),
        cmocka_unit_test(an_idle_log_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

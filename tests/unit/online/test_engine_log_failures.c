/* What could not be logged never happened (promise 8): on a file system that fails when told to,
 * and without memory. */
#include "log_world.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_write_is_answered_and_tried_again),
        cmocka_unit_test(a_full_disk_keeps_reading_and_goes_on_with_space),
        cmocka_unit_test(after_a_failed_sync_the_log_stays_closed),
        cmocka_unit_test(a_group_fails_as_a_whole),
        cmocka_unit_test(a_sweep_outlives_a_failed_group),
        cmocka_unit_test(a_bulk_request_stops_at_the_group_that_failed),
        cmocka_unit_test(log_and_tables_agree_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

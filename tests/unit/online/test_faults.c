/* Every call of the file system and every allocation that a workload makes fails once, or from then
 * on: the store never ends, what it answers is true, reading goes on, and what was acknowledged is
 * there after a restart, with nothing that was answered with a failure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "durable_model.h"

#define WAIT_MS_MAX 20000
#define FAULTS_MAX 5000 /* more calls than the workload makes */
/* Each attempt is ten times slower there, and a race does not hide behind one call of many. */
#ifdef THREAD_SANITIZED
#define STEP 7
#else
#define STEP 1
#endif

static void sleep_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static struct online_durability durability(struct world *world)
{
    struct online_metrics metrics;
    world->process->store->driver->metrics(world->process->store, &metrics);
    return metrics.durability;
}

/* Asks for a snapshot and waits until it is there or has failed. */
static void snapshot(struct world *world)
{
    struct online_durability before = durability(world), now;
    engine_snapshot(world->process->store);
    for (unsigned waited_ms = 0;; waited_ms++) {
        now = durability(world);
        if (now.snapshots + now.snapshot_failures > before.snapshots + before.snapshot_failures)
            return;
        if (waited_ms == WAIT_MS_MAX)
            world_fail(world, "a snapshot neither came about nor failed");
        sleep_ms();
    }
}

static void check_now(struct world *world)
{
    model_drop_failed(world);
    model_check_now(world);
}

static void write_some(struct world *world, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++)
        world_write(world, 3);
    (void)world_put(world, 1, 0);
    (void)world_erase(world, 2, FIXTURE_ALL);
    check_now(world);
}

/* A directory with a snapshot and some segments after it, left by a process that was killed. */
static struct world *create_used_world(const char *label, uint64_t seed)
{
    struct world *world = world_create(label, seed);
    world->options.segment_bytes = 8192;
    assert_true(status_is_ok(world_open(world)));
    write_some(world, 6);
    snapshot(world);
    write_some(world, 6);
    assert_int_equal(world->answers_failed, 0);
    world_replace_files(world, sim_files_kill(world->sim));
    return world;
}

static void reopen_and_check(struct world *world)
{
    model_drop_failed(world);
    uint32_t promised = model_promised(world, UINT64_MAX);
    status result = world_open(world);
    if (!status_is_ok(result))
        world_fail(world, "does not start again: %s", world->last_error.detail);
    model_check_recovered(world, promised);
    write_some(world, 1);
}

/* Recovery, rotation, snapshot, clean end, with a fault somewhere; then a start without one. */
static void run_workload(struct world *world)
{
    model_drop_failed(world);
    uint32_t promised = model_promised(world, UINT64_MAX);
    if (status_is_ok(world_open(world))) {
        model_check_recovered(world, promised);
        write_some(world, 8);
        snapshot(world);
        write_some(world, 4);
    } else if (world->last_error.detail[0] == '\0') {
        world_fail(world, "a start failed without a word");
    }
    world_close(world);
}

struct fault {
    enum sim_call kind;
    int error;
    bool for_good;
};

/* False: the workload makes fewer such calls. */
static bool run_with_fault(const struct fault *fault, uint64_t nth)
{
    char label[80];
    snprintf(label, sizeof(label), "%s %llu fails with %s%s", sim_call_name(fault->kind),
             (unsigned long long)nth, strerror(fault->error), fault->for_good ? " for good" : "");
    struct world *world = create_used_world(label, nth);
    sim_files_fail(world->sim, fault->kind, nth, fault->error, fault->for_good);
    run_workload(world);
    bool was_reached = sim_files_failures(world->sim) > 0;
    sim_files_fail(world->sim, SIM_ANY, 0, 0, false);
    if (nth % 2 == 0)
        world_replace_files(world, sim_files_power_loss(world->sim, nth));
    reopen_and_check(world);
    world_destroy(world);
    return was_reached;
}

static void run_with_faults(struct fault fault)
{
    uint64_t nth = 1;
    while (run_with_fault(&fault, nth))
        assert_true((nth += STEP) < FAULTS_MAX);
    print_message("%s: %llu calls%s\n", sim_call_name(fault.kind), (unsigned long long)nth - STEP,
                  fault.for_good ? " for good" : "");
    assert_true(nth > 1);
}

static void each_call_fails_once(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {SIM_OPEN, EMFILE, false},        {SIM_READ, EIO, false},
        {SIM_WRITE, ENOSPC, false},       {SIM_ALLOCATE, ENOSPC, false},
        {SIM_SIZE, EIO, false},           {SIM_SYNC, EIO, false},
        {SIM_RENAME, EACCES, false},      {SIM_REMOVE, EACCES, false},
        {SIM_LIST, EMFILE, false},        {SIM_MAKE_DIRECTORY, EROFS, false},
        {SIM_SYNC_DIRECTORY, EIO, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        run_with_faults(faults[i]);
}

static void each_call_fails_for_good(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {SIM_ANY, EIO, true},     {SIM_WRITE, EIO, true}, {SIM_ALLOCATE, ENOSPC, true},
        {SIM_OPEN, EMFILE, true}, {SIM_SYNC, EIO, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        run_with_faults(faults[i]);
}

static void each_allocation_fails_once(void **state)
{
    (void)state;
    uint64_t nth = 1;
    for (bool was_reached = true; was_reached; nth += STEP) {
        char label[80];
        snprintf(label, sizeof(label), "allocation %llu fails", (unsigned long long)nth);
        struct world *world = create_used_world(label, nth);
        world->memory_fails_at = nth;
        run_workload(world);
        was_reached = !memory_fail_is_ahead();
        memory_fail_after(UINT64_MAX);
        world->memory_fails_at = 0;
        reopen_and_check(world);
        world_destroy(world);
        assert_true(nth < FAULTS_MAX);
    }
    print_message("%llu allocations\n", (unsigned long long)nth - 1 - STEP);
    assert_true(nth > 10);
}

/* Writes until one is refused; then nothing that was answered is wrong. */
static void fill_up(struct world *world)
{
    uint64_t failed = world->answers_failed;
    for (unsigned i = 0; i < 2000 && world->answers_failed == failed; i++)
        world_write(world, 4);
    if (world->answers_failed == failed)
        world_fail(world, "the disk never filled up");
    check_now(world);
}

/* A full disk: 503, reads go on; with space again it goes on by itself, without a restart. */
static void full_disk_is_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed += STEP) {
        struct world *world = create_used_world("full disk", seed);
        assert_true(status_is_ok(world_open(world)));
        for (unsigned round = 0; round < 3; round++) {
            sim_files_set_space(world->sim, sim_files_used(world->sim) + world_below(world, 30000));
            fill_up(world);
            assert_int_equal(world->last_error.code, STATUS_UNAVAILABLE);
            if (round == 1)
                snapshot(world);
            sim_files_set_space(world->sim, UINT64_MAX);
            if (world_put(world, 1, 0) != WORLD_ACKNOWLEDGED)
                world_fail(world, "does not go on with space: %s", world->last_error.detail);
            check_now(world);
        }
        world_replace_files(world, seed % 2 ? sim_files_kill(world->sim)
                                            : sim_files_power_loss(world->sim, seed));
        reopen_and_check(world);
        world_destroy(world);
    }
}

/* Read-only for a while, between two writes: the same. */
static void read_only_for_a_while(void **state)
{
    (void)state;
    struct world *world = create_used_world("read-only", 1);
    assert_true(status_is_ok(world_open(world)));
    write_some(world, 1);
    sim_files_fail(world->sim, SIM_WRITE, 1, EROFS, true);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(world_put(world, 1, 0), WORLD_FAILED);
    assert_int_equal(world->last_error.code, STATUS_UNAVAILABLE);
    check_now(world);
    sim_files_fail(world->sim, SIM_ANY, 0, 0, false);
    assert_int_equal(world_put(world, 1, 0), WORLD_ACKNOWLEDGED);
    world_replace_files(world, sim_files_power_loss(world->sim, 1));
    reopen_and_check(world);
    world_destroy(world);
}

/* After a failed sync nobody knows what is on the disk: nothing more is taken until a restart, and
 * the answer says that. */
static void failed_sync_closes_the_log(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed += STEP) {
        struct world *world = create_used_world("failed sync", seed);
        assert_true(status_is_ok(world_open(world)));
        write_some(world, 1);
        sim_files_fail(world->sim, SIM_SYNC, 1, EIO, false);
        assert_int_equal(world_put(world, 1, 0), WORLD_UNKNOWN);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(world_put(world, 1, 0), WORLD_FAILED);
            assert_string_equal(world->last_error.type, "log_closed");
        }
        assert_true(durability(world).log_closed);
        check_now(world);
        world_replace_files(world, seed % 2 ? sim_files_kill(world->sim)
                                            : sim_files_power_loss(world->sim, seed));
        reopen_and_check(world);
        /* What it has shown since must stay too, though the kernel takes what that sync lost for
         * written. */
        world_replace_files(world, sim_files_power_loss(world->sim, seed));
        reopen_and_check(world);
        world_destroy(world);
    }
}

/* Under `interval` a failed sync may have lost what was acknowledged, and the page cache still
 * shows it: a restart that finds it there makes it durable. */
static void restart_mends_a_failed_sync(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed += STEP) {
        struct world *world = create_used_world("failed sync, interval", seed);
        world->options.fsync = LOG_FSYNC_INTERVAL;
        world->options.fsync_interval_ms = 5;
        assert_true(status_is_ok(world_open(world)));
        assert_int_equal(world_put(world, 1, 0), WORLD_ACKNOWLEDGED);
        sim_files_fail(world->sim, SIM_SYNC, 1, EIO, true);
        for (unsigned i = 0; i < 5; i++)
            (void)world_put(world, i, 0);
        for (unsigned waited_ms = 0; !durability(world).log_closed; waited_ms++) {
            if (waited_ms == WAIT_MS_MAX)
                world_fail(world, "the failed sync was not noticed");
            sleep_ms();
        }
        sim_files_fail(world->sim, SIM_ANY, 0, 0, false);
        world_replace_files(world, sim_files_kill(world->sim));
        world->options.fsync = LOG_FSYNC_ALWAYS;
        reopen_and_check(world);
        world_replace_files(world, sim_files_power_loss(world->sim, seed));
        reopen_and_check(world);
        world_destroy(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_once),        cmocka_unit_test(each_call_fails_for_good),
        cmocka_unit_test(each_allocation_fails_once),  cmocka_unit_test(full_disk_is_survived),
        cmocka_unit_test(read_only_for_a_while),       cmocka_unit_test(failed_sync_closes_the_log),
        cmocka_unit_test(restart_mends_a_failed_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

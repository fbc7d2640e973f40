/* The real engine over a file system that loses, tears and reorders what was not synced, and a
 * process that ends in the middle of any call: what was promised is there after every restart,
 * nothing is torn, and the store always starts.
 *
 *   test_power_loss [--seeds N] [--seed S] [--policy always|interval|never]
 *
 * FEATURED_SEEDS gives N too. A failure names policy and seed; threads make runs of one seed differ
 * a little, so `--seed S --seeds N` runs that one N times. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "durable_model.h"

#define SEEDS_DEFAULT 100
#define GENERATIONS_MAX 5
#define LOST_ERASURES 100

static uint64_t seeds = SEEDS_DEFAULT;
static uint64_t only_seed;
static bool has_only_seed;
static const char *only_policy;

static const char *const policy_names[] = {
    [LOG_FSYNC_ALWAYS] = "always",
    [LOG_FSYNC_INTERVAL] = "interval",
    [LOG_FSYNC_NEVER] = "never",
};

static void set_options(struct world *world, enum log_fsync policy)
{
    static const uint64_t segments[] = {1024, 4096, 4096, 16384};
    static const uint64_t snapshots[] = {4096, 20000, 80000, 0};
    struct engine_options *options = &world->options;
    options->fsync = policy;
    options->fsync_interval_ms = 1 + (int64_t)world_below(world, 4);
    options->segment_bytes = segments[world_below(world, ARRAY_LEN(segments))];
    options->snapshot_log_bytes = snapshots[world_below(world, ARRAY_LEN(snapshots))];
    options->log_retention_ms = world_below(world, 3) ? 0 : 1000 * (int64_t)world_below(world, 100);
    options->recovery_threads = 1 + (unsigned)world_below(world, 3);
    sim_files_set_sync_us(world->sim, world_below(world, 3) == 0 ? 100 : 0);
}

static void work(struct world *world)
{
    uint64_t steps = 1 + world_below(world, 40);
    for (uint64_t i = 0; i < steps && !sim_files_is_frozen(world->sim); i++) {
        world_write(world, 1 + (uint32_t)world_below(world, 6));
        if (world_below(world, 12) == 0)
            engine_snapshot(world->process->store);
        if (world_below(world, 10) == 0)
            fixture_set_wall(fixture_wall_us() + (int64_t)world_below(world, 3 * SECOND_US) -
                             SECOND_US);
        if (world_below(world, 16) == 0) {
            model_drop_failed(world);
            model_check_now(world);
        }
    }
}

/* What the power's end leaves, and how much of the list must be in it. */
static struct sim_files *lose_power(struct world *world, uint32_t *promised)
{
    sim_files_freeze(world->sim);
    model_drop_failed(world);
    if (world->options.fsync != LOG_FSYNC_ALWAYS) {
        uint32_t synced = model_promised(world, sim_files_unsynced(world->sim, WORLD_LOG));
        *promised = synced < *promised ? synced : *promised;
    }
    return sim_files_power_loss(world->sim, random_next(&world->random));
}

static struct sim_files *end_generation(struct world *world, uint32_t *promised)
{
    uint64_t how = world_below(world, 8);
    if (how == 0)
        world_close(world);
    sim_files_freeze(world->sim);
    model_drop_failed(world);
    *promised = model_promised(world, UINT64_MAX);
    return how == 1 || how == 2 ? sim_files_kill(world->sim) : lose_power(world, promised);
}

/* Opens, possibly after ends in the middle of recovery: they must not lose anything either. */
static void open_again(struct world *world, uint32_t promised)
{
    while (true) {
        if (world_below(world, 3) == 0)
            sim_files_crash_at(world->sim, 1 + world_below(world, 20));
        status result = world_open(world);
        if (status_is_ok(result))
            break;
        if (!sim_files_is_frozen(world->sim))
            world_fail(world, "a start failed: %s: %s", status_name(result.code),
                       world->last_error.detail);
        world_replace_files(world, world_below(world, 2) ? sim_files_kill(world->sim)
                                                         : lose_power(world, &promised));
    }
    sim_files_crash_at(world->sim, 0);
    model_check_recovered(world, promised);
}

static void run_seed(enum log_fsync policy, uint64_t seed)
{
    uint32_t promised = 0;
    struct world *world = world_create(policy_names[policy], seed);
    uint32_t generations = 2 + (uint32_t)world_below(world, GENERATIONS_MAX - 1);
    for (; world->generation < generations; world->generation++) {
        set_options(world, policy);
        open_again(world, promised);
        sim_files_crash_at(world->sim, world_below(world, 4) ? 1 + world_below(world, 300)
                                                             : 0 /* it ends at rest */);
        work(world);
        world_replace_files(world, end_generation(world, &promised));
        fixture_set_wall(fixture_wall_us() - (int64_t)world_below(world, 5 * SECOND_US));
        if (world_below(world, 6) == 0)
            world_replace_feature(world, (uint32_t)world_below(world, DATA_TYPE_COUNT));
    }
    set_options(world, policy);
    open_again(world, promised);
    world_destroy(world);
}

static void run_seeds(enum log_fsync policy)
{
    if (only_policy && strcmp(only_policy, policy_names[policy]) != 0)
        skip();
    for (uint64_t i = 0; i < seeds; i++) {
        run_seed(policy, has_only_seed ? only_seed : i + 1);
        if ((i + 1) % 1000 == 0)
            print_message("%s: %llu seeds\n", policy_names[policy], (unsigned long long)i + 1);
    }
}

static void always_loses_nothing(void **state)
{
    (void)state;
    run_seeds(LOG_FSYNC_ALWAYS);
}

static void interval_loses_only_what_was_not_synced(void **state)
{
    (void)state;
    run_seeds(LOG_FSYNC_INTERVAL);
}

static void never_loses_a_tail(void **state)
{
    (void)state;
    run_seeds(LOG_FSYNC_NEVER);
}

/* The power goes between the write of an erasure and its sync. Whether it was kept. */
static bool lose_an_erasure(uint64_t seed)
{
    struct world *world = world_create("always", seed);
    assert_true(status_is_ok(world_open(world)));
    for (uint32_t feature = 0; feature < world->feature_count; feature++)
        assert_int_equal(world_put(world, 1, feature), WORLD_ACKNOWLEDGED);
    uint32_t promised = world->event_count;
    sim_files_crash_at(world->sim, 2);
    assert_int_equal(world_erase(world, 1, WORLD_EVERYWHERE), WORLD_UNKNOWN);
    world_replace_files(world, sim_files_power_loss(world->sim, seed));
    assert_true(status_is_ok(world_open(world)));
    model_check_recovered(world, promised);
    bool is_kept = world->event_count > promised;
    world_destroy(world);
    return is_kept;
}

static void an_erasure_over_two_entities_is_whole_or_absent(void **state)
{
    (void)state;
    uint64_t kept = 0;
    for (uint64_t seed = 1; seed <= LOST_ERASURES; seed++)
        kept += lose_an_erasure(seed);
    assert_in_range(kept, 1, LOST_ERASURES - 1);
}

/* Else the promise of `interval` would be kept by never promising anything. */
static void interval_syncs_by_itself(void **state)
{
    (void)state;
    struct world *world = world_create("interval", 1);
    world->options.fsync = LOG_FSYNC_INTERVAL;
    world->options.fsync_interval_ms = 5;
    assert_true(status_is_ok(world_open(world)));
    for (unsigned round = 0; round < 5; round++) {
        assert_int_equal(world_put(world, 1, 0), WORLD_ACKNOWLEDGED);
        for (unsigned waited_ms = 0; sim_files_unsynced(world->sim, WORLD_LOG) != UINT64_MAX;
             waited_ms++) {
            assert_true(waited_ms < 20000);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    world_destroy(world);
}

/* And under `always` each answer comes after its sync. */
static void always_syncs_before_it_answers(void **state)
{
    (void)state;
    struct world *world = world_create("always", 1);
    assert_true(status_is_ok(world_open(world)));
    for (unsigned round = 0; round < 50; round++) {
        assert_int_equal(world_put(world, 1, 0), WORLD_ACKNOWLEDGED);
        uint64_t unsynced = sim_files_unsynced(world->sim, WORLD_LOG);
        assert_true(unsynced > world->events[round].sequence);
    }
    world_destroy(world);
}

static bool take_number(const char *text, uint64_t *out)
{
    return text && str_to_uint64(str_from_cstr(text), out);
}

static bool take_arguments(int argc, char **argv)
{
    (void)take_number(getenv("FEATURED_SEEDS"), &seeds);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0 && take_number(argv[i + 1], &seeds))
            continue;
        if (strcmp(argv[i], "--policy") == 0)
            only_policy = argv[i + 1];
        else if (strcmp(argv[i], "--seed") == 0 && take_number(argv[i + 1], &only_seed))
            has_only_seed = true;
        else
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(always_loses_nothing),
        cmocka_unit_test(interval_loses_only_what_was_not_synced),
        cmocka_unit_test(never_loses_a_tail),
        cmocka_unit_test(an_erasure_over_two_entities_is_whole_or_absent),
        cmocka_unit_test(interval_syncs_by_itself),
        cmocka_unit_test(always_syncs_before_it_answers),
    };
    if (!take_arguments(argc, argv)) {
        fprintf(stderr, "usage: %s [--seeds N] [--seed S] [--policy P]\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The writer and its log: what is acknowledged comes back. */
#include "log_world.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

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
        cmocka_unit_test(clients_share_a_sync),
        cmocka_unit_test(an_idle_log_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

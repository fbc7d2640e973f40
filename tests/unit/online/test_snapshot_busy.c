/* A snapshot of a store that is written meanwhile loses nothing, and comes to an end. */
#include "snapshot_bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "online/engine/snapshot.h"

struct snapping {
    struct bed *bed;
    _Atomic bool stop;
    uint32_t made;
};

static void *snap(void *argument)
{
    struct snapping *snapping = argument;
    while (!atomic_load(&snapping->stop)) {
        struct error error;
        assert_true(status_is_ok(
            snapshotter_run(fixture_engine(snapping->bed->fixture)->snapshotter, &error)));
        snapping->made++;
    }
    return NULL;
}

enum { BUSY_ROWS = 64, BUSY_REQUESTS = 400, BUSY_IN_FLIGHT = 8 };

struct busy {
    struct online_write write;
    struct online_write_row rows[BUSY_ROWS];
    struct online_write_cell cells[BUSY_ROWS];
    char ids[BUSY_ROWS][16];
};

static void submit_busy(struct fixture *fixture, struct busy *busy, uint32_t n)
{
    for (uint32_t i = 0; i < BUSY_ROWS; i++) {
        /* Every third value overwrites one from before. */
        uint32_t number = i % 3 == 0 ? (n * 17 + i) % (n * BUSY_ROWS + i + 1) : n * BUSY_ROWS + i;
        snprintf(busy->ids[i], sizeof(busy->ids[i]), "user_%u", number);
        busy->cells[i] =
            fixture_cell(fixture, 0, value_int((int64_t)n * 1000 + i), FIXTURE_START_US);
        busy->rows[i] = (struct online_write_row){
            .entity_index = fixture_version(fixture, 0)->entity->index,
            .entity_id = str_from_cstr(busy->ids[i]),
            .cells = &busy->cells[i],
            .cell_count = 1,
            .ends_record = true,
        };
    }
    busy->write = (struct online_write){.rows = busy->rows, .row_count = BUSY_ROWS};
    fixture_submit(fixture, &busy->write);
}

static uint64_t state_of(struct fixture *fixture)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < BUSY_ROWS * BUSY_REQUESTS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        struct cell cell = fixture_get(fixture, id, 0);
        if (cell.state == CELL_PRESENT)
            sum = sum * 31 + (uint64_t)cell.value.integer + i;
    }
    return sum;
}

static void snapshots_of_a_busy_store_lose_nothing(void **state)
{
    (void)state;
    struct bed bed = {.sim = sim_files_create(1, DATA)};
    bed.fixture = fixture_open_on(sim_files_system(bed.sim), DATA, LOG_FSYNC_NEVER);
    static struct busy busy[BUSY_IN_FLIGHT];
    struct snapping snapping = {.bed = &bed};
    pthread_t thread;
    fixture_add(bed.fixture, "user", DATA_TYPE_INT, 0);
    assert_int_equal(pthread_create(&thread, NULL, snap, &snapping), 0);
    for (uint32_t n = 0; n < BUSY_REQUESTS; n++) {
        submit_busy(bed.fixture, &busy[n % BUSY_IN_FLIGHT], n);
        if (n % BUSY_IN_FLIGHT == BUSY_IN_FLIGHT - 1)
            fixture_wait(bed.fixture);
    }
    fixture_wait(bed.fixture);
    atomic_store(&snapping.stop, true);
    pthread_join(thread, NULL);
    assert_true(snapping.made > 0);
    uint64_t before = state_of(bed.fixture);
    struct online_metrics metrics = fixture_metrics(bed.fixture);
    kill_and_start(&bed);
    assert_true(state_of(bed.fixture) == before);
    assert_int_equal(fixture_metrics(bed.fixture).entities, metrics.entities);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, metrics.lsn);
    assert_int_equal(fixture_statistics(bed.fixture, 0).count, BUSY_ROWS * BUSY_REQUESTS);
    bed_close(&bed);
}

enum { LONG_ROWS = 60, LONG_BYTES = 20000, BRIEF_ROWS = 400 };

static char one_shard[LONG_ROWS + BRIEF_ROWS][16]; /* ids */

static void choose_ids(void)
{
    uint32_t found = 0;
    for (uint32_t n = 0; found < ARRAY_LEN(one_shard); n++) {
        snprintf(one_shard[found], sizeof(one_shard[found]), "user_%u", n);
        found += table_shard_of(table_hash(str_from_cstr(one_shard[found]))) == 0;
    }
}

/* The file system, with something that happens after each write of this thread. */
static struct sim_files *hooked_sim;
static struct fixture *hooked_fixture;
static pthread_t hooked_thread;
static uint32_t hooks_left;
static uint32_t hooks_run;

static struct file_system *below(void)
{
    return sim_files_system(hooked_sim);
}

/* Rows come and go: the array grows, and shrinks again. */
static void churn(struct fixture *fixture)
{
    static struct online_write_row rows[BRIEF_ROWS];
    static struct online_write_cell cells[BRIEF_ROWS];
    for (uint32_t i = 0; i < BRIEF_ROWS; i++) {
        cells[i] = fixture_cell(fixture, 1, value_int(i), ONLINE_EVENT_TIME_NOW);
        rows[i] = (struct online_write_row){.entity_index = 0,
                                            .entity_id = str_from_cstr(one_shard[LONG_ROWS + i]),
                                            .cells = &cells[i],
                                            .cell_count = 1,
                                            .ends_record = true};
    }
    struct online_write write = {.rows = rows, .row_count = BRIEF_ROWS};
    assert_true(status_is_ok(fixture_write(fixture, &write)));
    fixture_set_wall(fixture_wall_us() + 2 * SECOND_US);
    fixture_sweep(fixture);
}

static int hooked_write(struct file *file, const void *data, size_t len, uint64_t offset)
{
    int code = below()->write(file, data, len, offset);
    if (hooks_left > 0 && pthread_equal(pthread_self(), hooked_thread)) {
        hooks_left--;
        hooks_run++;
        churn(hooked_fixture);
    }
    return code;
}

static int hooked_open(struct file_system *system, const char *path, enum file_mode mode,
                       struct file **out)
{
    (void)system;
    return below()->open(below(), path, mode, out);
}

static int hooked_rename(struct file_system *system, const char *from, const char *to)
{
    (void)system;
    return below()->rename(below(), from, to);
}

static int hooked_remove(struct file_system *system, const char *path)
{
    (void)system;
    return below()->remove(below(), path);
}

static int hooked_make_directory(struct file_system *system, const char *path)
{
    (void)system;
    return below()->make_directory(below(), path);
}

static int hooked_sync_directory(struct file_system *system, const char *path)
{
    (void)system;
    return below()->sync_directory(below(), path);
}

static int hooked_list(struct file_system *system, const char *path,
                       void (*found)(void *user, const char *name), void *user)
{
    (void)system;
    return below()->list(below(), path, found, user);
}

static void open_hooked(struct bed *bed, struct file_system *hooked)
{
    bed->sim = sim_files_create(1, DATA);
    hooked_sim = bed->sim;
    *hooked = *below();
    hooked->open = hooked_open;
    hooked->write = hooked_write;
    hooked->rename = hooked_rename;
    hooked->remove = hooked_remove;
    hooked->make_directory = hooked_make_directory;
    hooked->sync_directory = hooked_sync_directory;
    hooked->list = hooked_list;
    bed->fixture = fixture_open_on(hooked, DATA, LOG_FSYNC_NEVER);
    hooked_fixture = bed->fixture;
    hooked_thread = pthread_self();
    hooks_run = 0;
    hooks_left = 0;
}

static void put_long_rows(struct bed *bed)
{
    char *text = calloc(1, LONG_BYTES);
    assert_non_null(text);
    memset(text, 'x', LONG_BYTES);
    fixture_add(bed->fixture, "user", DATA_TYPE_STRING, 0);
    fixture_add(bed->fixture, "user", DATA_TYPE_INT, 1);
    for (uint32_t i = 0; i < LONG_ROWS; i++)
        fixture_put(bed->fixture, one_shard[i], 0, value_text(str_of(text, LONG_BYTES - i)),
                    FIXTURE_START_US);
    free(text);
}

/* `times` stretches of the walk are followed by a new array. */
static uint64_t snapshot_with_churn(uint32_t times)
{
    struct bed bed;
    struct file_system hooked;
    open_hooked(&bed, &hooked);
    put_long_rows(&bed);
    hooks_left = times;
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    uint64_t rows = fixture_metrics(bed.fixture).durability.snapshot_rows;
    kill_and_start(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).entities, LONG_ROWS);
    for (uint32_t i = 0; i < LONG_ROWS; i++) {
        struct cell cell = fixture_get(bed.fixture, one_shard[i], 0);
        assert_int_equal(cell.state, CELL_PRESENT);
        assert_int_equal(cell.value.text.len, LONG_BYTES - i);
    }
    bed_close(&bed);
    return rows;
}

static void a_shard_with_a_new_array_is_walked_again(void **state)
{
    (void)state;
    choose_ids();
    assert_int_equal(snapshot_with_churn(0), LONG_ROWS);
    assert_in_range(snapshot_with_churn(4), LONG_ROWS + 1, 3 * LONG_ROWS);
    assert_int_equal(hooks_run, 4);
    /* Whatever happens it comes to an end. */
    assert_in_range(snapshot_with_churn(UINT32_MAX), LONG_ROWS + 1, 10 * LONG_ROWS);
    assert_true(hooks_run > 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_of_a_busy_store_lose_nothing),
        cmocka_unit_test(a_shard_with_a_new_array_is_walked_again),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The promises of design.md §5, one by one, on an engine whose clock is set by hand. */
#include "engine_fixture.h"

#include <stdio.h>

#include "base/memory.h"

static void newest_event_wins(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    assert_true(fixture_put(f, "u1", age, value_int(1), 1000));
    assert_false(fixture_put(f, "u1", age, value_int(2), 999));
    assert_int_equal(fixture_get(f, "u1", age).value.integer, 1);
    assert_true(fixture_put(f, "u1", age, value_int(3), 1000)); /* a tie: the higher LSN */
    assert_int_equal(fixture_get(f, "u1", age).value.integer, 3);
    assert_true(fixture_put(f, "u1", age, value_null(DATA_TYPE_INT), 1001));
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_NULL);
    assert_int_equal(fixture_get(f, "u1", age).event_time_us, 1001);
    assert_int_equal(fixture_get(f, "u2", age).state, CELL_NOT_FOUND);
    struct online_metrics metrics = fixture_metrics(f);
    assert_int_equal(metrics.values_written, 3);
    assert_int_equal(metrics.values_late, 1);
    assert_int_equal(metrics.lsn, 4);
    assert_int_equal(metrics.entities, 1);
    assert_int_equal(metrics.writes_queued, 0);
    fixture_close(f);
}

static void ttl_is_exact(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 10);
    int64_t event_us = FIXTURE_START_US - 4 * SECOND_US;
    fixture_put(f, "u1", age, value_int(1), event_us);
    fixture_set_wall(event_us + 10 * SECOND_US - 1);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_PRESENT);
    fixture_set_wall(event_us + 10 * SECOND_US);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_EXPIRED);
    assert_int_equal(fixture_get(f, "u1", age).event_time_us, event_us);
    fixture_close(f);
}

static void what_has_expired_does_not_come_back(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 10);
    fixture_put(f, "old", age, value_int(1), FIXTURE_START_US - 10 * SECOND_US);
    fixture_put(f, "new", age, value_int(2), FIXTURE_START_US - 10 * SECOND_US + 1);
    fixture_set_ttl(f, age, 3600);
    assert_int_equal(fixture_get(f, "old", age).state, CELL_EXPIRED);
    assert_int_equal(fixture_get(f, "new", age).state, CELL_PRESENT);
    fixture_set_ttl(f, age, 5); /* shorter: at once */
    assert_int_equal(fixture_get(f, "new", age).state, CELL_EXPIRED);
    fixture_set_ttl(f, age, 0);
    assert_int_equal(fixture_get(f, "new", age).state, CELL_EXPIRED);
    fixture_close(f);
}

static void the_clock_does_not_step_back(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 10);
    fixture_put(f, "u1", age, value_int(1), ONLINE_EVENT_TIME_NOW);
    assert_int_equal(fixture_get(f, "u1", age).event_time_us, FIXTURE_START_US);
    fixture_set_wall(FIXTURE_START_US - 3600 * SECOND_US);
    assert_int_equal(online_now_us(f->store), FIXTURE_START_US);
    assert_true(fixture_put(f, "u1", age, value_int(2), ONLINE_EVENT_TIME_NOW));
    assert_int_equal(fixture_get(f, "u1", age).value.integer, 2);
    assert_int_equal(fixture_get(f, "u1", age).event_time_us, FIXTURE_START_US);
    /* Expired stays expired too. */
    fixture_set_wall(FIXTURE_START_US + 10 * SECOND_US);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_EXPIRED);
    fixture_set_wall(FIXTURE_START_US);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_EXPIRED);
    fixture_close(f);
}

static void erased_values_do_not_return(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    int64_t now_us = FIXTURE_START_US;
    fixture_put(f, "u1", age, value_int(1), now_us - 5);
    fixture_put(f, "u1", city, value_text(STR("Oslo")), now_us + 7);
    assert_int_equal(fixture_erase(f, "u1", FIXTURE_ALL), 1);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_get(f, "u1", city).state, CELL_PRESENT); /* of later */
    assert_false(fixture_put(f, "u1", age, value_int(2), now_us - 1));
    assert_false(fixture_put(f, "u1", age, value_int(3), now_us));
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_NOT_FOUND);
    fixture_sweep(f); /* nothing expires here: the erasure stays */
    assert_false(fixture_put(f, "u1", age, value_int(3), now_us));
    assert_true(fixture_put(f, "u1", age, value_int(4), now_us + 1));
    assert_int_equal(fixture_get(f, "u1", age).value.integer, 4);
    fixture_close(f);
}

static void an_unknown_id_can_be_erased(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t old = fixture_add(f, "user", DATA_TYPE_INT, 0);
    assert_int_equal(fixture_erase(f, "u1", FIXTURE_ALL), 0);
    assert_false(fixture_put(f, "u1", age, value_int(1), FIXTURE_START_US));
    assert_int_equal(fixture_erase(f, "u2", age), 0);
    assert_false(fixture_put(f, "u2", age, value_int(1), FIXTURE_START_US));
    assert_true(fixture_put(f, "u2", old, value_int(1), 5));
    fixture_close(f);
}

static void one_version_can_be_erased(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    fixture_put(f, "u1", age, value_int(1), 1000);
    fixture_put(f, "u1", city, value_text(STR("Oslo")), 1000);
    assert_int_equal(fixture_erase(f, "u1", age), 1);
    assert_int_equal(fixture_erase(f, "u1", age), 0);
    assert_int_equal(fixture_get(f, "u1", age).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_get(f, "u1", city).state, CELL_PRESENT);
    assert_false(fixture_put(f, "u1", age, value_int(2), FIXTURE_START_US));
    assert_true(fixture_put(f, "u1", city, value_text(STR("Rome")), 1001));
    assert_true(fixture_put(f, "u1", age, value_int(3), ONLINE_EVENT_TIME_NOW));
    assert_int_equal(fixture_get(f, "u1", age).value.integer, 3);
    fixture_close(f);
}

/* Even while the wall clock stands still: what comes after the erasure is later. */
static void a_write_after_an_erasure_is_newer(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    for (int64_t i = 0; i < 5; i++) {
        assert_true(fixture_put(f, "u1", age, value_int(i), ONLINE_EVENT_TIME_NOW));
        assert_int_equal(fixture_get(f, "u1", age).value.integer, i);
        assert_int_equal(fixture_erase(f, "u1", FIXTURE_ALL), 1);
        assert_int_equal(fixture_get(f, "u1", age).state, CELL_NOT_FOUND);
    }
    assert_int_equal(fixture_metrics(f).values_erased, 5);
    fixture_close(f);
}

static void an_erasure_goes_when_it_no_longer_matters(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 10);
    fixture_put(f, "u1", age, value_int(1), FIXTURE_START_US);
    fixture_erase(f, "u1", FIXTURE_ALL);
    fixture_erase(f, "u2", age);
    int64_t last_us = FIXTURE_START_US + 1 + 10 * SECOND_US; /* of the second erasure */
    fixture_set_wall(last_us - 1);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 1);
    assert_false(fixture_put(f, "u2", age, value_int(1), FIXTURE_START_US));
    fixture_set_wall(last_us);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 0);
    /* What was erased may be accepted now, but is past its TTL, and stays so. */
    fixture_put(f, "u2", age, value_int(1), FIXTURE_START_US);
    assert_int_equal(fixture_get(f, "u2", age).state, CELL_EXPIRED);
    fixture_set_ttl(f, age, 0);
    assert_int_equal(fixture_get(f, "u2", age).state, CELL_EXPIRED);
    fixture_close(f);
}

static void a_record_is_all_or_nothing(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t rating = fixture_add(f, "driver", DATA_TYPE_INT, 0);
    uint32_t gone = fixture_add(f, "driver", DATA_TYPE_INT, 0);
    struct online_write_cell cells[] = {
        fixture_cell(f, age, value_int(1), 10),    fixture_cell(f, rating, value_int(2), 10),
        fixture_cell(f, age, value_int(3), 11),    fixture_cell(f, gone, value_int(4), 11),
        fixture_cell(f, rating, value_int(5), 12),
    };
    uint32_t user = fixture_version(f, age)->entity->index;
    uint32_t driver = fixture_version(f, rating)->entity->index;
    struct online_write_row rows[] = {
        {user, STR("x"), &cells[0], 1, false},  {driver, STR("x"), &cells[1], 1, true},
        {user, STR("x"), &cells[2], 1, false},  {driver, STR("y"), &cells[3], 1, true},
        {driver, STR("x"), &cells[4], 1, true},
    };
    struct online_write write = {.rows = rows, .row_count = 5};
    fixture_drop(f, gone);
    assert_int_equal(fixture_write(f, &write).code, STATUS_NOT_FOUND);
    assert_int_equal(write.error.code, STATUS_NOT_FOUND);
    assert_int_equal(write.records_applied, 1);
    assert_int_equal(write.values_written, 2);
    assert_int_equal(fixture_get(f, "x", age).value.integer, 1);
    assert_int_equal(fixture_get(f, "x", rating).value.integer, 2);
    assert_int_equal(fixture_statistics(f, age).count, 1);
    fixture_close(f);
}

static void rows_of_one_id_in_one_record_merge(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    char text[] = "a text that is longer than a row keeps inline, so out of line";
    struct online_write_cell cells[] = {
        fixture_cell(f, city, value_text(str_from_cstr(text)), 10),
        fixture_cell(f, age, value_int(1), 10),
        fixture_cell(f, age, value_int(2), 9),
        fixture_cell(f, age, value_int(3), 10),
    };
    uint32_t user = fixture_version(f, age)->entity->index;
    struct online_write_row rows[] = {
        {user, STR("x"), &cells[0], 1, false},
        {user, STR("x"), &cells[1], 2, false},
        {user, STR("x"), &cells[3], 1, true},
    };
    struct online_write write = {.rows = rows, .row_count = 3};
    assert_true(status_is_ok(fixture_write(f, &write)));
    assert_int_equal(write.values_written, 3);
    assert_int_equal(write.values_late, 1);
    assert_int_equal(fixture_get(f, "x", age).value.integer, 3);
    assert_true(str_eq(fixture_get(f, "x", city).value.text, str_from_cstr(text)));
    assert_int_equal(fixture_metrics(f).entities, 1);
    fixture_close(f);
}

/* Requests that wait together become one group: each must see those before it. */
static void records_of_one_group_see_each_other(void **state)
{
    enum { WRITES = 300 };
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t a = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t b = fixture_add(f, "user", DATA_TYPE_INT, 0);
    static struct online_write writes[WRITES];
    static struct online_write_row rows[WRITES];
    static struct online_write_cell cells[WRITES];
    uint64_t written = 0;
    for (uint32_t i = 0; i < WRITES; i++) {
        /* b's event times fall: all but the first are late */
        cells[i] = i % 2 ? fixture_cell(f, a, value_int(i), i)
                         : fixture_cell(f, b, value_int(i), WRITES - i);
        rows[i] = (struct online_write_row){fixture_version(f, a)->entity->index, STR("x"),
                                            &cells[i], 1, true};
        writes[i] = (struct online_write){.rows = &rows[i], .row_count = 1};
        fixture_submit(f, &writes[i]);
    }
    fixture_wait(f);
    for (uint32_t i = 0; i < WRITES; i++)
        written += writes[i].values_written;
    assert_int_equal(written, WRITES / 2 + 1);
    assert_int_equal(fixture_get(f, "x", a).value.integer, WRITES - 1);
    assert_int_equal(fixture_get(f, "x", b).value.integer, 0);
    fixture_close(f);
}

static void a_large_request_is_split_into_groups(void **state)
{
    enum { ROWS = 5000 };
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    static struct online_write_row rows[ROWS];
    static struct online_write_cell cells[ROWS];
    static char ids[ROWS][8];
    for (uint32_t i = 0; i < ROWS; i++) {
        int len = snprintf(ids[i], sizeof(ids[i]), "u%u", i);
        cells[i] = fixture_cell(f, age, value_int(i), 1);
        rows[i] = (struct online_write_row){0, str_of(ids[i], (size_t)len), &cells[i], 1, true};
    }
    struct online_write write = {.rows = rows, .row_count = ROWS};
    assert_true(status_is_ok(fixture_write(f, &write)));
    assert_int_equal(write.records_applied, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        assert_int_equal(fixture_get(f, ids[i], age).value.integer, i);
    for (uint32_t i = 0; i < ROWS; i++) /* the same as one record */
        rows[i].ends_record = i == ROWS - 1;
    write = (struct online_write){.rows = rows, .row_count = ROWS};
    assert_true(status_is_ok(fixture_write(f, &write)));
    assert_int_equal(write.records_applied, 1);
    assert_int_equal(write.values_written, ROWS);
    write = (struct online_write){.rows = rows, .row_count = 0};
    assert_true(status_is_ok(fixture_write(f, &write)));
    fixture_close(f);
}

static void values_of_a_dropped_version_are_gone(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    fixture_put(f, "u1", age, value_int(1), 5);
    fixture_put(f, "u1", city, value_text(STR("Oslo")), 5);
    fixture_put(f, "u2", age, value_int(1), 5);
    fixture_drop(f, age);
    uint32_t again = fixture_add(f, "user", DATA_TYPE_INT, 0);
    assert_int_equal(fixture_get(f, "u1", again).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_statistics(f, again).count, 0);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 1);
    assert_int_equal(fixture_get(f, "u1", city).state, CELL_PRESENT);
    assert_int_equal(fixture_metrics(f).values_expired, 0);
    fixture_close(f);
}

static void expired_rows_give_memory_back(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t text = fixture_add(f, "user", DATA_TYPE_STRING, 10);
    uint32_t kept = fixture_add(f, "user", DATA_TYPE_INT, 0);
    char id[16];
    static char long_text[1000];
    memset(long_text, 'x', sizeof(long_text));
    fixture_put(f, "kept", kept, value_int(1), 5);
    uint64_t before = fixture_metrics(f).memory_bytes;
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        fixture_put(f, id, text, value_text(str_of(long_text, sizeof(long_text))),
                    FIXTURE_START_US);
    }
    assert_true(fixture_metrics(f).memory_bytes > before + 3000 * 1000);
    fixture_set_wall(FIXTURE_START_US + 10 * SECOND_US - 1);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 3001);
    fixture_set_wall(FIXTURE_START_US + 10 * SECOND_US);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 1);
    assert_int_equal(fixture_metrics(f).values_expired, 3000);
    assert_int_equal(fixture_get(f, "u7", text).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_get(f, "kept", kept).state, CELL_PRESENT);
    /* Retired rows go once the writer has looked again; a write makes it look. */
    fixture_put(f, "kept", kept, value_int(1), 6);
    fixture_put(f, "kept", kept, value_int(1), 7);
    /* What a large group needed the writer keeps for the next one. */
    assert_true(fixture_metrics(f).memory_bytes <= before + (1 << 20));
    fixture_close(f);
}

static void the_store_fills_up_to_its_limit(void **state)
{
    (void)state;
    const uint64_t max = 200000;
    struct fixture *f = fixture_open(max);
    uint32_t text = fixture_add(f, "user", DATA_TYPE_STRING, 10);
    static char long_text[1000];
    struct online_write write;
    char id[16];
    int n = 0;
    do {
        snprintf(id, sizeof(id), "u%d", n++);
        struct online_write_cell cell = fixture_cell(
            f, text, value_text(str_of(long_text, sizeof(long_text))), FIXTURE_START_US);
        struct online_write_row row = {0, str_from_cstr(id), &cell, 1, true};
        write = (struct online_write){.rows = &row, .row_count = 1};
        fixture_submit(f, &write);
        fixture_wait(f);
        assert_true(fixture_metrics(f).memory_bytes <= max);
    } while (status_is_ok(write.status));
    assert_int_equal(write.status.code, STATUS_STORE_FULL);
    assert_non_null(strstr(write.error.detail, "--max-memory"));
    assert_non_null(strstr(write.error.detail, "200000"));
    assert_true(n > 100 && n < 200);
    assert_int_equal(fixture_get(f, id, text).state, CELL_NOT_FOUND);
    assert_int_equal(fixture_get(f, "u0", text).state, CELL_PRESENT);
    /* Erasing works all the same and makes room. */
    assert_int_equal(fixture_erase(f, "u0", FIXTURE_ALL), 1);
    assert_int_equal(fixture_erase(f, "u1", FIXTURE_ALL), 1);
    assert_int_equal(fixture_erase(f, "u2", FIXTURE_ALL), 1);
    assert_true(fixture_put(f, id, text, value_text(str_of(long_text, sizeof(long_text))),
                            FIXTURE_START_US));
    fixture_close(f);
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    const uint64_t max = 16 << 20;
    struct fixture *f = fixture_open(max);
    uint32_t feature = fixture_add(f, "user", DATA_TYPE_INT, 10);
    _Atomic uint64_t *waiting = &fixture_engine(f)->counters.queued_bytes;
    struct online_write_cell cell =
        fixture_cell(f, feature, value_int(1), ONLINE_EVENT_TIME_NOW);
    struct online_write_row row = {0, STR("u"), &cell, 1, true};
    struct online_write write = {.rows = &row, .row_count = 1};
    /* As if a disk had stalled with requests of a quarter of the memory before it. */
    atomic_fetch_add(waiting, max / 4);
    assert_int_equal(fixture_write(f, &write).code, STATUS_BUSY);
    assert_non_null(strstr(write.error.detail, "try again"));
    assert_int_equal(atomic_load(waiting), max / 4);
    atomic_fetch_sub(waiting, max / 4);
    assert_true(status_is_ok(fixture_write(f, &write)));
    assert_int_equal(atomic_load(waiting), 0);
    fixture_close(f);
}

static bool has_room_again(struct fixture *f, uint32_t feature)
{
    static char long_text[1000];
    struct online_write_cell cell = fixture_cell(
        f, feature, value_text(str_of(long_text, sizeof(long_text))), ONLINE_EVENT_TIME_NOW);
    struct online_write_row row = {0, STR("new"), &cell, 1, true};
    struct online_write write = {.rows = &row, .row_count = 1};
    return status_is_ok(fixture_write(f, &write));
}

/* A write that finds the store full wakes the sweeper, which does not wait for its grace then. */
static void a_full_store_is_swept_at_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(100000);
    uint32_t text = fixture_add(f, "user", DATA_TYPE_STRING, 10);
    static char long_text[1000];
    char id[16];
    status result = OK;
    for (int n = 0; status_is_ok(result); n++) {
        snprintf(id, sizeof(id), "u%d", n);
        struct online_write_cell cell = fixture_cell(
            f, text, value_text(str_of(long_text, sizeof(long_text))), FIXTURE_START_US);
        struct online_write_row row = {0, str_from_cstr(id), &cell, 1, true};
        struct online_write write = {.rows = &row, .row_count = 1};
        result = fixture_write(f, &write);
    }
    fixture_set_wall(FIXTURE_START_US + 10 * SECOND_US);
    while (!has_room_again(f, text)) /* ends with the sweep, a second later at most */
        ;
    fixture_close(f);
}

static void statistics_cover_what_was_accepted(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    fixture_put(f, "u1", age, value_int(10), 1000);
    fixture_put(f, "u1", age, value_int(40), 999); /* late, and counts */
    fixture_put(f, "u1", age, value_null(DATA_TYPE_INT), 1001);
    fixture_erase(f, "u1", FIXTURE_ALL);
    struct statistics statistics = fixture_statistics(f, age);
    assert_int_equal(statistics.count, 2);
    assert_int_equal(statistics.null_count, 1);
    assert_true(statistics.min == 10 && statistics.max == 40 && statistics.mean == 25);
    assert_int_equal(statistics.last_event_time_us, 1001);
    uint32_t unused = fixture_add(f, "user", DATA_TYPE_INT, 0);
    assert_int_equal(fixture_statistics(f, unused).count, 0);
    fixture_close(f);
}

/* The n-th allocation fails, for every n: the write fails as a whole, or works. */
static void a_failed_allocation_leaves_nothing_changed(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct fixture *f = fixture_open(0);
        uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
        uint32_t text = fixture_add(f, "user", DATA_TYPE_STRING, 0);
        uint32_t rating = fixture_add(f, "driver", DATA_TYPE_STRING, 0);
        char long_text[] = "a text that is longer than a row keeps inline, so out of line";
        fixture_put(f, "u1", text, value_text(str_from_cstr(long_text)), 5);
        struct online_write_cell cells[] = {
            fixture_cell(f, age, value_int(1), 10),
            fixture_cell(f, text, value_text(str_of(long_text, 50)), 10),
            fixture_cell(f, rating, value_text(str_of(long_text, 40)), 10),
        };
        struct online_write_row rows[] = {
            {0, STR("u1"), &cells[0], 2, false},
            {1, STR("u1"), &cells[2], 1, false},
            {0, STR("u2"), &cells[0], 2, true},
        };
        struct online_write write = {.rows = rows, .row_count = 3};
        memory_fail_after(n);
        status result = fixture_write(f, &write);
        memory_fail_after(UINT64_MAX);
        failed = !status_is_ok(result);
        if (failed) {
            assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
            assert_int_equal(fixture_get(f, "u1", age).state, CELL_NOT_FOUND);
            assert_int_equal(fixture_get(f, "u1", text).value.text.len, strlen(long_text));
            assert_int_equal(fixture_get(f, "u1", rating).state, CELL_NOT_FOUND);
            assert_int_equal(fixture_get(f, "u2", text).state, CELL_NOT_FOUND);
            assert_int_equal(fixture_statistics(f, age).count, 0);
            assert_int_equal(fixture_metrics(f).entities, 1);
            write = (struct online_write){.rows = rows, .row_count = 3};
            assert_true(status_is_ok(fixture_write(f, &write)));
        } else {
            assert_true(n >= 8);
        }
        assert_int_equal(fixture_get(f, "u2", text).value.text.len, 50);
        assert_int_equal(fixture_get(f, "u1", rating).value.text.len, 40);
        fixture_close(f);
    }
}

static void an_erasure_without_memory_erases_nothing(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct fixture *f = fixture_open(0);
        uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
        uint64_t deleted;
        fixture_put(f, "u1", age, value_int(1), 5);
        memory_fail_after(n);
        status result = fixture_try_erase(f, "u1", FIXTURE_ALL, &deleted);
        memory_fail_after(UINT64_MAX);
        failed = !status_is_ok(result);
        assert_int_equal(fixture_get(f, "u1", age).state, failed ? CELL_PRESENT : CELL_NOT_FOUND);
        assert_int_equal(deleted, failed ? 0 : 1);
        assert_true(failed || n >= 1);
        assert_int_equal(fixture_erase(f, "u1", FIXTURE_ALL), failed ? 1 : 0);
        fixture_close(f);
    }
}

static void opening_fails_without_memory(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    struct online_store *store = NULL;
    struct engine_options options = {.epoch = &f->epoch,
                                     .catalog = &f->catalog,
                                     .max_memory_bytes = 1 << 20,
                                     .clock = &f->clock};
    uint64_t n = 0;
    for (;; n++) {
        memory_fail_after(n);
        status result = engine_open(&options, &store, NULL);
        memory_fail_after(UINT64_MAX);
        if (status_is_ok(result))
            break;
        assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
        assert_null(store);
    }
    assert_true(n >= 3);
    store->driver->close(store);
    fixture_close(f);
}

static void a_batch_reads_many_ids(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    uint32_t city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    char ids[ONLINE_READ_IDS_MAX][8];
    str entity_ids[ONLINE_READ_IDS_MAX];
    struct cell cells[ONLINE_READ_IDS_MAX * 2];
    for (uint32_t i = 0; i < ONLINE_READ_IDS_MAX; i++) {
        snprintf(ids[i], sizeof(ids[i]), "u%u", i / 2); /* twice each */
        entity_ids[i] = str_from_cstr(ids[i]);
        if (i % 3 == 0)
            fixture_put(f, ids[i], age, value_int(i / 2), 1);
    }
    const struct catalog_version *versions[] = {fixture_version(f, city), fixture_version(f, age)};
    struct online_read read = {.entity = versions[0]->entity, .entity_ids = entity_ids,
                               .id_count = ONLINE_READ_IDS_MAX, .versions = versions,
                               .version_count = 2, .cells = cells};
    fixture_read(f, &read);
    for (uint32_t i = 0; i < ONLINE_READ_IDS_MAX; i++) {
        bool written = (i / 2 * 2) % 3 == 0 || (i / 2 * 2 + 1) % 3 == 0;
        assert_int_equal(cells[i * 2].state, CELL_NOT_FOUND);
        assert_int_equal(cells[i * 2 + 1].state, written ? CELL_PRESENT : CELL_NOT_FOUND);
        if (written)
            assert_int_equal(cells[i * 2 + 1].value.integer, i / 2);
    }
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_event_wins),
        cmocka_unit_test(ttl_is_exact),
        cmocka_unit_test(what_has_expired_does_not_come_back),
        cmocka_unit_test(the_clock_does_not_step_back),
        cmocka_unit_test(erased_values_do_not_return),
        cmocka_unit_test(an_unknown_id_can_be_erased),
        cmocka_unit_test(one_version_can_be_erased),
        cmocka_unit_test(a_write_after_an_erasure_is_newer),
        cmocka_unit_test(an_erasure_goes_when_it_no_longer_matters),
        cmocka_unit_test(a_record_is_all_or_nothing),
        cmocka_unit_test(rows_of_one_id_in_one_record_merge),
        cmocka_unit_test(records_of_one_group_see_each_other),
        cmocka_unit_test(a_large_request_is_split_into_groups),
        cmocka_unit_test(values_of_a_dropped_version_are_gone),
        cmocka_unit_test(expired_rows_give_memory_back),
        cmocka_unit_test(the_store_fills_up_to_its_limit),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(a_full_store_is_swept_at_once),
        cmocka_unit_test(statistics_cover_what_was_accepted),
        cmocka_unit_test(a_failed_allocation_leaves_nothing_changed),
        cmocka_unit_test(an_erasure_without_memory_erases_nothing),
        cmocka_unit_test(opening_fails_without_memory),
        cmocka_unit_test(a_batch_reads_many_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

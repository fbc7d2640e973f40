/* Recovery with a snapshot that is damaged: from the log, from an older one, or not at all. */
#include "recovery_bed.h"

#include <stdlib.h>

static void check_three(struct bed *bed)
{
    expect_int(bed, "a", INT, 2);
    assert_int_equal(fixture_statistics(bed->fixture, INT).count, 3);
    assert_int_equal(fixture_metrics(bed->fixture).lsn, 4);
}

static void damaged_snapshots_are_passed_over_if_the_log_is_whole(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    open_with_snapshot(&bed); /* the segment in use stays */
    fixture_kill(bed.fixture, &bed.sim);
    path_of(4, path);
    sim_files_flip(bed.sim, path, 200, 1);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 0);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_records, 4);
    check_three(&bed);
    fixture_stop(bed.fixture); /* writes a whole one */
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 1);
    check_three(&bed);
    bed_close(&bed);
}

static void an_older_snapshot_is_as_good(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    expect_started(&bed);
    fixture_put(bed.fixture, "a", INT, value_int(0), T0);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    path_of(1, path);
    size_t len;
    unsigned char *older = sim_files_content(bed.sim, path, &len);
    fixture_put(bed.fixture, "a", INT, value_int(1), T0);
    fixture_put(bed.fixture, "a", INT, value_int(2), T0);
    fixture_put(bed.fixture, "a", TEXT, value_text(STR(LONG_TEXT)), T0);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_kill(bed.fixture, &bed.sim);
    sim_files_put(bed.sim, path, older, len); /* a crash before it was removed */
    free(older);
    path_of(4, path);
    sim_files_flip(bed.sim, path, 100, 0x10);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_rows, 1);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_records, 3);
    check_three(&bed);
    bed_close(&bed);
}

static void a_damaged_snapshot_alone_is_refused(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    open_with_snapshot(&bed);
    fixture_kill(bed.fixture, &bed.sim);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    path_of(4, path);
    sim_files_flip(bed.sim, path, 200, 1);
    expect_damage(&bed, "--recover truncate");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    assert_int_equal(entities(&bed), 0);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, 4); /* never given again */
    fixture_put(bed.fixture, "a", INT, value_int(7), T0);
    fixture_stop(bed.fixture);
    bed.fixture->options.recover_truncate = false;
    expect_started(&bed);
    expect_int(&bed, "a", INT, 7);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, 5);
    bed_close(&bed);
}

/* Once told to go on without, the store starts by itself however soon it ends again. */
static void what_was_given_up_is_not_missed_again(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    put_end(&bed, LSN + 10); /* the log was synced up to there, and is gone */
    save(&bed, LSN);
    expect_damage(&bed, "ends too early");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    expect_int(&bed, "a", INT, 1);
    bed.fixture->options.recover_truncate = false;
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    fixture_put(bed.fixture, "a", INT, value_int(2), T0);
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    expect_int(&bed, "a", INT, 2);
    assert_int_equal(fixture_statistics(bed.fixture, INT).count, 1);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    fixture_put(bed.fixture, "a", INT, value_int(3), T0);
    fixture_kill(bed.fixture, &bed.sim);
    path_of(LSN + 1, path);
    sim_files_flip(bed.sim, path, 200, 1);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    expect_damage(&bed, "--recover truncate");
    bed.fixture->options.recover_truncate = true;
    expect_started(&bed);
    bed.fixture->options.recover_truncate = false;
    fixture_kill(bed.fixture, &bed.sim);
    expect_started(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).lsn, LSN + 1);
    expect_none(&bed, "a", INT);
    bed_close(&bed);
}

/* A bit of each byte of the file flipped in turn: the store refuses with an error that names the
 * file, or is exactly right. */
static void flip_every_byte(struct bed *bed, const char *path, unsigned *refused,
                            unsigned *started)
{
    size_t len;
    struct sim_files *whole = bed->sim;
    unsigned char *content = sim_files_content(whole, path, &len);
    assert_non_null(content);
    free(content);
    for (size_t i = 0; i < len; i++) {
        bed->sim = sim_files_copy(whole);
        bed->fixture->options.files = sim_files_system(bed->sim);
        sim_files_flip(bed->sim, path, i, (unsigned char)(1u << i % 8));
        if (status_is_ok(fixture_start(bed->fixture))) {
            check_three(bed);
            (*started)++;
        } else {
            assert_int_equal(bed->fixture->recovery.code, STATUS_MALFORMED);
            assert_non_null(strstr(bed->fixture->recovery_error.detail, path));
            (*refused)++;
        }
        sim_files_freeze(bed->sim); /* no time for a last snapshot */
        fixture_stop(bed->fixture);
        sim_files_destroy(bed->sim);
    }
    bed->sim = whole;
    bed->fixture->options.files = sim_files_system(whole);
}

static void every_byte_of_a_snapshot_counts(void **state)
{
    (void)state;
    struct bed bed;
    char path[64];
    unsigned refused = 0;
    unsigned started = 0;
    open_with_snapshot(&bed);
    fixture_kill(bed.fixture, &bed.sim);
    path_of(4, path);
    flip_every_byte(&bed, path, &refused, &started); /* the log still has everything */
    assert_int_equal(refused, 0);
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    started = 0;
    flip_every_byte(&bed, path, &refused, &started);
    assert_int_equal(started, 0);
    assert_true(refused > 200);
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_snapshots_are_passed_over_if_the_log_is_whole),
        cmocka_unit_test(an_older_snapshot_is_as_good),
        cmocka_unit_test(a_damaged_snapshot_alone_is_refused),
        cmocka_unit_test(what_was_given_up_is_not_missed_again),
        cmocka_unit_test(every_byte_of_a_snapshot_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

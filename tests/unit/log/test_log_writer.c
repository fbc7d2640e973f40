#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "log_fixture.h"

#ifdef THREAD_SANITIZED
#define SEEDS 60 /* of power losses: ten times slower there */
#else
#define SEEDS 300
#endif

static const enum log_fsync POLICIES[] = {LOG_FSYNC_ALWAYS, LOG_FSYNC_INTERVAL, LOG_FSYNC_NEVER};

static void append(struct log_fixture *fixture, uint32_t count)
{
    assert_true(status_is_ok(log_fixture_append(fixture, count)));
}

static struct log_metrics metrics_of(struct log_fixture *fixture)
{
    struct log_metrics metrics;
    log_writer_metrics(fixture->log, &metrics);
    return metrics;
}

static void assert_holds(struct log_fixture *fixture, uint64_t last_lsn)
{
    struct log_found found = {.read_only = true};
    assert_true(status_is_ok(log_fixture_scan(fixture, &found)));
    assert_int_equal(found.writes, last_lsn);
    assert_int_equal(found.scan.last_lsn, last_lsn);
    log_scan_fini(&found.scan);
}

static void test_comes_back_over_segments_and_processes(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        struct log_fixture fixture;
        log_fixture_init(&fixture, POLICIES[p], 1);
        uint64_t expected = 0;
        for (int process = 0; process < 3; process++) {
            log_fixture_open(&fixture);
            for (uint32_t n = 1; n < 30; n++) {
                append(&fixture, n);
                expected += n;
            }
            assert_true(metrics_of(&fixture).segments >= 4);
            assert_int_equal(metrics_of(&fixture).written_lsn, expected);
            log_writer_close(fixture.log);
            fixture.log = NULL;
        }
        struct log_found found = {0};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        assert_int_equal(found.writes, expected);
        assert_int_equal(found.schemas, found.scan.segment_count);
        assert_int_equal(found.scan.cut_bytes, 0);
        log_scan_fini(&found.scan);
        log_fixture_fini(&fixture);
    }
}

static void test_nothing_without_commit(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    assert_int_equal(metrics_of(&fixture).segments, 0);
    append(&fixture, 2);
    assert_true(status_is_ok(log_writer_begin(fixture.log, 3, 0, NULL)));
    assert_int_not_equal(log_writer_group_bytes(fixture.log), 0);
    log_fixture_payload(log_writer_record(fixture.log, LOG_WRITE, 3), 3);
    assert_true(status_is_ok(log_writer_record_end(fixture.log)));
    assert_holds(&fixture, 2);
    assert_true(status_is_ok(log_writer_commit(fixture.log, 3, NULL)));
    assert_int_equal(log_writer_group_bytes(fixture.log), 0);
    assert_true(status_is_ok(log_writer_commit(fixture.log, 3, NULL)));
    assert_holds(&fixture, 3);
    log_fixture_fini(&fixture);
}

static void test_a_dropped_record_gives_its_lsn_back(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    assert_true(status_is_ok(log_writer_begin(fixture.log, 1, 0, NULL)));
    log_fixture_payload(log_writer_record(fixture.log, LOG_WRITE, 1), 99);
    log_writer_record_drop(fixture.log);
    /* One that grows over the limit of a group fails alone. */
    struct buffer *buffer = log_writer_record(fixture.log, LOG_WRITE, 1);
    buffer->failed = true;
    assert_int_equal(log_writer_record_end(fixture.log).code, STATUS_OUT_OF_MEMORY);
    log_fixture_payload(log_writer_record(fixture.log, LOG_WRITE, 1), 1);
    assert_true(status_is_ok(log_writer_record_end(fixture.log)));
    assert_true(status_is_ok(log_writer_commit(fixture.log, 1, NULL)));
    assert_holds(&fixture, 1);
    log_fixture_fini(&fixture);
}

static void test_a_segment_without_a_record_is_replaced(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    assert_true(status_is_ok(log_writer_begin(fixture.log, 1, 0, NULL)));
    log_fixture_next(&fixture, sim_files_kill(fixture.sim));
    log_fixture_open(&fixture);
    assert_int_equal(metrics_of(&fixture).segments, 1);
    /* Who removes it might meet the one that takes its name at that moment. */
    assert_true(status_is_ok(log_writer_remove_until(fixture.log, 0, 0, NULL)));
    assert_int_equal(metrics_of(&fixture).segments, 1);
    append(&fixture, 1);
    assert_int_equal(metrics_of(&fixture).segments, 1);
    assert_int_equal(metrics_of(&fixture).segment_bytes, sim_files_used(fixture.sim));
    log_fixture_fini(&fixture);
}

static void test_a_lost_group_takes_its_schemas_along(void **state)
{
    struct log_fixture fixture;
    struct log_found found = {.read_only = true};
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    append(&fixture, 0);
    sim_files_fail(fixture.sim, SIM_WRITE, 1, EIO, false);
    assert_int_equal(log_fixture_append(&fixture, 2).code, STATUS_UNAVAILABLE);
    append(&fixture, 2);
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.schemas, 1);
    log_scan_fini(&found.scan);
    log_fixture_fini(&fixture);
}

static void test_marks(void **state)
{
    struct log_fixture fixture;
    struct log_found found = {.read_only = true};
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    append(&fixture, 5);
    append(&fixture, 5);
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.synced_lsn, 5);
    log_scan_fini(&found.scan);
    uint64_t syncs = metrics_of(&fixture).syncs;
    append(&fixture, 0);
    assert_int_equal(metrics_of(&fixture).syncs, syncs);
    found = (struct log_found){.read_only = true};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.synced_lsn, 10);
    assert_int_equal(found.scan.last_lsn, 10);
    log_scan_fini(&found.scan);
    append(&fixture, 1);
    assert_holds(&fixture, 11);
    log_fixture_fini(&fixture);
}

static void test_policies_sync_what_they_promise(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        struct log_fixture fixture;
        log_fixture_init(&fixture, POLICIES[p], 1);
        log_fixture_open(&fixture);
        append(&fixture, 3);
        append(&fixture, 3);
        struct log_metrics metrics = metrics_of(&fixture);
        assert_int_equal(metrics.synced_lsn, POLICIES[p] == LOG_FSYNC_ALWAYS ? 6 : 0);
        assert_int_equal(metrics.groups, 2);
        assert_true(status_is_ok(log_writer_sync(fixture.log, NULL)));
        assert_int_equal(metrics_of(&fixture).synced_lsn, 6);
        assert_true(sim_files_unsynced(fixture.sim, FIXTURE_DIRECTORY) == UINT64_MAX);
        log_fixture_fini(&fixture);
    }
}

static void test_never_keeps_few_files_waiting(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_NEVER, 1);
    log_fixture_open(&fixture);
    while (metrics_of(&fixture).segments < 5)
        append(&fixture, 20);
    assert_int_equal(metrics_of(&fixture).synced_lsn, 0);
    while (metrics_of(&fixture).segments < 6)
        append(&fixture, 20);
    assert_int_not_equal(metrics_of(&fixture).synced_lsn, 0);
    log_fixture_fini(&fixture);
}

/* A folder that could not even be opened was not synced, but nothing is lost either. */
static void test_a_lack_of_descriptors_passes(void **state)
{
    struct log_fixture fixture;
    struct error error;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_NEVER, 1);
    log_fixture_open(&fixture);
    append(&fixture, 20);
    sim_files_fail(fixture.sim, SIM_SYNC_DIRECTORY, 1, EMFILE, false);
    assert_int_equal(log_writer_sync(fixture.log, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, "log_write");
    assert_int_equal(metrics_of(&fixture).synced_lsn, 0);
    append(&fixture, 20);
    assert_true(status_is_ok(log_writer_sync(fixture.log, &error)));
    assert_int_equal(metrics_of(&fixture).synced_lsn, 40);
    assert_int_equal(sim_files_unsynced(fixture.sim, FIXTURE_DIRECTORY), UINT64_MAX);
    log_fixture_fini(&fixture);
}

static void test_interval_syncs_by_itself(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_INTERVAL, 1);
    fixture.fsync_interval_ms = 1;
    log_fixture_open(&fixture);
    for (int i = 0; i < 50; i++)
        append(&fixture, 10);
    while (metrics_of(&fixture).synced_lsn < 500)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    log_fixture_fini(&fixture);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A disk that syncs too slowly makes commits wait, and nothing that was acknowledged longer ago
 * than the interval can be lost. */
static void test_interval_is_kept_by_waiting(void **state)
{
    enum { APPENDS = 2000, INTERVAL_MS = 5, SYNC_US = 40000 };
    static int64_t acknowledged_ns[APPENDS + 1];
    struct log_fixture fixture;
    uint64_t overdue = 1; /* the first LSN whose time may not have come */
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_INTERVAL, 1);
    fixture.fsync_interval_ms = INTERVAL_MS;
    log_fixture_open(&fixture);
    sim_files_set_sync_us(fixture.sim, SYNC_US);
    int64_t end_ns = now_ns() + INT64_C(300000000);
    for (uint64_t lsn = 1; lsn <= APPENDS && now_ns() < end_ns; lsn++) {
        int64_t begun_ns = now_ns();
        append(&fixture, 1);
        acknowledged_ns[lsn] = now_ns();
        while (acknowledged_ns[overdue] < begun_ns - INTERVAL_MS * 1000000)
            overdue++;
        assert_true(metrics_of(&fixture).synced_lsn + 1 >= overdue);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    assert_true(overdue > 1);
    sim_files_set_sync_us(fixture.sim, 0);
    log_fixture_fini(&fixture);
}

/* Whatever call fails, and however: what was committed is there, what was not is not, unless that is
 * unknown; and it goes on unless the log is closed. */
static uint64_t run_with_fault(enum log_fsync fsync, uint64_t nth, int reason)
{
    struct log_fixture fixture;
    log_fixture_init(&fixture, fsync, nth);
    log_fixture_open(&fixture);
    sim_files_fail(fixture.sim, SIM_ANY, nth, reason, false);
    bool is_unknown = false;
    for (uint32_t n = 0; n < 40; n++) {
        status result = log_fixture_append(&fixture, n % 17);
        if (!status_is_ok(result) && result.code != STATUS_OUT_OF_MEMORY) {
            assert_int_equal(result.code, STATUS_UNAVAILABLE);
            bool is_closed = strcmp(fixture.error.type, "log_closed") == 0;
            assert_true(is_closed || strcmp(fixture.error.type, "log_write") == 0);
            assert_int_equal(metrics_of(&fixture).closed, is_closed);
            is_unknown |= is_closed;
        }
        if (n % 10 == 9 && !is_unknown) {
            result = log_writer_sync(fixture.log, NULL);
            is_unknown |= !status_is_ok(result);
        }
    }
    uint64_t failures = sim_files_failures(fixture.sim);
    uint64_t acknowledged = fixture.lsn;
    if (failures == 0 || !is_unknown)
        assert_true(status_is_ok(log_writer_check(fixture.log, NULL)));
    log_fixture_next(&fixture, sim_files_kill(fixture.sim));
    log_fixture_open(&fixture);
    if (is_unknown && fsync != LOG_FSYNC_ALWAYS)
        assert_true(fixture.lsn >= acknowledged);
    else
        assert_int_equal(fixture.lsn, acknowledged);
    append(&fixture, 1);
    /* And what was found then is still there after the power fails. */
    acknowledged = fixture.lsn;
    assert_true(status_is_ok(log_writer_sync(fixture.log, NULL)));
    log_fixture_next(&fixture, sim_files_power_loss(fixture.sim, nth));
    log_fixture_open(&fixture);
    assert_int_equal(fixture.lsn, acknowledged);
    log_fixture_fini(&fixture);
    return failures;
}

static void test_any_call_may_fail(void **state)
{
    static const int REASONS[] = {EIO, ENOSPC};
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++)
        for (size_t r = 0; r < ARRAY_LEN(REASONS); r++) {
            uint64_t nth = 1;
            while (run_with_fault(POLICIES[p], nth, REASONS[r]) > 0)
                nth++;
            assert_true(nth > 40);
        }
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t after = 0; after < 40; after++) {
        struct log_fixture fixture;
        log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, after);
        log_fixture_open(&fixture);
        memory_fail_after(after);
        for (int i = 0; i < 10; i++) {
            status result = log_fixture_append(&fixture, 0);
            assert_true(status_is_ok(result) || result.code == STATUS_OUT_OF_MEMORY ||
                        result.code == STATUS_UNAVAILABLE);
        }
        memory_fail_after(after);
        struct log_found found = {.read_only = true};
        status result = log_fixture_scan(&fixture, &found);
        memory_fail_after(UINT64_MAX);
        assert_true(status_is_ok(result) || result.code == STATUS_OUT_OF_MEMORY);
        log_scan_fini(&found.scan);
        append(&fixture, 3);
        assert_holds(&fixture, 3);
        log_fixture_fini(&fixture);
    }
}

static void test_a_failed_sync_closes_for_good(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        struct log_fixture fixture;
        struct error error;
        log_fixture_init(&fixture, POLICIES[p], 1);
        log_fixture_open(&fixture);
        append(&fixture, 3);
        sim_files_fail(fixture.sim, SIM_SYNC, 1, EIO, false);
        if (POLICIES[p] == LOG_FSYNC_ALWAYS)
            assert_int_equal(log_fixture_append(&fixture, 2).code, STATUS_UNAVAILABLE);
        else
            assert_int_equal(log_writer_sync(fixture.log, NULL).code, STATUS_UNAVAILABLE);
        assert_int_equal(log_fixture_append(&fixture, 2).code, STATUS_UNAVAILABLE);
        assert_string_equal(fixture.error.type, "log_closed");
        assert_int_equal(log_writer_sync(fixture.log, NULL).code, STATUS_UNAVAILABLE);
        assert_int_equal(log_writer_check(fixture.log, &error).code, STATUS_UNAVAILABLE);
        assert_non_null(strstr(error.detail, "/log/00000000000000000001.log"));
        assert_non_null(strstr(error.detail, strerror(EIO)));
        assert_true(metrics_of(&fixture).closed);
        log_fixture_next(&fixture, sim_files_kill(fixture.sim));
        log_fixture_open(&fixture);
        assert_int_equal(fixture.lsn, 3);
        append(&fixture, 1);
        log_fixture_fini(&fixture);
    }
}

static void test_a_write_that_cannot_be_taken_back_closes(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    append(&fixture, 3);
    sim_files_fail(fixture.sim, SIM_ANY, 1, EIO, true);
    assert_int_equal(log_fixture_append(&fixture, 2).code, STATUS_UNAVAILABLE);
    assert_string_equal(fixture.error.type, "log_closed");
    sim_files_fail(fixture.sim, SIM_ANY, 0, EIO, false);
    assert_int_equal(log_fixture_append(&fixture, 2).code, STATUS_UNAVAILABLE);
    log_fixture_fini(&fixture);
}

static void test_a_full_disk(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    fixture.segment_bytes = 1 << 20;
    log_fixture_open(&fixture);
    /* A quarter of a segment is all there is. */
    sim_files_set_space(fixture.sim, 300000);
    append(&fixture, 1);
    assert_int_equal(metrics_of(&fixture).segment_bytes, 1 << 18);
    status result;
    while (status_is_ok(result = log_fixture_append(&fixture, 50)))
        ;
    assert_int_equal(result.code, STATUS_UNAVAILABLE);
    assert_string_equal(fixture.error.type, "log_write");
    assert_non_null(strstr(fixture.error.detail, "free space in /log"));
    uint64_t held = fixture.lsn;
    assert_true(held > 3000); /* and it was used up */
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_fixture_append(&fixture, 50).code, STATUS_UNAVAILABLE);
    assert_holds(&fixture, held);
    sim_files_set_space(fixture.sim, UINT64_MAX);
    append(&fixture, 50);
    assert_holds(&fixture, held + 50);
    log_fixture_fini(&fixture);
    /* No room for any segment. */
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    fixture.segment_bytes = 1 << 20;
    log_fixture_open(&fixture);
    sim_files_set_space(fixture.sim, 10000);
    assert_int_equal(log_fixture_append(&fixture, 1).code, STATUS_UNAVAILABLE);
    assert_int_equal(metrics_of(&fixture).segments, 0);
    assert_int_equal(sim_files_used(fixture.sim), 0);
    sim_files_set_space(fixture.sim, UINT64_MAX);
    append(&fixture, 1);
    log_fixture_fini(&fixture);
}

/* Unlike `always`, the other policies promise only what was synced. */
static void lose_power(enum log_fsync fsync, uint64_t seed)
{
    struct log_fixture fixture;
    log_fixture_init(&fixture, fsync, seed);
    log_fixture_open(&fixture);
    uint64_t promised = 0;
    for (int loss = 0; loss < 3; loss++) {
        sim_files_crash_at(fixture.sim, 1 + (seed * 7919 + (uint64_t)loss * 104729) % 120);
        for (uint32_t n = 0; n < 60; n++) {
            if (status_is_ok(log_fixture_append(&fixture, (uint32_t)((seed + n * n) % 23))) &&
                fsync == LOG_FSYNC_ALWAYS)
                promised = fixture.lsn;
            if (n % 8 == 7 && status_is_ok(log_writer_sync(fixture.log, NULL)))
                promised = fixture.lsn;
        }
        uint64_t written = fixture.lsn;
        log_fixture_next(&fixture, seed % 5 == 4 ? sim_files_kill(fixture.sim)
                                                 : sim_files_power_loss(fixture.sim, seed));
        log_fixture_open(&fixture);
        assert_true(fixture.lsn >= promised);
        if (seed % 5 == 4)
            assert_true(fixture.lsn >= written);
        promised = fixture.lsn;
    }
    log_fixture_fini(&fixture);
}

static void test_power_loss(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++)
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            lose_power(POLICIES[p], seed);
}

static void test_removes_what_is_not_needed(void **state)
{
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_fixture_open(&fixture);
    while (metrics_of(&fixture).segments < 5)
        append(&fixture, 10);
    log_fixture_next(&fixture, sim_files_kill(fixture.sim));
    log_fixture_open(&fixture);
    while (metrics_of(&fixture).segments < 8)
        append(&fixture, 10);
    uint64_t held = fixture.lsn;
    struct log_found found = {.read_only = true};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    uint64_t second = found.scan.segments[1].last_lsn;
    log_scan_fini(&found.scan);
    /* The clock of these groups is a moment of 1970. */
    int64_t not_so_long_ms = INT64_C(100) * 365 * 86400 * 1000;
    assert_true(status_is_ok(log_writer_remove_until(fixture.log, held, not_so_long_ms, NULL)));
    assert_int_equal(metrics_of(&fixture).segments, 8);
    assert_true(status_is_ok(log_writer_remove_until(fixture.log, second - 1, 0, NULL)));
    assert_int_equal(metrics_of(&fixture).segments, 7);
    assert_true(status_is_ok(log_writer_remove_until(fixture.log, second, 1000, NULL)));
    assert_int_equal(metrics_of(&fixture).segments, 6);
    found = (struct log_found){.from_lsn = second, .read_only = true};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.first_lsn, second + 1);
    assert_int_equal(found.last_lsn, held);
    log_scan_fini(&found.scan);
    sim_files_fail(fixture.sim, SIM_REMOVE, 1, EIO, false);
    assert_int_equal(log_writer_remove_until(fixture.log, held, 0, NULL).code, STATUS_IO);
    assert_int_equal(metrics_of(&fixture).segments, 6);
    assert_true(status_is_ok(log_writer_remove_until(fixture.log, held, 0, NULL)));
    assert_int_equal(metrics_of(&fixture).segments, 1);
    assert_true(metrics_of(&fixture).segment_bytes == sim_files_used(fixture.sim));
    append(&fixture, 1);
    log_fixture_fini(&fixture);
}

static void *sync_often(void *argument)
{
    struct log_fixture *fixture = argument;
    struct log_metrics metrics;
    do {
        uint64_t written = metrics_of(fixture).written_lsn;
        assert_true(status_is_ok(log_writer_sync(fixture->log, NULL)));
        assert_true(status_is_ok(log_writer_remove_until(fixture->log, written / 2, 0, NULL)));
        metrics = metrics_of(fixture);
        assert_true(metrics.synced_lsn >= written);
    } while (metrics.written_lsn < 4000);
    return NULL;
}

static void test_syncs_beside_the_owner(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        struct log_fixture fixture;
        pthread_t thread;
        log_fixture_init(&fixture, POLICIES[p], 1);
        fixture.fsync_interval_ms = 1;
        log_fixture_open(&fixture);
        assert_int_equal(pthread_create(&thread, NULL, sync_often, &fixture), 0);
        while (fixture.lsn < 4000)
            append(&fixture, 1 + (uint32_t)fixture.lsn % 9);
        pthread_join(thread, NULL);
        struct log_found found = {.from_lsn = 3000, .read_only = true};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        assert_int_equal(found.first_lsn, 3001);
        assert_int_equal(found.last_lsn, fixture.lsn);
        log_scan_fini(&found.scan);
        log_fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back_over_segments_and_processes),
        cmocka_unit_test(test_nothing_without_commit),
        cmocka_unit_test(test_a_dropped_record_gives_its_lsn_back),
        cmocka_unit_test(test_a_segment_without_a_record_is_replaced),
        cmocka_unit_test(test_a_lost_group_takes_its_schemas_along),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_policies_sync_what_they_promise),
        cmocka_unit_test(test_never_keeps_few_files_waiting),
        cmocka_unit_test(test_a_lack_of_descriptors_passes),
        cmocka_unit_test(test_interval_syncs_by_itself),
        cmocka_unit_test(test_interval_is_kept_by_waiting),
        cmocka_unit_test(test_any_call_may_fail),
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_a_failed_sync_closes_for_good),
        cmocka_unit_test(test_a_write_that_cannot_be_taken_back_closes),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_power_loss),
        cmocka_unit_test(test_removes_what_is_not_needed),
        cmocka_unit_test(test_syncs_beside_the_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

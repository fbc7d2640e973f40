/* What is left when a snapshot cannot be made. */
#include "snapshot_bed.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "online/engine/snapshot_write.h"

static void check_failed(struct bed *bed, status result, uint64_t lsn_before)
{
    uint64_t lsn = 0;
    uint32_t count = snapshots(bed, &lsn);
    assert_false(status_is_ok(result));
    /* Only the folder's own sync comes after the new name. */
    assert_true(count >= 1 && count <= 2);
    assert_int_equal(lsn, lsn_before);
}

static void open_with_texts(struct bed *bed, uint32_t count)
{
    bed_open(bed);
    fixture_add(bed->fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        fixture_put(bed->fixture, id, 0, value_text(STR(LONG_TEXT)), FIXTURE_START_US);
    }
}

static void a_disk_that_fails_leaves_the_last_snapshot(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t lsn = 0;
    open_with_texts(&bed, 200);
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    uint64_t failures = 0;
    for (int kind = 0; kind < SIM_ANY; kind++)
        for (uint64_t n = 1;; n++) {
            assert_int_equal(snapshots(&bed, &lsn), 1);
            fixture_put(bed.fixture, "user_1", 0, value_text(STR("x")), FIXTURE_START_US);
            uint64_t before = sim_files_failures(bed.sim);
            sim_files_fail(bed.sim, (enum sim_call)kind, n, EIO, false);
            status result = fixture_snapshot(bed.fixture);
            bool hit = sim_files_failures(bed.sim) > before;
            sim_files_fail(bed.sim, (enum sim_call)kind, 0, 0, false);
            if (status_is_ok(result)) {
                if (!hit)
                    break;
                /* What had become superfluous could not be removed: next time. */
            } else {
                check_failed(&bed, result, lsn);
                failures++;
            }
            assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
            assert_int_equal(unfinished(&bed), 0);
        }
    assert_true(failures >= 6); /* create, header, rows, end, sync, rename, folder */
    assert_int_equal(fixture_metrics(bed.fixture).durability.snapshot_failures, failures);
    kill_and_start(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).entities, 200);
    bed_close(&bed);
}

static void missing_memory_leaves_the_last_snapshot(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t failures = 0;
    open_with_texts(&bed, 100);
    for (uint64_t n = 0;; n++) {
        memory_fail_after(n);
        status result = fixture_snapshot(bed.fixture);
        bool done = status_is_ok(result);
        memory_fail_after(UINT64_MAX);
        assert_int_equal(unfinished(&bed), 0);
        assert_true(done || result.code == STATUS_OUT_OF_MEMORY);
        failures += !done;
        if (done && n > 20)
            break;
    }
    assert_true(failures > 3);
    kill_and_start(&bed);
    assert_int_equal(fixture_metrics(bed.fixture).entities, 100);
    bed_close(&bed);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t lsn = 0;
    _Atomic bool cancelled = true;
    struct error error;
    struct snapshot_written written;
    bed_open(&bed);
    fixture_add(bed.fixture, "user", DATA_TYPE_INT, 0);
    fixture_put(bed.fixture, "user_1", 0, value_int(1), FIXTURE_START_US);
    struct snapshot_source source = {
        .engine = fixture_engine(bed.fixture),
        .reader = epoch_register(&bed.fixture->epoch),
        .start_lsn = 1,
        .cancelled = &cancelled,
    };
    assert_int_equal(snapshot_write(&source, &written, &error).code, STATUS_UNAVAILABLE);
    assert_int_equal(snapshots(&bed, &lsn), 0);
    assert_int_equal(unfinished(&bed), 0);
    atomic_store(&cancelled, false);
    assert_true(status_is_ok(snapshot_write(&source, &written, &error)));
    assert_int_equal(written.rows, 1);
    epoch_unregister(source.reader);
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_fails_leaves_the_last_snapshot),
        cmocka_unit_test(missing_memory_leaves_the_last_snapshot),
        cmocka_unit_test(one_that_is_given_up_leaves_nothing),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Recovery that cannot go on: no memory, a disk that cannot be read, a store that is closed. */
#include "recovery_bed.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "log/log_scan.h"
#include "online/engine/recovery.h"

static struct error recovery_error;

/* Without an engine around it, so that nothing else allocates. */
static status recover_alone(struct bed *bed, bool closing, uint64_t *rows)
{
    struct engine *engine = NULL;
    uint64_t memory_bytes = 0;
    struct recovery_result out = {.memory_bytes = &memory_bytes};
    assert_int_equal(posix_memalign((void **)&engine, _Alignof(struct engine), sizeof(*engine)),
                     0);
    memset(engine, 0, sizeof(*engine));
    engine->epoch = &bed->fixture->epoch;
    engine->catalog = &bed->fixture->catalog;
    engine->clock = &bed->fixture->clock;
    atomic_store(&engine->closing, closing);
    status result = recovery_run(engine, &bed->fixture->options, &out, &recovery_error);
    if (status_is_ok(result)) {
        *rows = out.entities;
        statistics_store_fini(&out.statistics);
        log_scan_fini(&out.scan);
        for (uint32_t e = 0; e < LIMIT_ENTITIES; e++)
            table_destroy(engine_table(engine, e), &memory_bytes);
    }
    for (uint32_t e = 0; e < LIMIT_ENTITIES && !status_is_ok(result); e++)
        assert_null(engine_table(engine, e));
    assert_int_equal(memory_bytes, 0);
    free(engine);
    return result;
}

static void missing_memory_is_an_error(void **state)
{
    (void)state;
    struct bed bed;
    unsigned failures = 0;
    open_with_snapshot(&bed);
    fixture_put(bed.fixture, "b", TEXT, value_text(STR(LONG_TEXT)), T0);
    fixture_erase(bed.fixture, "c", FIXTURE_ALL);
    fixture_kill(bed.fixture, &bed.sim);
    for (uint64_t n = 0;; n++) {
        uint64_t rows = 0;
        memory_fail_after(n);
        status result = recover_alone(&bed, false, &rows);
        bool reached = !memory_fail_is_ahead();
        memory_fail_after(UINT64_MAX);
        if (status_is_ok(result)) {
            assert_int_equal(rows, 3);
        } else {
            if (result.code != STATUS_OUT_OF_MEMORY)
                print_message("%llu: %s\n", (unsigned long long)n, recovery_error.detail);
            assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
            failures++;
        }
        if (!reached)
            break;
    }
    assert_true(failures > 10);
    bed_close(&bed);
}

static void closing_ends_it(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t rows = 0;
    bed_open(&bed);
    begin_snapshot(&bed, LSN);
    put_int(&bed, "user", "a", INT, 1, T0);
    finish(&bed, LSN);
    assert_int_equal(recover_alone(&bed, true, &rows).code, STATUS_UNAVAILABLE);
    assert_true(status_is_ok(recover_alone(&bed, false, &rows)));
    assert_int_equal(rows, 1);
    bed_close(&bed);
}

static void a_disk_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct bed bed;
    unsigned failures = 0;
    open_with_snapshot(&bed);
    fixture_put(bed.fixture, "b", TEXT, value_text(STR(LONG_TEXT)), T0);
    fixture_kill(bed.fixture, &bed.sim);
    for (uint64_t n = 1;; n++) {
        uint64_t before = sim_files_failures(bed.sim);
        sim_files_fail(bed.sim, SIM_READ, n, EIO, false);
        status result = fixture_start(bed.fixture);
        bool hit = sim_files_failures(bed.sim) > before;
        sim_files_fail(bed.sim, SIM_READ, 0, 0, false);
        if (!status_is_ok(result)) {
            assert_int_equal(result.code, STATUS_IO);
            failures++;
        } else {
            assert_int_equal(entities(&bed), 2);
        }
        fixture_kill(bed.fixture, &bed.sim);
        if (!hit)
            break;
    }
    assert_true(failures >= 4); /* snapshot and log, in both passes */
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_memory_is_an_error),
        cmocka_unit_test(closing_ends_it),
        cmocka_unit_test(a_disk_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

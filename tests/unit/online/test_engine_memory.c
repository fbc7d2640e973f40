/* What --max-memory is compared with against what the process really holds (promise 6), by the
 * resident set that the system counts. */
#include "engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH 1000u
#define BATCHES 200u
#define FEATURES 4u
#define TTL_SECONDS 10
#define PERCENT_OFF 15
#define PATIENCE_NS INT64_C(60000000000)

struct batch {
    char ids[BATCH][16];
    struct online_write_cell cells[BATCH][FEATURES];
    struct online_write_row rows[BATCH];
};

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void write_batch(struct fixture *f, struct batch *batch, const uint32_t *features,
                        size_t text_len, uint32_t number)
{
    static char text[4096];
    memset(text, 'x', sizeof(text));
    for (uint32_t i = 0; i < BATCH; i++) {
        snprintf(batch->ids[i], sizeof(batch->ids[i]), "user_%u", number * BATCH + i);
        uint32_t count = text_len > 0 ? FEATURES : FEATURES - 1;
        for (uint32_t k = 0; k < count; k++)
            batch->cells[i][k] = fixture_cell(
                f, features[k],
                k == FEATURES - 1 ? value_text(str_of(text, text_len)) : value_int(i),
                online_now_us(f->store));
        batch->rows[i] = (struct online_write_row){0, str_from_cstr(batch->ids[i]),
                                                   batch->cells[i], count, true};
    }
    struct online_write write = {.rows = batch->rows, .row_count = BATCH};
    assert_true(status_is_ok(fixture_write(f, &write)));
}

static void fill(struct fixture *f, struct batch *batch, const uint32_t *features,
                 size_t text_len, uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++)
        write_batch(f, batch, features, text_len, n);
}

static bool agree(int64_t resident, int64_t counted)
{
    return counted * 100 > resident * (100 - PERCENT_OFF) &&
           counted * 100 < resident * (100 + PERCENT_OFF);
}

/* What growing left behind goes back to the system in a while. */
static void await_agreement(struct fixture *f, int64_t resident, int64_t counted)
{
    int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;
    int64_t grown_resident;
    int64_t grown_counted;
    do {
        pause_briefly();
        grown_resident = resident_bytes() - resident;
        grown_counted = (int64_t)fixture_metrics(f).memory_bytes - counted;
    } while (!agree(grown_resident, grown_counted) && clock_monotonic_ns() < end_ns);
    print_message("%lld bytes resident, %lld counted\n", (long long)grown_resident,
                  (long long)grown_counted);
    assert_true(agree(grown_resident, grown_counted));
    assert_true(grown_counted > 10000000);
}

/* Until the resident set is at most this, or patience ends. */
static int64_t await_resident(int64_t at_most)
{
    int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;
    while (resident_bytes() > at_most && clock_monotonic_ns() < end_ns)
        pause_briefly();
    return resident_bytes();
}

/* Without a text: rows of 64 bytes; else each has an allocation of its own for one. */
static void check_rows(size_t text_len)
{
    struct fixture *f = fixture_open(0);
    struct batch *batch = calloc(1, sizeof(*batch));
    uint32_t features[FEATURES];
    for (uint32_t k = 0; k < FEATURES; k++)
        features[k] = fixture_add(f, "user", k == FEATURES - 1 ? DATA_TYPE_STRING : DATA_TYPE_INT,
                                  TTL_SECONDS);
    fill(f, batch, features, text_len, 0, 5); /* whatever is there from the start */
    int64_t resident = resident_bytes();
    int64_t counted = (int64_t)fixture_metrics(f).memory_bytes;
    fill(f, batch, features, text_len, 5, BATCHES);
    await_agreement(f, resident, counted);
    int64_t grown_resident = resident_bytes() - resident;
    int64_t grown_counted = (int64_t)fixture_metrics(f).memory_bytes - counted;

    fixture_set_wall(fixture_wall_us() + (TTL_SECONDS + 1) * SECOND_US);
    fixture_sweep(f);
    assert_int_equal(fixture_metrics(f).entities, 0);
    int64_t left = await_resident(resident + grown_resident / 4) - resident;
    print_message("after expiry %lld bytes resident\n", (long long)left);
    assert_true(left <= grown_resident / 4);
    assert_true((int64_t)fixture_metrics(f).memory_bytes - counted <= grown_counted / 4);
    free(batch);
    fixture_close(f);
}

static void small_rows_are_counted(void **state)
{
    (void)state;
    check_rows(0);
}

static void rows_with_texts_are_counted(void **state)
{
    (void)state;
    check_rows(300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_rows_are_counted),
        cmocka_unit_test(rows_with_texts_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

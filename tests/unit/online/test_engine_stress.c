/* Many readers against the writer, the sweeper, growth, erasure and expiry. The torn-row detector:
 * all features of an id are written with one number and one event time, so a reader that ever sees
 * two, or some features there and others not, has seen two versions of a row (promise 1). Numbers
 * only rise, so one that falls is a step back in time. For ThreadSanitizer above all. */
#include "engine_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define READERS 3
#define FEATURES 40 /* some beyond the first 32 slots */
#define IDS 3000
#define BATCH 16
#define WRITES 20000
#define IN_FLIGHT 64
#define TEXT_LEN 100 /* out of line */

static struct fixture *fixture;
static _Atomic bool stopping;

struct reader {
    pthread_t thread;
    struct loop loop;
    struct random random;
    uint64_t rows_seen;
    int64_t latest[IDS];
    const struct catalog_version *versions[FEATURES];
    struct cell cells[BATCH * FEATURES];
};

static void id_text(char text[16], uint32_t n)
{
    snprintf(text, 16, "user_%u", n);
}

/* The number in a cell; -1 if it is not there. */
static int64_t number_in(const struct cell *cell)
{
    if (cell->state != CELL_PRESENT)
        return -1;
    if (cell->value.type == DATA_TYPE_INT)
        return cell->value.integer;
    int64_t number;
    ASSERT(cell->value.text.len == TEXT_LEN);
    memcpy(&number, cell->value.text.data, sizeof(number));
    for (size_t i = 0; i + sizeof(number) <= TEXT_LEN; i += sizeof(number))
        ASSERT(memcmp(cell->value.text.data + i, &number, sizeof(number)) == 0);
    return number;
}

static void check_row(struct reader *reader, uint32_t id, const struct cell *cells)
{
    int64_t number = number_in(&cells[0]);
    for (uint32_t i = 1; i < FEATURES; i++) {
        ASSERT(number_in(&cells[i]) == number);
        if (number >= 0)
            ASSERT(cells[i].event_time_us == cells[0].event_time_us);
    }
    if (number < 0)
        return;
    ASSERT(number >= reader->latest[id]);
    reader->latest[id] = number;
    reader->rows_seen++;
}

static void read_done(struct online_read *read)
{
    (*(int *)read->user)++;
}

static void read_batch(struct reader *reader)
{
    char texts[BATCH][16];
    str ids[BATCH];
    uint32_t numbers[BATCH];
    int done = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        numbers[i] = (uint32_t)random_below(&reader->random, IDS);
        id_text(texts[i], numbers[i]);
        ids[i] = str_from_cstr(texts[i]);
    }
    loop_enter(&reader->loop);
    for (uint32_t i = 0; i < FEATURES; i++)
        reader->versions[i] = fixture_version(fixture, i);
    struct online_read read = {
        .entity = reader->versions[0]->entity,
        .entity_ids = ids,
        .id_count = BATCH,
        .versions = reader->versions,
        .version_count = FEATURES,
        .cells = reader->cells,
        .loop = &reader->loop,
        .done = read_done,
        .user = &done,
    };
    online_read(fixture->store, &read);
    ASSERT(done == 1);
    for (uint32_t i = 0; i < BATCH; i++)
        check_row(reader, numbers[i], &reader->cells[i * FEATURES]);
    epoch_offline(reader->loop.reader);
}

static void *run_reader(void *argument)
{
    struct reader *reader = argument;
    ASSERT(status_is_ok(loop_init(&reader->loop, &fixture->epoch, 1)));
    while (!atomic_load(&stopping))
        read_batch(reader);
    loop_fini(&reader->loop);
    return NULL;
}

static void *run_sweeps(void *argument)
{
    (void)argument;
    while (!atomic_load(&stopping)) {
        fixture_set_wall(fixture_wall_us() + 10 * SECOND_US);
        sweeper_run_pass(fixture_engine(fixture)->sweeper);
    }
    return NULL;
}

struct request {
    struct online_write write;
    struct online_write_row row;
    struct online_write_cell cells[FEATURES];
    char id[16];
    char text[TEXT_LEN];
};

static void fill(struct request *request, uint32_t id, int64_t number)
{
    id_text(request->id, id);
    for (size_t i = 0; i + sizeof(number) <= TEXT_LEN; i += sizeof(number))
        memcpy(request->text + i, &number, sizeof(number));
    for (uint32_t i = 0; i < FEATURES; i++) {
        struct value value =
            i % 8 == 5 ? value_text(str_of(request->text, TEXT_LEN)) : value_int(number);
        request->cells[i] = fixture_cell(fixture, i, value, ONLINE_EVENT_TIME_NOW);
    }
    request->row = (struct online_write_row){fixture_version(fixture, 0)->entity->index,
                                             str_from_cstr(request->id), request->cells, FEATURES,
                                             true};
    request->write = (struct online_write){.rows = &request->row, .row_count = 1};
}

static void write_much(struct random *random)
{
    static struct request requests[IN_FLIGHT];
    int64_t number = 0;
    for (uint32_t n = 0; n < WRITES; n += IN_FLIGHT) {
        for (uint32_t i = 0; i < IN_FLIGHT; i++) {
            /* few ids first, then more and more: growth while they are read */
            uint32_t bound = 1 + (uint32_t)((uint64_t)n * IDS / WRITES);
            fill(&requests[i], (uint32_t)random_below(random, bound), number++);
            fixture_submit(fixture, &requests[i].write);
        }
        fixture_wait(fixture);
        for (uint32_t i = 0; i < IN_FLIGHT; i++) {
            assert_true(status_is_ok(requests[i].write.status));
            assert_int_equal(requests[i].write.values_late, 0);
        }
        id_text(requests[0].id, (uint32_t)random_below(random, IDS));
        fixture_erase(fixture, requests[0].id, FIXTURE_ALL);
        if (n % (IN_FLIGHT * 64) == 0)
            fixture_add(fixture, "other", DATA_TYPE_INT, 0);
    }
}

static void readers_never_see_a_torn_row(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    struct random random;
    pthread_t sweeps;
    random_init(&random);
    fixture = fixture_open(0);
    for (uint32_t i = 0; i < FEATURES; i++)
        fixture_add(fixture, "user", i % 8 == 5 ? DATA_TYPE_STRING : DATA_TYPE_INT, 60);
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i].random.state = random_next(&random) | 1;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]), 0);
    }
    assert_int_equal(pthread_create(&sweeps, NULL, run_sweeps, NULL), 0);
    write_much(&random);
    atomic_store(&stopping, true);
    for (uint32_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_true(readers[i].rows_seen > 0);
    }
    assert_int_equal(pthread_join(sweeps, NULL), 0);
    assert_true(fixture_metrics(fixture).values_expired > 0);
    assert_true(fixture_metrics(fixture).values_erased > 0);
    fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_a_torn_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

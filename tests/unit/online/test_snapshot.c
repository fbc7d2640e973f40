/* What a snapshot holds, when it is made, and what is left when it cannot be. */
#include "engine_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "log/log_reader.h"
#include "log/log_row.h"
#include "log/log_scan.h"
#include "online/engine/row_draft.h"
#include "online/engine/snapshot.h"
#include "online/engine/snapshot_row.h"
#include "online/engine/snapshot_write.h"
#include "sim_files.h"

#define DATA "data"

struct bed {
    struct sim_files *sim;
    struct fixture *fixture;
};

static void bed_open(struct bed *bed)
{
    bed->sim = sim_files_create(1, DATA);
    bed->fixture = fixture_open_on(sim_files_system(bed->sim), DATA, LOG_FSYNC_ALWAYS);
}

static void bed_close(struct bed *bed)
{
    fixture_close(bed->fixture);
    sim_files_destroy(bed->sim);
}

/* The process is killed; another finds its files, or only its snapshot. */
static void kill_and_start(struct bed *bed)
{
    fixture_kill(bed->fixture, &bed->sim);
    assert_true(status_is_ok(fixture_start(bed->fixture)));
}

static uint32_t list(struct bed *bed, const char *folder, const char *suffix, uint64_t *first)
{
    uint64_t *lsns;
    uint32_t count;
    assert_true(status_is_ok(
        log_list_files(sim_files_system(bed->sim), folder, suffix, &lsns, &count, NULL)));
    if (count > 0)
        *first = lsns[0];
    memory_free(lsns);
    return count;
}

static uint32_t snapshots(struct bed *bed, uint64_t *lsn)
{
    return list(bed, DATA "/snapshot", LOG_SNAPSHOT_SUFFIX, lsn);
}

static uint32_t unfinished(struct bed *bed)
{
    uint64_t lsn = 0;
    return list(bed, DATA "/snapshot", LOG_SNAPSHOT_SUFFIX LOG_NEW_SUFFIX, &lsn);
}

static const float floats[] = {1.5f, -2.5f, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* A value of each type; `n` tells short ones from long ones. */
static struct value any_value(enum data_type type, uint32_t n)
{
    struct value value = {.type = type};
    switch (type) {
    case DATA_TYPE_INT:
        value.integer = INT64_MIN + (int64_t)n;
        break;
    case DATA_TYPE_FLOAT:
        value.real = 0.1 * n;
        break;
    case DATA_TYPE_BOOLEAN:
        value.boolean = n % 2;
        break;
    case DATA_TYPE_TIMESTAMP:
        value.timestamp_us = -(int64_t)n;
        break;
    case DATA_TYPE_EMBEDDING:
        value.embedding = (struct value_embedding){floats, n % 2 ? 2 : ARRAY_LEN(floats)};
        break;
    default:
        value.text = n % 2 ? STR("short") : STR(LONG_TEXT);
    }
    return value;
}

enum { FEATURES = 3 * DATA_TYPE_COUNT * 5, HOURS = 3600 };

static bool is_null(uint32_t feature, uint32_t id)
{
    return (feature + id) % 5 == 0;
}

static bool is_written(uint32_t feature, uint32_t id)
{
    return (feature * 7 + id) % 3 != 0;
}

static void put_all(struct fixture *fixture)
{
    for (uint32_t id = 0; id < 4; id++)
        for (uint32_t f = 0; f < FEATURES; f++) {
            char name[16];
            enum data_type type = fixture->features[f].type;
            snprintf(name, sizeof(name), "user_%u", id);
            if (is_written(f, id))
                fixture_put(fixture, name, f,
                            is_null(f, id) ? value_null(type) : any_value(type, f + id),
                            FIXTURE_START_US - (id < 2 ? 0 : (int64_t)f));
        }
}

static void check_all(struct fixture *fixture)
{
    for (uint32_t id = 0; id < 4; id++)
        for (uint32_t f = 0; f < FEATURES; f++) {
            char name[16];
            enum data_type type = fixture->features[f].type;
            struct value value = any_value(type, f + id);
            snprintf(name, sizeof(name), "user_%u", id);
            struct cell cell = fixture_get(fixture, name, f);
            if (!is_written(f, id)) {
                assert_int_equal(cell.state, CELL_NOT_FOUND);
                continue;
            }
            assert_int_equal(cell.state, is_null(f, id) ? CELL_NULL : CELL_PRESENT);
            assert_int_equal(cell.event_time_us, FIXTURE_START_US - (id < 2 ? 0 : (int64_t)f));
            assert_true(is_null(f, id) || value_eq(&cell.value, &value));
        }
}

static void every_kind_of_cell_comes_back(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    struct fixture *fixture = bed.fixture;
    for (uint32_t f = 0; f < FEATURES; f++)
        fixture_add(fixture, f % 3 ? "user" : "driver", (enum data_type)(f % DATA_TYPE_COUNT),
                    f % 2 ? HOURS : 0);
    put_all(fixture);
    fixture_put(fixture, "erased", 1, any_value(fixture->features[1].type, 1), FIXTURE_START_US);
    fixture_set_wall(FIXTURE_START_US + 1000);
    assert_int_equal(fixture_erase(fixture, "erased", 1), 1);
    assert_int_equal(fixture_erase(fixture, "all erased", FIXTURE_ALL), 0);
    struct statistics before = fixture_statistics(fixture, 4);
    uint64_t memory_bytes = fixture_metrics(fixture).memory_bytes;
    uint64_t entities = fixture_metrics(fixture).entities;
    uint64_t lsn = fixture_metrics(fixture).lsn;
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    /* All must come from the snapshot. */
    fixture_remove_log(sim_files_system(bed.sim), DATA "/log");
    store_clock_init(&fixture->clock, fixture_wall_us);
    fixture_set_wall(FIXTURE_START_US); /* the wall clock has stepped back */
    kill_and_start(&bed);
    check_all(fixture);
    assert_true(online_now_us(fixture->store) > FIXTURE_START_US + 1000);
    struct statistics after = fixture_statistics(fixture, 4);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(fixture_metrics(fixture).entities, entities);
    assert_int_equal(fixture_metrics(fixture).lsn, lsn);
    assert_true(fixture_metrics(fixture).memory_bytes <= memory_bytes);
    /* Both erasures still keep old values out. */
    struct value value = any_value(fixture->features[1].type, 1);
    assert_false(fixture_put(fixture, "erased", 1, value, FIXTURE_START_US + 1000));
    assert_true(fixture_put(fixture, "erased", 1, value, FIXTURE_START_US + 1001));
    value = any_value(fixture->features[3].type, 1);
    assert_false(fixture_put(fixture, "all erased", 3, value, FIXTURE_START_US + 1001));
    assert_true(fixture_put(fixture, "all erased", 3, value, FIXTURE_START_US + 1002));
    bed_close(&bed);
}

/* Read without the catalog: what a person with the format's page would do. */
static void the_file_decodes_by_itself(void **state)
{
    (void)state;
    struct bed bed;
    struct log_reader reader;
    struct log_record record;
    uint64_t lsn = 0;
    char path[64];
    uint32_t schemas = 0;
    uint32_t rows = 0;
    struct log_snapshot_end end = {0};
    bed_open(&bed);
    fixture_add(bed.fixture, "user", DATA_TYPE_INT, 0);
    fixture_add(bed.fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        fixture_put(bed.fixture, id, i % 2, any_value(i % 2 ? DATA_TYPE_STRING : DATA_TYPE_INT, i),
                    FIXTURE_START_US);
    }
    assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
    assert_int_equal(snapshots(&bed, &lsn), 1);
    assert_int_equal(lsn, 3000);
    log_file_path(DATA "/snapshot", lsn, LOG_SNAPSHOT_SUFFIX, path, sizeof(path));
    assert_true(status_is_ok(log_reader_open(&reader, sim_files_system(bed.sim), path,
                                             LOG_SNAPSHOT_MAGIC, FIXTURE_IDENTITY, NULL)));
    assert_int_equal(reader.header.lsn, 3000);
    enum log_read read;
    while ((read = log_reader_next(&reader, &record)) == LOG_READ_RECORD) {
        struct log_schema schema;
        struct log_statistics of;
        struct log_row row;
        struct log_cell cell;
        str entity;
        str payload = record.payload;
        assert_int_equal(end.end_lsn, 0);
        switch (record.type) {
        case LOG_SCHEMA:
            assert_true(log_schema_decode(payload, &schema));
            assert_true(str_eq(schema.entity, STR("user")));
            assert_int_equal(schema.data_type, schemas == 0 ? DATA_TYPE_INT : DATA_TYPE_STRING);
            assert_int_equal(schema.version_id, 1001 + schemas++);
            break;
        case LOG_SNAPSHOT_STATISTICS:
            while (log_statistics_next(&payload, &of))
                assert_int_equal(of.statistics.count, 1500);
            break;
        case LOG_SNAPSHOT_ROWS:
            assert_int_equal(schemas, 2); /* before the first row */
            assert_true(log_snapshot_rows_decode(&payload, &entity));
            assert_true(str_eq(entity, STR("user")));
            while (log_row_next(&payload, &row) == LOG_NEXT) {
                assert_int_equal(log_cell_next(&row, &cell), LOG_NEXT);
                assert_int_equal(log_cell_next(&row, &cell), LOG_NEXT_END);
                rows++;
            }
            break;
        default:
            assert_int_equal(record.type, LOG_SNAPSHOT_END);
            assert_true(log_snapshot_end_decode(payload, &end));
        }
    }
    assert_int_equal(read, LOG_READ_END);
    assert_int_equal(rows, 3000);
    assert_int_equal(end.row_count, 3000);
    assert_int_equal(end.end_lsn, 3000);
    log_reader_close(&reader);
    bed_close(&bed);
}

/* A row too long for one record is written as several. */
static void a_huge_row_is_written_in_parts(void **state)
{
    enum { CELLS = 70 };
    (void)state;
    struct catalog_version *versions = calloc(CELLS, sizeof(*versions));
    struct catalog_slot *slots = calloc(CELLS, sizeof(*slots));
    struct row_draft *draft = calloc(1, sizeof(*draft));
    struct snapshot_row *scratch = calloc(1, sizeof(*scratch));
    char *text = calloc(1, LIMIT_TEXT_BYTES);
    uint64_t memory_bytes = 0;
    uint32_t found = 0;
    struct buffer out;
    assert_true(versions && slots && draft && scratch && text);
    row_draft_begin(draft, STR("user"));
    for (uint32_t i = 0; i < CELLS; i++) {
        struct value value = value_text(str_of(text, LIMIT_TEXT_BYTES));
        versions[i] = (struct catalog_version){.id = i + 1, .slot = i};
        slots[i] = (struct catalog_slot){i + 1, &versions[i], DATA_TYPE_STRING, 0};
        row_draft_cell_set(row_draft_put(draft, i), &value, 1);
    }
    struct catalog_entity entity = {.slots = slots, .slot_count = CELLS};
    struct row *row = row_create(draft, &memory_bytes);
    assert_non_null(row);
    buffer_init(&out, LOG_PAYLOAD_MAX);
    assert_int_equal(snapshot_row_encode(scratch, row, &entity, &out), 2);
    str payload = buffer_str(&out);
    struct log_row part;
    while (log_row_next(&payload, &part) == LOG_NEXT) {
        struct log_cell cell;
        assert_true(str_eq(part.entity_id, STR("user")));
        while (log_cell_next(&part, &cell) == LOG_NEXT)
            assert_int_equal(cell.version_id, ++found);
    }
    assert_int_equal(found, CELLS);
    buffer_fini(&out);
    row_destroy(row, &memory_bytes);
    free(versions);
    free(slots);
    free(draft);
    free(scratch);
    free(text);
}

static void older_snapshots_and_segments_go(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t lsn = 0;
    uint64_t first_segment = 0;
    bed_open(&bed);
    fixture_add(bed.fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3000; i++)
            fixture_put(bed.fixture, "user_1", 0, value_text(STR(LONG_TEXT)), FIXTURE_START_US);
        assert_true(status_is_ok(fixture_snapshot(bed.fixture)));
        assert_int_equal(snapshots(&bed, &lsn), 1);
        assert_int_equal(lsn, 3000 * (round + 1));
        assert_int_equal(unfinished(&bed), 0);
    }
    assert_true(list(&bed, DATA "/log", LOG_SEGMENT_SUFFIX, &first_segment) <= 2);
    assert_true(first_segment > 6000);
    sim_files_put(bed.sim, DATA "/snapshot/00000000000000000007.snapshot.new", "rest", 4);
    kill_and_start(&bed);
    assert_int_equal(unfinished(&bed), 0);
    bed_close(&bed);
}

static void closing_writes_what_is_new(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t lsn = 0;
    bed_open(&bed);
    assert_true(status_is_ok(fixture_restart(bed.fixture)));
    assert_int_equal(snapshots(&bed, &lsn), 0); /* nothing was written */
    fixture_add(bed.fixture, "user", DATA_TYPE_INT, 0);
    fixture_put(bed.fixture, "user_1", 0, value_int(1), FIXTURE_START_US);
    assert_true(status_is_ok(fixture_restart(bed.fixture)));
    assert_int_equal(snapshots(&bed, &lsn), 1);
    assert_int_equal(lsn, 1);
    assert_int_equal(fixture_metrics(bed.fixture).durability.snapshot_lsn, 1);
    assert_int_equal(fixture_metrics(bed.fixture).durability.recovery_records, 0);
    uint64_t calls = sim_files_calls(bed.sim, SIM_RENAME);
    assert_true(status_is_ok(fixture_restart(bed.fixture)));
    assert_int_equal(sim_files_calls(bed.sim, SIM_RENAME), calls);
    assert_int_equal(fixture_get(bed.fixture, "user_1", 0).value.integer, 1);
    bed_close(&bed);
}

static void await_snapshots(struct bed *bed, uint64_t count)
{
    int64_t end_ns = clock_monotonic_ns() + INT64_C(30000000000);
    while (fixture_metrics(bed->fixture).durability.snapshots < count) {
        assert_true(clock_monotonic_ns() < end_ns);
        sched_yield();
    }
}

static void a_log_that_has_grown_is_followed_by_a_snapshot(void **state)
{
    (void)state;
    struct bed bed = {.sim = sim_files_create(1, DATA)};
    bed.fixture = fixture_open_on(sim_files_system(bed.sim), DATA, LOG_FSYNC_NEVER);
    fixture_stop(bed.fixture);
    bed.fixture->options.snapshot_log_bytes = 20000;
    assert_true(status_is_ok(fixture_start(bed.fixture)));
    fixture_add(bed.fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t i = 0; i < 300; i++)
        fixture_put(bed.fixture, "user_1", 0, value_text(STR(LONG_TEXT)), FIXTURE_START_US);
    await_snapshots(&bed, 1);
    struct online_durability figures = fixture_metrics(bed.fixture).durability;
    assert_int_equal(figures.snapshot_rows, 1);
    assert_int_equal(figures.snapshot_lsn, 300);
    assert_true(figures.snapshot_bytes > 0 && figures.snapshot_duration_ns > 0);
    assert_true(figures.snapshot_started_us > 0 && !figures.snapshot_running);
    assert_int_equal(figures.snapshot_bytes, figures.snapshot_bytes_written);
    assert_true(figures.log_bytes_since_snapshot < 20000);
    bed_close(&bed);
}

static void time_and_signals_ask_for_one_too(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed);
    fixture_stop(bed.fixture);
    bed.fixture->options.snapshot_interval_ms = 1;
    assert_true(status_is_ok(fixture_start(bed.fixture)));
    fixture_add(bed.fixture, "user", DATA_TYPE_INT, 0);
    fixture_put(bed.fixture, "user_1", 0, value_int(1), FIXTURE_START_US);
    await_snapshots(&bed, 1);
    engine_snapshot(bed.fixture->store); /* though nothing is new */
    await_snapshots(&bed, 2);
    bed_close(&bed);
}

static void check_failed(struct bed *bed, status result, uint64_t lsn_before)
{
    uint64_t lsn = 0;
    uint32_t count = snapshots(bed, &lsn);
    assert_false(status_is_ok(result));
    /* Only the folder's own sync comes after the new name. */
    assert_true(count >= 1 && count <= 2);
    assert_int_equal(lsn, lsn_before);
}

static void a_disk_that_fails_leaves_the_last_snapshot(void **state)
{
    (void)state;
    struct bed bed;
    uint64_t lsn = 0;
    bed_open(&bed);
    fixture_add(bed.fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        fixture_put(bed.fixture, id, 0, value_text(STR(LONG_TEXT)), FIXTURE_START_US);
    }
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
    bed_open(&bed);
    fixture_add(bed.fixture, "user", DATA_TYPE_STRING, 0);
    for (uint32_t i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "user_%u", i);
        fixture_put(bed.fixture, id, 0, value_text(STR(LONG_TEXT)), FIXTURE_START_US);
    }
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
        cmocka_unit_test(every_kind_of_cell_comes_back),
        cmocka_unit_test(the_file_decodes_by_itself),
        cmocka_unit_test(a_huge_row_is_written_in_parts),
        cmocka_unit_test(older_snapshots_and_segments_go),
        cmocka_unit_test(closing_writes_what_is_new),
        cmocka_unit_test(a_log_that_has_grown_is_followed_by_a_snapshot),
        cmocka_unit_test(time_and_signals_ask_for_one_too),
        cmocka_unit_test(a_disk_that_fails_leaves_the_last_snapshot),
        cmocka_unit_test(missing_memory_leaves_the_last_snapshot),
        cmocka_unit_test(one_that_is_given_up_leaves_nothing),
        cmocka_unit_test(snapshots_of_a_busy_store_lose_nothing),
        cmocka_unit_test(a_shard_with_a_new_array_is_walked_again),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a snapshot holds, when it is made, and what it makes needless. */
#include "snapshot_bed.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "log/log_reader.h"
#include "log/log_row.h"
#include "online/engine/row_draft.h"
#include "online/engine/snapshot_row.h"

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
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

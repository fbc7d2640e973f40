/* The engine against a plain model that keeps everything ever written: random writes, late ones,
 * nulls, all types, records over several ids, TTL changes, dropped and new versions, erasures,
 * sweeps, a clock that jumps; with a data directory also snapshots, restarts and kills. After each
 * step something is compared, at the end everything. */
#include "engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "model/cell_rule.h"
#include "sim_files.h"

#define STEPS 6000
#define IDS 60
#define FEATURES_AT_ONCE 45
#define EVENTS_MAX 60000
#define DATA "data"
#define RECORD_ROWS_MAX 4
#define ROW_CELLS_MAX 6

/* Something that happened to one version of one id. */
struct event {
    uint32_t id;
    uint32_t feature;
    int64_t event_time_us; /* of an erasure: up to when */
    bool is_erasure;
    bool is_null;
    uint64_t number; /* the value follows from it */
};

struct world {
    struct fixture *fixture;
    struct sim_files *sim; /* NULL: values live in memory only */
    struct random random;
    char ids[IDS][600];
    struct event *events;
    uint32_t event_count;
    uint32_t features[FEATURES_AT_ONCE];
    uint32_t feature_count;
    /* By feature: where in `events` it was made. */
    uint32_t born_at[FIXTURE_FEATURES_MAX];
    uint64_t next_number;
    uint64_t accepted; /* values */
};

#define TEXT_MAX 200

static struct value value_of(enum data_type type, uint64_t number, bool is_null,
                             char text[TEXT_MAX])
{
    struct value value = {.type = type, .is_null = is_null};
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
    size_t len = number % 3 == 0 ? number % 30 : number % 170;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + (mixed >> (i % 50)) % 26);
    switch (type) {
    case DATA_TYPE_INT:
        value.integer = (int64_t)mixed;
        break;
    case DATA_TYPE_FLOAT:
        value.real = (double)(int64_t)mixed / 3;
        break;
    case DATA_TYPE_BOOLEAN:
        value.boolean = number & 1;
        break;
    case DATA_TYPE_TIMESTAMP:
        value.timestamp_us = (int64_t)number - 5000;
        break;
    case DATA_TYPE_EMBEDDING:
        for (uint32_t i = 0; i < 40; i++)
            ((float *)(void *)text)[i] = (float)number + (float)i;
        value.embedding = (struct value_embedding){(const float *)(void *)text,
                                                   1 + (uint32_t)(number % 40)};
        break;
    default:
        value.text = str_of(text, len);
    }
    return value;
}

struct expectation {
    bool held;
    int64_t event_time_us;
    bool is_null;
    uint64_t number;
};

static bool same_entity(const struct world *world, uint32_t a, uint32_t b)
{
    const struct fixture_feature *features = world->fixture->features;
    return strcmp(features[a].entity, features[b].entity) == 0;
}

/* Up to when erasures cover this version of this id: those since it was made. */
static int64_t erased_until(const struct world *world, uint32_t id, uint32_t feature)
{
    int64_t erased_us = INT64_MIN;
    for (uint32_t i = world->born_at[feature]; i < world->event_count; i++) {
        const struct event *event = &world->events[i];
        if (event->id == id && event->is_erasure && event->event_time_us > erased_us &&
            (event->feature == feature ||
             (event->feature == FIXTURE_ALL && same_entity(world, feature, 0))))
            erased_us = event->event_time_us;
    }
    return erased_us;
}

/* The newest value that no erasure covers. */
static struct expectation newest(const struct world *world, uint32_t id, uint32_t feature)
{
    int64_t erased_us = erased_until(world, id, feature);
    struct expectation found = {0};
    for (uint32_t i = world->born_at[feature]; i < world->event_count; i++) {
        const struct event *event = &world->events[i];
        if (event->id != id || event->feature != feature || event->is_erasure ||
            event->event_time_us <= erased_us ||
            (found.held && event->event_time_us < found.event_time_us))
            continue;
        found = (struct expectation){.held = true,
                                     .event_time_us = event->event_time_us,
                                     .is_null = event->is_null,
                                     .number = event->number};
    }
    return found;
}

static bool is_alive(const struct world *world, const struct expectation *expected,
                     uint32_t feature)
{
    const struct fixture_feature *spec = &world->fixture->features[feature];
    int64_t now_us = online_now_us(world->fixture->store);
    return expected->held && expected->event_time_us > spec->dead_before_us &&
           (spec->ttl_seconds == 0 ||
            now_us < expected->event_time_us + spec->ttl_seconds * SECOND_US);
}

static void compare(const struct world *world, uint32_t id, uint32_t feature)
{
    struct expectation expected = newest(world, id, feature);
    struct cell cell = fixture_get(world->fixture, world->ids[id], feature);
    if (!is_alive(world, &expected, feature)) {
        /* Expired until it is swept. An erased value too, if it came again after the erasure had
         * ceased to matter: then it is past its TTL. */
        assert_true(cell.state == CELL_NOT_FOUND || cell.state == CELL_EXPIRED);
        return;
    }
    assert_int_equal(cell.state, expected.is_null ? CELL_NULL : CELL_PRESENT);
    assert_int_equal(cell.event_time_us, expected.event_time_us);
    if (expected.is_null)
        return;
    _Alignas(16) char text[TEXT_MAX];
    enum data_type type = world->fixture->features[feature].type;
    struct value value = value_of(type, expected.number, false, text);
    assert_true(value_eq(&cell.value, &value));
}

static struct event *add_event(struct world *world, uint32_t id, uint32_t feature)
{
    assert_true(world->event_count < EVENTS_MAX);
    struct event *event = &world->events[world->event_count++];
    *event = (struct event){.id = id, .feature = feature};
    return event;
}

static uint64_t below(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

static uint32_t any_feature(struct world *world)
{
    return world->features[below(world, world->feature_count)];
}

static int64_t any_event_time(struct world *world, int64_t now_us)
{
    switch (below(world, 8)) {
    case 0:
        return ONLINE_EVENT_TIME_NOW;
    case 1:
        return now_us;
    case 2:
        return now_us + (int64_t)below(world, 300 * SECOND_US);
    case 3:
        return now_us - (int64_t)below(world, 4); /* ties */
    default:
        return now_us - (int64_t)below(world, 30 * SECOND_US);
    }
}

struct record {
    struct online_write write;
    struct online_write_row rows[RECORD_ROWS_MAX];
    struct online_write_cell cells[RECORD_ROWS_MAX][ROW_CELLS_MAX];
    uint32_t ids[RECORD_ROWS_MAX];
    uint32_t features[RECORD_ROWS_MAX][ROW_CELLS_MAX];
    uint64_t numbers[RECORD_ROWS_MAX][ROW_CELLS_MAX];
    _Alignas(16) char texts[RECORD_ROWS_MAX][ROW_CELLS_MAX][TEXT_MAX];
};

/* One row: an id and some features of the entity of the first of them. */
static void fill_row(struct world *world, struct record *record, uint32_t n)
{
    struct fixture *fixture = world->fixture;
    int64_t now_us = online_now_us(fixture->store);
    uint32_t count = 0;
    uint32_t wanted = 1 + (uint32_t)below(world, ROW_CELLS_MAX);
    const char *entity = NULL;
    record->ids[n] = (uint32_t)below(world, IDS);
    for (uint32_t k = 0; k < wanted; k++) {
        uint32_t feature = any_feature(world);
        const struct fixture_feature *spec = &fixture->features[feature];
        if (entity != NULL && strcmp(entity, spec->entity) != 0)
            continue;
        entity = spec->entity;
        uint64_t number = world->next_number++;
        bool is_null = below(world, 8) == 0;
        record->features[n][count] = feature;
        record->numbers[n][count] = number;
        record->cells[n][count] = fixture_cell(
            fixture, feature, value_of(spec->type, number, is_null, record->texts[n][count]),
            any_event_time(world, now_us));
        count++;
    }
    record->rows[n] = (struct online_write_row){
        .entity_index = fixture_version(fixture, record->features[n][0])->entity->index,
        .entity_id = str_from_cstr(world->ids[record->ids[n]]),
        .cells = record->cells[n],
        .cell_count = count,
        .ends_record = below(world, 2) == 0,
    };
}

static void note_record(struct world *world, const struct record *record)
{
    for (uint32_t n = 0; n < record->write.row_count; n++)
        for (uint32_t k = 0; k < record->rows[n].cell_count; k++) {
            const struct online_write_cell *cell = &record->cells[n][k];
            struct event *event = add_event(world, record->ids[n], record->features[n][k]);
            assert_true(cell->event_time_us != ONLINE_EVENT_TIME_NOW);
            event->event_time_us = cell->event_time_us;
            event->is_null = cell->value.is_null;
            event->number = record->numbers[n][k];
            world->accepted++;
        }
}

/* Some requests at once, so that they meet in one group. */
static void step_write(struct world *world)
{
    static struct record records[8];
    uint32_t count = 1 + (uint32_t)below(world, ARRAY_LEN(records));
    uint64_t before = world->accepted;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct record *record = &records[i];
        uint32_t rows = 1 + (uint32_t)below(world, RECORD_ROWS_MAX);
        for (uint32_t n = 0; n < rows; n++)
            fill_row(world, record, n);
        record->write = (struct online_write){.rows = record->rows, .row_count = rows};
        fixture_submit(world->fixture, &record->write);
    }
    fixture_wait(world->fixture);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(status_is_ok(records[i].write.status));
        note_record(world, &records[i]);
        sum += records[i].write.values_written + records[i].write.values_late;
    }
    assert_int_equal(sum, world->accepted - before);
    compare(world, records[0].ids[0], records[0].features[0][0]);
}

static void step_erase(struct world *world)
{
    uint32_t id = (uint32_t)below(world, IDS);
    uint32_t feature = below(world, 2) ? any_feature(world) : FIXTURE_ALL;
    uint64_t expected = 0;
    int64_t now_us = online_now_us(world->fixture->store);
    for (uint32_t i = 0; i < world->feature_count; i++) {
        uint32_t each = world->features[i];
        if (feature == FIXTURE_ALL ? !same_entity(world, each, 0) : each != feature)
            continue;
        struct expectation held = newest(world, id, each);
        expected += is_alive(world, &held, each) && held.event_time_us <= now_us;
    }
    uint64_t deleted = fixture_erase(world->fixture, world->ids[id], feature);
    assert_int_equal(deleted, expected);
    struct event *event = add_event(world, id, feature);
    event->is_erasure = true;
    event->event_time_us = now_us;
}

static void add_feature(struct world *world, const char *entity, enum data_type type, int64_t ttl)
{
    uint32_t feature = fixture_add(world->fixture, entity, type, ttl);
    world->born_at[feature] = world->event_count;
    world->features[world->feature_count++] = feature;
}

static void step_catalog(struct world *world)
{
    static const int64_t ttls[] = {0, 1, 5, 20, 3600};
    struct fixture *fixture = world->fixture;
    int64_t ttl = ttls[below(world, ARRAY_LEN(ttls))];
    if (below(world, 3) == 0) {
        fixture_set_ttl(fixture, any_feature(world), ttl);
        return;
    }
    if (world->feature_count == FEATURES_AT_ONCE || below(world, 3) == 0) {
        uint32_t at = 1 + (uint32_t)below(world, world->feature_count - 1); /* 0 stays: fixture */
        fixture_drop(fixture, world->features[at]);
        world->features[at] = world->features[--world->feature_count];
    }
    if (fixture->feature_count < FIXTURE_FEATURES_MAX && world->feature_count < FEATURES_AT_ONCE)
        add_feature(world, below(world, 4) ? "user" : "driver",
                    (enum data_type)below(world, DATA_TYPE_COUNT), ttl);
}

/* The process ends, cleanly or not, and another one begins. */
static void restart(struct world *world, bool is_kill)
{
    struct fixture *fixture = world->fixture;
    if (is_kill)
        fixture_kill(fixture, &world->sim);
    else
        fixture_stop(fixture);
    int64_t before_us = store_clock_now_us(&fixture->clock);
    store_clock_init(&fixture->clock, fixture_wall_us);
    fixture_forget_slots(fixture);
    fixture->options.recovery_threads = 1 + (unsigned)below(world, 4);
    assert_true(status_is_ok(fixture_start(fixture)));
    /* Idle time is not logged; whatever was given a time is before now all the same. */
    if (!is_kill)
        assert_true(store_clock_now_us(&fixture->clock) >= before_us);
    store_clock_advance(&fixture->clock, before_us); /* for the model */
}

static void step_durable(struct world *world)
{
    if (world->sim == NULL)
        return;
    if (below(world, 2) == 0) {
        assert_true(status_is_ok(fixture_snapshot(world->fixture)));
        return;
    }
    static struct statistics before[FEATURES_AT_ONCE];
    for (uint32_t i = 0; i < world->feature_count; i++)
        before[i] = fixture_statistics(world->fixture, world->features[i]);
    uint64_t lsn = fixture_metrics(world->fixture).lsn;
    restart(world, below(world, 3) != 0);
    for (uint32_t i = 0; i < world->feature_count; i++) {
        struct statistics after = fixture_statistics(world->fixture, world->features[i]);
        assert_memory_equal(&before[i], &after, sizeof(after));
    }
    assert_int_equal(fixture_metrics(world->fixture).lsn, lsn);
}

static void step(struct world *world)
{
    switch (below(world, 24)) {
    case 0:
        step_erase(world);
        break;
    case 1:
        if (below(world, 3) == 0)
            step_catalog(world);
        break;
    case 2:
        if (below(world, 8) == 0)
            fixture_sweep(world->fixture);
        break;
    case 3: /* forward, sometimes back */
        fixture_set_wall(fixture_wall_us() + (int64_t)below(world, 4 * SECOND_US) - SECOND_US);
        break;
    case 4:
    case 5:
        step_write(world);
        break;
    case 6:
        if (below(world, 6) == 0)
            step_durable(world);
        break;
    default:
        compare(world, (uint32_t)below(world, IDS), any_feature(world));
    }
}

static void compare_all(const struct world *world)
{
    for (uint32_t id = 0; id < IDS; id++)
        for (uint32_t i = 0; i < world->feature_count; i++)
            compare(world, id, world->features[i]);
}

static void compare_statistics(const struct world *world)
{
    for (uint32_t i = 0; i < world->feature_count; i++) {
        uint64_t count = 0;
        uint64_t nulls = 0;
        for (uint32_t k = 0; k < world->event_count; k++) {
            const struct event *event = &world->events[k];
            if (event->feature != world->features[i] || event->is_erasure)
                continue;
            count += !event->is_null;
            nulls += event->is_null;
        }
        struct statistics got = fixture_statistics(world->fixture, world->features[i]);
        assert_int_equal(got.count, count);
        assert_int_equal(got.null_count, nulls);
    }
}

static void make_ids(struct world *world)
{
    for (uint32_t i = 0; i < IDS; i++) {
        int len = snprintf(world->ids[i], sizeof(world->ids[i]), "user_%u", i);
        if (i % 10 == 9) { /* the longest there are */
            memset(world->ids[i] + len, '.', LIMIT_ENTITY_ID_BYTES - (size_t)len);
            world->ids[i][LIMIT_ENTITY_ID_BYTES] = '\0';
        }
    }
}

static struct world *world_create(bool durable)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    random_init(&world->random);
    world->events = calloc(EVENTS_MAX, sizeof(*world->events));
    assert_non_null(world->events);
    if (durable) {
        world->sim = sim_files_create(random_next(&world->random), DATA);
        world->fixture =
            fixture_open_on(sim_files_system(world->sim), DATA, LOG_FSYNC_NEVER);
    } else {
        world->fixture = fixture_open(0);
    }
    make_ids(world);
    add_feature(world, "user", DATA_TYPE_INT, 0);
    for (uint32_t i = 0; i < 8; i++)
        add_feature(world, i < 6 ? "user" : "driver", (enum data_type)(i % 7), i % 2 ? 20 : 0);
    return world;
}

static void world_destroy(struct world *world)
{
    fixture_close(world->fixture);
    sim_files_destroy(world->sim);
    free(world->events);
    free(world);
}

static void run(struct world *world)
{
    for (uint32_t i = 0; i < STEPS; i++)
        step(world);
    compare_all(world);
    compare_statistics(world);
    fixture_sweep(world->fixture);
    compare_all(world);
}

static void the_engine_agrees_with_the_model(void **state)
{
    (void)state;
    struct world *world = world_create(false);
    run(world);
    /* Without features nothing is left. */
    for (uint32_t i = 0; i < world->feature_count; i++)
        fixture_drop(world->fixture, world->features[i]);
    fixture_sweep(world->fixture);
    assert_int_equal(fixture_metrics(world->fixture).entities, 0);
    world_destroy(world);
}

static void a_durable_engine_agrees_with_the_model(void **state)
{
    (void)state;
    struct world *world = world_create(true);
    run(world);
    restart(world, true);
    compare_all(world);
    restart(world, false);
    compare_all(world);
    compare_statistics(world);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_engine_agrees_with_the_model),
        cmocka_unit_test(a_durable_engine_agrees_with_the_model),
    };
    log_set_level(LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "durable_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "durable_values.h"
#include "model/cell_rule.h"

struct expected {
    bool held;
    bool is_open; /* an erasure from before the feature was made may keep it out, or no more */
    int64_t event_time_us;
    bool is_null;
    uint64_t number;
};

static bool covers(const struct world *world, const struct world_event *event, uint32_t id,
                   uint32_t feature)
{
    return event->is_erasure && event->id == id &&
           (event->feature == feature || event->feature == WORLD_EVERYWHERE ||
            (event->feature == FIXTURE_ALL &&
             strcmp(world->features[feature].entity, world->features[0].entity) == 0));
}

static int64_t erased_until(const struct world *world, uint32_t id, uint32_t feature,
                            uint32_t first, uint32_t end)
{
    int64_t erased_us = INT64_MIN;
    for (uint32_t i = first; i < end; i++)
        if (covers(world, &world->events[i], id, feature) &&
            world->events[i].erased_until_us > erased_us)
            erased_us = world->events[i].erased_until_us;
    return erased_us;
}

static struct expected newest(const struct world *world, uint32_t id, uint32_t feature,
                              uint32_t end)
{
    uint32_t born_at = world->features[feature].born_at;
    int64_t erased_us = erased_until(world, id, feature, born_at, end);
    struct expected found = {0};
    uint32_t first_cell = born_at < end ? world->events[born_at].first_cell : 0;
    uint32_t end_cell =
        end < world->event_count ? world->events[end].first_cell : world->cell_count;
    for (uint32_t i = first_cell; i < end_cell; i++) {
        const struct world_cell *cell = &world->cells[i];
        if (cell->id == id && cell->feature == feature && cell->event_time_us > erased_us &&
            (!found.held || cell->event_time_us >= found.event_time_us))
            found = (struct expected){.held = true,
                                      .event_time_us = cell->event_time_us,
                                      .is_null = cell->is_null,
                                      .number = cell->number};
    }
    found.is_open =
        found.held && found.event_time_us <= erased_until(world, id, feature, 0, born_at);
    return found;
}

static void read_done(struct online_read *read)
{
    *(bool *)read->user = true;
}

static const struct catalog_version *version_of(const struct world *world, uint32_t feature)
{
    const struct catalog *image = catalog_current(&world->process->catalog);
    return catalog_find_feature(image, str_from_cstr(world->features[feature].name))->active;
}

static struct cell get(const struct world *world, uint32_t id, uint32_t feature)
{
    struct world_process *process = world->process;
    const struct catalog_version *version = version_of(world, feature);
    char text[VALUES_ID_BYTES];
    values_id(id, text);
    str entity_id = str_from_cstr(text);
    struct cell cell;
    bool done = false;
    struct online_read read = {
        .entity = version->entity,
        .entity_ids = &entity_id,
        .id_count = 1,
        .versions = &version,
        .version_count = 1,
        .cells = &cell,
        .loop = &process->loop,
        .done = read_done,
        .user = &done,
    };
    loop_enter(&process->loop);
    online_read(process->store, &read);
    if (!done || !status_is_ok(read.status))
        world_fail(world, "a read was not answered");
    return cell;
}

struct counted {
    struct statistics statistics[WORLD_FEATURES_MAX];
};

static void statistics_done(struct online_statistics *request)
{
    *(bool *)request->user = true;
}

static void get_statistics(const struct world *world, struct counted *out)
{
    struct world_process *process = world->process;
    for (uint32_t i = 0; i < world->feature_count; i++) {
        bool done = false;
        uint64_t id = world->features[i].version_id;
        struct online_statistics request = {
            .loop = &process->loop,
            .done = statistics_done,
            .user = &done,
            .version_ids = &id,
            .count = 1,
            .out = &out->statistics[i],
        };
        process->store->driver->statistics(process->store, &request);
        while (!done)
            uv_run(&process->loop.uv, UV_RUN_ONCE);
        epoch_offline(process->loop.reader);
        if (!status_is_ok(request.status))
            world_fail(world, "statistics: %s", request.error.detail);
    }
}

#define DIFFERENCE_BYTES 400

static bool is_same_value(const struct world *world, uint32_t feature, uint64_t number,
                          const struct value *got)
{
    static struct values_text text;
    struct value value = values_of(world->features[feature].type, number, false, &text);
    return value_eq(&value, got);
}

static bool is_alive_at(const struct world *world, uint32_t feature,
                        const struct expected *expected, int64_t now_us)
{
    return expected->held &&
           cell_rule_is_alive(expected->event_time_us, now_us,
                              world->features[feature].ttl_seconds * SECOND_US, CELL_NEVER_DEAD);
}

/* For whoever looks for the reason. */
static void show_history(const struct world *world, uint32_t id, uint32_t feature)
{
    for (uint32_t i = 0; i < world->event_count; i++) {
        const struct world_event *event = &world->events[i];
        if (covers(world, event, id, feature))
            print_error("  event %u: erased until %lld, outcome %d\n", i,
                        (long long)event->erased_until_us, (int)event->outcome);
        for (uint32_t k = 0; k < event->cell_count; k++) {
            const struct world_cell *cell = &world->cells[event->first_cell + k];
            if (cell->id == id && cell->feature == feature)
                print_error("  event %u: number %llu at %lld%s, outcome %d\n", i,
                            (unsigned long long)cell->number, (long long)cell->event_time_us,
                            cell->is_null ? " (null)" : "", (int)event->outcome);
        }
    }
}

static bool cell_differs(const struct world *world, uint32_t id, uint32_t feature, uint32_t end,
                         char out[DIFFERENCE_BYTES])
{
    struct expected expected = newest(world, id, feature, end);
    struct cell cell = get(world, id, feature);
    bool is_alive = is_alive_at(world, feature, &expected, online_now_us(world->process->store));
    bool is_gone = cell.state == CELL_NOT_FOUND || cell.state == CELL_EXPIRED;
    bool same = expected.is_open || (!is_alive && is_gone);
    /* A crash and a wall clock that was set back can take the store's clock back to the last
     * record, but what had expired was perhaps removed. */
    same |= is_gone && !is_alive_at(world, feature, &expected, world->latest_us);
    if (is_alive && !same)
        same = cell.state == (expected.is_null ? CELL_NULL : CELL_PRESENT) &&
               cell.event_time_us == expected.event_time_us &&
               (expected.is_null || is_same_value(world, feature, expected.number, &cell.value));
    if (!same && getenv("FEATURED_TEST_HISTORY"))
        show_history(world, id, feature);
    if (!same)
        snprintf(out, DIFFERENCE_BYTES,
                 "id %u, feature %u (%s): expected %s number %llu at %lld, found state %d at %lld",
                 id, feature, data_type_name(world->features[feature].type),
                 !expected.held     ? "nothing"
                 : !is_alive        ? "expired"
                 : expected.is_null ? "null"
                                    : "a value",
                 (unsigned long long)expected.number, (long long)expected.event_time_us,
                 (int)cell.state, (long long)cell.event_time_us);
    return !same;
}

static void count_events(const struct world *world, uint32_t end, struct counted *out)
{
    struct values_text *text = malloc(sizeof(*text));
    uint32_t end_cell =
        end < world->event_count ? world->events[end].first_cell : world->cell_count;
    for (uint32_t i = 0; i < world->feature_count; i++)
        statistics_init(&out->statistics[i]);
    for (uint32_t i = 0; i < end_cell; i++) {
        const struct world_cell *cell = &world->cells[i];
        struct value value =
            values_of(world->features[cell->feature].type, cell->number, cell->is_null, text);
        statistics_add(&out->statistics[cell->feature], &value, cell->event_time_us);
    }
    free(text);
}

/* Bit for bit: recovery adds the same values in the same order. */
static bool statistics_differ(const struct world *world, const struct counted *got, uint32_t end,
                              char out[DIFFERENCE_BYTES])
{
    struct counted expected;
    count_events(world, end, &expected);
    for (uint32_t i = 0; i < world->feature_count; i++) {
        const struct statistics *a = &expected.statistics[i], *b = &got->statistics[i];
        if (world->features[i].is_dropped ||
            (a->count == b->count && a->null_count == b->null_count &&
             a->last_event_time_us == b->last_event_time_us &&
             memcmp(&a->mean, &b->mean, sizeof(a->mean)) == 0 &&
             memcmp(&a->m2, &b->m2, sizeof(a->m2)) == 0 && memcmp(&a->min, &b->min, 8) == 0 &&
             memcmp(&a->max, &b->max, 8) == 0))
            continue;
        snprintf(out, DIFFERENCE_BYTES,
                 "statistics of feature %u: expected %llu values, %llu nulls, mean %g; found %llu, "
                 "%llu, %g",
                 i, (unsigned long long)a->count, (unsigned long long)a->null_count, a->mean,
                 (unsigned long long)b->count, (unsigned long long)b->null_count, b->mean);
        return true;
    }
    return false;
}

static bool state_differs(struct world *world, const struct counted *got, uint32_t end,
                          char out[DIFFERENCE_BYTES])
{
    int64_t now_us = online_now_us(world->process->store);
    if (now_us > world->latest_us)
        world->latest_us = now_us;
    if (statistics_differ(world, got, end, out))
        return true;
    for (uint32_t feature = 0; feature < world->feature_count; feature++)
        for (uint32_t id = 0; id < WORLD_IDS && !world->features[feature].is_dropped; id++)
            if (cell_differs(world, id, feature, end, out))
                return true;
    return false;
}

static void keep_prefix(struct world *world, uint32_t end)
{
    if (end < world->event_count)
        world->cell_count = world->events[end].first_cell;
    world->event_count = end;
    uint64_t now = sim_files_sequence(world->sim);
    for (uint32_t i = 0; i < end; i++)
        if (world->events[i].outcome != WORLD_ACKNOWLEDGED) {
            world->events[i].outcome = WORLD_ACKNOWLEDGED; /* it has been shown to readers */
            world->events[i].sequence = now;
        }
    for (uint32_t i = 0; i < world->feature_count; i++)
        if (world->features[i].born_at > end)
            world->features[i].born_at = end;
}

/* What the writer gave a time to must not be in the future now: time does not run backwards. */
static void check_clock(const struct world *world)
{
    int64_t now_us = online_now_us(world->process->store);
    for (uint32_t i = 0; i < world->cell_count; i++)
        if (world->cells[i].is_time_given && world->cells[i].event_time_us > now_us)
            world_fail(world, "the clock is at %lld, and has given %lld before", (long long)now_us,
                       (long long)world->cells[i].event_time_us);
}

void model_drop_failed(struct world *world)
{
    uint32_t events = 0, cells = 0;
    for (uint32_t i = 0; i < world->event_count; i++) {
        struct world_event event = world->events[i];
        if (event.outcome == WORLD_FAILED)
            continue;
        memmove(&world->cells[cells], &world->cells[event.first_cell],
                event.cell_count * sizeof(*world->cells));
        event.first_cell = cells;
        cells += event.cell_count;
        world->events[events++] = event;
    }
    for (uint32_t i = 0; i < world->feature_count; i++)
        if (world->features[i].born_at > events)
            world->features[i].born_at = events;
    world->event_count = events;
    world->cell_count = cells;
}

uint32_t model_promised(const struct world *world, uint64_t unsynced)
{
    uint32_t promised = 0;
    for (uint32_t i = 0; i < world->event_count; i++)
        if (world->events[i].outcome == WORLD_ACKNOWLEDGED && world->events[i].sequence < unsynced)
            promised = i + 1;
    return promised;
}

static void check_state(struct world *world, uint32_t end, const char *when)
{
    char difference[DIFFERENCE_BYTES] = "";
    struct counted got;
    get_statistics(world, &got);
    if (state_differs(world, &got, end, difference))
        world_fail(world, "%s, %u of %u events, LSN %llu: %s", when, end, world->event_count,
                   (unsigned long long)world_lsn(world), difference);
    epoch_offline(world->process->loop.reader);
}

void model_check_recovered(struct world *world, uint32_t promised)
{
    uint64_t lsn = world_lsn(world);
    model_drop_failed(world);
    uint32_t end = 0;
    while (end < world->event_count && world->events[end].lsn <= lsn)
        end++;
    uint64_t last_lsn = end > 0 ? world->events[end - 1].lsn : 0;
    if (end < promised || last_lsn != lsn)
        world_fail(world, "recovered up to LSN %llu, which is event %u of %u; %u were promised",
                   (unsigned long long)lsn, end, world->event_count, promised);
    check_state(world, end, "after recovery");
    keep_prefix(world, end);
    check_clock(world);
}

void model_check_now(struct world *world)
{
    for (uint32_t i = 0; i < world->event_count; i++)
        assert_true(world->events[i].outcome != WORLD_FAILED); /* dropped by the caller */
    check_state(world, model_promised(world, UINT64_MAX), "while it runs");
}

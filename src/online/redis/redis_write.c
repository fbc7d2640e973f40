/* Writes: one call of write.lua per row, so many at a time. A record counts as applied when all of its
 * rows are; the request ends at the first one that cannot be. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "online/redis/redis_private.h"
#include "online/redis/redis_value.h"

#define ARGUMENTS_PER_CELL 6u
#define SCRATCH_BYTES_MAX ((size_t)16 << 20)

struct write_row {
    struct redis_call call; /* first */
    struct write_state *state;
    struct write_row *next_free;
    uint32_t number;
};

struct row_result {
    uint32_t written;
    uint32_t late;
};

struct write_state {
    struct online_write *write;
    struct redis_loop *on;
    struct arena keys;    /* of nothing but the key at hand */
    struct buffer scratch;
    struct row_result *results; /* by row */
    struct write_row *free;
    uint32_t next;        /* row to be submitted */
    uint32_t checked_end; /* rows below were looked up in the catalog */
    uint32_t in_flight;
    uint32_t failed; /* the first row that failed; row_count: none */
    bool is_submitting;
    struct write_row rows[];
};

static void fail(struct write_state *state, uint32_t row, status result, const struct error *error)
{
    if (row >= state->failed)
        return;
    state->failed = row;
    state->write->status = result;
    state->write->error = *error;
}

static void destroy(struct write_state *state, uint32_t row_slots)
{
    for (uint32_t i = 0; i < row_slots; i++)
        redis_call_fini(&state->rows[i].call);
    buffer_fini(&state->scratch);
    arena_fini(&state->keys);
    memory_free(state->results);
    memory_free(state);
}

static uint32_t slots_for(const struct redis_loop *on, const struct online_write *write)
{
    uint32_t most = redis_loop_window(on);
    return write->row_count < most ? write->row_count : most;
}

static struct write_state *create(struct redis_loop *on, struct online_write *write)
{
    uint32_t slots = slots_for(on, write);
    struct write_state *state =
        memory_alloc_zero(sizeof(*state) + slots * sizeof(state->rows[0]));
    struct row_result *results = memory_alloc_array(write->row_count, sizeof(*results));
    if (state == NULL || results == NULL) {
        memory_free(state);
        memory_free(results);
        return NULL;
    }
    state->write = write;
    state->on = on;
    state->results = results;
    state->failed = write->row_count;
    arena_init(&state->keys, SCRATCH_BYTES_MAX);
    buffer_init(&state->scratch, SCRATCH_BYTES_MAX);
    for (uint32_t i = 0; i < slots; i++) {
        struct write_row *row = &state->rows[i];
        redis_call_init(&row->call, on->client, &on->rows.script_loads);
        row->state = state;
        row->next_free = state->free;
        state->free = row;
    }
    return state;
}

/* Up to the first record that was not applied whole. */
static void sum_up(struct write_state *state)
{
    struct online_write *write = state->write;
    uint32_t first = 0;
    for (uint32_t i = 0; i < state->failed; i++) {
        if (!write->rows[i].ends_record)
            continue;
        for (; first <= i; first++) {
            write->values_written += state->results[first].written;
            write->values_late += state->results[first].late;
        }
        write->records_applied++;
    }
}

static void finish(struct write_state *state)
{
    struct online_write *write = state->write;
    sum_up(state);
    destroy(state, slots_for(state->on, write));
    write->done(write);
}

static const struct catalog_version *version_of(const struct catalog *catalog,
                                                const struct online_write_row *row,
                                                const struct online_write_cell *cell)
{
    return catalog_version_at(catalog, row->entity_index, cell->slot, cell->version_id);
}

static status check_row(const struct catalog *catalog, const struct online_write_row *row,
                        struct error *error)
{
    for (uint32_t i = 0; i < row->cell_count; i++)
        if (version_of(catalog, row, &row->cells[i]) == NULL)
            return error_set(error, STATUS_NOT_FOUND, "not_registered",
                             "a feature of this request was deleted while it was written");
    return OK;
}

/* All versions of the record that begins here, before anything of it is sent. */
static status check_record(struct write_state *state, struct error *error)
{
    const struct catalog *catalog = redis_catalog(state->on);
    const struct online_write *write = state->write;
    do {
        TRY(check_row(catalog, &write->rows[state->checked_end], error));
    } while (!write->rows[state->checked_end++].ends_record &&
             state->checked_end < write->row_count);
    return OK;
}

static str decimal(char text[static 24], int64_t number)
{
    char *end = text + 24;
    char *at = end;
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (number < 0)
        *--at = '-';
    return str_of(at, (size_t)(end - at));
}

static void add_life(struct redis_call *call, const struct catalog_version *version,
                     int64_t event_time_us)
{
    char text[24];
    int64_t life = event_time_us == ONLINE_EVENT_TIME_NOW
                       ? version->ttl_us + REDIS_KEY_GRACE_US
                       : redis_row_end_ms(event_time_us, version->ttl_us);
    if (version->ttl_us == 0 || life == REDIS_NEVER_MS)
        redis_call_add(call, STR(""));
    else
        redis_call_add(call, decimal(text, life));
}

static void add_cell(struct write_state *state, struct redis_call *call,
                     const struct catalog_version *version, const struct online_write_cell *cell)
{
    char field[REDIS_FIELD_MAX];
    char text[24];
    bool is_open = cell->event_time_us == ONLINE_EVENT_TIME_NOW;
    redis_call_add(call, redis_row_field(version, field));
    redis_call_add(call, decimal(text, (int64_t)version->id));
    redis_call_add(call, is_open ? STR("") : decimal(text, cell->event_time_us));
    redis_call_add(call, cell->value.is_null ? STR("n") : STR("v"));
    add_life(call, version, cell->event_time_us);
    redis_call_add(call, cell->value.is_null ? STR("")
                                             : redis_value_text(&cell->value, &state->scratch));
}

static bool key_of(struct write_state *state, const struct online_write_row *row, str *out)
{
    const struct catalog_entity *entity = redis_catalog(state->on)->entities[row->entity_index];
    arena_reset(&state->keys);
    return redis_row_key(&state->keys, entity->name, row->entity_id, out);
}

static void count_values(struct write_state *state, const struct online_write_row *row,
                         int64_t arrived_us)
{
    for (uint32_t i = 0; i < row->cell_count; i++) {
        const struct online_write_cell *cell = &row->cells[i];
        bool is_open = cell->event_time_us == ONLINE_EVENT_TIME_NOW;
        redis_statistics_add(state->on, cell->version_id, &cell->value,
                             is_open ? arrived_us : cell->event_time_us);
    }
}

/* {0, written, late, 1 if new, time of arrival} */
static void take_answer(struct write_state *state, uint32_t number, const redisReply *reply)
{
    const struct online_write_row *row = &state->write->rows[number];
    struct row_result *result = &state->results[number];
    int64_t arrived_us = 0;
    result->written = (uint32_t)reply->element[1]->integer;
    result->late = (uint32_t)reply->element[2]->integer;
    redis_count(&state->on->rows.values_written, result->written);
    redis_count(&state->on->rows.values_late, result->late);
    const redisReply *time = reply->element[4];
    if (time->type != REDIS_REPLY_STRING ||
        !str_to_int64(str_of(time->str, time->len), &arrived_us) || arrived_us < 0 ||
        arrived_us > CLOCK_MAX_US)
        arrived_us = store_clock_now_us(state->on->store->options.clock);
    count_values(state, row, arrived_us);
    if (reply->element[3]->integer == 1)
        redis_all_set_add(state->on, redis_catalog(state->on)->entities[row->entity_index]->name,
                          row->entity_id);
}

static void submit_rows(struct write_state *state);

static void row_done(struct redis_call *call, enum redis_outcome outcome, const redisReply *reply)
{
    struct write_row *row = call->user;
    struct write_state *state = row->state;
    struct error error;
    str key = {NULL, 0};
    loop_enter(state->on->loop);
    error_clear(&error);
    bool has_key = key_of(state, &state->write->rows[row->number], &key);
    status result =
        redis_script_check(state->on, outcome, reply, 5, has_key ? key : STR("?"), &error);
    if (status_is_ok(result))
        take_answer(state, row->number, reply);
    else
        fail(state, row->number, result, &error);
    row->next_free = state->free;
    state->free = row;
    state->in_flight--;
    submit_rows(state);
}

static status submit_row(struct write_state *state, struct write_row *slot, struct error *error)
{
    const struct online_write_row *row = &state->write->rows[slot->number];
    const struct catalog *catalog = redis_catalog(state->on);
    str key;
    if (slot->number == state->checked_end)
        TRY(check_record(state, error));
    else
        TRY(check_row(catalog, row, error)); /* rows of one record may wait for others */
    if (!key_of(state, row, &key))
        return redis_no_memory(error);
    redis_call_begin(&slot->call, &redis_script_write, key, row->cell_count * ARGUMENTS_PER_CELL);
    for (uint32_t i = 0; i < row->cell_count; i++)
        add_cell(state, &slot->call, version_of(catalog, row, &row->cells[i]), &row->cells[i]);
    if (!status_is_ok(buffer_status(&state->scratch)) ||
        !status_is_ok(redis_call_submit(&slot->call, row_done, slot)))
        return redis_no_memory(error);
    return OK;
}

static void submit_next(struct write_state *state)
{
    struct write_row *slot = state->free;
    struct error error;
    error_clear(&error);
    state->free = slot->next_free;
    slot->number = state->next++;
    state->in_flight++;
    status result = submit_row(state, slot, &error);
    if (status_is_ok(result))
        return;
    fail(state, slot->number, result, &error);
    state->in_flight--;
    slot->next_free = state->free;
    state->free = slot;
}

/* Fills what is free. A row may be answered before its submission returns: then the loop goes on. */
static void submit_rows(struct write_state *state)
{
    if (state->is_submitting)
        return;
    state->is_submitting = true;
    while (state->free != NULL && state->next < state->write->row_count &&
           state->failed == state->write->row_count)
        submit_next(state);
    state->is_submitting = false;
    if (state->in_flight == 0)
        finish(state);
}

void redis_store_write(struct online_store *store, struct online_write *write)
{
    struct redis_loop *on = redis_loop_of(store, write->loop);
    struct write_state *state = NULL;
    write->records_applied = 0;
    write->values_written = 0;
    write->values_late = 0;
    error_clear(&write->error);
    write->status = redis_loop_check(on, &write->error);
    if (status_is_ok(write->status) && write->row_count > 0) {
        state = create(on, write);
        if (state == NULL)
            write->status = redis_no_memory(&write->error);
    }
    if (state == NULL)
        write->done(write);
    else
        submit_rows(state);
}

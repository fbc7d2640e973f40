/* Reads: one HMGET (HGETALL if others' values are asked for too) per id, all of a request in one
 * pipeline. Everything the replies need is in the request's arena: the catalog image that the versions
 * came from may be gone by then. */
#include "base/assert.h"
#include "base/compiler.h"
#include "online/redis/redis_private.h"

struct read_id {
    struct redis_command command; /* first */
    struct read_state *state;
    str key;
    uint32_t number;
};

struct read_state {
    struct online_read *read;
    struct redis_loop *on;
    struct redis_columns columns;
    uint32_t next; /* id to be asked for */
    uint32_t in_flight;
    bool is_submitting;
    int64_t now_us; /* taken at `turn_ms` of uv_now(); 0: not yet */
    uint64_t turn_ms;
    struct read_id ids[];
};

static void fail(struct online_read *read, status result)
{
    if (status_is_ok(read->status))
        read->status = result;
}

/* As many as may wait at a time; an answer may come before its submission returns. After a failure no
 * more are asked for. */
static void submit_ids(struct read_state *state)
{
    struct online_read *read = state->read;
    uint32_t most = redis_loop_window(state->on);
    if (state->is_submitting)
        return;
    state->is_submitting = true;
    while (state->in_flight < most && state->next < read->id_count && status_is_ok(read->status)) {
        state->in_flight++;
        redis_client_submit(state->on->client, &state->ids[state->next++].command);
    }
    state->is_submitting = false;
    if (state->in_flight == 0)
        read->done(read); /* the state may be gone now */
}

/* One look at the clock does for the replies that come together. */
static int64_t now_us(struct read_state *state)
{
    uint64_t turn_ms = uv_now(&state->on->loop->uv);
    if (state->now_us == 0 || turn_ms != state->turn_ms) {
        state->now_us = store_clock_now_us(state->on->store->options.clock);
        state->turn_ms = turn_ms;
    }
    return state->now_us;
}

static status read_row(const struct read_id *id, const redisReply *reply)
{
    struct read_state *state = id->state;
    struct online_read *read = state->read;
    struct cell *cells = /* none without versions */
        read->cells ? read->cells + (size_t)id->number * read->version_count : NULL;
    struct online_others *others = read->others ? &read->others[id->number] : NULL;
    bool is_damaged = false;
    if (unlikely(redis_reply_is(reply, "WRONGTYPE"))) {
        redis_row_none(&state->columns, cells, others);
        is_damaged = true;
    } else {
        TRY(redis_answer_check(REDIS_ANSWERED, reply, read->error));
        TRY(redis_row_read(&state->columns, reply, now_us(state), read->arena, cells, others,
                           &is_damaged, read->error));
    }
    if (unlikely(is_damaged))
        redis_loop_damaged(state->on, id->key);
    return OK;
}

static void id_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct read_id *id = CONTAINER_OF(command, struct read_id, command);
    struct read_state *state = id->state;
    loop_enter(state->on->loop);
    if (unlikely(!status_is_ok(state->read->status)))
        ; /* it has failed already */
    else if (unlikely(outcome != REDIS_ANSWERED))
        fail(state->read, redis_outcome_error(outcome, state->read->error));
    else
        fail(state->read, read_row(id, reply));
    ASSERT(state->in_flight > 0);
    state->in_flight--;
    submit_ids(state);
}

/* What stands around the key in every command of a read. */
struct frame {
    str head; /* up to its "$" */
    str tail; /* from the CRLF behind it */
    str entity_name;
};

static bool frame_init(struct frame *frame, const struct read_state *state, struct arena *arena)
{
    const struct redis_columns *columns = &state->columns;
    const struct online_read *read = state->read;
    bool is_all = read->others != NULL;
    uint32_t fields = is_all ? 0 : columns->count;
    size_t capacity = 3 * REDIS_HEAD_BYTES + STR("HGETALL" REDIS_EVENT_TIMES).len;
    for (uint32_t i = 0; i < fields; i++)
        capacity += REDIS_HEAD_BYTES + columns->items[i].field.len;
    char *data = arena_alloc(arena, capacity);
    if (data == NULL)
        return false;
    char *at = redis_put_head(data, '*', is_all ? 2 : fields + (size_t)3);
    at = redis_put_bulk(at, is_all ? STR("HGETALL") : STR("HMGET"));
    frame->head = str_of(data, (size_t)(at - data));
    data = at;
    at = mempcpy(at, "\r\n", 2);
    for (uint32_t i = 0; i < fields; i++)
        at = redis_put_bulk(at, columns->items[i].field);
    if (!is_all)
        at = redis_put_bulk(at, STR(REDIS_EVENT_TIMES));
    frame->tail = str_of(data, (size_t)(at - data));
    frame->entity_name = read->entity ? read->entity->name : read->entity_name;
    return true;
}

static bool format_id(struct read_state *state, uint32_t number, const struct frame *frame,
                      struct arena *arena)
{
    struct read_id *id = &state->ids[number];
    str entity_id = state->read->entity_ids[number];
    size_t key_len = redis_row_key_len(frame->entity_name, entity_id);
    char *data =
        arena_alloc(arena, frame->head.len + REDIS_HEAD_BYTES + key_len + frame->tail.len);
    if (data == NULL)
        return false;
    char *key = mempcpy(data, frame->head.data, frame->head.len);
    key = redis_put_head(key, '$', key_len);
    char *end = redis_row_put_key(key, frame->entity_name, entity_id);
    end = mempcpy(end, frame->tail.data, frame->tail.len);
    bool is_all = state->read->others != NULL;
    id->state = state;
    id->key = str_of(key, key_len);
    id->number = number;
    /* Not the whole of it: what is the client's need not be cleared for each id. */
    struct redis_command *command = &id->command;
    command->bytes = str_of(data, (size_t)(end - data));
    command->slot =
        redis_client_is_cluster(state->on->client) ? redis_slot(id->key) : REDIS_SLOT_ANY;
    command->lane = REDIS_LANE_READ;
    command->shape = is_all ? REDIS_SHAPE_PAIRS : REDIS_SHAPE_ARRAY;
    command->elements = state->columns.count + 1;
    command->done = id_done;
    return true;
}

static bool prepare(struct redis_loop *on, struct online_read *read, struct read_state **out)
{
    struct arena *arena = read->arena;
    struct frame frame;
    struct read_state *state =
        arena_alloc(arena, sizeof(*state) + read->id_count * sizeof(state->ids[0]));
    if (state == NULL)
        return false;
    state->read = read;
    state->on = on;
    state->next = 0;
    state->in_flight = 0;
    state->is_submitting = false;
    state->now_us = 0;
    if (!redis_columns_init(&state->columns, read->versions, read->version_count, arena) ||
        (read->id_count > 1 && !redis_columns_expect_many(&state->columns, arena)) ||
        !frame_init(&frame, state, arena))
        return false;
    for (uint32_t i = 0; i < read->id_count; i++)
        if (!format_id(state, i, &frame, arena))
            return false;
    *out = state;
    return true;
}

void redis_store_read(struct online_store *store, struct online_read *read)
{
    struct redis_loop *on = redis_loop_of(store, read->loop);
    struct read_state *state = NULL;
    ASSERT(read->id_count <= ONLINE_READ_IDS_MAX);
    read->status = redis_loop_check(on, read->error);
    bool has_work = read->id_count > 0 && (read->version_count > 0 || read->others != NULL);
    if (status_is_ok(read->status) && has_work && !prepare(on, read, &state))
        read->status = redis_no_memory(read->error);
    if (state == NULL || !status_is_ok(read->status))
        read->done(read);
    else
        submit_ids(state);
}

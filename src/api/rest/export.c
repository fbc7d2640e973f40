/* GET /features/export: what POST /features/ingest/bulk takes, for `featured copy`. */
#include "base/assert.h"
#include "codec/json_export.h"
#include "service/export.h"

#include "api/rest/others.h"
#include "api/rest/request.h"

#define PIECE_BYTES (64u << 10) /* a row that begins below is still taken */
#define IDS_DEFAULT 1000u
#define IDS_MAX 100000u

struct export_state {
    struct http_exchange *exchange;
    struct export_reader reader;
    str *keys;
    struct others others;
    uint32_t row_next;  /* of the present rows, the first that is not written */
    uint32_t row_count; /* that hold */
    struct buffer *out; /* while export_next() is called */
    bool is_waiting;
    bool is_failed;
    bool has_ended;
    struct error error;
};

static status prepare_keys(struct export_state *state)
{
    const struct retrieve *retrieve = &state->reader.retrieve;
    state->keys =
        arena_alloc_array(retrieve->arena, retrieve->column_count + 1, sizeof(*state->keys));
    if (state->keys == NULL)
        return error_no_memory(&state->error);
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        if (!status_is_ok(json_encode_export_key(retrieve->arena, retrieve->columns[c].name,
                                                 &state->keys[c])))
            return error_no_memory(&state->error);
    }
    return OK;
}

/* As many of the rows as fill a piece. Those left out are still there for the next one, or are read
 * again for it. */
static void append_rows(struct export_state *state, struct buffer *out)
{
    struct export_reader *reader = &state->reader;
    struct retrieve *retrieve = &reader->retrieve;
    size_t full_at = out->len + PIECE_BYTES;
    uint32_t first = state->row_next;
    while (state->row_next < state->row_count && out->len < full_at && !out->failed) {
        uint32_t i = state->row_next++;
        const struct cell *cells = retrieve_row(retrieve, i);
        if (!status_is_ok(others_take(&state->others, retrieve, i, cells)))
            out->failed = true;
        json_encode_export(out, export_id(reader, i), state->keys, cells, retrieve->column_count,
                           state->others.items, state->others.count);
    }
    export_took(reader, state->row_next - first);
    if (!retrieve_is_late(retrieve))
        state->row_next = state->row_count = 0;
}

static void take_rows(struct export_state *state)
{
    state->is_waiting = false;
    state->is_failed = !status_is_ok(state->reader.status);
    state->has_ended = state->reader.has_ended;
    state->row_next = 0;
    state->row_count = state->is_failed ? 0 : state->reader.row_count;
}

static void next_done(struct export_reader *reader)
{
    struct export_state *state = reader->user;
    take_rows(state);
    if (state->out)
        append_rows(state, state->out);
    http_stream_resume(state->exchange); /* if it waits */
}

/* A store that answers at once has its rows written before export_next() returns. */
static void read_more(struct export_state *state, struct buffer *out)
{
    state->is_waiting = true;
    state->out = out;
    export_next(&state->reader, next_done, state);
    state->out = NULL;
}

static enum http_piece produce(struct http_exchange *exchange, struct buffer *out)
{
    struct export_state *state = exchange->user;
    if (state->row_next < state->row_count)
        append_rows(state, out);
    else if (!state->has_ended && !state->is_failed)
        read_more(state, out);
    if (state->is_waiting)
        return HTTP_PIECE_WAIT;
    if (state->is_failed)
        return HTTP_PIECE_BROKEN;
    if (!state->has_ended)
        return HTTP_PIECE_MORE;
    json_encode_export_end(out, str_of(state->reader.cursor, state->reader.cursor_len));
    return HTTP_PIECE_LAST;
}

static void finish(struct http_exchange *exchange)
{
    struct export_state *state = exchange->user;
    export_fini(&state->reader);
}

static void fail(struct export_state *state)
{
    if (state->error.code == STATUS_INVALID) { /* nothing else is left to be wrong by then */
        error_loc_name(&state->error, STR("query"));
        error_loc_name(&state->error, STR("cursor"));
    }
    export_fini(&state->reader);
    api_fail_unknown(state->exchange, &state->error);
}

/* Before the answer begins, so that a wrong cursor, or a store that is away, still is an error. */
static void first_done(struct export_reader *reader)
{
    struct export_state *state = reader->user;
    take_rows(state);
    if (state->is_failed) {
        fail(state);
        return;
    }
    if (!retrieve_is_late(&reader->retrieve))
        state->row_count = 0; /* they do not hold: produce() has them read again */
    http_respond_stream(state->exchange, 200, STR("application/x-ndjson"),
                        (struct http_stream){produce, finish});
}

static status choose(struct export_state *state, str *entity, str *cursor, uint64_t *limit)
{
    struct api_query query;
    struct error *error = &state->error;
    TRY(api_query_parse(state->exchange, "entity cursor limit", &query, error));
    TRY(api_query_uint(&query, STR("limit"), 1, IDS_MAX, limit, error));
    *entity = api_query_get(&query, STR("entity"));
    *cursor = api_query_get(&query, STR("cursor"));
    if (entity->len > 0)
        return OK;
    error_loc_name(error, STR("query"));
    error_loc_name(error, STR("entity"));
    return error_set(error, STATUS_INVALID, "missing", "Field required");
}

/* What others keep under an entity that nobody registered is exported too. */
static status check_entity(struct export_state *state)
{
    const struct retrieve *retrieve = &state->reader.retrieve;
    if (!retrieve->entity_unknown || retrieve->wants_others)
        return OK;
    return error_set(&state->error, STATUS_NOT_FOUND, "not_registered",
                     "Entity '%.*s' not registered", STR_ARG(state->reader.entity_name));
}

static status prepare(struct export_state *state, str entity, str cursor, uint64_t limit)
{
    struct http_exchange *exchange = state->exchange;
    TRY(export_init(&state->reader, api_of(exchange)->service, &exchange->arena, exchange->loop,
                    entity, cursor, limit, &state->error));
    TRY(check_entity(state));
    TRY(service_check_values(api_of(exchange)->service, &state->error));
    return prepare_keys(state);
}

void api_export(struct http_exchange *exchange)
{
    struct export_state *state = api_state(exchange, sizeof(*state));
    str entity;
    str cursor;
    uint64_t limit = IDS_DEFAULT;
    if (state == NULL)
        return;
    state->exchange = exchange;
    exchange->user = state;
    if (!status_is_ok(choose(state, &entity, &cursor, &limit))) {
        api_fail(exchange, &state->error);
        return;
    }
    if (!status_is_ok(prepare(state, entity, cursor, limit))) {
        fail(state);
        return;
    }
    /* A feature registered elsewhere a moment ago must not be left out. */
    if (state->reader.retrieve.entity_unknown && api_look_again(exchange)) {
        export_fini(&state->reader);
        return;
    }
    export_next(&state->reader, first_done, state);
}

/* POST /features/ingest/bulk: rows stream in, are decoded into one chunk while the store writes the
 * other, and the answer says what became of them. Chunks are written one after the other, so what
 * is applied is always a prefix of the rows. Memory: two chunks and one incomplete row. */
#include "base/assert.h"
#include "base/json_string.h"
#include "codec/bulk.h"
#include "model/limits.h"
#include "service/define.h"
#include "service/ingest.h"

#include "api/rest/request.h"

#define TURN_ROWS 128u                /* decoded in some 50 µs, then others have their turn */
#define CHUNK_RECORDS 512u            /* with that many a chunk is full */
#define CHUNK_BYTES ((size_t)1 << 20) /* or with more than this */
#define CHUNK_ARENA_BYTES ((size_t)128 << 20) /* a row of BULK_ROW_BYTES, decoded */

struct chunk {
    struct arena arena;
    struct ingest ingest;
    struct ingest_record records[CHUNK_RECORDS];
    uint64_t lines[CHUNK_RECORDS];
    uint32_t count;
    uint32_t first; /* records before it are done with */
};

struct bulk_error {
    uint64_t line;
    str detail;
};

struct bulk {
    struct http_exchange *exchange;
    struct bulk_reader *reader;
    struct chunk chunks[2];
    struct chunk *filling;
    struct chunk *writing; /* NULL: there is nothing for the store */
    bool is_in_store;      /* it has what is being written */
    bool is_advancing;
    bool skip_bad;
    bool reader_is_hungry; /* it wants the next piece */
    bool body_is_paused;
    bool rows_ended; /* nothing more is decoded: the end, or the error that ends it */
    bool was_answered;
    bool is_waiting; /* for the registry, before the first row is decoded; or for its next turn */
    struct registry_request look;
    struct loop_task turn;
    struct error error; /* what ended it, unless code is OK */
    uint64_t bad_line;
    /* the answer's counts */
    uint64_t rows_accepted;
    uint64_t rows_rejected;
    uint64_t values_written;
    uint64_t values_late;
    uint64_t last_line_applied;
    struct bulk_error errors[LIMIT_BULK_ERRORS];
    uint32_t error_count;
};

static void bulk_advance(struct bulk *bulk);

static void append_counts(struct buffer *out, const struct bulk *bulk)
{
    buffer_append_format(
        out,
        "\"rows_accepted\":%llu,\"rows_rejected\":%llu,\"values_written\":%llu,"
        "\"values_late\":%llu,\"last_line_applied\":%llu,\"errors\":[",
        (unsigned long long)bulk->rows_accepted, (unsigned long long)bulk->rows_rejected,
        (unsigned long long)bulk->values_written, (unsigned long long)bulk->values_late,
        (unsigned long long)bulk->last_line_applied);
    for (uint32_t i = 0; i < bulk->error_count; i++) {
        buffer_append_format(out, "%s{\"line\":%llu,\"detail\":", i ? "," : "",
                             (unsigned long long)bulk->errors[i].line);
        json_append_string(out, bulk->errors[i].detail);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}

static void release(struct bulk *bulk)
{
    bulk_reader_destroy(bulk->reader);
    bulk->reader = NULL;
    arena_fini(&bulk->chunks[0].arena);
    arena_fini(&bulk->chunks[1].arena);
}

static void answer(struct bulk *bulk)
{
    struct http_exchange *exchange = bulk->exchange;
    struct buffer *out;
    ASSERT(!bulk->was_answered);
    bulk->was_answered = true;
    release(bulk);
    if (bulk->error.code == STATUS_OK) {
        out = api_respond_json_begin(exchange);
        buffer_append_char(out, '{');
        append_counts(out, bulk);
        buffer_append_char(out, '}');
        http_respond_end(exchange);
    } else {
        out = http_respond_error_begin(exchange, &bulk->error);
        buffer_append_char(out, ',');
        append_counts(out, bulk);
        http_respond_error_end(exchange, out);
    }
}

/* A bad row: its number and why, while there is room in the list. */
static void note_rejected(struct bulk *bulk, uint64_t line, const struct error *error)
{
    struct bulk_error *entry = &bulk->errors[bulk->error_count];
    bulk->rows_rejected++;
    if (bulk->error_count == LIMIT_BULK_ERRORS)
        return;
    if (!arena_copy_str(&bulk->exchange->arena, str_from_cstr(error->detail), &entry->detail))
        return;
    entry->line = line;
    bulk->error_count++;
}

static void end_with(struct bulk *bulk, const struct error *error)
{
    if (bulk->error.code == STATUS_OK)
        bulk->error = *error;
    bulk->rows_ended = true;
}

static void reject_row(struct bulk *bulk, uint64_t line, struct error *error)
{
    if (api_unknown(bulk->exchange, error).code == STATUS_UNAVAILABLE) {
        end_with(bulk, error); /* not the row's fault: it may be sent again */
        return;
    }
    note_rejected(bulk, line, error);
    if (bulk->skip_bad)
        return;
    end_with(bulk, error);
    /* On the wire a bad row is 422, also one that names an unregistered feature. */
    bulk->error.code = STATUS_INVALID;
}

/* A header that names an unregistered feature is 422 too, unless another server may know it. */
static void end_fatally(struct bulk *bulk, struct error *error)
{
    if (api_unknown(bulk->exchange, error).code == STATUS_NOT_FOUND)
        error->code = STATUS_INVALID;
    end_with(bulk, error);
}

static void out_of_memory(struct bulk *bulk)
{
    struct error error;
    error_clear(&error);
    error_set(&error, STATUS_OUT_OF_MEMORY, "out_of_memory",
              "not enough memory; the rows up to last_line_applied are applied");
    end_with(bulk, &error);
}

/* What was decoded after the row that ends the request is not applied. */
static void drop_decoded(struct bulk *bulk, struct chunk *chunk)
{
    chunk->count = 0;
    bulk->filling->count = 0;
}

/* The record the store refused: a feature dropped since it was decoded is that row's fault;
 * anything else (the store is full) ends the request. */
static void handle_refused(struct bulk *bulk, struct chunk *chunk)
{
    if (!bulk->skip_bad) { /* a bad row met since comes after this one: it never had its turn */
        bulk->error.code = STATUS_OK;
        bulk->rows_rejected = 0;
        bulk->error_count = 0;
    }
    if (chunk->ingest.status.code != STATUS_NOT_FOUND) {
        bulk->error.code = STATUS_OK;
        end_with(bulk, &chunk->ingest.error);
        drop_decoded(bulk, chunk);
        return;
    }
    uint64_t line = chunk->lines[chunk->first++];
    chunk->ingest.error.loc_len = 0;
    error_loc_name(&chunk->ingest.error, STR("line"));
    error_loc_index(&chunk->ingest.error, line);
    reject_row(bulk, line, &chunk->ingest.error);
    if (!bulk->skip_bad)
        drop_decoded(bulk, chunk);
}

/* Perhaps before ingest_submit() has returned: then bulk_advance() goes on. */
static void chunk_done(struct ingest *ingest)
{
    struct bulk *bulk = ingest->user;
    struct chunk *chunk = bulk->writing;
    bulk->is_in_store = false;
    bulk->rows_accepted += ingest->records_applied;
    bulk->values_written += ingest->values_written;
    bulk->values_late += ingest->values_late;
    if (ingest->records_applied)
        bulk->last_line_applied = chunk->lines[chunk->first + ingest->records_applied - 1];
    chunk->first += ingest->records_applied;
    if (!status_is_ok(ingest->status))
        handle_refused(bulk, chunk);
    if (chunk->first >= chunk->count)
        bulk->writing = NULL;
    if (!bulk->is_advancing)
        bulk_advance(bulk);
}

static void submit(struct bulk *bulk)
{
    struct chunk *chunk = bulk->writing;
    bulk->is_in_store = true;
    if (!status_is_ok(ingest_submit(&chunk->ingest, api_of(bulk->exchange)->service, &chunk->arena,
                                    chunk->records + chunk->first, chunk->count - chunk->first,
                                    bulk->exchange->loop, chunk_done, bulk))) {
        bulk->is_in_store = false;
        bulk->writing = NULL;
        drop_decoded(bulk, chunk);
        out_of_memory(bulk);
    }
}

static bool chunk_is_full(const struct chunk *chunk)
{
    return chunk->count == CHUNK_RECORDS || chunk->arena.held_bytes > CHUNK_BYTES;
}

static void reset(struct chunk *chunk)
{
    arena_reset(&chunk->arena);
    chunk->count = 0;
    chunk->first = 0;
}

static bool can_decode(const struct bulk *bulk)
{
    return !bulk->rows_ended && !bulk->reader_is_hungry && !chunk_is_full(bulk->filling);
}

/* Decodes until the chunk is full, the reader wants more, the rows end, or the turn does. */
static void fill(struct bulk *bulk, struct chunk *chunk, uint32_t *rows_left)
{
    struct service *service = api_of(bulk->exchange)->service;
    const struct catalog *catalog = service_catalog(service);
    int64_t now_us = online_now_us(service->online);
    struct error error;
    error_clear(&error);
    if (chunk->count == 0)
        reset(chunk);
    for (; *rows_left > 0 && can_decode(bulk); (*rows_left)--) {
        uint64_t line = 0;
        switch (bulk_reader_next(bulk->reader, catalog, now_us, &chunk->arena,
                                 &chunk->records[chunk->count], &line, &error)) {
        case BULK_RECORD:
            chunk->lines[chunk->count++] = line;
            break;
        case BULK_BAD:
            reject_row(bulk, line, &error);
            error_clear(&error);
            if (chunk->count == 0) /* bad rows alone must not fill the chunk */
                reset(chunk);
            break;
        case BULK_NEED_MORE:
            bulk->reader_is_hungry = true;
            break;
        case BULK_END:
            bulk->rows_ended = true;
            break;
        case BULK_FATAL:
            end_fatally(bulk, &error);
            break;
        }
    }
}

static void set_paused(struct bulk *bulk, bool pause)
{
    if (bulk->body_is_paused == pause)
        return;
    bulk->body_is_paused = pause;
    if (pause)
        http_body_pause(bulk->exchange);
    else
        http_body_resume(bulk->exchange);
}

/* The chunk that was filled is the next to write. */
static void swap_chunks(struct bulk *bulk)
{
    bulk->writing = bulk->filling;
    bulk->filling = bulk->writing == &bulk->chunks[0] ? &bulk->chunks[1] : &bulk->chunks[0];
    reset(bulk->filling);
}

static void take_turn(struct loop_task *task)
{
    struct bulk *bulk = CONTAINER_OF(task, struct bulk, turn);
    bulk->is_waiting = false;
    bulk_advance(bulk);
}

/* Moves things on as far as they go: called with every piece and every chunk written. A store may
 * be done with what it is given at once: its callback does not call this again, so that nothing
 * nests and nobody is left with a request that was answered. */
static void bulk_advance(struct bulk *bulk)
{
    if (bulk->is_waiting || bulk->was_answered)
        return;
    uint32_t rows_left = TURN_ROWS;
    bulk->is_advancing = true;
    for (;;) {
        if (bulk->writing && !bulk->is_in_store) { /* what is left behind a row that was refused */
            submit(bulk);
            continue;
        }
        fill(bulk, bulk->filling, &rows_left);
        if (bulk->writing == NULL && bulk->filling->count > 0)
            swap_chunks(bulk);
        else
            break;
    }
    bulk->is_advancing = false;
    if (bulk->rows_ended && bulk->writing == NULL) {
        answer(bulk);
        return;
    }
    /* Hungry: let the next piece come. Else both chunks are taken, or this turn is over: the client
     * has to wait. */
    set_paused(bulk, !bulk->reader_is_hungry && !bulk->rows_ended);
    if (can_decode(bulk)) {
        bulk->is_waiting = true;
        bulk->turn.run = take_turn;
        loop_defer(bulk->exchange->loop, &bulk->turn);
    }
}

static void on_body(struct http_exchange *exchange, str piece, bool last)
{
    struct bulk *bulk = exchange->user;
    if (bulk->rows_ended)
        return; /* an error has ended it; what the client still sends is not read */
    ASSERT(bulk->reader_is_hungry);
    bulk->reader_is_hungry = false;
    if (!bulk_reader_feed(bulk->reader, piece, last))
        out_of_memory(bulk);
    bulk_advance(bulk);
}

/* The client went away: what is complete stays applied, nobody waits for an answer. */
static void on_body_gone(struct http_exchange *exchange)
{
    struct bulk *bulk = exchange->user;
    bulk->rows_ended = true;
    bulk_advance(bulk);
}

/* It came too slowly, passed the limit, or was malformed: the rows that are complete stay applied,
 * and the answer counts them. */
static void on_body_failed(struct http_exchange *exchange, const struct error *error)
{
    struct bulk *bulk = exchange->user;
    end_with(bulk, error);
    bulk_advance(bulk);
}

static status choose_format(const struct http_exchange *exchange, struct bulk_options *options,
                            struct error *error)
{
    static const char *const NDJSON_TYPES[] = {"application/x-ndjson", "application/ndjson",
                                               "application/jsonl", "application/x-jsonlines"};
    str type = api_content_type(exchange);
    options->format = BULK_NDJSON;
    if (str_eq_nocase(type, STR("text/csv")) || str_eq_nocase(type, STR("application/csv"))) {
        options->format = BULK_CSV;
        return OK;
    }
    if (str_eq_nocase(type, STR("application/vnd.apache.arrow.stream"))) {
        options->format = BULK_ARROW;
        return OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(NDJSON_TYPES); i++) {
        if (str_eq_nocase(type, str_from_cstr(NDJSON_TYPES[i])))
            return OK;
    }
    return error_set(error, STATUS_UNSUPPORTED_MEDIA_TYPE, "media_type",
                     "Content-Type '%.*s' is not taken here; send application/x-ndjson, text/csv "
                     "or application/vnd.apache.arrow.stream",
                     STR_ARG(type));
}

static status choose_on_error(const struct api_query *query, struct bulk *bulk, struct error *error)
{
    str on_error = api_query_get(query, STR("on_error"));
    bulk->skip_bad = str_eq(on_error, STR("skip"));
    if (bulk->skip_bad || on_error.len == 0 || str_eq(on_error, STR("stop")))
        return OK;
    error_loc_name(error, STR("query"));
    error_loc_name(error, STR("on_error"));
    return error_set(error, STATUS_INVALID, "literal_error", "Input should be stop or skip");
}

static status bulk_start(struct bulk *bulk)
{
    struct http_exchange *exchange = bulk->exchange;
    struct api_query query;
    struct bulk_options options = {0};
    struct error *error = &bulk->error;
    TRY(api_query_parse(exchange, "entity id_column timestamp_column columns on_error", &query,
                        error));
    TRY(choose_format(exchange, &options, error));
    TRY(choose_on_error(&query, bulk, error));
    options.entity = api_query_get(&query, STR("entity"));
    options.id_column = api_query_get(&query, STR("id_column"));
    options.timestamp_column = api_query_get(&query, STR("timestamp_column"));
    options.strict = query.strict;
    TRY(api_query_names(&query, STR("columns"), &exchange->arena, &options.columns,
                        &options.column_count, error));
    bulk->reader = bulk_reader_create(&options);
    if (bulk->reader == NULL)
        return error_no_memory(error);
    return OK;
}

static void looked(struct registry_request *request)
{
    struct bulk *bulk = request->user;
    bulk->is_waiting = false;
    bulk_advance(bulk);
}

/* What was registered elsewhere before this request began is known to it. What is registered while
 * it goes on becomes known as to every other. */
static void look_for_names(struct bulk *bulk)
{
    struct service *service = api_of(bulk->exchange)->service;
    if (!service->registry->driver->is_shared)
        return;
    bulk->is_waiting = true;
    bulk->look.operation = REGISTRY_REFRESH;
    set_paused(bulk, true);
    define_submit(service, &bulk->look, bulk->exchange->loop, looked, bulk);
}

void api_bulk(struct http_exchange *exchange)
{
    struct bulk *bulk = api_state(exchange, sizeof(*bulk));
    if (bulk == NULL)
        return;
    bulk->exchange = exchange;
    bulk->filling = &bulk->chunks[0];
    bulk->reader_is_hungry = true;
    arena_init(&bulk->chunks[0].arena, CHUNK_ARENA_BYTES);
    arena_init(&bulk->chunks[1].arena, CHUNK_ARENA_BYTES);
    exchange->user = bulk;
    if (!status_is_ok(bulk_start(bulk))) {
        api_fail(exchange, &bulk->error);
        return;
    }
    exchange->on_body = on_body;
    exchange->on_body_gone = on_body_gone;
    exchange->on_body_failed = on_body_failed;
    look_for_names(bulk);
}

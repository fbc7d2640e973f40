#include "api/rest/vectors.h"

#include <stdio.h>

#include "base/assert.h"
#include "model/limits.h"

#include "api/rest/vectors_arrow.h"
#include "api/rest/vectors_npy.h"

#define UNREGISTERED_HEADER_BYTES 1024u /* api.md: the header is at most 1 KiB */
#define PIECE_BYTES (64u << 10) /* of a streamed answer: a row that begins below is still taken */

static status set_unregistered_header(struct vectors *vectors)
{
    struct http_exchange *exchange = vectors->exchange;
    const struct retrieve *retrieve = &vectors->retrieve;
    struct buffer names;
    str value;
    buffer_init(&names, (size_t)LIMIT_READ_NAMES * LIMIT_NAME_BYTES * 3);
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        size_t before = names.len;
        if (retrieve->columns[c].group != RETRIEVE_UNREGISTERED)
            continue;
        if (names.len)
            buffer_append_char(&names, ',');
        http_percent_encode(&names, retrieve->columns[c].name);
        if (names.len > UNREGISTERED_HEADER_BYTES) {
            names.len = before;
            break;
        }
    }
    bool copied = !names.failed && arena_copy_str(&exchange->arena, buffer_str(&names), &value);
    buffer_fini(&names);
    if (!copied)
        return status_of(STATUS_OUT_OF_MEMORY);
    http_set_header(exchange, STR("X-Featured-Unregistered"), value);
    return OK;
}

static status prepare_keys(struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    str *keys = arena_alloc(vectors->retrieve.arena, retrieve->column_count * sizeof(*keys));
    if (keys == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    for (uint32_t c = 0; c < retrieve->column_count; c++)
        TRY(json_encode_key(retrieve->arena, retrieve->columns[c].name, &keys[c]));
    vectors->json.keys = keys;
    vectors->json.key_count = retrieve->column_count;
    return OK;
}

/* Embeddings are what makes rows long that have few columns. */
static status check_row(struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint64_t numbers = 0;
    for (uint32_t c = 0; c < retrieve->column_count; c++)
        numbers += npy_width(retrieve->columns[c].data_type, retrieve->columns[c].dimension);
    if (numbers > LIMIT_READ_CELLS)
        return error_set(&vectors->error, STATUS_TOO_LARGE, "too_large",
                         "One row of the answer would have %llu numbers; at most %u are answered",
                         (unsigned long long)numbers, LIMIT_READ_CELLS);
    return OK;
}

static status prepare_format(struct vectors *vectors)
{
    struct arena *arena = vectors->retrieve.arena;
    if (vectors->format == VECTORS_JSON)
        return prepare_keys(vectors);
    vectors->columns =
        arena_alloc(arena, (vectors->retrieve.column_count + 1) * sizeof(*vectors->columns));
    if (vectors->columns == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    TRY(check_row(vectors));
    return vectors->format == VECTORS_NPY ? vectors_npy_prepare(vectors)
                                          : vectors_arrow_prepare(vectors);
}

static status prepare(struct vectors *vectors, bool strict)
{
    struct retrieve *retrieve = &vectors->retrieve;
    uint64_t cells = (uint64_t)vectors->id_count * retrieve->column_count;
    /* before the first byte of an answer that may be streamed: afterwards reads do not fail. A
     * store that answers later says so itself, with the first slice, if it is asked at all. */
    if (!retrieve_is_late(retrieve) || retrieve->group_count == 0)
        TRY(service_check_values(retrieve->service, &vectors->error));
    if (strict)
        TRY(retrieve_require_registered(retrieve, &vectors->error));
    if (cells > LIMIT_READ_CELLS)
        return error_set(&vectors->error, STATUS_TOO_LARGE, "too_large",
                         "%u ids × %u features are %llu values; one request reads at most %u: "
                         "split it",
                         vectors->id_count, retrieve->column_count, (unsigned long long)cells,
                         LIMIT_READ_CELLS);
    if (retrieve->unregistered_count)
        TRY(set_unregistered_header(vectors));
    return prepare_format(vectors);
}

/* The i-th row of the slice. */
static void append_object(struct vectors *vectors, struct buffer *out, uint32_t i)
{
    const struct cell *cells = retrieve_row(&vectors->retrieve, i);
    if (unlikely(vectors->retrieve.wants_others)) {
        if (!status_is_ok(others_take(&vectors->others, &vectors->retrieve, i, cells)))
            out->failed = true;
        vectors->json.others = vectors->others.items;
        vectors->json.other_count = vectors->others.count;
    }
    json_encode_vector(out, &vectors->json, vectors->retrieve.entity_ids[i], cells, NULL);
}

static uint32_t append_objects(struct vectors *vectors, struct buffer *out)
{
    size_t full_at = out->len + PIECE_BYTES;
    uint32_t i = vectors->slice_next;
    for (; i < vectors->slice_count && out->len < full_at && !out->failed; i++) {
        if (vectors->next + i > vectors->slice_next)
            buffer_append_char(out, ',');
        append_object(vectors, out, i);
    }
    return i - vectors->slice_next;
}

/* Where the cells of the slice are that are not written yet. */
static void find_columns(struct vectors *vectors)
{
    for (uint32_t c = 0; c < vectors->retrieve.column_count; c++) {
        struct cell_column *column = &vectors->columns[c];
        *column = retrieve_column_cells(&vectors->retrieve, c);
        if (column->first)
            column->first += vectors->slice_next * column->stride;
    }
}

/* As many rows of the slice as fill a piece. Those left out are still there for the next one, or
 * are read again for it. */
static void append_rows(struct vectors *vectors, struct buffer *out)
{
    uint32_t rows = 0;
    if (vectors->slice_next == vectors->slice_count)
        return; /* of no ids at all */
    if (vectors->format != VECTORS_JSON)
        find_columns(vectors);
    switch (vectors->format) {
    case VECTORS_NPY:
        rows = vectors_npy_append_rows(vectors, out);
        break;
    case VECTORS_ARROW:
        rows = vectors_arrow_append_rows(vectors, out);
        break;
    case VECTORS_JSON:
        rows = append_objects(vectors, out);
        break;
    }
    vectors->next += rows;
    vectors->slice_next += rows;
    if (!retrieve_is_late(&vectors->retrieve))
        vectors->slice_count = vectors->slice_next = 0;
}

static void read_next_slice(struct vectors *vectors, void (*done)(struct retrieve *retrieve))
{
    uint32_t left = vectors->id_count - vectors->next;
    uint32_t most = vectors->format == VECTORS_ARROW ? vectors_arrow_slice_ids(vectors)
                                                     : retrieve_slice_ids(&vectors->retrieve);
    if (retrieve_is_late(&vectors->retrieve))
        arena_reset(&vectors->slice_arena);
    vectors->slice_next = 0;
    vectors->slice_count = left < most ? left : most;
    retrieve_slice(&vectors->retrieve, vectors->entity_ids + vectors->next, vectors->slice_count,
                   done, vectors, &vectors->error);
}

/* Whether the whole answer surely is a small thing: few values, and none of them with bytes. */
static bool is_small(const struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint64_t cells = (uint64_t)vectors->id_count * (retrieve->column_count + 1);
    return cells <= 2 * RETRIEVE_SLICE_CELLS && !retrieve_has_bytes(retrieve);
}

static void append_head(struct vectors *vectors, struct buffer *out)
{
    if (vectors->format == VECTORS_NPY)
        vectors_npy_append_head(vectors, out);
    else if (vectors->format == VECTORS_ARROW)
        vectors_arrow_append_schema(vectors, out);
    else
        buffer_append_char(out, '[');
}

static void append_tail(const struct vectors *vectors, struct buffer *out)
{
    if (vectors->format == VECTORS_JSON)
        buffer_append_char(out, ']');
    if (vectors->format == VECTORS_ARROW)
        arrow_append_end(out);
}

static void slice_done(struct retrieve *retrieve)
{
    struct vectors *vectors = retrieve->user;
    vectors->is_reading = false;
    http_stream_resume(vectors->exchange); /* if it waits */
}

/* True: the rows that follow are there, or will never be. */
static bool have_slice(struct vectors *vectors)
{
    if (vectors->slice_next < vectors->slice_count || vectors->next == vectors->id_count)
        return true;
    vectors->is_reading = true;
    read_next_slice(vectors, slice_done);
    ASSERT(!vectors->is_reading || retrieve_is_late(&vectors->retrieve));
    return !vectors->is_reading;
}

static enum http_piece produce(struct http_exchange *exchange, struct buffer *out)
{
    struct vectors *vectors = exchange->user;
    if (vectors->next == 0)
        append_head(vectors, out);
    if (!have_slice(vectors))
        return HTTP_PIECE_WAIT;
    if (!status_is_ok(vectors->retrieve.status))
        return HTTP_PIECE_BROKEN;
    append_rows(vectors, out);
    if (vectors->next < vectors->id_count)
        return HTTP_PIECE_MORE;
    append_tail(vectors, out);
    return HTTP_PIECE_LAST;
}

static void release_slice(struct vectors *vectors)
{
    if (retrieve_is_late(&vectors->retrieve))
        arena_fini(&vectors->slice_arena);
}

static void finish(struct http_exchange *exchange)
{
    release_slice(exchange->user);
}

static str content_type(const struct vectors *vectors)
{
    static const str TYPES[] = {API_JSON, API_NPY, API_ARROW};
    return TYPES[vectors->format];
}

static bool any_held(const struct cell *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].state == CELL_PRESENT || cells[i].state == CELL_NULL)
            return true;
    }
    return false;
}

/* Nobody knows the id. Perhaps because its entity was registered elsewhere a moment ago. */
static void answer_not_found(struct vectors *vectors)
{
    if (vectors->retrieve.entity_unknown && api_look_again(vectors->exchange))
        return;
    error_set(&vectors->error, STATUS_NOT_FOUND, "not_found", "User %.*s not found",
              STR_ARG(vectors->entity_ids[0]));
    api_fail(vectors->exchange, &vectors->error);
}

/* One id: the slice is the whole answer. */
static void answer_one(struct retrieve *retrieve)
{
    struct vectors *vectors = retrieve->user;
    struct http_exchange *exchange = vectors->exchange;
    if (!status_is_ok(retrieve->status)) {
        api_fail(exchange, &vectors->error);
        return;
    }
    const struct cell *cells = retrieve_row(retrieve, 0);
    if (vectors->not_found_if_empty && !any_held(cells, retrieve->column_count) &&
        retrieve_count_others(retrieve) == 0) {
        answer_not_found(vectors);
        return;
    }
    struct buffer *out = http_respond_begin(exchange, 200, content_type(vectors));
    if (vectors->format == VECTORS_JSON) {
        append_object(vectors, out, 0);
    } else {
        vectors->slice_count = 1;
        append_head(vectors, out);
        append_rows(vectors, out);
        append_tail(vectors, out);
    }
    http_respond_end(exchange);
}

/* What is not read yet is read in between: by a store that answers at once. */
static void answer_small_batch(struct vectors *vectors)
{
    struct buffer *out = http_respond_begin(vectors->exchange, 200, content_type(vectors));
    append_head(vectors, out);
    while (vectors->next < vectors->id_count && !out->failed) {
        if (!have_slice(vectors) || !status_is_ok(vectors->retrieve.status))
            out->failed = true; /* 503 */
        else
            append_rows(vectors, out);
    }
    append_tail(vectors, out);
    release_slice(vectors);
    http_respond_end(vectors->exchange);
}

static void stream_batch(struct vectors *vectors)
{
    http_respond_stream(vectors->exchange, 200, content_type(vectors),
                        (struct http_stream){.produce = produce, .finish = finish});
}

/* The first one of a store that answers later: it still may be an error. */
static void first_slice_done(struct retrieve *retrieve)
{
    struct vectors *vectors = retrieve->user;
    if (!status_is_ok(retrieve->status)) {
        release_slice(vectors);
        api_fail(vectors->exchange, &vectors->error);
    } else if (vectors->slice_count == vectors->id_count && is_small(vectors)) {
        answer_small_batch(vectors);
    } else {
        stream_batch(vectors);
    }
}

static void answer_batch(struct vectors *vectors)
{
    struct retrieve *retrieve = &vectors->retrieve;
    if (retrieve_is_late(retrieve)) {
        arena_init(&vectors->slice_arena, HTTP_ARENA_BYTES);
        retrieve->slice_arena = &vectors->slice_arena;
        if (vectors->id_count > 0) {
            read_next_slice(vectors, first_slice_done);
            return;
        }
    }
    if (is_small(vectors))
        answer_small_batch(vectors);
    else
        stream_batch(vectors);
}

void vectors_answer(struct vectors *vectors, bool strict)
{
    struct http_exchange *exchange = vectors->exchange;
    if (unlikely(retrieve_has_unknown(&vectors->retrieve)) && api_look_again(exchange))
        return;
    retrieve_count_unregistered(&vectors->retrieve);
    exchange->user = vectors;
    vectors->slice_next = vectors->slice_count = 0;
    vectors->others = (struct others){0};
    status prepared = prepare(vectors, strict);
    if (!status_is_ok(prepared)) {
        if (vectors->error.code == STATUS_OK)
            error_no_memory(&vectors->error);
        api_fail_unknown(exchange, &vectors->error);
    } else if (!vectors->is_array) {
        retrieve_slice(&vectors->retrieve, vectors->entity_ids, 1, answer_one, vectors,
                       &vectors->error);
    } else {
        answer_batch(vectors);
    }
}

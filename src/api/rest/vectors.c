#include "api/rest/vectors.h"

#include <stdio.h>

#include "model/limits.h"

#define UNREGISTERED_HEADER_BYTES 1024u /* api.md: the header is at most 1 KiB */
#define PIECE_BYTES (64u << 10) /* of a streamed answer: a row that begins below is still taken */
#define COLUMN_HEADER_BYTES 65536u /* more column names than that do not fit into any client's header */

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

/* As planned, whatever becomes of the feature while the answer is on its way: the shape has been told.
 * One for a name that nobody registered. */
static uint32_t column_width(const struct retrieve_column *column)
{
    return npy_width(column->data_type, column->dimension);
}

/* "user_age,emb[0],emb[1]": the names percent-encoded, the brackets not. */
static status set_names_header(struct vectors *vectors)
{
    struct http_exchange *exchange = vectors->exchange;
    const struct retrieve *retrieve = &vectors->retrieve;
    struct buffer names;
    str value;
    buffer_init(&names, COLUMN_HEADER_BYTES);
    for (uint32_t c = 0; c < retrieve->column_count && !names.failed; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        bool spreads = column->group != RETRIEVE_UNREGISTERED &&
                       column->data_type == DATA_TYPE_EMBEDDING;
        for (uint32_t i = 0; i < column_width(column) && !names.failed; i++) {
            if (names.len)
                buffer_append_char(&names, ',');
            http_percent_encode(&names, column->name);
            if (spreads)
                buffer_append_format(&names, "[%u]", i);
        }
    }
    /* Too many to be told in a header: the client has the order it asked in. */
    bool fits = !names.failed;
    bool copied = fits && arena_copy_str(&exchange->arena, buffer_str(&names), &value);
    buffer_fini(&names);
    if (fits && !copied)
        return status_of(STATUS_OUT_OF_MEMORY);
    if (copied)
        http_set_header(exchange, STR("X-Feature-Names"), value);
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

static status prepare_tensor(struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint64_t numbers = 0;
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        numbers += column_width(column);
        if (column_width(column) == 0)
            return error_set(&vectors->error, STATUS_NOT_ACCEPTABLE, "not_acceptable",
                             "Feature '%.*s' (%s%s) has no place in a tensor: leave it out, or "
                             "accept application/json",
                             STR_ARG(column->name), data_type_name(column->data_type),
                             column->data_type == DATA_TYPE_EMBEDDING ? " without dimension" : "");
    }
    if (numbers > LIMIT_READ_CELLS)
        return error_set(&vectors->error, STATUS_TOO_LARGE, "too_large",
                         "One row of the tensor would have %llu numbers; at most %u are answered",
                         (unsigned long long)numbers, LIMIT_READ_CELLS);
    return set_names_header(vectors);
}

static status prepare(struct vectors *vectors, bool strict)
{
    struct retrieve *retrieve = &vectors->retrieve;
    uint64_t cells = (uint64_t)vectors->id_count * retrieve->column_count;
    /* before the first byte of an answer that may be streamed: afterwards reads do not fail */
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
    return vectors->format == VECTORS_NPY ? prepare_tensor(vectors) : prepare_keys(vectors);
}

static void append_tensor_row(struct vectors *vectors, const struct cell *cells)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    for (uint32_t c = 0; c < retrieve->column_count; c++)
        npy_append_cell(vectors->out, vectors->dtype, &cells[c],
                        column_width(&retrieve->columns[c]));
}

/* Takes as many rows as fill a piece; those left out are read again for the next one. */
static void append_slice(struct retrieve *retrieve)
{
    struct vectors *vectors = retrieve->user;
    size_t full_at = vectors->out->len + PIECE_BYTES;
    if (!status_is_ok(retrieve->status)) {
        vectors->out->failed = true; /* 503, or in the middle of a stream, the connection's end */
        return;
    }
    for (uint32_t i = 0; i < retrieve->id_count && vectors->out->len < full_at; i++) {
        const struct cell *cells = retrieve_row(retrieve, i);
        if (vectors->format == VECTORS_NPY) {
            append_tensor_row(vectors, cells);
        } else {
            if (vectors->next > 0)
                buffer_append_char(vectors->out, ',');
            json_encode_vector(vectors->out, &vectors->json, retrieve->entity_ids[i], cells, NULL);
        }
        vectors->next++;
    }
}

static void read_next_slice(struct vectors *vectors, struct buffer *out)
{
    uint32_t left = vectors->id_count - vectors->next;
    uint32_t most = retrieve_slice_ids(&vectors->retrieve);
    uint32_t count = left < most ? left : most;
    vectors->out = out;
    retrieve_slice(&vectors->retrieve, vectors->entity_ids + vectors->next, count, append_slice,
                   vectors, &vectors->error);
}

/* Whether the whole answer surely is a small thing: few cells, and none of them with bytes. */
static bool is_small(const struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    if ((uint64_t)vectors->id_count * (retrieve->column_count + 1) > 2 * RETRIEVE_SLICE_CELLS)
        return false;
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        if (column->group != RETRIEVE_UNREGISTERED && data_type_has_bytes(column->data_type))
            return false;
    }
    return true;
}

static void append_head(struct vectors *vectors, struct buffer *out)
{
    uint64_t columns = 0;
    if (vectors->format == VECTORS_JSON) {
        buffer_append_char(out, '[');
        return;
    }
    for (uint32_t c = 0; c < vectors->retrieve.column_count; c++)
        columns += column_width(&vectors->retrieve.columns[c]);
    npy_append_header(out, vectors->dtype, vectors->id_count, columns);
}

static void append_tail(const struct vectors *vectors, struct buffer *out)
{
    if (vectors->format == VECTORS_JSON)
        buffer_append_char(out, ']');
}

static bool produce(struct http_exchange *exchange, struct buffer *out)
{
    struct vectors *vectors = exchange->user;
    if (vectors->next == 0)
        append_head(vectors, out);
    if (vectors->next < vectors->id_count)
        read_next_slice(vectors, out);
    if (vectors->next < vectors->id_count && !out->failed)
        return true;
    append_tail(vectors, out);
    return false;
}

static str content_type(const struct vectors *vectors)
{
    return vectors->format == VECTORS_NPY ? STR("application/x-npy") : API_JSON;
}

static bool any_held(const struct cell *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].state == CELL_PRESENT || cells[i].state == CELL_NULL)
            return true;
    }
    return false;
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
    if (vectors->not_found_if_empty && !any_held(cells, retrieve->column_count)) {
        error_set(&vectors->error, STATUS_NOT_FOUND, "not_found", "User %.*s not found",
                  STR_ARG(vectors->entity_ids[0]));
        api_fail(exchange, &vectors->error);
        return;
    }
    vectors->out = http_respond_begin(exchange, 200, content_type(vectors));
    if (vectors->format == VECTORS_NPY) {
        append_head(vectors, vectors->out);
        append_tensor_row(vectors, cells);
    } else {
        json_encode_vector(vectors->out, &vectors->json, vectors->entity_ids[0], cells, NULL);
    }
    http_respond_end(exchange);
}

static void answer_small_batch(struct vectors *vectors)
{
    struct buffer *out = http_respond_begin(vectors->exchange, 200, content_type(vectors));
    append_head(vectors, out);
    while (vectors->next < vectors->id_count && !out->failed)
        read_next_slice(vectors, out);
    append_tail(vectors, out);
    http_respond_end(vectors->exchange);
}

void vectors_answer(struct vectors *vectors, bool strict)
{
    struct http_exchange *exchange = vectors->exchange;
    if (unlikely(retrieve_has_unknown(&vectors->retrieve)) && api_look_again(exchange))
        return;
    retrieve_count_unregistered(&vectors->retrieve);
    exchange->user = vectors;
    status prepared = prepare(vectors, strict);
    if (!status_is_ok(prepared)) {
        if (vectors->error.code == STATUS_OK)
            error_set(&vectors->error, prepared.code, "out_of_memory", "not enough memory");
        api_fail_unknown(exchange, &vectors->error);
    } else if (!vectors->is_array) {
        retrieve_slice(&vectors->retrieve, vectors->entity_ids, 1, answer_one, vectors,
                       &vectors->error);
    } else if (is_small(vectors)) {
        answer_small_batch(vectors);
    } else {
        http_respond_stream(exchange, 200, content_type(vectors),
                            (struct http_stream){.produce = produce});
    }
}

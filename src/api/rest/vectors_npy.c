#include "api/rest/vectors_npy.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define COLUMN_HEADER_BYTES 65536u /* more column names do not fit into any client's header */

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
        bool spreads =
            column->group != RETRIEVE_UNREGISTERED && column->data_type == DATA_TYPE_EMBEDDING;
        for (uint32_t i = 0; i < vectors->npy_widths[c] && !names.failed; i++) {
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

static status refuse_column(struct vectors *vectors, const struct retrieve_column *column)
{
    return error_set(&vectors->error, STATUS_NOT_ACCEPTABLE, "not_acceptable",
                     "Feature '%.*s' (%s%s) has no place in a tensor: leave it out, or "
                     "accept application/json or application/vnd.apache.arrow.stream",
                     STR_ARG(column->name), data_type_name(column->data_type),
                     column->data_type == DATA_TYPE_EMBEDDING ? " without dimension" : "");
}

/* Widths are as planned, whatever becomes of a feature while the answer is on its way: the shape
 * has been told. One for a name that nobody registered. */
status vectors_npy_prepare(struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint32_t count = retrieve->column_count;
    vectors->npy_widths = arena_alloc(retrieve->arena, (count + 1) * sizeof(*vectors->npy_widths));
    vectors->npy_row_numbers = 0;
    if (vectors->npy_widths == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    for (uint32_t c = 0; c < count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        vectors->npy_widths[c] = npy_width(column->data_type, column->dimension);
        vectors->npy_row_numbers += vectors->npy_widths[c];
        if (vectors->npy_widths[c] == 0)
            return refuse_column(vectors, column);
    }
    return set_names_header(vectors);
}

void vectors_npy_append_head(const struct vectors *vectors, struct buffer *out)
{
    npy_append_header(out, vectors->dtype, vectors->id_count, vectors->npy_row_numbers);
}

uint32_t vectors_npy_append_rows(struct vectors *vectors, struct buffer *out)
{
    size_t row_bytes = vectors->npy_row_numbers * npy_number_bytes(vectors->dtype);
    size_t most = row_bytes < PIECE_BYTES ? PIECE_BYTES / (row_bytes + 1) : 1;
    uint32_t left = vectors->slice_count - vectors->slice_next;
    struct npy_rows rows = {
        .widths = vectors->npy_widths,
        .cells = vectors->columns,
        .column_count = vectors->retrieve.column_count,
        .count = left < most ? left : (uint32_t)most,
        .row_numbers = vectors->npy_row_numbers,
    };
    npy_append_rows(out, vectors->dtype, &rows);
    return rows.count;
}

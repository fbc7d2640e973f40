#include "api/rest/vectors_arrow.h"

#define PIECE_BYTES ((size_t)256 << 10) /* of a record batch: copied in well under 100 µs */
/* Of a slice of a store that answers at once. Copying columns costs less than writing JSON, and a
 * batch of few rows is mostly what says where its columns are. */
#define SLICE_CELLS (2 * RETRIEVE_SLICE_CELLS)
#define SLICE_ROWS_MIN 8u

status vectors_arrow_prepare(struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint32_t count = retrieve->column_count;
    vectors->arrow_columns =
        arena_alloc(retrieve->arena, (count + 1) * sizeof(*vectors->arrow_columns));
    if (vectors->arrow_columns == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    for (uint32_t c = 0; c < count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        vectors->arrow_columns[c] = (struct arrow_column){
            .name = column->name,
            .is_registered = column->group != RETRIEVE_UNREGISTERED,
            .data_type = column->data_type,
            .dimension = column->dimension,
        };
    }
    return OK;
}

uint32_t vectors_arrow_slice_ids(const struct vectors *vectors)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    uint32_t columns = retrieve->column_count;
    if (retrieve_is_late(retrieve))
        return retrieve_slice_ids(retrieve);
    size_t row_bytes = arrow_row_bytes(vectors->arrow_columns, columns);
    size_t by_bytes = PIECE_BYTES / row_bytes;
    uint32_t ids = SLICE_CELLS / (columns ? columns : 1);
    if (ids < SLICE_ROWS_MIN)
        ids = SLICE_ROWS_MIN;
    if (ids > RETRIEVE_LATE_SLICE_IDS)
        ids = RETRIEVE_LATE_SLICE_IDS;
    if (ids > by_bytes)
        ids = by_bytes ? (uint32_t)by_bytes : 1;
    return ids;
}

void vectors_arrow_append_schema(const struct vectors *vectors, struct buffer *out)
{
    arrow_append_schema(out, vectors->arrow_columns, vectors->retrieve.column_count);
}

uint32_t vectors_arrow_append_rows(struct vectors *vectors, struct buffer *out)
{
    const struct retrieve *retrieve = &vectors->retrieve;
    struct arrow_rows rows = {
        .columns = vectors->arrow_columns,
        .cells = vectors->columns,
        .column_count = retrieve->column_count,
        .entity_ids = retrieve->entity_ids + vectors->slice_next,
        .count = vectors->slice_count - vectors->slice_next,
    };
    rows.count = arrow_rows_within(&rows, PIECE_BYTES);
    arrow_append_batch(out, &rows);
    return rows.count;
}

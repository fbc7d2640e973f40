/* Arrow IPC streams of feature vectors: a schema, record batches, an end. The first column is
 * `entity_id`; then one per feature, null where nothing is held or where what is held is not of the
 * column's type. Little endian, metadata version V5, buffers aligned to 8 bytes from the start of
 * the stream, no dictionaries, no compression. Format: the Arrow columnar format, version 1.
 *
 * int int64 · float double · boolean bool · string utf8 · timestamp timestamp[us, UTC] · json utf8
 * as the extension arrow.json · embedding fixed_size_list<float>, or list<float> without a
 * dimension · what nobody registered null */
#ifndef FEATURED_CODEC_ARROW_WRITE_H
#define FEATURED_CODEC_ARROW_WRITE_H

#include "base/buffer.h"
#include "model/cell.h"

struct arrow_column {
    str name;
    bool is_registered; /* if not, the rest does not matter */
    enum data_type data_type;
    uint32_t dimension; /* 0: of any length */
};

struct arrow_rows {
    const struct arrow_column *columns;
    const struct cell_column *cells; /* of each column */
    uint32_t column_count;
    const str *entity_ids;
    uint32_t count;
};

/* A failed buffer holds part of it. */
void arrow_append_schema(struct buffer *out, const struct arrow_column *columns, uint32_t count);
/* All rows as one record batch. */
void arrow_append_batch(struct buffer *out, const struct arrow_rows *rows);
void arrow_append_end(struct buffer *out);

/* Bytes that a row takes whatever is in it. */
size_t arrow_row_bytes(const struct arrow_column *columns, uint32_t count);
/* How many of the rows make a batch of about `bytes`: at least 1. */
uint32_t arrow_rows_within(const struct arrow_rows *rows, size_t bytes);

#endif

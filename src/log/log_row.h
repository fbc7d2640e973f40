/* A row of values as log and snapshots keep it. Self-describing: it decodes without schema or
 * catalog.
 *
 *   row  = size varint (of what follows), flags u8, id length varint, id, event time i64,
 *          [erased until i64: flag 1], cell count varint, cells
 *   cell = head u8, version id varint, [event time i64: head 0x20, else the row's], [value]
 *   head = data type (bits 0–2), null (0x08), erased (0x10); null and erased cells have no value
 *   value: int, timestamp i64 · float binary64 · boolean u8 · string, json length varint, bytes ·
 *          embedding dimension varint, binary32 × dimension
 *   varint = unsigned LEB128, at most 10 bytes
 *
 * Decoding trusts nothing: every length is checked against what is left. Texts and embeddings of a
 * decoded cell borrow from the payload. */
#ifndef FEATURED_LOG_LOG_ROW_H
#define FEATURED_LOG_LOG_ROW_H

#include "base/buffer.h"
#include "model/value.h"

#define LOG_ROW_NOT_ERASED INT64_MIN

struct log_cell {
    uint64_t version_id;
    int64_t event_time_us;
    struct value value; /* its type always; the rest unless is_erased (decoded: null) */
    bool is_erased;     /* snapshots: the version of this id was erased up to event_time_us */
};

struct log_row {
    str entity_id;
    int64_t event_time_us;   /* of cells that have none of their own */
    int64_t erased_until_us; /* snapshots: the whole id; or LOG_ROW_NOT_ERASED */
    uint32_t cell_count;
    str cells; /* encoded; for log_cell_next() */
};

/* Encoding: one row at a time, into a buffer that the caller asks for failure at the end. */
struct log_row_encoder {
    struct buffer *out;
    size_t begin;
    int64_t event_time_us;
    uint8_t size_len; /* bytes kept free for the size */
};
/* `size_max`: at least as many bytes as the cells will take: log_cell_size_max() of each (of an
 * erased cell: of a null value). */
void log_row_begin(struct log_row_encoder *encoder, struct buffer *out, str entity_id,
                   int64_t event_time_us, int64_t erased_until_us, uint32_t cell_count,
                   size_t size_max);
size_t log_cell_size_max(const struct value *value);
void log_row_cell(struct log_row_encoder *encoder, const struct log_cell *cell);
void log_row_end(struct log_row_encoder *encoder);

/* Decoding. Takes the next row from the front of *payload. After LOG_NEXT_DAMAGED *out holds nothing
 * of use. */
enum log_next { LOG_NEXT, LOG_NEXT_END, LOG_NEXT_DAMAGED };
MUST_CHECK enum log_next log_row_next(str *payload, struct log_row *out);
/* Takes the next cell of the row from its front. After the last the row must be empty: read a row
 * up to LOG_NEXT_END to know that it is whole. */
MUST_CHECK enum log_next log_cell_next(struct log_row *row, struct log_cell *out);

#endif

/* Record batches: what describes them is laid out first, with zeros in place of the buffers' sizes
 * and the counts of nulls; these follow as the columns are written, each once. */
#include "codec/arrow_write.h"

#include "base/assert.h"
#include "codec/arrow_write_message.h"

#define NODE_BYTES 16u   /* length, null count */
#define BUFFER_BYTES 16u /* offset, length */
#define WORD_BYTES 8u
#define OFFSET_BYTES 4u

enum { BATCH_LENGTH, BATCH_NODES, BATCH_BUFFERS };

struct batch_writer {
    struct arrow_message_writer message;
    struct buffer *out;
    const struct arrow_rows *rows;
    size_t node;   /* place of the next one */
    size_t buffer; /* the same */
};

/* What a column has of them. */
static uint32_t nodes_of(const struct arrow_column *column)
{
    return column->is_registered && column->data_type == DATA_TYPE_EMBEDDING ? 2 : 1;
}

static uint32_t buffers_of(const struct arrow_column *column)
{
    if (!column->is_registered)
        return 0;
    if (column->data_type == DATA_TYPE_EMBEDDING)
        return column->dimension ? 3 : 4;
    return data_type_has_bytes(column->data_type) ? 3 : 2;
}

static size_t bits_bytes(uint32_t rows)
{
    return ((size_t)rows + 7) / 8;
}

/* The next buffer of the body, its padding zero; where it begins in `out`. */
static size_t add_buffer(struct batch_writer *batch, size_t bytes)
{
    size_t at = batch->out->len;
    size_t padded = (bytes + ARROW_ALIGN - 1) & ~(size_t)(ARROW_ALIGN - 1);
    char *data = buffer_reserve(batch->out, padded);
    if (data) {
        memset(data + bytes, 0, padded - bytes);
        buffer_commit(batch->out, padded);
    }
    flatbuffer_write_word(&batch->message.flat, batch->buffer,
                          (int64_t)(at - batch->message.body_at));
    flatbuffer_write_word(&batch->message.flat, batch->buffer + 8, (int64_t)bytes);
    batch->buffer += BUFFER_BYTES;
    return at;
}

static void add_node(struct batch_writer *batch, uint64_t length, uint64_t nulls)
{
    flatbuffer_write_word(&batch->message.flat, batch->node, (int64_t)length);
    flatbuffer_write_word(&batch->message.flat, batch->node + 8, (int64_t)nulls);
    batch->node += NODE_BYTES;
}

/* What others wrote may be of another type. */
static inline bool is_valid(const struct cell *cell, const struct arrow_column *column)
{
    return likely(cell->state == CELL_PRESENT && cell->value.type == column->data_type &&
                  !cell->value.is_null);
}

static inline bool is_valid_embedding(const struct cell *cell, const struct arrow_column *column)
{
    return is_valid(cell, column) &&
           (column->dimension == 0 || cell->value.embedding.dimension == column->dimension);
}

/* Bits, written a byte at a time. */
struct bits {
    char *at;
    unsigned byte;
    unsigned count; /* in `byte` */
};

static inline void bits_put(struct bits *bits, bool bit)
{
    bits->byte |= (unsigned)bit << bits->count;
    if (++bits->count == 8) {
        *bits->at++ = (char)bits->byte;
        bits->byte = bits->count = 0;
    }
}

static inline void bits_end(struct bits *bits)
{
    if (bits->count)
        *bits->at = (char)bits->byte;
}

/* int, float and timestamp are all the 8 bytes of the value. */
static uint32_t fill_words(const struct arrow_column *column, const struct cell_column *cells,
                           uint32_t rows, struct bits *validity, char *words)
{
    const struct cell *cell = cells->first;
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < rows; i++, cell += cells->stride) {
        bool valid = is_valid(cell, column);
        int64_t word = valid ? cell->value.integer : 0;
        memcpy(words + (size_t)i * WORD_BYTES, &word, WORD_BYTES);
        bits_put(validity, valid);
        valid_count += valid;
    }
    return valid_count;
}

static uint32_t fill_bits(const struct arrow_column *column, const struct cell_column *cells,
                          uint32_t rows, struct bits *validity, char *values)
{
    const struct cell *cell = cells->first;
    struct bits bits = {.at = values};
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < rows; i++, cell += cells->stride) {
        bool valid = is_valid(cell, column);
        bits_put(&bits, valid && cell->value.boolean);
        bits_put(validity, valid);
        valid_count += valid;
    }
    bits_end(&bits);
    return valid_count;
}

static uint32_t fill_vectors(const struct arrow_column *column, const struct cell_column *cells,
                             uint32_t rows, struct bits *validity, char *numbers)
{
    const struct cell *cell = cells->first;
    size_t bytes = (size_t)column->dimension * sizeof(float);
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < rows; i++, cell += cells->stride, numbers += bytes) {
        bool valid = is_valid_embedding(cell, column);
        if (valid)
            memcpy(numbers, cell->value.embedding.data, bytes);
        else
            memset(numbers, 0, bytes);
        bits_put(validity, valid);
        valid_count += valid;
    }
    return valid_count;
}

/* The bytes of a text or of an embedding of any length; 0 of what is not valid. */
static inline str bytes_of(const struct cell *cell, const struct arrow_column *column)
{
    if (!is_valid(cell, column))
        return str_of("", 0);
    if (column->data_type != DATA_TYPE_EMBEDDING)
        return cell->value.text;
    return str_of((const char *)cell->value.embedding.data,
                  cell->value.embedding.dimension * sizeof(float));
}

/* Offsets count units: bytes of text, numbers of embeddings. */
static uint32_t fill_offsets(const struct arrow_column *column, const struct cell_column *cells,
                             uint32_t rows, struct bits *validity, char *offsets)
{
    const struct cell *cell = cells->first;
    size_t unit = column->data_type == DATA_TYPE_EMBEDDING ? sizeof(float) : 1;
    uint32_t end = 0;
    uint32_t valid_count = 0;
    memcpy(offsets, &end, OFFSET_BYTES);
    for (uint32_t i = 0; i < rows; i++, cell += cells->stride) {
        bool valid = is_valid(cell, column);
        end += (uint32_t)(bytes_of(cell, column).len / unit);
        memcpy(offsets + ((size_t)i + 1) * OFFSET_BYTES, &end, OFFSET_BYTES);
        bits_put(validity, valid);
        valid_count += valid;
    }
    return valid_count;
}

static void fill_bytes(const struct arrow_column *column, const struct cell_column *cells,
                       uint32_t rows, char *at)
{
    const struct cell *cell = cells->first;
    for (uint32_t i = 0; i < rows; i++, cell += cells->stride) {
        str bytes = bytes_of(cell, column);
        if (bytes.len)
            memcpy(at, bytes.data, bytes.len);
        at += bytes.len;
    }
}

static size_t count_bytes(const struct arrow_column *column, const struct cell_column *cells,
                          uint32_t rows)
{
    const struct cell *cell = cells->first;
    size_t bytes = 0;
    for (uint32_t i = 0; cell && i < rows; i++, cell += cells->stride)
        bytes += bytes_of(cell, column).len;
    return bytes;
}

/* Validity and the values in buffers of a known size; all zero where there are no cells. */
static void add_fixed(struct batch_writer *batch, uint32_t c, size_t bytes, bool has_item,
                      uint32_t (*fill)(const struct arrow_column *column,
                                       const struct cell_column *cells, uint32_t rows,
                                       struct bits *validity, char *values))
{
    const struct cell_column *cells = &batch->rows->cells[c];
    struct buffer *out = batch->out;
    uint32_t rows = batch->rows->count;
    uint32_t valid_count = 0;
    size_t validity = add_buffer(batch, bits_bytes(rows));
    if (has_item)
        add_buffer(batch, 0); /* the numbers of an embedding are never null */
    size_t values = add_buffer(batch, bytes);
    if (!out->failed && cells->first) {
        struct bits bits = {.at = out->data + validity};
        valid_count = fill(&batch->rows->columns[c], cells, rows, &bits, out->data + values);
        bits_end(&bits);
    } else if (!out->failed) {
        memset(out->data + validity, 0, bits_bytes(rows));
        memset(out->data + values, 0, bytes);
    }
    add_node(batch, rows, rows - valid_count);
}

static void add_bytes(struct batch_writer *batch, uint32_t c)
{
    const struct arrow_column *column = &batch->rows->columns[c];
    const struct cell_column *cells = &batch->rows->cells[c];
    uint32_t rows = batch->rows->count;
    size_t bytes = count_bytes(column, cells, rows);
    ASSERT(bytes <= INT32_MAX); /* arrow_rows_within() */
    add_fixed(batch, c, ((size_t)rows + 1) * OFFSET_BYTES, false, fill_offsets);
    if (column->data_type == DATA_TYPE_EMBEDDING) {
        add_buffer(batch, 0);
        add_node(batch, bytes / sizeof(float), 0);
    }
    size_t at = add_buffer(batch, bytes);
    if (!batch->out->failed && cells->first)
        fill_bytes(column, cells, rows, batch->out->data + at);
}

static void add_column(struct batch_writer *batch, uint32_t c)
{
    const struct arrow_column *column = &batch->rows->columns[c];
    uint32_t rows = batch->rows->count;
    if (!column->is_registered) {
        add_node(batch, rows, rows);
    } else if (column->data_type == DATA_TYPE_BOOLEAN) {
        add_fixed(batch, c, bits_bytes(rows), false, fill_bits);
    } else if (column->data_type == DATA_TYPE_EMBEDDING && column->dimension) {
        size_t numbers = (size_t)rows * column->dimension;
        add_fixed(batch, c, numbers * sizeof(float), true, fill_vectors);
        add_node(batch, numbers, 0);
    } else if (data_type_has_bytes(column->data_type)) {
        add_bytes(batch, c);
    } else {
        add_fixed(batch, c, (size_t)rows * WORD_BYTES, false, fill_words);
    }
}

static void add_entity_ids(struct batch_writer *batch)
{
    const struct arrow_rows *rows = batch->rows;
    uint32_t end = 0;
    for (uint32_t i = 0; i < rows->count; i++)
        end += (uint32_t)rows->entity_ids[i].len;
    add_node(batch, rows->count, 0);
    add_buffer(batch, 0);
    size_t offsets = add_buffer(batch, ((size_t)rows->count + 1) * OFFSET_BYTES);
    size_t text = add_buffer(batch, end);
    if (batch->out->failed)
        return;
    char *offset = batch->out->data + offsets;
    char *at = batch->out->data + text;
    char *start = at;
    memset(offset, 0, OFFSET_BYTES);
    for (uint32_t i = 0; i < rows->count; i++) {
        memcpy(at, rows->entity_ids[i].data, rows->entity_ids[i].len);
        at += rows->entity_ids[i].len;
        end = (uint32_t)(at - start);
        memcpy(offset += OFFSET_BYTES, &end, OFFSET_BYTES);
    }
}

void arrow_append_batch(struct buffer *out, const struct arrow_rows *rows)
{
    struct batch_writer batch = {.out = out, .rows = rows};
    struct flatbuffer_writer *flat = &batch.message.flat;
    struct flatbuffer_field fields[] = {
        {BATCH_LENGTH, 8, rows->count}, {BATCH_NODES, 4, 0}, {BATCH_BUFFERS, 4, 0}};
    uint32_t nodes = 1;
    uint32_t buffers = 3;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        nodes += nodes_of(&rows->columns[c]);
        buffers += buffers_of(&rows->columns[c]);
    }
    arrow_message_begin(&batch.message, out, ARROW_RECORD_BATCH);
    flatbuffer_write_table(flat, batch.message.header, fields, ARRAY_LEN(fields));
    batch.node = flatbuffer_write_vector(flat, fields[1].place, nodes, NODE_BYTES);
    batch.buffer = flatbuffer_write_vector(flat, fields[2].place, buffers, BUFFER_BYTES);
    arrow_message_begin_body(&batch.message);
    add_entity_ids(&batch);
    for (uint32_t c = 0; c < rows->column_count; c++)
        add_column(&batch, c);
    arrow_message_end(&batch.message);
}

size_t arrow_row_bytes(const struct arrow_column *columns, uint32_t count)
{
    size_t bytes = OFFSET_BYTES;
    for (uint32_t c = 0; c < count; c++) {
        if (!columns[c].is_registered)
            continue;
        bytes += columns[c].data_type == DATA_TYPE_EMBEDDING && columns[c].dimension
                     ? columns[c].dimension * sizeof(float)
                     : WORD_BYTES;
    }
    return bytes;
}

static bool is_of_any_length(const struct arrow_column *column)
{
    return column->is_registered && data_type_has_bytes(column->data_type) &&
           column->dimension == 0;
}

static size_t bytes_of_row(const struct arrow_rows *rows, uint32_t i)
{
    size_t bytes = 0;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const struct cell_column *cells = &rows->cells[c];
        if (cells->first && is_of_any_length(&rows->columns[c]))
            bytes += bytes_of(cells->first + i * cells->stride, &rows->columns[c]).len;
    }
    return bytes;
}

uint32_t arrow_rows_within(const struct arrow_rows *rows, size_t bytes)
{
    size_t each = arrow_row_bytes(rows->columns, rows->column_count);
    size_t used = 0;
    bool any = false;
    for (uint32_t c = 0; c < rows->column_count; c++)
        any |= is_of_any_length(&rows->columns[c]);
    for (uint32_t i = 0; i < rows->count; i++) {
        used += each + rows->entity_ids[i].len + (any ? bytes_of_row(rows, i) : 0);
        if (used > bytes && i > 0)
            return i;
    }
    return rows->count;
}

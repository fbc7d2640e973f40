#include "codec/npy.h"

#include <math.h>

#define NPY_ALIGN 64u
#define NPY_PREFIX 10u /* magic, version, header length */

/* The header is a Python dict literal, padded with spaces so that the data begin at a multiple of
 * 64; it is far shorter than version 1.0 allows. */
void npy_append_header(struct buffer *out, enum npy_dtype dtype, uint64_t rows, uint64_t columns)
{
    size_t start = out->len;
    buffer_append(out, "\x93NUMPY\x01\x00\x00\x00", NPY_PREFIX);
    buffer_append_format(out, "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %llu), }",
                         dtype == NPY_FLOAT64 ? "<f8" : "<f4", (unsigned long long)rows,
                         (unsigned long long)columns);
    while (!out->failed && (out->len - start + 1) % NPY_ALIGN)
        buffer_append_char(out, ' ');
    buffer_append_char(out, '\n');
    if (out->failed)
        return;
    size_t len = out->len - start - NPY_PREFIX;
    out->data[start + 8] = (char)(len & 0xFF);
    out->data[start + 9] = (char)(len >> 8);
}

uint32_t npy_width(enum data_type type, uint32_t dimension)
{
    switch (type) {
    case DATA_TYPE_INT:
    case DATA_TYPE_FLOAT:
    case DATA_TYPE_BOOLEAN:
    case DATA_TYPE_TIMESTAMP:
        return 1;
    case DATA_TYPE_EMBEDDING:
        return dimension;
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
    case DATA_TYPE_COUNT:
    default:
        return 0;
    }
}

static inline bool is_present(const struct cell *cell)
{
    return likely(cell->state == CELL_PRESENT && !cell->value.is_null);
}

/* Of a cell that stands alone. */
static inline double number_of(const struct cell *cell)
{
    float component;
    if (!is_present(cell))
        return (double)NAN;
    switch (cell->value.type) {
    case DATA_TYPE_INT:
        return (double)cell->value.integer;
    case DATA_TYPE_FLOAT:
        return cell->value.real;
    case DATA_TYPE_BOOLEAN:
        return cell->value.boolean;
    case DATA_TYPE_TIMESTAMP:
        return (double)cell->value.timestamp_us / 1e6;
    case DATA_TYPE_EMBEDDING:
        if (cell->value.embedding.dimension != 1)
            return (double)NAN;
        memcpy(&component, cell->value.embedding.data, sizeof(component));
        return (double)component;
    default:
        return (double)NAN;
    }
}

static inline void put(char *at, enum npy_dtype dtype, double number)
{
    float narrow = (float)number;
    if (dtype == NPY_FLOAT64)
        memcpy(at, &number, sizeof(number));
    else
        memcpy(at, &narrow, sizeof(narrow));
}

/* `at` is the place of the first row's; the next are `row_bytes` on. */
static void put_numbers(char *at, size_t row_bytes, enum npy_dtype dtype,
                        const struct cell_column *cells, uint32_t count)
{
    const struct cell *cell = cells->first;
    for (uint32_t i = 0; i < count; i++, cell += cells->stride, at += row_bytes)
        put(at, dtype, number_of(cell));
}

static void put_nans(char *at, enum npy_dtype dtype, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put(at + i * npy_number_bytes(dtype), dtype, (double)NAN);
}

static void put_vector(char *at, enum npy_dtype dtype, const char *components, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++) {
        float component;
        memcpy(&component, components + i * sizeof(component), sizeof(component));
        put(at + i * npy_number_bytes(dtype), dtype, (double)component);
    }
}

/* One number in an embedding's place is none. */
static void put_vectors(char *at, size_t row_bytes, enum npy_dtype dtype,
                        const struct cell_column *cells, uint32_t count, uint32_t width)
{
    const struct cell *cell = cells->first;
    for (uint32_t i = 0; i < count; i++, cell += cells->stride, at += row_bytes) {
        if (is_present(cell) && cell->value.type == DATA_TYPE_EMBEDDING &&
            cell->value.embedding.dimension == width)
            put_vector(at, dtype, (const char *)cell->value.embedding.data, width);
        else
            put_nans(at, dtype, width);
    }
}

/* Column by column: what a column is, is asked once for all of its rows. */
void npy_append_rows(struct buffer *out, enum npy_dtype dtype, const struct npy_rows *rows)
{
    size_t row_bytes = rows->row_numbers * npy_number_bytes(dtype);
    char *at = buffer_reserve(out, rows->count * row_bytes);
    if (at == NULL)
        return;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const struct cell_column *cells = &rows->cells[c];
        for (uint32_t i = 0; cells->first == NULL && i < rows->count; i++)
            put_nans(at + i * row_bytes, dtype, rows->widths[c]);
        if (cells->first && rows->widths[c] == 1)
            put_numbers(at, row_bytes, dtype, cells, rows->count);
        else if (cells->first)
            put_vectors(at, row_bytes, dtype, cells, rows->count, rows->widths[c]);
        at += rows->widths[c] * npy_number_bytes(dtype);
    }
    buffer_commit(out, rows->count * row_bytes);
}

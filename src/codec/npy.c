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
    buffer_append_format(out,
                         "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %llu), }",
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

static double scalar(const struct value *value)
{
    switch (value->type) {
    case DATA_TYPE_INT:
        return (double)value->integer;
    case DATA_TYPE_FLOAT:
        return value->real;
    case DATA_TYPE_BOOLEAN:
        return value->boolean;
    case DATA_TYPE_TIMESTAMP:
        return (double)value->timestamp_us / 1e6;
    default:
        return (double)NAN;
    }
}

static char *put(char *at, enum npy_dtype dtype, double number)
{
    if (dtype == NPY_FLOAT64) {
        memcpy(at, &number, sizeof(number));
        return at + sizeof(number);
    }
    float narrow = (float)number;
    memcpy(at, &narrow, sizeof(narrow));
    return at + sizeof(narrow);
}

void npy_append_cell(struct buffer *out, enum npy_dtype dtype, const struct cell *cell,
                     uint32_t width)
{
    size_t bytes = (size_t)width * (dtype == NPY_FLOAT64 ? sizeof(double) : sizeof(float));
    char *at = likely(out->capacity - out->len >= bytes && !out->failed)
                   ? out->data + out->len
                   : buffer_reserve(out, bytes);
    bool present = cell->state == CELL_PRESENT && !cell->value.is_null;
    bool spreads = present && cell->value.type == DATA_TYPE_EMBEDDING &&
                   cell->value.embedding.dimension == width;
    if (at == NULL)
        return;
    if (spreads) {
        for (uint32_t i = 0; i < width; i++) {
            float number;
            memcpy(&number, (const char *)cell->value.embedding.data + i * sizeof(number),
                   sizeof(number));
            at = put(at, dtype, (double)number);
        }
    } else {
        /* One number in an embedding's place is none. */
        bool is_number = present && width == 1;
        for (uint32_t i = 0; i < width; i++)
            at = put(at, dtype, is_number ? scalar(&cell->value) : (double)NAN);
    }
    buffer_commit(out, bytes);
}

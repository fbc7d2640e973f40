/* NumPy .npy files, version 1.0: C order, little endian, <f8 or <f4. Format: NumPy Enhancement
 * Proposal 1. */
#ifndef FEATURED_CODEC_NPY_H
#define FEATURED_CODEC_NPY_H

#include "base/buffer.h"
#include "model/cell.h"

enum npy_dtype { NPY_FLOAT64, NPY_FLOAT32 };

void npy_append_header(struct buffer *out, enum npy_dtype dtype, uint64_t rows, uint64_t columns);
/* How many numbers a value of this type spreads over: 1, an embedding's dimension, or 0: cannot be
 * part of a tensor (string, json, embedding without dimension). */
uint32_t npy_width(enum data_type type, uint32_t dimension);

struct npy_rows {
    const uint32_t *widths;          /* of each column */
    const struct cell_column *cells; /* the same */
    uint32_t column_count;
    uint32_t count;
    size_t row_numbers; /* the sum of the widths */
};
/* Row after row. Booleans are 0 and 1, timestamps seconds; whatever is not PRESENT is NaN, and so
 * what others wrote that is no number, or an embedding of another dimension. */
void npy_append_rows(struct buffer *out, enum npy_dtype dtype, const struct npy_rows *rows);
static inline size_t npy_number_bytes(enum npy_dtype dtype)
{
    return dtype == NPY_FLOAT64 ? sizeof(double) : sizeof(float);
}

#endif

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
/* Appends `width` numbers: booleans 0/1, timestamps in seconds, whatever is not PRESENT as NaN, and
 * so what others wrote that is no number, or an embedding of another dimension. */
void npy_append_cell(struct buffer *out, enum npy_dtype dtype, const struct cell *cell,
                     uint32_t width);

#endif

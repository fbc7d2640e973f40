/* Reading NumPy .npy files, versions 1.0 to 3.0: the header, from hostile hands. It is a Python
 * literal, of which just the form that numpy.save() writes is understood, in any order and spacing.
 * Format: NumPy Enhancement Proposal 1. Private to codec. */
#ifndef FEATURED_CODEC_NPY_READ_H
#define FEATURED_CODEC_NPY_READ_H

#include "base/error.h"

#define NPY_DIMENSIONS_MAX 32u /* NumPy's own limit for long */

struct npy_array {
    str descr; /* "|S8", "<f8", …; empty: a structured type */
    bool fortran_order;
    uint32_t dimension_count;
    uint64_t shape[NPY_DIMENSIONS_MAX];
    str data; /* all that follows the header */
};

/* MALFORMED with the byte. Views point into the file. */
MUST_CHECK status npy_read(str file, struct npy_array *out, struct error *error);

#endif

/* Decimal numbers as RFC 8259 writes them (no leading zeros or '+', no "nan", no spaces), from JSON
 * and from CSV. */
#ifndef FEATURED_CODEC_NUMBER_PARSE_H
#define FEATURED_CODEC_NUMBER_PARSE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

enum number_result {
    NUMBER_OK,
    NUMBER_MALFORMED,
    NUMBER_FRACTION, /* int: not a whole number */
    NUMBER_RANGE,    /* int: beyond 64 bits; double: beyond the largest finite one */
    NUMBER_NO_MEMORY,
};

/* 25, 25.0 and 1e3 are whole numbers; the value is exact. */
MUST_CHECK enum number_result number_parse_int64(str text, int64_t *out);
/* The nearest double. */
MUST_CHECK enum number_result number_parse_double(str text, double *out);

#endif

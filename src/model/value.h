/* One feature value. Borrowed: text and embeddings point into a request, a row or an arena. */
#ifndef FEATURED_MODEL_VALUE_H
#define FEATURED_MODEL_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "model/data_type.h"

struct value_embedding {
    const float *data; /* may be unaligned in stores: read with memcpy */
    uint32_t dimension;
};

struct value {
    enum data_type type;
    bool is_null; /* then nothing below holds */
    union {
        int64_t integer; /* int */
        double real;     /* float, finite */
        bool boolean;
        int64_t timestamp_us; /* timestamp */
        str text;             /* string, json */
        struct value_embedding embedding;
    };
};

/* Bytes of the out-of-line part (text, embedding), 0 for the others and for null. */
size_t value_bytes(const struct value *value);
/* Same type, same bits. */
bool value_eq(const struct value *a, const struct value *b);

#endif

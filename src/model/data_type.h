/* The types a feature's values can have (design.md §1), and the names they go by. */
#ifndef FEATURED_MODEL_DATA_TYPE_H
#define FEATURED_MODEL_DATA_TYPE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"

enum data_type {
    DATA_TYPE_INT,   /* int64 */
    DATA_TYPE_FLOAT, /* finite IEEE 754 binary64 */
    DATA_TYPE_BOOLEAN,
    DATA_TYPE_STRING,    /* UTF-8, may hold NUL */
    DATA_TYPE_TIMESTAMP, /* µs since 1970, UTC, in the bounds of base/clock.h */
    DATA_TYPE_EMBEDDING, /* finite float32 × dimension */
    DATA_TYPE_JSON,      /* text of one JSON value, minified */
    DATA_TYPE_COUNT,
};

/* The name stored and shown: "int", "float", … */
const char *data_type_name(enum data_type type);
/* Accepts names and aliases without regard to case; false if unknown. */
MUST_CHECK bool data_type_parse(str name, enum data_type *out);
/* "int, float, boolean, …" for error messages. */
const char *data_type_list(void);
/* int, float, timestamp-less numbers: types whose statistics include min, max, mean, std_dev. */
bool data_type_is_numeric(enum data_type type);
/* string, embedding, json: values with bytes of their own. */
bool data_type_has_bytes(enum data_type type);

#endif

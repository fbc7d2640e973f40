/* What a client says when it defines a feature or a feature service, checked. Texts are borrowed
 * (from the request's arena). */
#ifndef FEATURED_MODEL_DEFINITION_H
#define FEATURED_MODEL_DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "model/data_type.h"

/* An optional text: absent is SQL NULL and JSON null, empty is empty. */
struct optional_str {
    bool present;
    str text;
};

struct optional_double {
    bool present;
    double value;
};

struct feature_definition {
    str name;
    str entity;
    enum data_type data_type;
    uint32_t dimension; /* embeddings: 1 … LIMIT_DIMENSION, or 0: any; others 0 */
    bool is_nullable;
    int64_t ttl_seconds; /* 0: never expires */
    struct optional_str description;
    struct optional_str feature_group;
    struct optional_str source;
    struct optional_str transformation;
    str tags_json; /* minified JSON object; "{}" if none were given */
    /* what the definition says of its data until the first live value */
    struct optional_double min_value;
    struct optional_double max_value;
    struct optional_double mean_value;
    struct optional_double std_dev;
};

struct service_definition {
    str name;
    str *features; /* as written: "user_age", "txn_count_7d@2" */
    uint32_t feature_count;
    struct optional_str description;
    str tags_json;
};

/* Names of features, entities and services: [A-Za-z_][A-Za-z0-9_.-]{0,127}. (A feature group is any
 * text.) */
bool definition_name_is_valid(str name);
/* "name" or "name@version" (1 … 2^31-1); *version is 0 if none is written. False if neither. */
MUST_CHECK bool definition_parse_reference(str text, str *name, uint32_t *version);
/* INVALID with loc ["body", field] (appended to what the error holds: start from a cleared one) and
 * a detail that says what is accepted. The data type itself was checked when it was parsed. */
MUST_CHECK status definition_validate(const struct feature_definition *definition,
                                      struct error *error);
MUST_CHECK status service_definition_validate(const struct service_definition *definition,
                                              struct error *error);
/* Entity ids: 1 … LIMIT_ENTITY_ID_BYTES bytes. UTF-8 is the wire's business. */
bool entity_id_is_valid(str entity_id);

#endif

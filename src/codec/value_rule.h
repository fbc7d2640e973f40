/* Private to codec: what every form of input holds values to (api.md, "Writing"), and how a breach
 * is said. error->loc is what the caller made it. */
#ifndef FEATURED_CODEC_VALUE_RULE_H
#define FEATURED_CODEC_VALUE_RULE_H

#include "base/arena.h"
#include "base/error.h"
#include "codec/number_parse.h"
#include "model/catalog.h"
#include "model/value.h"

/* What the decoding of one value needs. */
struct value_target {
    const struct catalog_version *version;
    str name; /* of the feature, as written */
    struct arena *arena;
    struct error *error;
};

/* "the value of 'x' must be a number, not `given`" */
status value_wrong_type(const struct value_target *target, const char *given);
/* Why a number was none of an int or float feature; not for NUMBER_OK. */
status value_number_error(const struct value_target *target, enum number_result result);
/* Null, where the feature may be. */
MUST_CHECK status value_take_null(const struct value_target *target, struct value *out);
/* A string or json that stays where it is, unless it is too long. */
MUST_CHECK status value_take_text(const struct value_target *target, str text, struct value *out);
status value_not_utf8(const struct value_target *target);
/* Of an embedding. */
MUST_CHECK status value_check_dimension(const struct value_target *target, size_t given);
/* Of an embedding; loc gets the index. */
status value_component_missing(const struct value_target *target, uint32_t index,
                               const char *given);
status value_component_not_finite(const struct value_target *target, uint32_t index);

#endif

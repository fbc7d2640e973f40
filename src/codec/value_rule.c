#include "codec/value_rule.h"

#include <inttypes.h>

#include "codec/json_document.h"
#include "model/limits.h"

/* FastAPI's word and the sentence, by type. */
static const struct expectation {
    const char *error_type;
    const char *text;
} EXPECTED[DATA_TYPE_COUNT] = {
    [DATA_TYPE_INT] = {"int_type", "an integer of at most 64 bits"},
    [DATA_TYPE_FLOAT] = {"float_type", "a number"},
    [DATA_TYPE_BOOLEAN] = {"bool_type", "true or false"},
    [DATA_TYPE_STRING] = {"string_type", "a string"},
    [DATA_TYPE_TIMESTAMP] = {"datetime_type",
                             "an RFC 3339 time with offset or integer epoch milliseconds"},
    [DATA_TYPE_EMBEDDING] = {"list_type", "an array of numbers"},
    [DATA_TYPE_JSON] = {"json_type", "JSON"},
};

status value_wrong_type(const struct value_target *target, const char *given)
{
    const struct expectation *expected = &EXPECTED[target->version->data_type];
    return error_set(target->error, STATUS_INVALID, expected->error_type,
                     "the value of '%.*s' must be %s, not %s", STR_ARG(target->name),
                     expected->text, given);
}

status value_number_error(const struct value_target *target, enum number_result result)
{
    bool is_int = target->version->data_type == DATA_TYPE_INT;
    switch (result) {
    case NUMBER_NO_MEMORY:
        return error_no_memory(target->error);
    case NUMBER_FRACTION:
        return error_set(target->error, STATUS_INVALID, "int_from_float",
                         "the value of '%.*s' must be a whole number", STR_ARG(target->name));
    case NUMBER_RANGE:
        return error_set(target->error, STATUS_INVALID,
                         is_int ? "int_parsing_size" : "finite_number",
                         is_int ? "the value of '%.*s' must fit in 64 bits"
                                : "the value of '%.*s' must be a finite number",
                         STR_ARG(target->name));
    case NUMBER_OK:
    case NUMBER_MALFORMED:
    default:
        return value_wrong_type(target, "other text");
    }
}

status value_take_null(const struct value_target *target, struct value *out)
{
    if (!target->version->feature->definition.is_nullable)
        return error_set(target->error, STATUS_INVALID,
                         EXPECTED[target->version->data_type].error_type,
                         "the value of '%.*s' must not be null: the feature is not nullable",
                         STR_ARG(target->name));
    out->is_null = true;
    return OK;
}

status value_take_text(const struct value_target *target, str text, struct value *out)
{
    if (text.len > LIMIT_TEXT_BYTES)
        return error_set(target->error, STATUS_INVALID, "string_too_long",
                         "the value of '%.*s' may be at most %u bytes long, not %zu",
                         STR_ARG(target->name), LIMIT_TEXT_BYTES, text.len);
    out->text = text;
    return OK;
}

status value_not_utf8(const struct value_target *target)
{
    return error_set(target->error, STATUS_INVALID, "string_unicode",
                     "the value of '%.*s' must be UTF-8", STR_ARG(target->name));
}

status value_check_dimension(const struct value_target *target, size_t given)
{
    uint32_t wanted = target->version->dimension;
    if (wanted ? given == wanted : given >= 1 && given <= LIMIT_DIMENSION)
        return OK;
    const char *type = given < (wanted ? wanted : 1) ? "too_short" : "too_long";
    if (wanted)
        return error_set(target->error, STATUS_INVALID, type,
                         "the value of '%.*s' must have %" PRIu32 " numbers, not %zu",
                         STR_ARG(target->name), wanted, given);
    return error_set(target->error, STATUS_INVALID, type,
                     "the value of '%.*s' must have 1 to %u numbers, not %zu",
                     STR_ARG(target->name), LIMIT_DIMENSION, given);
}

status value_component_missing(const struct value_target *target, uint32_t index, const char *given)
{
    error_loc_index(target->error, index);
    return error_set(target->error, STATUS_INVALID, "float_type",
                     "the value of '%.*s' must hold numbers only, not %s", STR_ARG(target->name),
                     given);
}

status value_component_not_finite(const struct value_target *target, uint32_t index)
{
    error_loc_index(target->error, index);
    return error_set(target->error, STATUS_INVALID, "finite_number",
                     "the numbers of '%.*s' must be finite as 32-bit floats",
                     STR_ARG(target->name));
}

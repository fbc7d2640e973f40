#include "codec/json_value.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"
#include "codec/json_document.h"
#include "codec/number_parse.h"
#include "model/limits.h"

static status decode_number(const struct value_target *target, str text, struct value *out)
{
    enum number_result result = out->type == DATA_TYPE_INT ? number_parse_int64(text, &out->integer)
                                                           : number_parse_double(text, &out->real);
    return likely(result == NUMBER_OK) ? OK : value_number_error(target, result);
}

static status decode_json(const struct value_target *target, yyjson_val *json, struct value *out)
{
    str text;
    switch (json_minify(json, target->arena, &text)) {
    case JSON_MINIFY_OK:
        return value_take_text(target, text, out);
    case JSON_MINIFY_DEEP:
        return error_set(target->error, STATUS_INVALID, "value_error",
                         "the value of '%.*s' is nested deeper than %d", STR_ARG(target->name),
                         JSON_DEPTH_MAX);
    case JSON_MINIFY_NOT_FINITE:
        return error_set(target->error, STATUS_INVALID, "finite_number",
                         "the value of '%.*s' holds a number that is not finite",
                         STR_ARG(target->name));
    case JSON_MINIFY_NO_MEMORY:
    default:
        return error_no_memory(target->error);
    }
}

static status decode_component(const struct value_target *target, yyjson_val *json, uint32_t index,
                               float *out)
{
    double number;
    enum number_result result = NUMBER_MALFORMED;
    if (yyjson_is_raw(json))
        result = number_parse_double(json_number(json), &number);
    if (likely(result == NUMBER_OK && isfinite((float)number))) {
        *out = (float)number;
        return OK;
    }
    if (result == NUMBER_NO_MEMORY)
        return error_no_memory(target->error);
    if (result == NUMBER_MALFORMED)
        return value_component_missing(target, index, json_kind(json));
    return value_component_not_finite(target, index);
}

static status decode_embedding(const struct value_target *target, yyjson_val *json,
                               struct value *out)
{
    size_t dimension = yyjson_arr_size(json);
    TRY(value_check_dimension(target, dimension));
    float *data = arena_alloc(target->arena, dimension * sizeof(*data));
    if (data == NULL)
        return error_no_memory(target->error);
    yyjson_arr_iter items = yyjson_arr_iter_with(json);
    for (uint32_t i = 0; i < dimension; i++)
        TRY(decode_component(target, yyjson_arr_iter_next(&items), i, &data[i]));
    out->embedding = (struct value_embedding){data, (uint32_t)dimension};
    return OK;
}

static status decode_present(const struct value_target *target, yyjson_val *json, struct value *out)
{
    switch (out->type) {
    case DATA_TYPE_INT:
    case DATA_TYPE_FLOAT:
        if (yyjson_is_raw(json))
            return decode_number(target, json_number(json), out);
        break;
    case DATA_TYPE_BOOLEAN:
        out->boolean = yyjson_is_true(json);
        if (yyjson_is_bool(json))
            return OK;
        break;
    case DATA_TYPE_STRING:
        if (yyjson_is_str(json))
            return value_take_text(target, json_text(json), out);
        break;
    case DATA_TYPE_TIMESTAMP:
        if (json_decode_time(json, &out->timestamp_us))
            return OK;
        if (yyjson_is_str(json) || yyjson_is_raw(json))
            return value_wrong_type(target, yyjson_is_str(json) ? "other text" : "this number");
        break;
    case DATA_TYPE_EMBEDDING:
        if (yyjson_is_arr(json))
            return decode_embedding(target, json, out);
        break;
    case DATA_TYPE_JSON:
        return decode_json(target, json, out);
    case DATA_TYPE_COUNT:
        break;
    }
    return value_wrong_type(target, json_kind(json));
}

status json_decode_value(yyjson_val *json, const struct catalog_version *version, str name,
                         struct arena *arena, struct value *out, struct error *error)
{
    const struct value_target target = {version, name, arena, error};
    struct value value = {.type = version->data_type};
    if (yyjson_is_null(json))
        TRY(value_take_null(&target, &value));
    else
        TRY(decode_present(&target, json, &value));
    *out = value;
    return OK;
}

static status csv_decode_boolean(const struct value_target *target, str field, struct value *out)
{
    out->boolean = str_eq(field, STR("1")) || str_eq_nocase(field, STR("true"));
    if (out->boolean || str_eq(field, STR("0")) || str_eq_nocase(field, STR("false")))
        return OK;
    return value_wrong_type(target, "other text");
}

static status csv_decode_string(const struct value_target *target, str field, struct value *out)
{
    TRY(value_take_text(target, field, out));
    if (!str_is_utf8(field))
        return value_not_utf8(target);
    return arena_copy_str(target->arena, field, &out->text) ? OK : error_no_memory(target->error);
}

status json_decode_value_text(str text, const struct value_target *target, struct value *out)
{
    yyjson_val *json;
    status parsed = json_parse(text, target->arena, &json, NULL);
    if (parsed.code == STATUS_OUT_OF_MEMORY)
        return error_no_memory(target->error);
    if (!status_is_ok(parsed))
        return error_set(target->error, STATUS_INVALID, "json_invalid",
                         "the value of '%.*s' must be JSON", STR_ARG(target->name));
    return yyjson_is_null(json) ? value_take_null(target, out) : decode_present(target, json, out);
}

static status csv_decode_present(const struct value_target *target, str field, struct value *out)
{
    switch (out->type) {
    case DATA_TYPE_INT:
    case DATA_TYPE_FLOAT:
        return decode_number(target, field, out);
    case DATA_TYPE_BOOLEAN:
        return csv_decode_boolean(target, field, out);
    case DATA_TYPE_STRING:
        return csv_decode_string(target, field, out);
    case DATA_TYPE_TIMESTAMP:
        return csv_decode_time(field, &out->timestamp_us) ? OK
                                                          : value_wrong_type(target, "other text");
    case DATA_TYPE_EMBEDDING:
    case DATA_TYPE_JSON:
    case DATA_TYPE_COUNT:
    default:
        return json_decode_value_text(field, target, out);
    }
}

status csv_decode_value(str field, bool quoted, const struct catalog_version *version, str name,
                        struct arena *arena, struct value *out, struct error *error)
{
    const struct value_target target = {version, name, arena, error};
    struct value value = {.type = version->data_type};
    if (field.len == 0 && !(quoted && value.type == DATA_TYPE_STRING))
        TRY(value_take_null(&target, &value));
    else
        TRY(csv_decode_present(&target, field, &value));
    *out = value;
    return OK;
}

static bool time_from_ms(str number, int64_t *out_us)
{
    int64_t ms;
    int64_t us;
    if (number_parse_int64(number, &ms) != NUMBER_OK || __builtin_mul_overflow(ms, 1000, &us) ||
        us < CLOCK_MIN_US || us > CLOCK_MAX_US)
        return false;
    *out_us = us;
    return true;
}

bool json_decode_time(yyjson_val *json, int64_t *out_us)
{
    if (yyjson_is_str(json))
        return clock_parse_rfc3339(json_text(json), out_us);
    return yyjson_is_raw(json) && time_from_ms(json_number(json), out_us);
}

bool csv_decode_time(str field, int64_t *out_us)
{
    return clock_parse_rfc3339(field, out_us) || time_from_ms(field, out_us);
}

status event_time_malformed(struct error *error, const char *name)
{
    return error_set(error, STATUS_INVALID, "datetime_parsing",
                     "%s must be an RFC 3339 time with offset or integer epoch milliseconds", name);
}

status event_time_ahead(struct error *error, const char *name)
{
    return error_set(error, STATUS_INVALID, "value_error",
                     "%s lies more than %" PRId64 " minutes in the future", name,
                     LIMIT_FUTURE_US / 60000000);
}

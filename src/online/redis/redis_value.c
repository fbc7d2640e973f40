#include "online/redis/redis_value.h"

#include "base/clock.h"
#include "codec/json_read.h"
#include "codec/json_value.h"
#include "codec/number_parse.h"
#include "model/limits.h"

str redis_value_text(const struct value *value, struct buffer *scratch)
{
    if (value->type == DATA_TYPE_STRING || value->type == DATA_TYPE_JSON)
        return value->text;
    buffer_reset(scratch, SIZE_MAX);
    if (value->type == DATA_TYPE_TIMESTAMP) {
        char *at = buffer_reserve(scratch, CLOCK_RFC3339_MAX);
        if (at != NULL)
            buffer_commit(scratch, clock_format_rfc3339(value->timestamp_us, at));
    } else {
        json_encode_value(scratch, value);
    }
    return buffer_str(scratch);
}

static status read_string(str text, struct arena *arena, struct value *out, bool *is_one)
{
    *is_one = text.len <= LIMIT_TEXT_BYTES && str_is_utf8(text);
    out->type = DATA_TYPE_STRING;
    out->is_null = false;
    if (*is_one && !arena_copy_str(arena, text, &out->text))
        return status_of(STATUS_OUT_OF_MEMORY);
    return OK;
}

static status number_status(enum number_result result, bool *is_one)
{
    *is_one = result == NUMBER_OK;
    return result == NUMBER_NO_MEMORY ? status_of(STATUS_OUT_OF_MEMORY) : OK;
}

status redis_value_of_others(str text, struct arena *arena, struct value *out, bool *is_one)
{
    *out = (struct value){.type = DATA_TYPE_FLOAT};
    TRY(number_status(number_parse_double(text, &out->real), is_one));
    return *is_one ? OK : read_string(text, arena, out, is_one);
}

static bool read_boolean(str text, bool *out)
{
    *out = str_eq_nocase(text, STR("true")) || str_eq(text, STR("1"));
    return *out || str_eq_nocase(text, STR("false")) || str_eq(text, STR("0"));
}

/* What needs a tree of JSON: embeddings and json. */
static status read_tree(str text, enum data_type type, uint32_t dimension, struct arena *arena,
                        struct value *out, bool *is_one)
{
    static const struct catalog_feature nullable = {.definition = {.is_nullable = true}};
    const struct catalog_version version = {
        .data_type = type, .dimension = dimension, .feature = &nullable};
    *is_one = false;
    if (text.len == 0 || text.len > LIMIT_TEXT_BYTES)
        return OK;
    status result = csv_decode_value(text, true, &version, STR("value"), arena, out, NULL);
    if (result.code == STATUS_OUT_OF_MEMORY || result.code == STATUS_TOO_LARGE)
        return status_of(STATUS_OUT_OF_MEMORY);
    *is_one = status_is_ok(result) && !out->is_null;
    return OK;
}

static status read_declared(str text, enum data_type type, uint32_t dimension,
                            struct arena *arena, struct value *out, bool *is_one)
{
    switch (type) {
    case DATA_TYPE_INT:
        return number_status(number_parse_int64(text, &out->integer), is_one);
    case DATA_TYPE_FLOAT:
        return number_status(number_parse_double(text, &out->real), is_one);
    case DATA_TYPE_BOOLEAN:
        *is_one = read_boolean(text, &out->boolean);
        return OK;
    case DATA_TYPE_STRING:
        return read_string(text, arena, out, is_one);
    case DATA_TYPE_TIMESTAMP:
        *is_one = csv_decode_time(text, &out->timestamp_us);
        return OK;
    case DATA_TYPE_EMBEDDING:
    case DATA_TYPE_JSON:
        return read_tree(text, type, dimension, arena, out, is_one);
    case DATA_TYPE_COUNT:
    default:
        *is_one = false;
        return OK;
    }
}

status redis_value_read(str text, enum data_type type, uint32_t dimension, struct arena *arena,
                        struct value *out, bool *is_one)
{
    out->type = type;
    out->is_null = false;
    TRY(read_declared(text, type, dimension, arena, out, is_one));
    return *is_one ? OK : redis_value_of_others(text, arena, out, is_one);
}

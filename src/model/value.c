#include "model/value.h"

size_t value_bytes(const struct value *value)
{
    if (value->is_null)
        return 0;
    switch (value->type) {
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        return value->text.len;
    case DATA_TYPE_EMBEDDING:
        return (size_t)value->embedding.dimension * sizeof(float);
    default:
        return 0;
    }
}

static bool bytes_eq(const void *a, const void *b, size_t len)
{
    return len == 0 || memcmp(a, b, len) == 0;
}

bool value_eq(const struct value *a, const struct value *b)
{
    if (a->type != b->type || a->is_null != b->is_null)
        return false;
    if (a->is_null)
        return true;
    switch (a->type) {
    case DATA_TYPE_INT:
        return a->integer == b->integer;
    case DATA_TYPE_FLOAT:
        return bytes_eq(&a->real, &b->real, sizeof(a->real)); /* 0.0 is not -0.0 */
    case DATA_TYPE_BOOLEAN:
        return a->boolean == b->boolean;
    case DATA_TYPE_TIMESTAMP:
        return a->timestamp_us == b->timestamp_us;
    case DATA_TYPE_EMBEDDING:
        return a->embedding.dimension == b->embedding.dimension &&
               bytes_eq(a->embedding.data, b->embedding.data, value_bytes(a));
    default:
        return str_eq(a->text, b->text);
    }
}

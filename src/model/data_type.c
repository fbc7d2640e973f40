#include "model/data_type.h"

#include "base/assert.h"

static const char *const NAMES[DATA_TYPE_COUNT] = {
    [DATA_TYPE_INT] = "int",
    [DATA_TYPE_FLOAT] = "float",
    [DATA_TYPE_BOOLEAN] = "boolean",
    [DATA_TYPE_STRING] = "string",
    [DATA_TYPE_TIMESTAMP] = "timestamp",
    [DATA_TYPE_EMBEDDING] = "embedding",
    [DATA_TYPE_JSON] = "json",
};

/* What other registries, SQL, Python, NumPy and Feast call the same things. */
static const struct alias {
    const char *name;
    enum data_type type;
} ALIASES[] = {
    {"int", DATA_TYPE_INT},
    {"int64", DATA_TYPE_INT},
    {"int32", DATA_TYPE_INT},
    {"int16", DATA_TYPE_INT},
    {"int8", DATA_TYPE_INT},
    {"integer", DATA_TYPE_INT},
    {"long", DATA_TYPE_INT},
    {"bigint", DATA_TYPE_INT},
    {"smallint", DATA_TYPE_INT},
    {"float", DATA_TYPE_FLOAT},
    {"float64", DATA_TYPE_FLOAT},
    {"float32", DATA_TYPE_FLOAT},
    {"double", DATA_TYPE_FLOAT},
    {"double precision", DATA_TYPE_FLOAT},
    {"number", DATA_TYPE_FLOAT},
    {"numeric", DATA_TYPE_FLOAT},
    {"decimal", DATA_TYPE_FLOAT},
    {"real", DATA_TYPE_FLOAT},
    {"boolean", DATA_TYPE_BOOLEAN},
    {"bool", DATA_TYPE_BOOLEAN},
    {"string", DATA_TYPE_STRING},
    {"str", DATA_TYPE_STRING},
    {"text", DATA_TYPE_STRING},
    {"varchar", DATA_TYPE_STRING},
    {"categorical", DATA_TYPE_STRING},
    {"category", DATA_TYPE_STRING},
    {"timestamp", DATA_TYPE_TIMESTAMP},
    {"datetime", DATA_TYPE_TIMESTAMP},
    {"unix_timestamp", DATA_TYPE_TIMESTAMP},
    {"timestamptz", DATA_TYPE_TIMESTAMP},
    {"embedding", DATA_TYPE_EMBEDDING},
    {"vector", DATA_TYPE_EMBEDDING},
    {"array<float>", DATA_TYPE_EMBEDDING},
    {"array<double>", DATA_TYPE_EMBEDDING},
    {"array(float)", DATA_TYPE_EMBEDDING},
    {"array(float32)", DATA_TYPE_EMBEDDING},
    {"list<float>", DATA_TYPE_EMBEDDING},
    {"list[float]", DATA_TYPE_EMBEDDING},
    {"float[]", DATA_TYPE_EMBEDDING},
    {"json", DATA_TYPE_JSON},
    {"jsonb", DATA_TYPE_JSON},
    {"object", DATA_TYPE_JSON},
    {"dict", DATA_TYPE_JSON},
    {"map", DATA_TYPE_JSON},
    {"list", DATA_TYPE_JSON},
    {"array", DATA_TYPE_JSON},
};

const char *data_type_name(enum data_type type)
{
    ASSERT((unsigned)type < DATA_TYPE_COUNT);
    return NAMES[type];
}

bool data_type_parse(str name, enum data_type *out)
{
    for (size_t i = 0; i < ARRAY_LEN(ALIASES); i++) {
        if (str_eq_nocase(name, str_from_cstr(ALIASES[i].name))) {
            *out = ALIASES[i].type;
            return true;
        }
    }
    return false;
}

const char *data_type_list(void)
{
    return "int, float, boolean, string, timestamp, embedding, json";
}

bool data_type_is_numeric(enum data_type type)
{
    return type == DATA_TYPE_INT || type == DATA_TYPE_FLOAT;
}

bool data_type_has_bytes(enum data_type type)
{
    return type == DATA_TYPE_STRING || type == DATA_TYPE_EMBEDDING || type == DATA_TYPE_JSON;
}

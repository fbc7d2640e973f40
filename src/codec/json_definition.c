#include "codec/json_definition.h"

#include "codec/json_document.h"
#include "codec/number_parse.h"
#include "model/limits.h"

#define MEMBERS_MAX 20

/* The body of a definition: its members by position, and those nobody knows. */
struct body {
    struct arena *arena;
    struct error *error;
    const str *names;
    uint32_t count;
    yyjson_val *values[MEMBERS_MAX];
};

static bool is_known(const struct body *body, str name)
{
    for (uint32_t i = 0; i < body->count; i++) {
        if (str_eq(body->names[i], name))
            return true;
    }
    return false;
}

static status collect_unknown(const struct body *body, yyjson_val *root,
                              struct json_unknown *unknown)
{
    yyjson_obj_iter members = yyjson_obj_iter_with(root);
    uint32_t count = 0;
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;)
        count += !is_known(body, json_text(key));
    str *names = arena_alloc(body->arena, count * sizeof(*names));
    if (names == NULL)
        return error_no_memory(body->error);
    *unknown = (struct json_unknown){names, count};
    members = yyjson_obj_iter_with(root);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
        if (!is_known(body, json_text(key)))
            *names++ = json_text(key);
    }
    return OK;
}

static status open_body(struct body *body, str text, bool strict, struct json_unknown *unknown)
{
    yyjson_val *root;
    if (body->error)
        body->error->loc_len = 0;
    error_loc_name(body->error, STR("body"));
    TRY(json_parse(text, body->arena, &root, body->error));
    if (!yyjson_is_obj(root))
        return error_set(body->error, STATUS_INVALID, "dict_type",
                         "the body must be a JSON object, not %s", json_kind(root));
    TRY(json_take_members(root, body->names, body->count, strict, body->values, body->error));
    return unknown ? collect_unknown(body, root, unknown) : OK;
}

/* Required on POST, where the path has none; else it must agree with the path. */
static status take_name(const struct body *body, yyjson_val *value, str path_name, str *out)
{
    TRY(json_take_string(value, "name", path_name.len == 0, out, body->error));
    if (path_name.len == 0)
        return OK;
    if (!json_is_absent(value) && !str_eq(*out, path_name)) {
        error_loc_name(body->error, STR("name"));
        return error_set(body->error, STATUS_INVALID, "value_error",
                         "name must be '%.*s' as in the path, not '%.*s'", STR_ARG(path_name),
                         STR_ARG(*out));
    }
    *out = path_name;
    return OK;
}

static status take_data_type(const struct body *body, yyjson_val *value, enum data_type *out)
{
    str name;
    TRY(json_take_string(value, "data_type", true, &name, body->error));
    if (data_type_parse(name, out))
        return OK;
    error_loc_name(body->error, STR("data_type"));
    return error_set(body->error, STATUS_INVALID, "enum", "data_type must be one of %s, not '%.*s'",
                     data_type_list(), (int)(name.len < 64 ? name.len : 64), name.data);
}

static status take_optional_text(const struct body *body, yyjson_val *value, const char *name,
                                 struct optional_str *out)
{
    out->present = !json_is_absent(value);
    return json_take_string(value, name, false, &out->text, body->error);
}

static status out_of_range(const struct body *body, const char *name, bool below, int64_t low,
                           int64_t high)
{
    error_loc_name(body->error, str_from_cstr(name));
    return error_set(body->error, STATUS_INVALID, below ? "greater_than_equal" : "less_than_equal",
                     "%s must be %lld to %lld", name, (long long)low, (long long)high);
}

/* A whole number of a range. Absent and null leave *out as it is. */
static status take_integer(const struct body *body, yyjson_val *value, const char *name,
                           int64_t low, int64_t high, int64_t *out)
{
    int64_t number;
    if (json_is_absent(value))
        return OK;
    if (!yyjson_is_raw(value))
        return json_wrong_kind(body->error, "int_type", name, "a whole number", value);
    str text = json_number(value);
    enum number_result result = number_parse_int64(text, &number);
    if (result == NUMBER_FRACTION) {
        error_loc_name(body->error, str_from_cstr(name));
        return error_set(body->error, STATUS_INVALID, "int_from_float",
                         "%s must be a whole number", name);
    }
    if (result != NUMBER_OK)
        return out_of_range(body, name, text.data[0] == '-', low, high);
    if (number < low || number > high)
        return out_of_range(body, name, number < low, low, high);
    *out = number;
    return OK;
}

static status take_number(const struct body *body, yyjson_val *value, const char *name,
                          struct optional_double *out)
{
    out->present = !json_is_absent(value);
    if (!out->present)
        return OK;
    if (!yyjson_is_raw(value))
        return json_wrong_kind(body->error, "float_type", name, "a number", value);
    enum number_result result = number_parse_double(json_number(value), &out->value);
    if (result == NUMBER_OK)
        return OK;
    if (result == NUMBER_NO_MEMORY)
        return error_no_memory(body->error);
    error_loc_name(body->error, str_from_cstr(name));
    return error_set(body->error, STATUS_INVALID, "finite_number", "%s must be a finite number",
                     name);
}

static status take_tags(const struct body *body, yyjson_val *value, str *out)
{
    *out = STR("{}");
    if (json_is_absent(value))
        return OK;
    if (!yyjson_is_obj(value))
        return json_wrong_kind(body->error, "dict_type", "tags", "an object", value);
    enum json_minify_result result = json_minify(value, body->arena, out);
    if (result == JSON_MINIFY_OK)
        return OK;
    if (result == JSON_MINIFY_NO_MEMORY)
        return error_no_memory(body->error);
    error_loc_name(body->error, STR("tags"));
    if (result == JSON_MINIFY_DEEP)
        return error_set(body->error, STATUS_INVALID, "value_error",
                         "tags are nested deeper than %d", JSON_DEPTH_MAX);
    return error_set(body->error, STATUS_INVALID, "finite_number",
                     "tags hold a number that is not finite");
}

enum feature_member {
    NAME,
    DATA_TYPE,
    ENTITY,
    DESCRIPTION,
    FEATURE_GROUP,
    SOURCE,
    TRANSFORMATION,
    IS_NULLABLE,
    TTL_SECONDS,
    DIMENSION,
    TAGS,
    MIN_VALUE,
    MAX_VALUE,
    MEAN_VALUE,
    STD_DEV,
    FEATURE_MEMBERS, /* and those that are ignored */
};

static const str FEATURE_NAMES[] = {
    [NAME] = STR("name"),
    [DATA_TYPE] = STR("data_type"),
    [ENTITY] = STR("entity"),
    [DESCRIPTION] = STR("description"),
    [FEATURE_GROUP] = STR("feature_group"),
    [SOURCE] = STR("source"),
    [TRANSFORMATION] = STR("transformation"),
    [IS_NULLABLE] = STR("is_nullable"),
    [TTL_SECONDS] = STR("ttl_seconds"),
    [DIMENSION] = STR("dimension"),
    [TAGS] = STR("tags"),
    [MIN_VALUE] = STR("min_value"),
    [MAX_VALUE] = STR("max_value"),
    [MEAN_VALUE] = STR("mean_value"),
    [STD_DEV] = STR("std_dev"),
    [FEATURE_MEMBERS] = STR("id"),
    STR("version"),
    STR("created_at"),
    STR("updated_at"),
};

_Static_assert(ARRAY_LEN(FEATURE_NAMES) <= MEMBERS_MAX, "all members fit");

static status take_texts(const struct body *body, struct feature_definition *out)
{
    yyjson_val *const *values = body->values;
    TRY(take_optional_text(body, values[DESCRIPTION], "description", &out->description));
    TRY(take_optional_text(body, values[FEATURE_GROUP], "feature_group", &out->feature_group));
    TRY(take_optional_text(body, values[SOURCE], "source", &out->source));
    return take_optional_text(body, values[TRANSFORMATION], "transformation",
                              &out->transformation);
}

static status take_numbers(const struct body *body, struct feature_definition *out)
{
    yyjson_val *const *values = body->values;
    int64_t dimension = 0;
    TRY(take_integer(body, values[TTL_SECONDS], "ttl_seconds", 0, LIMIT_TTL_SECONDS,
                     &out->ttl_seconds));
    TRY(take_integer(body, values[DIMENSION], "dimension", 1, LIMIT_DIMENSION, &dimension));
    out->dimension = (uint32_t)dimension;
    TRY(take_number(body, values[MIN_VALUE], "min_value", &out->min_value));
    TRY(take_number(body, values[MAX_VALUE], "max_value", &out->max_value));
    TRY(take_number(body, values[MEAN_VALUE], "mean_value", &out->mean_value));
    return take_number(body, values[STD_DEV], "std_dev", &out->std_dev);
}

status json_decode_feature_definition(str body, str name, bool strict, struct arena *arena,
                                      struct feature_definition *out,
                                      struct json_unknown *unknown, struct error *error)
{
    struct body input = {arena, error, FEATURE_NAMES, ARRAY_LEN(FEATURE_NAMES), {NULL}};
    struct feature_definition definition = {.is_nullable = true};
    struct json_unknown ignored;
    yyjson_val *const *values = input.values;
    TRY(open_body(&input, body, strict, &ignored));
    TRY(take_name(&input, values[NAME], name, &definition.name));
    TRY(take_data_type(&input, values[DATA_TYPE], &definition.data_type));
    TRY(json_take_string(values[ENTITY], "entity", true, &definition.entity, error));
    TRY(take_texts(&input, &definition));
    TRY(json_take_boolean(values[IS_NULLABLE], "is_nullable", &definition.is_nullable, error));
    TRY(take_numbers(&input, &definition));
    TRY(take_tags(&input, values[TAGS], &definition.tags_json));
    if (error)
        error->loc_len = 0; /* definition_validate() begins its own */
    TRY(definition_validate(&definition, error));
    *out = definition;
    *unknown = ignored;
    return OK;
}

status json_decode_service_definition(str body, str name, bool strict, struct arena *arena,
                                      struct service_definition *out,
                                      struct json_unknown *unknown, struct error *error)
{
    enum { SERVICE_NAME, FEATURES, TEXT, SERVICE_TAGS };
    static const str NAMES[] = {[SERVICE_NAME] = STR("name"),
                                [FEATURES] = STR("features"),
                                [TEXT] = STR("description"),
                                [SERVICE_TAGS] = STR("tags"),
                                STR("id"),
                                STR("resolved"),
                                STR("created_at"),
                                STR("updated_at")};
    struct body input = {arena, error, NAMES, ARRAY_LEN(NAMES), {NULL}};
    struct service_definition definition = {.feature_count = 0};
    struct json_unknown ignored;
    TRY(open_body(&input, body, strict, &ignored));
    TRY(take_name(&input, input.values[SERVICE_NAME], name, &definition.name));
    if (input.values[FEATURES] == NULL)
        return json_missing(error, "features");
    TRY(json_take_strings(input.values[FEATURES], "features", LIMIT_SERVICE_FEATURES, arena,
                          &definition.features, &definition.feature_count, error));
    TRY(take_optional_text(&input, input.values[TEXT], "description", &definition.description));
    TRY(take_tags(&input, input.values[SERVICE_TAGS], &definition.tags_json));
    if (error)
        error->loc_len = 0;
    TRY(service_definition_validate(&definition, error));
    *out = definition;
    *unknown = ignored;
    return OK;
}

static status take_version(struct body *input, str body, bool strict, uint32_t *version)
{
    int64_t number = 0;
    TRY(open_body(input, body, strict, NULL));
    if (input->values[0] == NULL)
        return json_missing(input->error, "version");
    if (yyjson_is_null(input->values[0]))
        return json_wrong_kind(input->error, "int_type", "version", "a whole number",
                               input->values[0]);
    TRY(take_integer(input, input->values[0], "version", 1, INT32_MAX, &number));
    *version = (uint32_t)number;
    return OK;
}

status json_decode_activate(str body, bool strict, uint32_t *version, struct error *error)
{
    static const str NAMES[] = {STR("version")};
    struct arena arena;
    struct body input = {&arena, error, NAMES, ARRAY_LEN(NAMES), {NULL}};
    arena_init(&arena, SIZE_MAX);
    status taken = take_version(&input, body, strict, version);
    arena_fini(&arena);
    return taken;
}

/* The text of a scalar as `tag=key:value` writes it. */
static bool scalar_is(yyjson_val *value, str text)
{
    if (yyjson_is_str(value))
        return str_eq(json_text(value), text);
    if (yyjson_is_raw(value))
        return str_eq(json_number(value), text);
    if (yyjson_is_bool(value))
        return str_eq(yyjson_is_true(value) ? STR("true") : STR("false"), text);
    return yyjson_is_null(value) && str_eq(STR("null"), text);
}

bool json_tags_match(str tags_json, str key, str text)
{
    struct arena arena;
    yyjson_val *root;
    yyjson_val *value;
    bool match = false;
    if (str_eq(tags_json, STR("{}")))
        return false;
    arena_init(&arena, SIZE_MAX);
    if (status_is_ok(json_parse(tags_json, &arena, &root, NULL)) && yyjson_is_obj(root) &&
        status_is_ok(json_take_members(root, &key, 1, false, &value, NULL)))
        match = value && scalar_is(value, text);
    arena_fini(&arena);
    return match;
}

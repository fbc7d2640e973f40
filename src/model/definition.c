#include "model/definition.h"

#include <inttypes.h>
#include <math.h>

#include "model/limits.h"

#define NAME_RULE                                                                                  \
    "a letter or '_', then up to 127 letters, digits, '_', '.' or '-' (A-Z, a-z and 0-9 only)"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool definition_name_is_valid(str name)
{
    if (name.len == 0 || name.len > LIMIT_NAME_BYTES || !is_letter(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++) {
        char c = name.data[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return false;
    }
    return true;
}

bool definition_parse_reference(str text, str *name, uint32_t *version)
{
    uint64_t number = 0;
    const char *at = text.len ? memchr(text.data, '@', text.len) : NULL;
    str head = at ? str_of(text.data, (size_t)(at - text.data)) : text;
    if (!definition_name_is_valid(head))
        return false;
    if (at) {
        str digits = str_of(at + 1, text.len - head.len - 1);
        if (!str_to_uint64(digits, &number) || digits.data[0] == '0' || number > INT32_MAX)
            return false;
    }
    *name = head;
    *version = (uint32_t)number;
    return true;
}

bool entity_id_is_valid(str entity_id)
{
    return entity_id.len >= 1 && entity_id.len <= LIMIT_ENTITY_ID_BYTES;
}

static status invalid_at(struct error *error, const char *field)
{
    error_loc_name(error, STR("body"));
    error_loc_name(error, str_from_cstr(field));
    return status_of(STATUS_INVALID);
}

static status check_name(const char *field, str name, struct error *error)
{
    if (definition_name_is_valid(name))
        return OK;
    (void)error_set(error, STATUS_INVALID, "string_pattern_mismatch", "%s must be %s", field,
                    NAME_RULE);
    return invalid_at(error, field);
}

static status check_text(const char *field, const struct optional_str *text, size_t max_bytes,
                         struct error *error)
{
    if (!text->present || text->text.len <= max_bytes)
        return OK;
    (void)error_set(error, STATUS_INVALID, "string_too_long", "%s must be at most %zu bytes long",
                    field, max_bytes);
    return invalid_at(error, field);
}

static status check_tags(str tags_json, struct error *error)
{
    if (tags_json.len <= LIMIT_TAGS_BYTES)
        return OK;
    (void)error_set(error, STATUS_INVALID, "too_long",
                    "tags must be at most %u bytes long as JSON text", LIMIT_TAGS_BYTES);
    return invalid_at(error, "tags");
}

static status check_finite(const char *field, const struct optional_double *number,
                           struct error *error)
{
    if (!number->present || isfinite(number->value))
        return OK;
    (void)error_set(error, STATUS_INVALID, "finite_number", "%s must be a finite number", field);
    return invalid_at(error, field);
}

static status check_ttl(int64_t ttl_seconds, struct error *error)
{
    if (ttl_seconds >= 0 && ttl_seconds <= LIMIT_TTL_SECONDS)
        return OK;
    (void)error_set(error, STATUS_INVALID,
                    ttl_seconds < 0 ? "greater_than_equal" : "less_than_equal",
                    "ttl_seconds must be 0 (never expires) to %" PRId64, LIMIT_TTL_SECONDS);
    return invalid_at(error, "ttl_seconds");
}

static status check_dimension(const struct feature_definition *definition, struct error *error)
{
    if (definition->dimension == 0)
        return OK;
    if (definition->data_type != DATA_TYPE_EMBEDDING)
        (void)error_set(error, STATUS_INVALID, "value_error",
                        "dimension is for embeddings only, and data_type is %s",
                        data_type_name(definition->data_type));
    else if (definition->dimension > LIMIT_DIMENSION)
        (void)error_set(error, STATUS_INVALID, "less_than_equal", "dimension must be 1 to %u",
                        LIMIT_DIMENSION);
    else
        return OK;
    return invalid_at(error, "dimension");
}

status definition_validate(const struct feature_definition *definition, struct error *error)
{
    TRY(check_name("name", definition->name, error));
    TRY(check_name("entity", definition->entity, error));
    TRY(check_dimension(definition, error));
    TRY(check_ttl(definition->ttl_seconds, error));
    TRY(check_text("description", &definition->description, LIMIT_DESCRIPTION_BYTES, error));
    TRY(check_text("feature_group", &definition->feature_group, LIMIT_DESCRIPTION_BYTES, error));
    TRY(check_text("source", &definition->source, LIMIT_DESCRIPTION_BYTES, error));
    TRY(check_text("transformation", &definition->transformation, LIMIT_DESCRIPTION_BYTES, error));
    TRY(check_tags(definition->tags_json, error));
    TRY(check_finite("min_value", &definition->min_value, error));
    TRY(check_finite("max_value", &definition->max_value, error));
    TRY(check_finite("mean_value", &definition->mean_value, error));
    return check_finite("std_dev", &definition->std_dev, error);
}

static status check_service_features(const struct service_definition *definition,
                                     struct error *error)
{
    str name;
    uint32_t version;
    if (definition->feature_count == 0 || definition->feature_count > LIMIT_SERVICE_FEATURES) {
        (void)error_set(error, STATUS_INVALID, definition->feature_count ? "too_long" : "too_short",
                        "features must name 1 to %u features", LIMIT_SERVICE_FEATURES);
        return invalid_at(error, "features");
    }
    for (uint32_t i = 0; i < definition->feature_count; i++) {
        if (definition_parse_reference(definition->features[i], &name, &version))
            continue;
        (void)error_set(error, STATUS_INVALID, "string_pattern_mismatch",
                        "a feature must be written as \"name\" or \"name@version\"");
        status s = invalid_at(error, "features");
        error_loc_index(error, i);
        return s;
    }
    return OK;
}

status service_definition_validate(const struct service_definition *definition, struct error *error)
{
    TRY(check_name("name", definition->name, error));
    TRY(check_service_features(definition, error));
    TRY(check_text("description", &definition->description, LIMIT_DESCRIPTION_BYTES, error));
    return check_tags(definition->tags_json, error);
}

#include "cli/definition_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/suggest.h"
#include "cli/units.h"
#include "model/limits.h"

const char *const FIELD_NAMES[FIELD_COUNT] = {
    "name",           "data_type",        "entity",   "description", "feature_group", "source",
    "transformation", "is_nullable",      "ttl",      "ttl_seconds", "dimension",     "tags",
    "features",       "feature_services", "entities",
};

void loader_complain(struct loader *loader, unsigned line, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    if (loader->set->error_count++ >= DEFINITION_ERRORS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    buffer_append_format(&loader->set->errors, "%s:%u: %s\n", loader->tree.file, line, message);
}

static void complain_of_memory(struct loader *loader, unsigned line)
{
    loader_complain(loader, line, "out of memory");
}

static void refuse_field(struct loader *loader, unsigned line, str name, unsigned allowed)
{
    struct suggestion near = suggestion_of(name);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (allowed & BIT(field))
            suggestion_offer(&near, str_from_cstr(FIELD_NAMES[field]));
    }
    if (near.best.len > 0)
        loader_complain(loader, line, "unknown field '%.*s'; did you mean '%.*s'?", STR_ARG(name),
                        STR_ARG(near.best));
    else
        loader_complain(loader, line, "unknown field '%.*s'", STR_ARG(name));
}

static void take_field(struct loader *loader, const yaml_node_pair_t *pair, unsigned allowed,
                       struct fields *out)
{
    const yaml_node_t *key = yaml_tree_node(&loader->tree, pair->key);
    if (!yaml_node_is(key, YAML_SCALAR_NODE)) {
        loader_complain(loader, key ? yaml_node_line(key) : 0, "a field's name must be a text");
        return;
    }
    str name = yaml_node_text(key);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (!(allowed & BIT(field)) || !str_eq(name, str_from_cstr(FIELD_NAMES[field])))
            continue;
        if (out->values[field] != NULL)
            loader_complain(loader, yaml_node_line(key), "'%s' is given twice", FIELD_NAMES[field]);
        out->values[field] = yaml_tree_node(&loader->tree, pair->value);
        out->lines[field] = yaml_node_line(key);
        return;
    }
    refuse_field(loader, yaml_node_line(key), name, allowed);
    out->has_unknown = true;
}

bool fields_read(struct loader *loader, const yaml_node_t *node, const char *what, unsigned allowed,
                 struct fields *out)
{
    memset(out, 0, sizeof(*out));
    if (!yaml_node_is(node, YAML_MAPPING_NODE)) {
        loader_complain(loader, node ? yaml_node_line(node) : 0, "%s must be a mapping, not %s",
                        what, yaml_node_kind(node));
        return false;
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        take_field(loader, pair, allowed, out);
    return true;
}

bool fields_copy_text(struct loader *loader, const struct fields *fields, enum field field,
                      str *out)
{
    const yaml_node_t *node = fields->values[field];
    if (!yaml_node_is(node, YAML_SCALAR_NODE) || yaml_node_is_null(node)) {
        loader_complain(loader, fields->lines[field], "'%s' must be a text, not %s",
                        FIELD_NAMES[field], yaml_node_kind(node));
        return false;
    }
    if (arena_copy_str(&loader->set->arena, yaml_node_text(node), out))
        return true;
    complain_of_memory(loader, fields->lines[field]);
    return false;
}

void fields_take_text(struct loader *loader, const struct fields *fields, enum field field,
                      struct optional_str *out)
{
    if (fields->values[field] == NULL)
        return;
    out->present = !yaml_node_is_null(fields->values[field]) &&
                   fields_copy_text(loader, fields, field, &out->text);
}

void fields_take_ttl(struct loader *loader, const struct fields *fields, int64_t *out)
{
    const yaml_node_t *seconds = fields->values[FIELD_TTL_SECONDS];
    const yaml_node_t *text = fields->values[FIELD_TTL];
    int64_t ms;
    if (seconds != NULL && text != NULL)
        loader_complain(loader, fields->lines[FIELD_TTL], "give 'ttl' or 'ttl_seconds', not both");
    if (yaml_node_is_null(seconds) || yaml_node_is_null(text) ||
        (yaml_node_is(text, YAML_SCALAR_NODE) && str_eq(yaml_node_text(text), STR("never")))) {
        *out = 0;
        return;
    }
    if (seconds != NULL && !yaml_node_to_int64(seconds, out))
        loader_complain(loader, fields->lines[FIELD_TTL_SECONDS],
                        "'ttl_seconds' must be an integer, 0 for never");
    if (text == NULL)
        return;
    if (yaml_node_is(text, YAML_SCALAR_NODE) &&
        units_parse_duration_ms(yaml_node_text(text), 1000, &ms) && ms % 1000 == 0)
        *out = ms / 1000;
    else
        loader_complain(loader, fields->lines[FIELD_TTL],
                        "'ttl' must be whole seconds such as 90s, 15m, 1h30m or 7d, or never");
}

void fields_take_tags(struct loader *loader, const struct fields *fields, str *out)
{
    yaml_node_t *node = fields->values[FIELD_TAGS];
    struct buffer json;
    struct error error;
    if (node == NULL)
        return;
    if (yaml_node_is_null(node)) {
        *out = STR("{}");
        return;
    }
    if (!yaml_node_is(node, YAML_MAPPING_NODE)) {
        loader_complain(loader, fields->lines[FIELD_TAGS], "'tags' must be a mapping, not %s",
                        yaml_node_kind(node));
        return;
    }
    error_clear(&error);
    buffer_init(&json, (size_t)YAML_JSON_BYTES_MAX * 2);
    if (!status_is_ok(yaml_node_to_json(&loader->tree, node, &json, &error)))
        loader_complain(loader, fields->lines[FIELD_TAGS], "'tags': %s", error.detail);
    else if (!arena_copy_str(&loader->set->arena, buffer_str(&json), out))
        complain_of_memory(loader, fields->lines[FIELD_TAGS]);
    buffer_fini(&json);
}

void fields_take_data_type(struct loader *loader, const struct fields *fields,
                           struct feature_definition *out)
{
    str name = {0};
    if (fields->values[FIELD_DATA_TYPE] != NULL &&
        fields_copy_text(loader, fields, FIELD_DATA_TYPE, &name) &&
        !data_type_parse(name, &out->data_type))
        loader_complain(loader, fields->lines[FIELD_DATA_TYPE],
                        "unknown data type '%.*s'; one of %s", STR_ARG(name), data_type_list());
}

void fields_take_dimension(struct loader *loader, const struct fields *fields,
                           struct feature_definition *out)
{
    const yaml_node_t *node = fields->values[FIELD_DIMENSION];
    int64_t dimension = 0;
    if (node == NULL || yaml_node_is_null(node))
        return;
    if (!yaml_node_to_int64(node, &dimension) || dimension < 1 || dimension > LIMIT_DIMENSION)
        loader_complain(loader, fields->lines[FIELD_DIMENSION], "'dimension' must be 1 to %u",
                        LIMIT_DIMENSION);
    else
        out->dimension = (uint32_t)dimension;
}

void fields_take_nullable(struct loader *loader, const struct fields *fields,
                          struct feature_definition *out)
{
    const yaml_node_t *node = fields->values[FIELD_NULLABLE];
    if (node != NULL && !yaml_node_is_null(node) && !yaml_node_to_boolean(node, &out->is_nullable))
        loader_complain(loader, fields->lines[FIELD_NULLABLE],
                        "'is_nullable' must be true or false");
}

bool fields_require(struct loader *loader, const yaml_node_t *node, const struct fields *fields,
                    enum field field)
{
    if (fields->values[field] != NULL)
        return true;
    if (!fields->has_unknown)
        loader_complain(loader, yaml_node_line(node), "'%s' is missing", FIELD_NAMES[field]);
    return false;
}

unsigned fields_line_of(const yaml_node_t *node, const struct fields *fields,
                        const struct error *error)
{
    struct error_loc_part part;
    size_t cursor = 0;
    while (error_loc_next(error, &cursor, &part)) {
        for (unsigned field = 0; field < FIELD_COUNT && !part.is_index; field++) {
            if (str_eq(part.name, str_from_cstr(FIELD_NAMES[field])) && fields->lines[field])
                return fields->lines[field];
        }
    }
    return yaml_node_line(node);
}

const yaml_node_t *fields_list(struct loader *loader, const struct fields *fields, enum field field)
{
    const yaml_node_t *list = fields->values[field];
    if (list == NULL || yaml_node_is_null(list))
        return NULL;
    if (yaml_node_is(list, YAML_SEQUENCE_NODE))
        return list;
    loader_complain(loader, fields->lines[field], "'%s' must be a list, not %s", FIELD_NAMES[field],
                    yaml_node_kind(list));
    return NULL;
}

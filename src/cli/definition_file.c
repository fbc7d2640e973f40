#include "cli/definition_file.h"

#include <string.h>

#include "base/memory.h"
#include "cli/definition_fields.h"
#include "model/limits.h"

#define ARENA_BYTES_MAX ((size_t)512 << 20)
#define ERRORS_BYTES_MAX ((size_t)1 << 20)

/* Room for one more; false, and said, without memory. */
static bool grow(struct loader *loader, void **items, size_t count, size_t *capacity,
                 size_t item_bytes)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *longer = memory_realloc(*items, wanted * item_bytes);
    if (longer == NULL) {
        loader_complain(loader, 0, "out of memory");
        return false;
    }
    *items = longer;
    *capacity = wanted;
    return true;
}

static void add_feature(struct loader *loader, const struct feature_definition *definition,
                        unsigned line)
{
    struct definition_set *set = loader->set;
    for (size_t i = 0; i < set->feature_count; i++) {
        const struct file_feature *other = &set->features[i];
        if (str_eq(other->definition.name, definition->name)) {
            loader_complain(loader, line, "feature '%.*s' is already defined at %s:%u",
                            STR_ARG(definition->name), other->place.file, other->place.line);
            return;
        }
    }
    if (!grow(loader, (void **)&set->features, set->feature_count, &set->feature_capacity,
              sizeof(*set->features)))
        return;
    set->features[set->feature_count++] = (struct file_feature){
        .definition = *definition,
        .place = {.file = loader->tree.file, .line = line},
    };
}

static void read_feature(struct loader *loader, yaml_node_t *node,
                         const struct feature_definition *defaults)
{
    struct feature_definition definition = *defaults;
    struct fields fields;
    struct error error;
    size_t errors_before = loader->set->error_count;
    if (!fields_read(loader, node, "a feature", FEATURE_FIELDS, &fields))
        return;
    if (fields_require(loader, node, &fields, FIELD_NAME))
        fields_copy_text(loader, &fields, FIELD_NAME, &definition.name);
    if (fields.values[FIELD_ENTITY] != NULL)
        fields_copy_text(loader, &fields, FIELD_ENTITY, &definition.entity);
    else if (definition.entity.len == 0)
        fields_require(loader, node, &fields, FIELD_ENTITY);
    fields_require(loader, node, &fields, FIELD_DATA_TYPE);
    fields_take_data_type(loader, &fields, &definition);
    fields_take_dimension(loader, &fields, &definition);
    fields_take_nullable(loader, &fields, &definition);
    fields_take_ttl(loader, &fields, &definition.ttl_seconds);
    fields_take_text(loader, &fields, FIELD_DESCRIPTION, &definition.description);
    fields_take_text(loader, &fields, FIELD_GROUP, &definition.feature_group);
    fields_take_text(loader, &fields, FIELD_SOURCE, &definition.source);
    fields_take_text(loader, &fields, FIELD_TRANSFORMATION, &definition.transformation);
    fields_take_tags(loader, &fields, &definition.tags_json);
    if (loader->set->error_count > errors_before)
        return;
    error_clear(&error);
    if (status_is_ok(definition_validate(&definition, &error)))
        add_feature(loader, &definition, yaml_node_line(node));
    else
        loader_complain(loader, fields_line_of(node, &fields, &error), "%s", error.detail);
}

static void read_features(struct loader *loader, const struct fields *fields,
                          const struct feature_definition *defaults)
{
    const yaml_node_t *list = fields_list(loader, fields, FIELD_FEATURES);
    if (list == NULL)
        return;
    for (const yaml_node_item_t *at = list->data.sequence.items.start;
         at < list->data.sequence.items.top; at++)
        read_feature(loader, yaml_tree_node(&loader->tree, *at), defaults);
}

static const struct feature_definition DEFAULTS = {.is_nullable = true,
                                                   .tags_json = {.data = "{}", .len = 2}};

static void read_entity(struct loader *loader, yaml_node_t *node)
{
    struct feature_definition defaults = DEFAULTS;
    struct fields fields;
    if (!fields_read(loader, node, "an entity", GROUP_FIELDS, &fields) ||
        !fields_require(loader, node, &fields, FIELD_NAME) ||
        !fields_copy_text(loader, &fields, FIELD_NAME, &defaults.entity))
        return;
    fields_take_text(loader, &fields, FIELD_GROUP, &defaults.feature_group);
    fields_take_text(loader, &fields, FIELD_SOURCE, &defaults.source);
    fields_take_ttl(loader, &fields, &defaults.ttl_seconds);
    fields_take_tags(loader, &fields, &defaults.tags_json);
    read_features(loader, &fields, &defaults);
}

static void take_members(struct loader *loader, const struct fields *fields,
                         struct service_definition *out)
{
    const yaml_node_t *list = fields_list(loader, fields, FIELD_FEATURES);
    if (list == NULL)
        return;
    const yaml_node_item_t *first = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - first);
    out->features = arena_alloc_array(&loader->set->arena, count, sizeof(*out->features));
    if (count > LIMIT_SERVICE_FEATURES || out->features == NULL) {
        loader_complain(loader, fields->lines[FIELD_FEATURES],
                        "'features' must name 1 to %u features", LIMIT_SERVICE_FEATURES);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = yaml_tree_node(&loader->tree, first[i]);
        if (!yaml_node_is(item, YAML_SCALAR_NODE) ||
            !arena_copy_str(&loader->set->arena, yaml_node_text(item), &out->features[i])) {
            loader_complain(loader, item ? yaml_node_line(item) : 0,
                            "a feature's name must be a text");
            return;
        }
    }
    out->feature_count = (uint32_t)count;
}

static void add_service(struct loader *loader, const struct service_definition *definition,
                        unsigned line)
{
    struct definition_set *set = loader->set;
    for (size_t i = 0; i < set->service_count; i++) {
        const struct file_service *other = &set->services[i];
        if (str_eq(other->definition.name, definition->name)) {
            loader_complain(loader, line, "feature service '%.*s' is already defined at %s:%u",
                            STR_ARG(definition->name), other->place.file, other->place.line);
            return;
        }
    }
    if (!grow(loader, (void **)&set->services, set->service_count, &set->service_capacity,
              sizeof(*set->services)))
        return;
    set->services[set->service_count++] = (struct file_service){
        .definition = *definition,
        .place = {.file = loader->tree.file, .line = line},
    };
}

static void read_service(struct loader *loader, yaml_node_t *node)
{
    struct service_definition definition = {.tags_json = STR("{}")};
    struct fields fields;
    struct error error;
    size_t errors_before = loader->set->error_count;
    if (!fields_read(loader, node, "a feature service", SERVICE_FIELDS, &fields))
        return;
    if (fields_require(loader, node, &fields, FIELD_NAME))
        fields_copy_text(loader, &fields, FIELD_NAME, &definition.name);
    if (fields_require(loader, node, &fields, FIELD_FEATURES))
        take_members(loader, &fields, &definition);
    fields_take_text(loader, &fields, FIELD_DESCRIPTION, &definition.description);
    fields_take_tags(loader, &fields, &definition.tags_json);
    if (loader->set->error_count > errors_before)
        return;
    error_clear(&error);
    if (status_is_ok(service_definition_validate(&definition, &error)))
        add_service(loader, &definition, yaml_node_line(node));
    else
        loader_complain(loader, fields_line_of(node, &fields, &error), "%s", error.detail);
}

static void read_list(struct loader *loader, const struct fields *fields, enum field field,
                      void (*read_item)(struct loader *, yaml_node_t *))
{
    const yaml_node_t *list = fields_list(loader, fields, field);
    if (list == NULL)
        return;
    for (const yaml_node_item_t *at = list->data.sequence.items.start;
         at < list->data.sequence.items.top; at++)
        read_item(loader, yaml_tree_node(&loader->tree, *at));
}

static void read_document(struct loader *loader)
{
    struct fields fields;
    yaml_node_t *root = yaml_document_get_root_node(&loader->tree.document);
    if (yaml_node_is_null(root) || !fields_read(loader, root, "the document", TOP_FIELDS, &fields))
        return;
    read_list(loader, &fields, FIELD_ENTITIES, read_entity);
    read_features(loader, &fields, &DEFAULTS);
    read_list(loader, &fields, FIELD_SERVICES, read_service);
}

static void complain_of_syntax(struct loader *loader, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "no YAML";
    if (parser->error == YAML_READER_ERROR)
        loader_complain(loader, 1, "byte %zu: %s", parser->problem_offset, problem);
    else if (parser->error == YAML_MEMORY_ERROR)
        loader_complain(loader, 0, "out of memory");
    else
        loader_complain(loader, (unsigned)parser->problem_mark.line + 1, "%s%s%s", problem,
                        parser->context ? ", " : "", parser->context ? parser->context : "");
}

/* One document after the other; false at the end or at what is no YAML. */
static bool read_next_document(struct loader *loader, yaml_parser_t *parser)
{
    if (!yaml_parser_load(parser, &loader->tree.document)) {
        complain_of_syntax(loader, parser);
        return false;
    }
    bool more = yaml_document_get_root_node(&loader->tree.document) != NULL;
    if (more)
        read_document(loader);
    yaml_document_delete(&loader->tree.document);
    return more;
}

bool definition_set_add(struct definition_set *set, const char *file, str text)
{
    struct loader loader = {.set = set, .tree.file = file};
    yaml_parser_t parser;
    size_t errors_before = set->error_count;
    if (!yaml_parser_initialize(&parser)) {
        loader_complain(&loader, 0, "out of memory");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    while (read_next_document(&loader, &parser)) {
    }
    yaml_parser_delete(&parser);
    return set->error_count == errors_before;
}

void definition_set_init(struct definition_set *set)
{
    memset(set, 0, sizeof(*set));
    arena_init(&set->arena, ARENA_BYTES_MAX);
    buffer_init(&set->errors, ERRORS_BYTES_MAX);
}

void definition_set_fini(struct definition_set *set)
{
    arena_fini(&set->arena);
    memory_free(set->features);
    memory_free(set->services);
    buffer_fini(&set->errors);
}

#include "cli/registered.h"

#include <stdlib.h>
#include <yyjson.h>

#define ARENA_BYTES_MAX ((size_t)1 << 30)

/* Set when memory or the promised shape is missing; asked once at the end. */
struct reading {
    struct registered *registered;
    bool failed;
};

void registered_init(struct registered *registered)
{
    arena_init(&registered->arena, ARENA_BYTES_MAX);
    hash_map_init(&registered->features);
    hash_map_init(&registered->services);
}

void registered_fini(struct registered *registered)
{
    hash_map_fini(&registered->features);
    hash_map_fini(&registered->services);
    arena_fini(&registered->arena);
}

static str text_of(struct reading *reading, yyjson_val *value)
{
    str copy = {0};
    str text = str_of(yyjson_get_str(value), yyjson_get_len(value));
    if (!yyjson_is_str(value) || !arena_copy_str(&reading->registered->arena, text, &copy))
        reading->failed = true;
    return copy;
}

static struct optional_str optional_text_of(struct reading *reading, yyjson_val *value)
{
    struct optional_str optional = {.present = value != NULL && !yyjson_is_null(value)};
    if (optional.present)
        optional.text = text_of(reading, value);
    return optional;
}

static uint32_t number_of(yyjson_val *value)
{
    uint64_t number = yyjson_get_uint(value);
    return number <= UINT32_MAX ? (uint32_t)number : 0;
}

static enum data_type type_of(struct reading *reading, yyjson_val *value)
{
    enum data_type type = DATA_TYPE_INT;
    if (!data_type_parse(str_of(yyjson_get_str(value), yyjson_get_len(value)), &type))
        reading->failed = true;
    return type;
}

static str tags_of(struct reading *reading, yyjson_val *value)
{
    size_t len;
    str copy = STR("{}");
    if (value == NULL || yyjson_is_null(value))
        return copy;
    char *json = yyjson_val_write(value, 0, &len);
    if (json == NULL || !arena_copy_str(&reading->registered->arena, str_of(json, len), &copy))
        reading->failed = true;
    free(json);
    return copy;
}

static str *texts_of(struct reading *reading, yyjson_val *list, uint32_t *count)
{
    size_t index, max;
    yyjson_val *item;
    str *texts =
        arena_alloc_array(&reading->registered->arena, yyjson_arr_size(list) + 1, sizeof(*texts));
    *count = 0;
    if (texts == NULL || !yyjson_is_arr(list)) {
        reading->failed = true;
        return NULL;
    }
    yyjson_arr_foreach(list, index, max, item)
    {
        texts[(*count)++] = text_of(reading, item);
    }
    return texts;
}

static void add_feature(struct reading *reading, yyjson_val *item)
{
    struct registered *registered = reading->registered;
    struct registered_feature *feature = arena_alloc_zero(&registered->arena, sizeof(*feature));
    if (feature == NULL) {
        reading->failed = true;
        return;
    }
    feature->definition = (struct feature_definition){
        .name = text_of(reading, yyjson_obj_get(item, "name")),
        .entity = text_of(reading, yyjson_obj_get(item, "entity")),
        .data_type = type_of(reading, yyjson_obj_get(item, "data_type")),
        .dimension = number_of(yyjson_obj_get(item, "dimension")),
        .is_nullable = yyjson_get_bool(yyjson_obj_get(item, "is_nullable")),
        .ttl_seconds = yyjson_get_sint(yyjson_obj_get(item, "ttl_seconds")),
        .description = optional_text_of(reading, yyjson_obj_get(item, "description")),
        .feature_group = optional_text_of(reading, yyjson_obj_get(item, "feature_group")),
        .source = optional_text_of(reading, yyjson_obj_get(item, "source")),
        .transformation = optional_text_of(reading, yyjson_obj_get(item, "transformation")),
        .tags_json = tags_of(reading, yyjson_obj_get(item, "tags")),
    };
    feature->active = number_of(yyjson_obj_get(item, "version"));
    if (!hash_map_put(&registered->features, feature->definition.name, feature))
        reading->failed = true;
}

static void add_service(struct reading *reading, yyjson_val *item)
{
    struct registered *registered = reading->registered;
    struct registered_service *service = arena_alloc_zero(&registered->arena, sizeof(*service));
    uint32_t resolved_count;
    if (service == NULL) {
        reading->failed = true;
        return;
    }
    service->definition = (struct service_definition){
        .name = text_of(reading, yyjson_obj_get(item, "name")),
        .description = optional_text_of(reading, yyjson_obj_get(item, "description")),
        .tags_json = tags_of(reading, yyjson_obj_get(item, "tags")),
    };
    service->definition.features =
        texts_of(reading, yyjson_obj_get(item, "features"), &service->definition.feature_count);
    service->resolved = texts_of(reading, yyjson_obj_get(item, "resolved"), &resolved_count);
    if (resolved_count != service->definition.feature_count ||
        !hash_map_put(&registered->services, service->definition.name, service))
        reading->failed = true;
}

static status finish(const struct reading *reading, const char *what, struct error *error)
{
    if (!reading->failed)
        return OK;
    return error_set(error, STATUS_INTERNAL, "answer",
                     "the server's answer to %s cannot be read; is it a featured server of this "
                     "version?",
                     what);
}

static status read_list(struct registered *registered, str json, const char *what,
                        const char *member, void (*add)(struct reading *, yyjson_val *),
                        str *next_cursor, struct error *error)
{
    struct reading reading = {.registered = registered};
    size_t index, max;
    yyjson_val *item;
    yyjson_doc *document = yyjson_read(json.data, json.len, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *list = yyjson_obj_get(root, member);
    yyjson_val *cursor = yyjson_obj_get(root, "next_cursor");
    reading.failed = !yyjson_is_arr(list);
    yyjson_arr_foreach(list, index, max, item)
    {
        add(&reading, item);
    }
    *next_cursor = (str){0};
    if (yyjson_is_str(cursor))
        *next_cursor = text_of(&reading, cursor);
    yyjson_doc_free(document);
    return finish(&reading, what, error);
}

status registered_add_features(struct registered *registered, str json, str *next_cursor,
                               struct error *error)
{
    return read_list(registered, json, "GET /features", "features", add_feature, next_cursor,
                     error);
}

status registered_add_services(struct registered *registered, str json, struct error *error)
{
    str unused;
    return read_list(registered, json, "GET /feature-services", "feature_services", add_service,
                     &unused, error);
}

status registered_set_versions(struct registered *registered, struct registered_feature *feature,
                               str json, struct error *error)
{
    struct reading reading = {.registered = registered};
    size_t index, max;
    yyjson_val *item;
    yyjson_doc *document = yyjson_read(json.data, json.len, 0);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(document), "versions");
    uint32_t count = 0;
    struct registered_version *versions =
        arena_alloc_array(&registered->arena, yyjson_arr_size(list) + 1, sizeof(*versions));
    reading.failed = versions == NULL || yyjson_arr_size(list) == 0;
    yyjson_arr_foreach(list, index, max, item)
    {
        if (versions == NULL)
            break;
        versions[count++] = (struct registered_version){
            .number = number_of(yyjson_obj_get(item, "version")),
            .data_type = type_of(&reading, yyjson_obj_get(item, "data_type")),
            .dimension = number_of(yyjson_obj_get(item, "dimension")),
        };
    }
    yyjson_doc_free(document);
    TRY(finish(&reading, "GET /features/definitions", error));
    feature->versions = versions;
    feature->version_count = count;
    return OK;
}

struct registered_feature *registered_feature(const struct registered *registered, str name)
{
    return hash_map_get(&registered->features, name);
}

const struct registered_service *registered_service(const struct registered *registered, str name)
{
    return hash_map_get(&registered->services, name);
}

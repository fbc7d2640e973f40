#include "codec/json_read.h"

#include "codec/id_list.h"
#include "codec/json_document.h"
#include "model/limits.h"

static status parse_body(str body, struct arena *arena, yyjson_val **root, struct error *error)
{
    if (error)
        error->loc_len = 0;
    error_loc_name(error, STR("body"));
    TRY(json_parse(body, arena, root, error));
    if (!yyjson_is_obj(*root))
        return error_set(error, STATUS_INVALID, "dict_type",
                         "the body must be a JSON object, not %s", json_kind(*root));
    return OK;
}

static status take_ids(yyjson_val *array, const char *name, uint32_t limit, struct arena *arena,
                       const str **out, uint32_t *count, struct error *error)
{
    str *ids;
    if (array == NULL)
        return json_missing(error, name);
    TRY(json_take_strings(array, name, limit, arena, &ids, count, error));
    TRY(id_list_check(ids, *count, name, error));
    *out = ids;
    return OK;
}

/* Names or a service, one of them. */
static status take_columns(yyjson_val *names, yyjson_val *service, struct arena *arena,
                           struct json_batch_read *out, struct error *error)
{
    str *list = NULL;
    TRY(json_take_string(service, "feature_service", false, &out->feature_service, error));
    if (json_is_absent(names) && json_is_absent(service)) {
        error_loc_name(error, STR("feature_names"));
        return error_set(error, STATUS_INVALID, "missing",
                         "feature_names or feature_service is required");
    }
    if (json_is_absent(names))
        return OK;
    if (!json_is_absent(service)) {
        error_loc_name(error, STR("feature_service"));
        return error_set(error, STATUS_INVALID, "value_error",
                         "feature_names and feature_service exclude each other");
    }
    TRY(json_take_strings(names, "feature_names", LIMIT_READ_NAMES, arena, &list,
                          &out->name_count, error));
    out->names = list;
    return OK;
}

status json_decode_batch_read(str body, bool strict, struct arena *arena,
                              struct json_batch_read *out, struct error *error)
{
    enum { IDS, FEATURES, SERVICE, ENTITY, METADATA, COUNT };
    static const str NAMES[COUNT] = {STR("entity_ids"), STR("feature_names"),
                                     STR("feature_service"), STR("entity"), STR("metadata")};
    yyjson_val *root;
    yyjson_val *values[COUNT];
    struct json_batch_read read = {.metadata = false};
    TRY(parse_body(body, arena, &root, error));
    TRY(json_take_members(root, NAMES, COUNT, strict, values, error));
    TRY(take_ids(values[IDS], "entity_ids", LIMIT_READ_IDS, arena, &read.entity_ids,
                 &read.id_count, error));
    TRY(take_columns(values[FEATURES], values[SERVICE], arena, &read, error));
    TRY(json_take_string(values[ENTITY], "entity", false, &read.entity, error));
    TRY(json_take_boolean(values[METADATA], "metadata", &read.metadata, error));
    *out = read;
    return OK;
}

status json_decode_user_batch(str body, bool strict, struct arena *arena,
                              struct json_user_batch *out, struct error *error)
{
    enum { IDS, ENTITY, METADATA, COUNT };
    static const str NAMES[COUNT] = {STR("user_ids"), STR("entity"), STR("metadata")};
    yyjson_val *root;
    yyjson_val *values[COUNT];
    struct json_user_batch batch = {.metadata = false};
    TRY(parse_body(body, arena, &root, error));
    TRY(json_take_members(root, NAMES, COUNT, strict, values, error));
    TRY(take_ids(values[IDS], "user_ids", LIMIT_USER_BATCH_IDS, arena, &batch.user_ids,
                 &batch.id_count, error));
    if (batch.id_count == 0) {
        error_loc_name(error, STR("user_ids"));
        return error_set(error, STATUS_INVALID, "too_short", "user_ids must have 1 to %u ids",
                         LIMIT_USER_BATCH_IDS);
    }
    TRY(json_take_string(values[ENTITY], "entity", false, &batch.entity, error));
    TRY(json_take_boolean(values[METADATA], "metadata", &batch.metadata, error));
    *out = batch;
    return OK;
}

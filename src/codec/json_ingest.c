#include "codec/json_ingest.h"

#include "codec/json_document.h"
#include "codec/json_value.h"
#include "model/limits.h"

/* What is known of one value before the catalog is asked. */
struct pending {
    yyjson_val *json;
    bool has_event_time; /* of its own */
    const struct catalog_version *version; /* once the catalog was asked */
};

struct decoder {
    const struct json_ingest_options *options;
    struct arena *arena;
    struct error *error;
    str entity; /* empty: none was named */
    struct ingest_record record;
    struct pending *pending; /* as many as record.cells */
    bool is_list;
};

/* The place of a value, or of what stands beside it. */
static void locate(const struct decoder *decoder, uint32_t index, const char *member)
{
    if (!decoder->is_list) {
        error_loc_name(decoder->error, decoder->record.cells[index].name);
        return;
    }
    error_loc_name(decoder->error, STR("features"));
    error_loc_index(decoder->error, index);
    if (member)
        error_loc_name(decoder->error, str_from_cstr(member));
}

static status decode_event_time(struct decoder *decoder, yyjson_val *json, int64_t *out)
{
    if (json_is_absent(json))
        *out = INGEST_EVENT_TIME_NOW;
    else if (!json_decode_time(json, out))
        return event_time_malformed(decoder->error, "event_timestamp");
    return OK;
}

static status entity_id_error(struct decoder *decoder, str id)
{
    error_loc_name(decoder->error, STR("entity_id"));
    return error_set(decoder->error, STATUS_INVALID,
                     id.len ? "string_too_long" : "string_too_short",
                     "entity_id must be 1 to %u bytes long, not %zu", LIMIT_ENTITY_ID_BYTES,
                     id.len);
}

/* One {"feature_name":…,"value":…,"event_timestamp":…}. Its place is taken back when it is good. */
static status decode_item(struct decoder *decoder, yyjson_val *item, uint32_t index)
{
    enum { NAME, VALUE, TIME, COUNT };
    static const str NAMES[COUNT] = {STR("feature_name"), STR("value"), STR("event_timestamp")};
    yyjson_val *values[COUNT];
    struct ingest_cell *cell = &decoder->record.cells[index];
    size_t loc_len = decoder->error ? decoder->error->loc_len : 0;
    locate(decoder, index, NULL);
    if (!yyjson_is_obj(item))
        return error_set(decoder->error, STATUS_INVALID, "dict_type",
                         "each of features must be an object, not %s", json_kind(item));
    TRY(json_take_members(item, NAMES, COUNT, decoder->options->strict, values, decoder->error));
    TRY(json_take_string(values[NAME], "feature_name", true, &cell->name, decoder->error));
    if (values[VALUE] == NULL)
        return json_missing(decoder->error, "value");
    status timed = decode_event_time(decoder, values[TIME], &cell->event_time_us);
    if (!status_is_ok(timed)) {
        error_loc_name(decoder->error, STR("event_timestamp"));
        return timed;
    }
    decoder->pending[index] = (struct pending){
        .json = values[VALUE], .has_event_time = !json_is_absent(values[TIME])};
    if (decoder->error)
        decoder->error->loc_len = loc_len;
    return OK;
}

static status make_room(struct decoder *decoder, size_t count)
{
    if (count > LIMIT_INGEST_FEATURES) {
        error_loc_name(decoder->error, STR("features"));
        return error_set(decoder->error, STATUS_INVALID, "too_long",
                         "features may have at most %u values, not %zu", LIMIT_INGEST_FEATURES,
                         count);
    }
    decoder->record.cell_count = (uint32_t)count;
    decoder->record.cells = arena_alloc(decoder->arena, count * sizeof(*decoder->record.cells));
    decoder->pending = arena_alloc(decoder->arena, count * sizeof(*decoder->pending));
    if (decoder->record.cells == NULL || decoder->pending == NULL)
        return error_no_memory(decoder->error);
    return OK;
}

static status decode_list(struct decoder *decoder, yyjson_val *list)
{
    yyjson_arr_iter items = yyjson_arr_iter_with(list);
    decoder->is_list = true;
    TRY(make_room(decoder, yyjson_arr_size(list)));
    for (uint32_t i = 0; i < decoder->record.cell_count; i++)
        TRY(decode_item(decoder, yyjson_arr_iter_next(&items), i));
    return OK;
}

static status decode_by_name(struct decoder *decoder, yyjson_val *object)
{
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    TRY(make_room(decoder, yyjson_obj_size(object)));
    for (uint32_t i = 0; i < decoder->record.cell_count; i++) {
        yyjson_val *key = yyjson_obj_iter_next(&members);
        decoder->record.cells[i].name = json_text(key);
        decoder->record.cells[i].event_time_us = INGEST_EVENT_TIME_NOW;
        decoder->pending[i] = (struct pending){.json = yyjson_obj_iter_get_val(key)};
    }
    return OK;
}

static status decode_features(struct decoder *decoder, yyjson_val *features)
{
    if (features == NULL)
        return json_missing(decoder->error, "features");
    if (yyjson_is_arr(features))
        return decode_list(decoder, features);
    if (decoder->options->by_name && yyjson_is_obj(features))
        return decode_by_name(decoder, features);
    return json_wrong_kind(decoder->error, "list_type", "features",
                           decoder->options->by_name ? "an object or an array" : "an array",
                           features);
}

static status decode_shape(struct decoder *decoder, yyjson_val *root, int64_t *event_time_us)
{
    enum { ENTITY_ID, ENTITY, TIME, FEATURES, COUNT };
    static const str NAMES[COUNT] = {STR("entity_id"), STR("entity"), STR("event_timestamp"),
                                     STR("features")};
    yyjson_val *values[COUNT];
    struct error *error = decoder->error;
    str entity;
    if (!yyjson_is_obj(root))
        return error_set(error, STATUS_INVALID, "dict_type",
                         "the input must be a JSON object, not %s", json_kind(root));
    TRY(json_take_members(root, NAMES, COUNT, decoder->options->strict, values, error));
    TRY(json_take_string(values[ENTITY_ID], "entity_id", true, &decoder->record.entity_id, error));
    if (!entity_id_is_valid(decoder->record.entity_id))
        return entity_id_error(decoder, decoder->record.entity_id);
    TRY(json_take_string(values[ENTITY], "entity", false, &entity, error));
    decoder->entity = entity.len ? entity : decoder->options->entity;
    status timed = decode_event_time(decoder, values[TIME], event_time_us);
    if (!status_is_ok(timed)) {
        error_loc_name(error, STR("event_timestamp"));
        return timed;
    }
    return decode_features(decoder, values[FEATURES]);
}

/* Hints of another image are void: what they point to may be gone. */
static struct json_ingest_hints *begin_hints(const struct json_ingest_options *options)
{
    struct json_ingest_hints *hints = options->hints;
    const struct catalog *catalog = options->catalog;
    if (hints == NULL || (hints->catalog == catalog && hints->revision == catalog->revision))
        return hints;
    *hints = (struct json_ingest_hints){.catalog = catalog, .revision = catalog->revision};
    return hints;
}

static const struct catalog_version *resolve_name(const struct decoder *decoder,
                                                  struct json_ingest_hints *hints, uint32_t index)
{
    str name = decoder->record.cells[index].name;
    if (hints == NULL || index >= JSON_INGEST_HINTS)
        return catalog_resolve(decoder->options->catalog, name);
    const struct catalog_version *version = hints->versions[index];
    if (likely(version && str_eq(version->feature->definition.name, name)))
        return version->feature->active;
    version = catalog_resolve(decoder->options->catalog, name);
    hints->versions[index] = version;
    return version;
}

static status resolve(struct decoder *decoder)
{
    struct json_ingest_hints *hints = begin_hints(decoder->options);
    for (uint32_t i = 0; i < decoder->record.cell_count; i++) {
        struct ingest_cell *cell = &decoder->record.cells[i];
        const struct catalog_version *version = resolve_name(decoder, hints, i);
        if (unlikely(version == NULL)) {
            locate(decoder, i, "feature_name");
            return error_set(decoder->error, STATUS_NOT_FOUND, "not_registered",
                             "Feature '%.*s' not registered", STR_ARG(cell->name));
        }
        decoder->pending[i].version = version;
        ingest_cell_set_version(cell, version);
    }
    return OK;
}

static status other_entity(const struct decoder *decoder, uint32_t index)
{
    const struct ingest_cell *cell = &decoder->record.cells[index];
    locate(decoder, index, "feature_name");
    return error_set(decoder->error, STATUS_INVALID, "value_error",
                     "feature '%.*s' belongs to entity '%.*s', not '%.*s'", STR_ARG(cell->name),
                     STR_ARG(decoder->pending[index].version->entity->name),
                     STR_ARG(decoder->entity));
}

static status decode_cell(struct decoder *decoder, uint32_t index, int64_t row_time_us)
{
    struct ingest_cell *cell = &decoder->record.cells[index];
    const struct pending *pending = &decoder->pending[index];
    size_t loc_len = decoder->error ? decoder->error->loc_len : 0;
    if (decoder->entity.len && !str_eq(decoder->entity, pending->version->entity->name))
        return other_entity(decoder, index);
    if (!pending->has_event_time)
        cell->event_time_us = row_time_us;
    else if (cell->event_time_us > decoder->options->now_us + LIMIT_FUTURE_US) {
        locate(decoder, index, "event_timestamp");
        return event_time_ahead(decoder->error, "event_timestamp");
    }
    /* The place is written before, for an embedding adds the index of its item. */
    locate(decoder, index, "value");
    TRY(json_decode_value(pending->json, pending->version, cell->name, decoder->arena,
                          &cell->value, decoder->error));
    if (decoder->error)
        decoder->error->loc_len = loc_len;
    return OK;
}

status json_decode_ingest(str text, const struct json_ingest_options *options, struct arena *arena,
                          struct ingest_record *out, struct error *error)
{
    struct decoder decoder = {.options = options, .arena = arena, .error = error};
    yyjson_val *root;
    int64_t event_time_us;
    TRY(json_parse(text, arena, &root, error));
    TRY(decode_shape(&decoder, root, &event_time_us));
    TRY(resolve(&decoder));
    if (event_time_us != INGEST_EVENT_TIME_NOW &&
        event_time_us > options->now_us + LIMIT_FUTURE_US) {
        error_loc_name(error, STR("event_timestamp"));
        return event_time_ahead(error, "event_timestamp");
    }
    for (uint32_t i = 0; i < decoder.record.cell_count; i++)
        TRY(decode_cell(&decoder, i, event_time_us));
    *out = decoder.record;
    return OK;
}

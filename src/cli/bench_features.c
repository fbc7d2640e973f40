#include "cli/bench_features.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/json_string.h"
#include "cli/registered_fetch.h"

#define DEFAULT_FEATURES_MAX 20u
#define SAMPLE_PAGES 10
#define SAMPLE_PAGE_IDS 1000
#define PROBE_IDS 100u
#define TARGET_BYTES_MAX ((size_t)1 << 20)

void bench_features_init(struct bench_features *features)
{
    *features = (struct bench_features){0};
    registered_init(&features->registered);
}

void bench_features_fini(struct bench_features *features)
{
    registered_fini(&features->registered);
}

static bool is_ours(const struct feature_definition *definition)
{
    return str_eq(definition->feature_group.text, STR(BENCH_GROUP));
}

/* The slots of the map that hold one, NULL after the last. */
static const struct registered_feature *next_registered(const struct bench_features *features,
                                                        size_t *cursor)
{
    const struct hash_map *map = &features->registered.features;
    while (*cursor < map->capacity) {
        const struct hash_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->value != NULL)
            return slot->value;
    }
    return NULL;
}

static void choose(struct bench_features *features, str name,
                   const struct feature_definition *definition)
{
    features->are_ours = (features->count == 0 || features->are_ours) && is_ours(definition);
    features->chosen[features->count++] = (struct bench_feature){
        .name = name, .data_type = definition->data_type, .dimension = definition->dimension};
}

static status choose_named(struct bench_features *features, const char *names, struct error *error)
{
    str rest = str_from_cstr(names);
    while (rest.len > 0) {
        uint32_t version;
        str base;
        str name = str_trim(str_split(rest, ',', &rest));
        const struct registered_feature *found =
            definition_parse_reference(name, &base, &version)
                ? registered_feature(&features->registered, base)
                : NULL;
        if (found == NULL)
            return error_set(error, STATUS_NOT_FOUND, "features",
                             "feature '%.*s' is not registered", STR_ARG(name));
        if (features->entity.len > 0 && !str_eq(found->definition.entity, features->entity))
            return error_set(error, STATUS_INVALID, "features",
                             "feature '%.*s' is of entity '%.*s', not '%.*s': a load is about one",
                             STR_ARG(name), STR_ARG(found->definition.entity),
                             STR_ARG(features->entity));
        if (features->count == BENCH_FEATURES_MAX)
            return error_set(error, STATUS_INVALID, "features", "at most %u features",
                             BENCH_FEATURES_MAX);
        features->entity = found->definition.entity;
        choose(features, name, &found->definition);
    }
    return OK;
}

static size_t features_of(const struct bench_features *features, str entity)
{
    const struct registered_feature *one;
    size_t count = 0;
    for (size_t cursor = 0; (one = next_registered(features, &cursor)) != NULL;)
        count += str_eq(one->definition.entity, entity);
    return count;
}

/* Ours before all others; else the entity with the most features, of several the first by name. */
static str choose_entity(const struct bench_features *features, bool *ours_only)
{
    const struct registered_feature *one;
    str best = {0};
    size_t most = 0;
    for (size_t cursor = 0; (one = next_registered(features, &cursor)) != NULL;) {
        str entity = one->definition.entity;
        if (is_ours(&one->definition)) {
            *ours_only = true;
            return entity;
        }
        size_t count = features_of(features, entity);
        if (count > most || (count == most && str_compare(entity, best) < 0)) {
            best = entity;
            most = count;
        }
    }
    return best;
}

static int by_name(const void *a, const void *b)
{
    const struct bench_feature *left = a, *right = b;
    return str_compare(left->name, right->name);
}

/* The first by name of the entity; they are in no order in the map. */
static void choose_some(struct bench_features *features, bool ours_only)
{
    const struct registered_feature *one;
    for (size_t cursor = 0; (one = next_registered(features, &cursor)) != NULL;) {
        const struct feature_definition *definition = &one->definition;
        if (!str_eq(definition->entity, features->entity) || (ours_only && !is_ours(definition)))
            continue;
        if (features->count == BENCH_FEATURES_MAX) {
            qsort(features->chosen, features->count, sizeof(features->chosen[0]), by_name);
            if (str_compare(definition->name, features->chosen[features->count - 1].name) > 0)
                continue;
            features->count--;
        }
        choose(features, definition->name, definition);
    }
    qsort(features->chosen, features->count, sizeof(features->chosen[0]), by_name);
    if (features->count > DEFAULT_FEATURES_MAX)
        features->count = DEFAULT_FEATURES_MAX;
}

/* How many users --setup has loaded, from the tag it gave. */
static uint64_t users_of(const struct bench_features *features)
{
    const struct registered_feature *one =
        registered_feature(&features->registered, STR("user_age"));
    str tags = one != NULL ? one->definition.tags_json : (str){0};
    yyjson_doc *document = yyjson_read(tags.data ? tags.data : "", tags.len, 0);
    uint64_t users = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(document), "users"));
    yyjson_doc_free(document);
    return users > 0 && users <= BENCH_IDS_MAX ? users : 0;
}

status bench_features_choose(struct bench_features *features, struct client *client,
                             const char *names, const char *entity, struct error *error)
{
    struct client_answer answer;
    bool ours_only = false;
    client_answer_init(&answer);
    status fetched = registered_fetch_features(&features->registered, client, &answer, error);
    client_answer_fini(&answer);
    TRY(fetched);
    features->entity = str_from_cstr(entity);
    if (names != NULL) {
        TRY(choose_named(features, names, error));
    } else {
        if (entity == NULL)
            features->entity = choose_entity(features, &ours_only);
        choose_some(features, ours_only);
    }
    if (features->count == 0 && entity != NULL)
        return error_set(error, STATUS_NOT_FOUND, "features",
                         "no feature of entity '%s' is registered at %s", entity,
                         client_server(client));
    if (features->count == 0)
        return error_set(error, STATUS_NOT_FOUND, "features",
                         "nothing is registered at %s yet: `featured bench --setup` defines four "
                         "features of its own and loads users to read (--teardown removes them)",
                         client_server(client));
    features->users = features->are_ours ? users_of(features) : 0;
    return OK;
}

/* The ids of one page; *cursor gets where the next begins, empty: nowhere. */
static status take_page(str lines, struct bench_ids *ids, struct buffer *cursor,
                        struct error *error)
{
    buffer_reset(cursor, SIZE_MAX);
    while (lines.len > 0) {
        str line = str_split(lines, '\n', &lines);
        yyjson_doc *document = yyjson_read(line.data ? line.data : "", line.len, 0);
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *id = yyjson_obj_get(root, "entity_id");
        yyjson_val *next = yyjson_obj_get(root, "next_cursor");
        status added = OK;
        if (yyjson_is_str(id))
            added = bench_ids_add(ids, str_of(yyjson_get_str(id), yyjson_get_len(id)), error);
        if (yyjson_is_str(next))
            buffer_append(cursor, yyjson_get_str(next), yyjson_get_len(next));
        yyjson_doc_free(document);
        /* an id that is no UTF-8 is one that a load can do without */
        if (!status_is_ok(added) && added.code != STATUS_INVALID)
            return added;
    }
    return buffer_status(cursor);
}

status bench_features_sample_ids(const struct bench_features *features, struct client *client,
                                 struct bench_ids *ids, struct error *error)
{
    struct client_answer answer;
    struct buffer target, cursor;
    status result = OK;
    client_answer_init(&answer);
    buffer_init(&target, TARGET_BYTES_MAX);
    buffer_init(&cursor, TARGET_BYTES_MAX);
    for (int page = 0; page < SAMPLE_PAGES && status_is_ok(result); page++) {
        buffer_reset(&target, SIZE_MAX);
        buffer_append_format(&target, "/features/export?limit=%d&entity=", SAMPLE_PAGE_IDS);
        client_append_encoded(&target, features->entity);
        if (cursor.len > 0) {
            buffer_append_str(&target, STR("&cursor="));
            client_append_encoded(&target, buffer_str(&cursor));
        }
        buffer_append_char(&target, '\0');
        result = client_request(client, "GET", target.failed ? NULL : target.data, (str){0},
                                &answer, error);
        /* a server without this route has other ids to try */
        if (!status_is_ok(result) || answer.http_status != 200)
            break;
        result = take_page(buffer_str(&answer.body), ids, &cursor, error);
        if (cursor.len == 0)
            break;
    }
    buffer_fini(&cursor);
    buffer_fini(&target);
    client_answer_fini(&answer);
    return result;
}

static bool has_value(yyjson_val *row)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(yyjson_obj_get(row, "features"), index, count, key, value)
    {
        if (!yyjson_is_null(value))
            return true;
    }
    return false;
}

static status check_probe(str json, uint64_t read, uint64_t *with_values, struct error *error)
{
    size_t index, count;
    yyjson_val *row;
    yyjson_doc *document = yyjson_read(json.data ? json.data : "", json.len, 0);
    yyjson_val *rows = yyjson_doc_get_root(document);
    bool fine = yyjson_arr_size(rows) == read;
    uint64_t found = 0;
    yyjson_arr_foreach(rows, index, count, row)
    {
        fine = fine && yyjson_is_obj(yyjson_obj_get(row, "features"));
        found += has_value(row);
    }
    yyjson_doc_free(document);
    if (!fine)
        return error_set(error, STATUS_INTERNAL, "answer",
                         "the answer to POST /features/online is not what the API promises; is "
                         "this a feature server?");
    *with_values = found;
    return OK;
}

status bench_features_probe(const struct bench_features *features, struct client *client,
                            const struct bench_ids *ids, uint64_t *read, uint64_t *with_values,
                            struct error *error)
{
    struct client_answer answer;
    struct buffer body;
    *read = ids->count < PROBE_IDS ? ids->count : PROBE_IDS;
    client_answer_init(&answer);
    buffer_init(&body, TARGET_BYTES_MAX);
    buffer_append_str(&body, STR("{\"entity\":"));
    json_append_string(&body, features->entity);
    for (uint64_t i = 0; i < *read; i++) {
        buffer_append_str(&body, i == 0 ? STR(",\"entity_ids\":[") : STR(","));
        bench_ids_append_json(ids, ids->count / *read * i, &body);
    }
    for (size_t i = 0; i < features->count; i++) {
        buffer_append_str(&body, i == 0 ? STR("],\"feature_names\":[") : STR(","));
        json_append_string(&body, features->chosen[i].name);
    }
    buffer_append_str(&body, STR("]}"));
    status result = buffer_status(&body);
    if (status_is_ok(result))
        result = client_request_ok(client, "POST", "/features/online", buffer_str(&body), &answer,
                                   error);
    if (status_is_ok(result))
        result = check_probe(buffer_str(&answer.body), *read, with_values, error);
    buffer_fini(&body);
    client_answer_fini(&answer);
    return result;
}

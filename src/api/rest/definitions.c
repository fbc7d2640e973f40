/* Definitions of features: register, list, show, replace, activate, delete. */
#include <stdio.h>

#include "base/json_string.h"
#include "codec/json_definition.h"
#include "model/limits.h"
#include "service/define.h"

#include "api/rest/request.h"

/* A change on its way to the registry. */
struct change {
    struct http_exchange *exchange;
    struct registry_request request;
    struct feature_definition definition;
    struct json_unknown unknown;
    str name; /* of the feature, for the answer */
    struct error error;
};

static struct change *change_create(struct http_exchange *exchange)
{
    struct change *change = api_state(exchange, sizeof(*change));
    if (change)
        change->exchange = exchange;
    return change;
}

/* Sends the change, or answers what is wrong with it. */
static void change_submit(struct change *change, status prepared,
                          void (*done)(struct registry_request *request))
{
    if (status_is_ok(prepared))
        define_submit(api_of(change->exchange)->service, &change->request, change->exchange->loop,
                      done, change);
    else
        api_fail_unknown(change->exchange, &change->error);
}

static void answer_registered(struct change *change, str message)
{
    struct buffer *out = api_respond_json_begin(change->exchange);
    json_encode_registered(out, message, change->request.id, change->definition.name,
                           change->request.version_number, &change->unknown);
    http_respond_end(change->exchange);
}

static void registered(struct registry_request *request)
{
    struct change *change = request->user;
    if (!status_is_ok(request->status))
        api_fail(change->exchange, &request->error);
    else if (request->operation == REGISTRY_REGISTER_FEATURE || request->created)
        answer_registered(change, STR("Feature registered"));
    else if (request->new_version)
        answer_registered(change, STR("Feature has a new version; activate it when it is filled"));
    else
        answer_registered(change, STR("Feature updated"));
}

static status decode_definition(struct change *change, str name)
{
    struct http_exchange *exchange = change->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "", &query, &change->error));
    TRY(api_require_json(exchange, &change->error));
    change->request.definition = &change->definition;
    return json_decode_feature_definition(exchange->request.body, name, query.strict,
                                          &exchange->arena, &change->definition, &change->unknown,
                                          &change->error);
}

void api_register(struct http_exchange *exchange)
{
    struct change *change = change_create(exchange);
    if (change == NULL)
        return;
    change->request.operation = REGISTRY_REGISTER_FEATURE;
    change_submit(change, decode_definition(change, str_of(NULL, 0)), registered);
}

void api_definition_put(struct http_exchange *exchange)
{
    struct change *change = change_create(exchange);
    if (change == NULL)
        return;
    change->request.operation = REGISTRY_PUT_FEATURE;
    change_submit(change, decode_definition(change, exchange->request.path_parameters[0]),
                  registered);
}

static void activated(struct registry_request *request)
{
    struct change *change = request->user;
    if (!status_is_ok(request->status)) {
        api_fail(change->exchange, &request->error);
        return;
    }
    struct buffer *out = api_respond_json_begin(change->exchange);
    buffer_append_str(out, STR("{\"message\":\"Version activated\",\"id\":"));
    buffer_append_int64(out, request->id);
    buffer_append_str(out, STR(",\"name\":"));
    json_append_string(out, change->name);
    buffer_append_str(out, STR(",\"version\":"));
    buffer_append_uint64(out, request->version);
    buffer_append_char(out, '}');
    http_respond_end(change->exchange);
}

static status prepare_activate(struct change *change)
{
    struct http_exchange *exchange = change->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "", &query, &change->error));
    TRY(api_require_json(exchange, &change->error));
    change->name = exchange->request.path_parameters[0];
    change->request.operation = REGISTRY_ACTIVATE_VERSION;
    change->request.name = change->name;
    return json_decode_activate(exchange->request.body, query.strict, &change->request.version,
                                &change->error);
}

void api_definition_activate(struct http_exchange *exchange)
{
    struct change *change = change_create(exchange);
    if (change)
        change_submit(change, prepare_activate(change), activated);
}

static void deleted(struct registry_request *request)
{
    struct change *change = request->user;
    if (!status_is_ok(request->status)) {
        api_fail(change->exchange, &request->error);
        return;
    }
    char message[LIMIT_NAME_BYTES + 64];
    int len = snprintf(message, sizeof(message), "Feature '%.*s' deleted successfully",
                       (int)(change->name.len < LIMIT_NAME_BYTES ? change->name.len
                                                                 : LIMIT_NAME_BYTES),
                       change->name.data);
    struct buffer *out = api_respond_json_begin(change->exchange);
    buffer_append_str(out, STR("{\"message\":"));
    json_append_string(out, str_of(message, (size_t)len));
    buffer_append_char(out, '}');
    http_respond_end(change->exchange);
}

static status not_found(struct error *error)
{
    return error_set(error, STATUS_NOT_FOUND, "not_found", "Feature not found");
}

static status prepare_delete(struct change *change)
{
    struct http_exchange *exchange = change->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "force", &query, &change->error));
    TRY(api_query_bool(&query, STR("force"), &change->request.force, &change->error));
    if (!str_to_int64(exchange->request.path_parameters[0], &change->request.feature_id)) {
        error_loc_name(&change->error, STR("path"));
        error_loc_name(&change->error, STR("feature_id"));
        return error_set(&change->error, STATUS_INVALID, "int_parsing",
                         "Input should be the feature's numeric id (GET /features lists them)");
    }
    const struct catalog_feature *feature = catalog_find_feature_id(
        service_catalog(api_of(exchange)->service), change->request.feature_id);
    if (feature == NULL)
        return not_found(&change->error);
    if (!arena_copy_str(&exchange->arena, feature->definition.name, &change->name))
        return error_no_memory(&change->error);
    change->request.operation = REGISTRY_DELETE_FEATURE;
    return OK;
}

void api_feature_delete(struct http_exchange *exchange)
{
    struct change *change = change_create(exchange);
    if (change)
        change_submit(change, prepare_delete(change), deleted);
}

struct listing {
    struct http_exchange *exchange;
    struct describe describe;
    int64_t *feature_ids; /* one per version described, except when one definition is shown */
    uint64_t *version_ids;
    uint32_t next; /* feature to write next */
    uint32_t written;
    int64_t next_cursor; /* 0: the list ends here */
    struct error error;
};

#define LISTING_SLICE 64u /* features written before others have their turn */

static status describe_features(struct listing *listing, void (*done)(struct describe *describe))
{
    struct http_exchange *exchange = listing->exchange;
    listing->describe.version_ids = listing->version_ids;
    if (!status_is_ok(describe_submit(&listing->describe, api_of(exchange)->service,
                                      &exchange->arena, exchange->loop, done, listing)))
        return error_no_memory(&listing->error);
    return OK;
}

static void find_statistics(const struct describe *describe, uint64_t version_id,
                            struct statistics *out)
{
    statistics_init(out);
    for (uint32_t i = 0; i < describe->count; i++) {
        if (describe->version_ids[i] == version_id)
            *out = describe->statistics[i];
    }
}

static void shown(struct describe *describe)
{
    struct listing *listing = describe->user;
    struct http_exchange *exchange = listing->exchange;
    if (!status_is_ok(describe->status)) {
        api_fail(exchange, &describe->error);
        return;
    }
    const struct catalog_feature *feature =
        catalog_find_feature(service_catalog(api_of(exchange)->service),
                             exchange->request.path_parameters[0]);
    struct statistics *statistics =
        feature ? arena_alloc_array(&exchange->arena, feature->version_count, sizeof(*statistics))
                : NULL;
    if (statistics == NULL) {
        if (feature)
            error_no_memory(&listing->error);
        else
            not_found(&listing->error);
        api_fail(exchange, &listing->error);
        return;
    }
    for (uint32_t i = 0; i < feature->version_count; i++)
        find_statistics(describe, feature->versions[i].id, &statistics[i]);
    json_encode_feature_versions(api_respond_json_begin(exchange), feature, statistics);
    http_respond_end(exchange);
}

static status show(struct listing *listing)
{
    struct http_exchange *exchange = listing->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "", &query, &listing->error));
    const struct catalog_feature *feature = catalog_find_feature(
        service_catalog(api_of(exchange)->service), exchange->request.path_parameters[0]);
    if (feature == NULL)
        return not_found(&listing->error);
    listing->version_ids = arena_alloc_array(&exchange->arena, feature->version_count,
                                             sizeof(*listing->version_ids));
    if (listing->version_ids == NULL)
        return error_no_memory(&listing->error);
    for (uint32_t i = 0; i < feature->version_count; i++)
        listing->version_ids[i] = feature->versions[i].id;
    listing->describe.count = feature->version_count;
    return describe_features(listing, shown);
}

void api_definition_get(struct http_exchange *exchange)
{
    struct listing *listing = api_state(exchange, sizeof(*listing));
    if (listing == NULL)
        return;
    listing->exchange = exchange;
    if (!status_is_ok(show(listing)))
        api_fail_unknown(exchange, &listing->error);
}

/* The feature with the version that was active when the list was made: its are the statistics.
 * False: deleted since. */
static bool find_listed(const struct catalog *catalog, const struct listing *listing, uint32_t at,
                        struct catalog_feature *out)
{
    const struct catalog_feature *feature =
        catalog_find_feature_id(catalog, listing->feature_ids[at]);
    for (uint32_t i = 0; feature && i < feature->version_count; i++) {
        if (feature->versions[i].id != listing->version_ids[at])
            continue;
        *out = *feature;
        out->active = &feature->versions[i];
        return true;
    }
    return false;
}

static enum http_piece produce_list(struct http_exchange *exchange, struct buffer *out)
{
    struct listing *listing = exchange->user;
    const struct describe *describe = &listing->describe;
    const struct catalog *catalog = service_catalog(api_of(exchange)->service);
    if (listing->next == 0)
        buffer_append_str(out, STR("{\"features\":["));
    for (uint32_t i = 0; i < LISTING_SLICE && listing->next < describe->count; i++) {
        uint32_t at = listing->next++;
        struct catalog_feature feature;
        if (!find_listed(catalog, listing, at, &feature))
            continue;
        if (listing->written++ > 0)
            buffer_append_char(out, ',');
        json_encode_feature(out, &feature, &describe->statistics[at], false);
    }
    if (listing->next < describe->count)
        return HTTP_PIECE_MORE;
    buffer_append_str(out, STR("],\"next_cursor\":"));
    if (listing->next_cursor)
        buffer_append_format(out, "\"%lld\"}", (long long)listing->next_cursor);
    else
        buffer_append_str(out, STR("null}"));
    return HTTP_PIECE_LAST;
}

static void listed(struct describe *describe)
{
    struct listing *listing = describe->user;
    struct http_exchange *exchange = listing->exchange;
    exchange->user = listing;
    if (!status_is_ok(describe->status)) {
        api_fail(exchange, &describe->error);
        return;
    }
    if (describe->count > LISTING_SLICE) {
        http_respond_stream(exchange, 200, API_JSON, (struct http_stream){.produce = produce_list});
        return;
    }
    produce_list(exchange, api_respond_json_begin(exchange));
    http_respond_end(exchange);
}

struct list_filter {
    str entity;
    str feature_group;
    str tag_key;
    str tag_text;
    str substring;
    bool by_group;
    bool by_tag;
    uint64_t limit;
    uint64_t after_id;
};

static bool filter_fits(const struct list_filter *filter, const struct catalog_feature *feature)
{
    const struct feature_definition *definition = &feature->definition;
    if ((uint64_t)feature->id <= filter->after_id)
        return false;
    if (filter->entity.len && !str_eq(definition->entity, filter->entity))
        return false;
    if (filter->by_group && (!definition->feature_group.present ||
                             !str_eq(definition->feature_group.text, filter->feature_group)))
        return false;
    if (filter->by_tag &&
        !json_tags_match(definition->tags_json, filter->tag_key, filter->tag_text))
        return false;
    return str_contains(definition->name, filter->substring) ||
           (definition->description.present &&
            str_contains(definition->description.text, filter->substring));
}

static status read_filter(const struct api_query *query, struct list_filter *filter,
                          struct error *error)
{
    str tag = api_query_get(query, STR("tag"));
    *filter = (struct list_filter){
        .entity = api_query_get(query, STR("entity")),
        .feature_group = api_query_get(query, STR("feature_group")),
        .by_group = api_query_has(query, STR("feature_group")),
        .substring = api_query_get(query, STR("q")),
        .by_tag = api_query_has(query, STR("tag")),
        .limit = LIMIT_FEATURES,
    };
    filter->tag_key = str_split(tag, ':', &filter->tag_text);
    if (filter->by_tag && filter->tag_key.len == tag.len) {
        error_loc_name(error, STR("query"));
        error_loc_name(error, STR("tag"));
        return error_set(error, STATUS_INVALID, "value_error", "Input should be key:value");
    }
    TRY(api_query_uint(query, STR("limit"), 1, LIMIT_FEATURES, &filter->limit, error));
    return api_query_uint(query, STR("cursor"), 0, INT64_MAX, &filter->after_id, error);
}

static status list(struct listing *listing)
{
    struct http_exchange *exchange = listing->exchange;
    const struct catalog *catalog = service_catalog(api_of(exchange)->service);
    struct describe *describe = &listing->describe;
    struct api_query query;
    struct list_filter filter;
    TRY(api_query_parse(exchange, "entity feature_group tag q limit cursor", &query,
                        &listing->error));
    TRY(read_filter(&query, &filter, &listing->error));
    listing->feature_ids =
        arena_alloc_array(&exchange->arena, catalog->feature_count, sizeof(int64_t));
    listing->version_ids =
        arena_alloc_array(&exchange->arena, catalog->feature_count, sizeof(uint64_t));
    if (listing->feature_ids == NULL || listing->version_ids == NULL)
        return error_no_memory(&listing->error);
    for (uint32_t i = 0; i < catalog->feature_count; i++) {
        const struct catalog_feature *feature = catalog->features[i];
        if (!filter_fits(&filter, feature))
            continue;
        if (describe->count == filter.limit) {
            listing->next_cursor = listing->feature_ids[describe->count - 1];
            break;
        }
        listing->feature_ids[describe->count] = feature->id;
        listing->version_ids[describe->count++] = feature->active->id;
    }
    return describe_features(listing, listed);
}

void api_features_list(struct http_exchange *exchange)
{
    struct listing *listing = api_state(exchange, sizeof(*listing));
    if (listing == NULL)
        return;
    listing->exchange = exchange;
    if (!status_is_ok(list(listing)))
        api_fail(exchange, &listing->error);
}

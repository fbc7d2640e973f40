/* Feature services: the named input vectors of models. */
#include <stdio.h>

#include "codec/json_definition.h"
#include "model/limits.h"
#include "service/define.h"

#include "api/rest/request.h"

struct service_change {
    struct http_exchange *exchange;
    struct registry_request request;
    struct service_definition definition;
    struct json_unknown unknown;
    struct error error;
};

/* The service as this request wrote it: meanwhile another may have changed or deleted it. False
 * without memory. */
static bool describe_written(const struct service_change *change, struct catalog_service *out)
{
    const struct registry_request *request = &change->request;
    const struct service_definition *definition = &change->definition;
    struct arena *arena = &change->exchange->arena;
    str *resolved = arena_alloc_array(arena, definition->feature_count, sizeof(*resolved));
    if (resolved == NULL)
        return false;
    for (uint32_t i = 0; i < definition->feature_count; i++) {
        char text[LIMIT_NAME_BYTES + 16];
        str name;
        uint32_t version;
        if (!definition_parse_reference(definition->features[i], &name, &version))
            return false;
        int len = snprintf(text, sizeof(text), "%.*s@%u", STR_ARG(name),
                           request->member_versions[i]);
        if (!arena_copy_str(arena, str_of(text, (size_t)len), &resolved[i]))
            return false;
    }
    *out = (struct catalog_service){
        .id = request->id,
        .name = definition->name,
        .description = definition->description,
        .tags_json = definition->tags_json,
        .features = definition->features,
        .resolved = resolved,
        .feature_count = definition->feature_count,
        .created_at_us = request->created_at_us,
        .updated_at_us = request->updated_at_us,
    };
    return true;
}

static void changed(struct registry_request *request)
{
    struct service_change *change = request->user;
    struct catalog_service written;
    if (!status_is_ok(request->status)) {
        api_fail(change->exchange, &request->error);
        return;
    }
    if (!describe_written(change, &written)) {
        error_no_memory(&change->error);
        api_fail(change->exchange, &change->error);
        return;
    }
    json_encode_service_changed(api_respond_json_begin(change->exchange), &written,
                                &change->unknown);
    http_respond_end(change->exchange);
}

static status decode(struct service_change *change, str name)
{
    struct http_exchange *exchange = change->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "", &query, &change->error));
    TRY(api_require_json(exchange, &change->error));
    TRY(json_decode_service_definition(exchange->request.body, name, query.strict, &exchange->arena,
                                       &change->definition, &change->unknown, &change->error));
    change->request.service = &change->definition;
    change->request.member_versions =
        arena_alloc_array(&exchange->arena, change->definition.feature_count, sizeof(uint32_t));
    return change->request.member_versions ? OK : error_no_memory(&change->error);
}

static void submit_definition(struct http_exchange *exchange, enum registry_operation operation,
                              str name)
{
    struct service_change *change = api_state(exchange, sizeof(*change));
    if (change == NULL)
        return;
    change->exchange = exchange;
    change->request.operation = operation;
    if (status_is_ok(decode(change, name)))
        define_submit(api_of(exchange)->service, &change->request, exchange->loop, changed, change);
    else
        api_fail(exchange, &change->error);
}

void api_service_create(struct http_exchange *exchange)
{
    submit_definition(exchange, REGISTRY_CREATE_SERVICE, str_of(NULL, 0));
}

void api_service_put(struct http_exchange *exchange)
{
    submit_definition(exchange, REGISTRY_PUT_SERVICE, exchange->request.path_parameters[0]);
}

static status find_service(struct http_exchange *exchange, const struct catalog_service **out,
                           struct error *error)
{
    struct api_query query;
    str name = exchange->request.path_parameters[0];
    TRY(api_query_parse(exchange, "", &query, error));
    *out = catalog_find_service(service_catalog(api_of(exchange)->service), name);
    if (*out == NULL)
        return error_set(error, STATUS_NOT_FOUND, "not_found", "Feature service '%.*s' not found",
                         STR_ARG(name));
    return OK;
}

void api_service_get(struct http_exchange *exchange)
{
    struct error *error = api_error(exchange);
    const struct catalog_service *service;
    if (!status_is_ok(find_service(exchange, &service, error))) {
        api_fail_unknown(exchange, error);
        return;
    }
    json_encode_service(api_respond_json_begin(exchange), service);
    http_respond_end(exchange);
}

#define LISTING_SLICE 1024u /* services and their features written before others have a turn */

/* The list goes by name: where it stands holds in whatever image is current then. */
struct listing {
    char last_name[LIMIT_NAME_BYTES]; /* written */
    size_t last_len;                  /* 0: none */
};

static uint32_t first_after(const struct catalog *catalog, str name)
{
    uint32_t low = 0;
    uint32_t high = catalog->service_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (str_compare(catalog->services[middle]->name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum http_piece produce_list(struct http_exchange *exchange, struct buffer *out)
{
    struct listing *listing = exchange->user;
    const struct catalog *catalog = service_catalog(api_of(exchange)->service);
    str last_name = str_of(listing->last_name, listing->last_len);
    uint32_t next = first_after(catalog, last_name);
    uint32_t features = 0;
    if (last_name.len == 0)
        buffer_append_str(out, STR("{\"feature_services\":["));
    while (next < catalog->service_count && features < LISTING_SLICE) {
        const struct catalog_service *service = catalog->services[next++];
        if (last_name.len > 0)
            buffer_append_char(out, ',');
        json_encode_service(out, service);
        features += 1 + service->feature_count;
        last_name = service->name;
    }
    if (next == catalog->service_count) {
        buffer_append_str(out, STR("]}"));
        return HTTP_PIECE_LAST;
    }
    memmove(listing->last_name, last_name.data, last_name.len);
    listing->last_len = last_name.len;
    return HTTP_PIECE_MORE;
}

static bool fits_a_slice(const struct catalog *catalog)
{
    uint32_t features = 0;
    for (uint32_t i = 0; i < catalog->service_count && features < LISTING_SLICE; i++)
        features += 1 + catalog->services[i]->feature_count;
    return features < LISTING_SLICE;
}

void api_services_list(struct http_exchange *exchange)
{
    struct api_query query;
    struct error *error = api_error(exchange);
    if (!status_is_ok(api_query_parse(exchange, "", &query, error))) {
        api_fail(exchange, error);
        return;
    }
    exchange->user = api_state(exchange, sizeof(struct listing));
    if (exchange->user == NULL)
        return;
    if (!fits_a_slice(service_catalog(api_of(exchange)->service))) {
        http_respond_stream(exchange, 200, API_JSON, (struct http_stream){.produce = produce_list});
        return;
    }
    (void)produce_list(exchange, api_respond_json_begin(exchange));
    http_respond_end(exchange);
}

static void removed(struct registry_request *request)
{
    struct service_change *change = request->user;
    if (!status_is_ok(request->status)) {
        api_fail(change->exchange, &request->error);
        return;
    }
    struct buffer *out = api_respond_json_begin(change->exchange);
    /* Names need no escapes: the registry found it. */
    buffer_append_format(out, "{\"message\":\"Feature service '%.*s' deleted successfully\"}",
                         STR_ARG(request->name));
    http_respond_end(change->exchange);
}

void api_service_delete(struct http_exchange *exchange)
{
    struct service_change *change = api_state(exchange, sizeof(*change));
    struct api_query query;
    if (change == NULL)
        return;
    change->exchange = exchange;
    change->request.operation = REGISTRY_DELETE_SERVICE;
    change->request.name = exchange->request.path_parameters[0];
    if (status_is_ok(api_query_parse(exchange, "", &query, &change->error)))
        define_submit(api_of(exchange)->service, &change->request, exchange->loop, removed, change);
    else
        api_fail(exchange, &change->error);
}

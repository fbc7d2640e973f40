/* What the server says about itself: /, /health, /ready, /openapi.json, /docs. */
#include "base/json_string.h"

#include "api/rest/request.h"

/* These routes take no parameters and forgive all. */

void api_root(struct http_exchange *exchange)
{
    struct buffer *out = api_respond_json_begin(exchange);
    buffer_append_str(out, STR("{\"name\":\"featured\",\"version\":"));
    json_append_string(out, api_of(exchange)->version);
    buffer_append_str(out, STR(",\"links\":{\"docs\":\"/docs\",\"openapi\":\"/openapi.json\","
                               "\"health\":\"/health\",\"ready\":\"/ready\","
                               "\"metrics\":\"/metrics\"}}"));
    http_respond_end(exchange);
}

void api_health(struct http_exchange *exchange)
{
    api_respond_json(exchange, STR("{\"status\":\"healthy\"}"));
}

static void append_reason(struct buffer *out, const char *member, const struct error *reason)
{
    buffer_append_format(out, ",\"%s\":", member);
    json_append_string(out, str_from_cstr(reason->detail));
}

/* A store that takes no writes still answers reads, and without the registry both go on: such a
 * server stays in the load balancer, and says so. */
void api_ready(struct http_exchange *exchange)
{
    struct error *registry = api_error(exchange);
    struct error *ingestion = api_error(exchange);
    struct service *service = api_of(exchange)->service;
    if (!status_is_ok(service_check_values(service, ingestion))) {
        api_fail(exchange, ingestion);
        return;
    }
    bool defines = status_is_ok(service_check_definitions(service, registry));
    bool ingests = status_is_ok(service_check_ingestion(service, ingestion));
    struct buffer *out = api_respond_json_begin(exchange);
    buffer_append_str(out, STR("{\"status\":\"ready\""));
    if (!defines)
        append_reason(out, "registry", registry);
    if (!ingests)
        append_reason(out, "ingestion", ingestion);
    buffer_append_char(out, '}');
    http_respond_end(exchange);
}

void api_openapi(struct http_exchange *exchange)
{
    api_respond_json(exchange, api_of(exchange)->openapi_json);
}

static void answer_asset(struct http_exchange *exchange, str name)
{
    const struct api *api = api_of(exchange);
    for (size_t i = 0; i < api->asset_count; i++) {
        if (str_eq(api->assets[i].name, name)) {
            http_set_header(exchange, STR("Cache-Control"), STR("max-age=3600"));
            http_respond(exchange, 200, api->assets[i].content_type, api->assets[i].content);
            return;
        }
    }
    struct error *error = api_error(exchange);
    error_set(error, STATUS_NOT_FOUND, "not_found", "No such file; the page is at /docs");
    api_fail(exchange, error);
}

void api_docs(struct http_exchange *exchange)
{
    answer_asset(exchange, STR("index.html"));
}

void api_docs_asset(struct http_exchange *exchange)
{
    answer_asset(exchange, exchange->request.path_parameters[0]);
}

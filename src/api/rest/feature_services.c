/* Feature services: the named input vectors of models. */
#include "base/json_string.h"
#include "codec/json_definition.h"
#include "service/define.h"

#include "api/rest/request.h"

struct service_change {
    struct http_exchange *exchange;
    struct registry_request request;
    struct service_definition definition;
    struct json_unknown unknown;
    struct error error;
};

/* `unknown`: of the change that is answered, or NULL. */
static void answer_service(struct http_exchange *exchange, str name,
                           const struct json_unknown *unknown)
{
    const struct catalog_service *service =
        catalog_find_service(service_catalog(api_of(exchange)->service), name);
    if (service == NULL) {
        struct error *error = api_error(exchange);
        error_set(error, STATUS_NOT_FOUND, "not_found", "Feature service '%.*s' not found",
                  STR_ARG(name));
        api_fail(exchange, error);
        return;
    }
    struct buffer *out = api_respond_json_begin(exchange);
    if (unknown)
        json_encode_service_changed(out, service, unknown);
    else
        json_encode_service(out, service);
    http_respond_end(exchange);
}

static void changed(struct registry_request *request)
{
    struct service_change *change = request->user;
    if (status_is_ok(request->status))
        answer_service(change->exchange, change->definition.name, &change->unknown);
    else
        api_fail(change->exchange, &request->error);
}

static status decode(struct service_change *change, str name)
{
    struct http_exchange *exchange = change->exchange;
    struct api_query query;
    TRY(api_query_parse(exchange, "", &query, &change->error));
    TRY(api_require_json(exchange, &change->error));
    change->request.service = &change->definition;
    return json_decode_service_definition(exchange->request.body, name, query.strict,
                                          &exchange->arena, &change->definition, &change->unknown,
                                          &change->error);
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

void api_service_get(struct http_exchange *exchange)
{
    struct api_query query;
    struct error *error = api_error(exchange);
    if (status_is_ok(api_query_parse(exchange, "", &query, error)))
        answer_service(exchange, exchange->request.path_parameters[0], NULL);
    else
        api_fail(exchange, error);
}

void api_services_list(struct http_exchange *exchange)
{
    const struct catalog *catalog = service_catalog(api_of(exchange)->service);
    struct api_query query;
    struct error *error = api_error(exchange);
    if (!status_is_ok(api_query_parse(exchange, "", &query, error))) {
        api_fail(exchange, error);
        return;
    }
    struct buffer *out = api_respond_json_begin(exchange);
    buffer_append_str(out, STR("{\"feature_services\":["));
    for (uint32_t i = 0; i < catalog->service_count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        json_encode_service(out, catalog->services[i]);
    }
    buffer_append_str(out, STR("]}"));
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

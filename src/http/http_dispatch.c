#include "http/http_private.h"

static const char *const METHOD_NAMES[HTTP_METHOD_OTHER] = {
    [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

void http_find_route(struct http_message *message)
{
    struct http_request *request = &message->exchange.request;
    struct http_server *server = message->http_loop->server;
    message->route =
        router_match(server->router, request->method, request->path, request->path_parameters);
    message->exchange.route =
        message->route == ROUTER_NONE ? NULL : &server->options.routes[message->route];
}

static void respond_problem(struct http_exchange *exchange, enum status_code code,
                            const char *detail)
{
    struct error error;
    error_clear(&error);
    (void)error_set(&error, code, status_name(code), "%s", detail);
    http_respond_error(exchange, &error);
}

static str allow_list(struct http_message *message, unsigned methods)
{
    size_t len = 0;
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++) {
        if (!(methods & 1U << i))
            continue;
        if (len) {
            memcpy(message->allow + len, ", ", 2);
            len += 2;
        }
        size_t name_len = strlen(METHOD_NAMES[i]);
        memcpy(message->allow + len, METHOD_NAMES[i], name_len);
        len += name_len;
    }
    return str_of(message->allow, len);
}

static unsigned methods_of(const struct http_message *message)
{
    str path = message->exchange.request.path;
    if (str_eq(path, STR("*")))
        return (1U << HTTP_METHOD_OTHER) - 1;
    return router_methods(message->http_loop->server->router, path);
}

static void respond_not_found(struct http_exchange *exchange)
{
    respond_problem(exchange, STATUS_NOT_FOUND, "There is no such route");
}

/* OPTIONS; with CORS also the browser's question before the real request. */
static void respond_options(struct http_message *message)
{
    struct http_exchange *exchange = &message->exchange;
    unsigned methods = methods_of(message);
    if (methods == 0) {
        respond_not_found(exchange);
        return;
    }
    str allow = allow_list(message, methods);
    http_add_header(message, STR("Allow"), allow);
    if (message->http_loop->server->cors.len && message->parser.origin.len &&
        message->parser.request_method.len) {
        http_add_header(message, STR("Access-Control-Allow-Methods"), allow);
        http_add_header(message, STR("Access-Control-Allow-Headers"),
                        STR("Accept, Content-Type, X-Request-Id"));
        http_add_header(message, STR("Access-Control-Max-Age"), STR("600"));
    }
    http_respond(exchange, 204, str_of(NULL, 0), str_of(NULL, 0));
}

static void respond_unrouted(struct http_message *message)
{
    struct http_exchange *exchange = &message->exchange;
    if (exchange->request.method == HTTP_OPTIONS) {
        respond_options(message);
        return;
    }
    unsigned methods = methods_of(message);
    if (methods == 0) {
        respond_not_found(exchange);
        return;
    }
    http_add_header(message, STR("Allow"), allow_list(message, methods));
    respond_problem(exchange, STATUS_METHOD_NOT_ALLOWED, "The route has no such method");
}

/* False if an error was answered. */
static bool decode_parameters(struct http_message *message)
{
    struct http_exchange *exchange = &message->exchange;
    for (unsigned i = 0; i < HTTP_PATH_PARAMETERS_MAX; i++) {
        str *parameter = &exchange->request.path_parameters[i];
        if (parameter->len == 0)
            break;
        if (!http_percent_is_valid(*parameter)) {
            respond_problem(exchange, STATUS_MALFORMED,
                            "The path holds a malformed percent-encoding");
            return false;
        }
        if (!http_percent_decode(*parameter, false, &exchange->arena, parameter)) {
            respond_problem(exchange, STATUS_OUT_OF_MEMORY, "Out of memory");
            return false;
        }
        if (!str_is_utf8(*parameter)) {
            respond_problem(exchange, STATUS_MALFORMED, "The path is not UTF-8");
            return false;
        }
    }
    return true;
}

void http_dispatch(struct http_message *message)
{
    message->dispatched = true;
    message->in_callback = true;
    message->started_ns = message->http_loop->clock_ns;
    if (unlikely(message->exchange.route == NULL))
        respond_unrouted(message);
    else if (likely(decode_parameters(message)))
        message->exchange.route->handler(&message->exchange);
    message->in_callback = false;
}

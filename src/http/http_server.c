#include <sys/random.h>

#include "base/assert.h"
#include "base/memory.h"
#include "http/http_private.h"

#define PROCESS_ID_DIGITS 8
#define LOOP_ID_DIGITS 2

/* Ids of one process have a random start in common; then the loop, then a counter. */
static void init_ids(struct http_server *server)
{
    static const char HEX[] = "0123456789abcdef";
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)(uintptr_t)server;
    for (unsigned l = 0; l < server->options.loop_count; l++) {
        char *id = server->loops[l].id;
        memset(id, '0', HTTP_ID_BYTES);
        for (unsigned i = 0; i < PROCESS_ID_DIGITS; i++)
            id[i] = HEX[random >> 4 * i & 15];
        for (unsigned i = 0; i < LOOP_ID_DIGITS; i++)
            id[PROCESS_ID_DIGITS + i] = HEX[l >> 4 * (LOOP_ID_DIGITS - 1 - i) & 15];
    }
}

static void init_cors(struct http_server *server)
{
    const char *origin = server->options.cors_origin;
    buffer_init(&server->cors, HTTP_OUT_HIGH_BYTES);
    if (origin == NULL)
        return;
    buffer_append_format(&server->cors,
                         "Access-Control-Allow-Origin: %s\r\n%s"
                         "Access-Control-Expose-Headers: X-Request-Id, X-Featured-Unregistered, "
                         "X-Feature-Names\r\n",
                         origin, strcmp(origin, "*") == 0 ? "" : "Vary: Origin\r\n");
}

static bool init_loops(struct http_server *server)
{
    size_t bytes = server->options.loop_count * sizeof(struct http_loop);
    server->loops = memory_alloc_aligned(CACHE_LINE_BYTES, bytes);
    if (server->loops == NULL)
        return false;
    memset(server->loops, 0, bytes);
    for (unsigned i = 0; i < server->options.loop_count; i++) {
        struct http_loop *http_loop = &server->loops[i];
        http_loop->server = server;
        buffer_init(&http_loop->nowhere, NET_OUT_LIMIT_BYTES);
        http_loop->metrics =
            memory_alloc_array(server->options.route_count, sizeof(struct http_metrics_route));
        if (http_loop->metrics == NULL)
            return false;
    }
    init_ids(server);
    return true;
}

/* Takes half-built ones. */
static void free_server(struct http_server *server)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; server->loops && i < server->options.loop_count; i++) {
        struct http_loop *http_loop = &server->loops[i];
        while (http_loop->spare_messages) {
            struct http_message *message = http_loop->spare_messages;
            http_loop->spare_messages = message->next;
            http_message_free(message);
        }
        buffer_fini(&http_loop->nowhere);
        memory_free(http_loop->metrics);
    }
    memory_free(server->loops);
    buffer_fini(&server->cors);
    router_destroy(server->router);
    memory_free(server);
}

status http_server_start(const struct http_server_options *options, struct http_server **out,
                         struct error *error)
{
    struct http_server *server = memory_alloc_zero(sizeof(*server));
    status result = OK;
    if (server) {
        server->options = *options;
        init_cors(server);
        server->router = router_create(options->routes, options->route_count);
    }
    if (server == NULL || server->router == NULL || server->cors.failed || !init_loops(server)) {
        result = error_set(error, STATUS_OUT_OF_MEMORY, "memory", "Out of memory");
        goto failed;
    }
    struct net_options net_options = {
        .host = options->host,
        .port = options->port,
        .connections = options->limits.connections,
        .write_timeout_ms = options->limits.write_timeout_ms,
        .protocol = &http_protocol,
        .context = server,
        .loops = options->loops,
        .loop_count = options->loop_count,
    };
    result = net_server_start(&net_options, &server->net, error);
    if (!status_is_ok(result))
        goto failed;
    *out = server;
    return OK;
failed:
    free_server(server);
    return result;
}

uint16_t http_server_port(const struct http_server *server)
{
    return net_server_port(server->net);
}

void http_server_drain(struct http_server *server, int64_t timeout_ms, void (*drained)(void *user),
                       void *user)
{
    net_server_drain(server->net, timeout_ms, drained, user);
}

void http_server_destroy(struct http_server *server)
{
    if (server == NULL)
        return;
    net_server_destroy(server->net);
    free_server(server);
}

void http_server_metrics_read(const struct http_server *server, struct http_server_metrics *out)
{
    *out = (struct http_server_metrics){.connections_open = net_server_connections(server->net)};
    for (unsigned i = 0; i < server->options.loop_count; i++) {
        const struct net_counters *net = net_server_counters(server->net, i);
        out->connections_accepted += atomic_load_explicit(&net->accepted, memory_order_relaxed);
        out->connections_timed_out += atomic_load_explicit(&net->timed_out, memory_order_relaxed);
        out->bytes_received += atomic_load_explicit(&net->bytes_received, memory_order_relaxed);
        out->bytes_sent += atomic_load_explicit(&net->bytes_sent, memory_order_relaxed);
        out->requests_malformed +=
            atomic_load_explicit(&server->loops[i].requests_malformed, memory_order_relaxed);
    }
}

const struct http_metrics_route *http_server_route_metrics(const struct http_server *server,
                                                           unsigned loop, size_t route)
{
    ASSERT(loop < server->options.loop_count && route < server->options.route_count);
    return &server->loops[loop].metrics[route];
}

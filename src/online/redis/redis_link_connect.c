#include "online/redis/redis_link_private.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/assert.h"
#include "base/memory.h"

struct redis_resolve {
    uv_getaddrinfo_t request;
    struct loop *loop;
    struct redis_link *link; /* NULL: nobody waits for it */
};

bool redis_link_is_lasting(const struct error *error)
{
    static const char *const LASTING[] = {"store_credentials", "store_tls", "store_protocol"};
    for (size_t i = 0; i < ARRAY_LEN(LASTING); i++) {
        if (strcmp(error->type, LASTING[i]) == 0)
            return true;
    }
    return false;
}

/* xorshift64*: spreads the servers of a fleet, no more. */
static uint64_t next_random(struct redis_link *link)
{
    link->random ^= link->random >> 12;
    link->random ^= link->random << 25;
    link->random ^= link->random >> 27;
    return link->random * UINT64_C(2685821657736338717);
}

int64_t redis_link_backoff_ms(struct redis_link *link)
{
    int64_t delay = REDIS_BACKOFF_MIN_MS;
    for (unsigned i = 1; i < link->failures && delay < REDIS_BACKOFF_MAX_MS; i++)
        delay *= 2;
    if (delay > REDIS_BACKOFF_MAX_MS || redis_link_is_lasting(&link->failure))
        delay = REDIS_BACKOFF_MAX_MS;
    int64_t half = delay / 2;
    return half + (int64_t)(next_random(link) % (uint64_t)(half + 1));
}

static void on_socket_closed(void *user)
{
    redis_link_release(user);
}

void redis_link_drop_socket(struct redis_link *link)
{
    if (link->socket == NULL)
        return;
    redis_socket_close(link->socket, on_socket_closed);
    link->socket = NULL;
    link->is_blocked = false;
    link->out_written = 0;
    buffer_reset(&link->out, 0);
}

/* Each address left gets an equal part of the time that is left. */
static void on_attempt_timer(uv_timer_t *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);
    struct error error;
    loop_enter(link->options.loop);
    const char *what = "no answer";
    if (link->socket == NULL)
        what = "its name was not resolved";
    else if (redis_socket_awaits_tls(link->socket))
        what = "no answer to TLS (does this port speak it?)";
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "%s within %lld ms", what,
              (long long)link->options.timeout_ms);
    redis_count(&link->options.counters->timeouts, 1);
    if (link->socket)
        redis_link_connect_next(link, &error);
    else
        redis_link_lost(link, &error);
}

static void set_attempt_timer(struct redis_link *link, unsigned parts)
{
    int64_t left = link->attempt_end_ms - redis_link_now_ms(link);
    int64_t part = left > 0 ? left / (int64_t)(parts ? parts : 1) : 0;
    uv_timer_start(&link->timer, on_attempt_timer, (uint64_t)part + 1, 0);
}

static status open_endpoint(struct redis_link *link, const struct redis_endpoint *endpoint,
                            struct error *error)
{
    struct redis_socket_options options = {
        .loop = link->options.loop,
        .address = (const struct sockaddr *)&endpoint->address,
        .address_len = endpoint->len,
        .tls = link->options.tls,
        .host = link->options.address.host,
        .callbacks = &REDIS_LINK_CALLBACKS,
        .user = link,
    };
    redis_replies_fini(&link->replies);
    if (!redis_replies_init(&link->replies))
        return error_set(error, STATUS_OUT_OF_MEMORY, "memory", "no memory for a connection");
    link->given = 0;
    link->written = 0;
    TRY(redis_socket_open(&options, &link->socket, error));
    redis_link_hold(link);
    return OK;
}

void redis_link_connect_next(struct redis_link *link, const struct error *why)
{
    struct error error = *why;
    ASSERT(link->sent.first == NULL || link->sent.first == &link->hello);
    link->sent = (struct redis_command_list){NULL, NULL};
    redis_link_drop_socket(link);
    while (link->endpoint_next < link->endpoint_count && !redis_link_is_lasting(&error)) {
        unsigned left = link->endpoint_count - link->endpoint_next;
        if (status_is_ok(open_endpoint(link, &link->endpoints[link->endpoint_next++], &error))) {
            set_attempt_timer(link, left);
            return;
        }
    }
    redis_link_lost(link, &error);
}

static void connect_first(struct redis_link *link)
{
    struct error error;
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "its name has no address");
    link->endpoint_next = 0;
    redis_link_connect_next(link, &error);
}

static void add_endpoint(struct redis_link *link, const void *address, size_t len)
{
    struct redis_endpoint *endpoint = &link->endpoints[link->endpoint_count];
    if (link->endpoint_count == REDIS_ADDRESSES_MAX || len > sizeof(endpoint->address))
        return;
    memcpy(&endpoint->address, address, len);
    endpoint->len = (socklen_t)len;
    link->endpoint_count++;
}

static void on_resolved(uv_getaddrinfo_t *request, int uv_status, struct addrinfo *found)
{
    struct redis_resolve *resolve = CONTAINER_OF(request, struct redis_resolve, request);
    struct redis_link *link = resolve->link;
    loop_enter(resolve->loop);
    memory_free(resolve);
    if (link) {
        link->resolve = NULL;
        for (struct addrinfo *at = found; at; at = at->ai_next)
            add_endpoint(link, at->ai_addr, at->ai_addrlen);
    }
    uv_freeaddrinfo(found);
    if (link == NULL || link->state != REDIS_LINK_CONNECTING || link->socket)
        return;
    if (uv_status == 0) {
        connect_first(link);
        return;
    }
    struct error error;
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "its name cannot be resolved: %s",
              uv_strerror(uv_status));
    redis_link_lost(link, &error);
}

/* One request at a time: a resolver that hangs would get more of them with each attempt. */
static void resolve_name(struct redis_link *link)
{
    const struct redis_address *address = &link->options.address;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    if (link->resolve)
        return;
    struct redis_resolve *resolve = memory_alloc_zero(sizeof(*resolve));
    struct error error;
    int result = UV_ENOMEM;
    snprintf(port, sizeof(port), "%u", address->port);
    if (resolve) {
        resolve->loop = link->options.loop;
        resolve->link = link;
        result = uv_getaddrinfo(&link->options.loop->uv, &resolve->request, on_resolved,
                                address->host, port, &hints);
    }
    if (result == 0) {
        link->resolve = resolve;
        return;
    }
    memory_free(resolve);
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "its name cannot be resolved: %s",
              uv_strerror(result));
    redis_link_lost(link, &error);
}

/* A Unix socket or a numeric address: no resolver is needed. */
static bool find_address(struct redis_link *link)
{
    const char *path = link->options.url->socket_path;
    const struct redis_address *address = &link->options.address;
    union {
        struct sockaddr_un local;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    memset(&at, 0, sizeof(at));
    if (path[0] != '\0') {
        at.local.sun_family = AF_UNIX;
        ASSERT(strlen(path) < sizeof(at.local.sun_path)); /* redis_url_parse() saw to it */
        memcpy(at.local.sun_path, path, strlen(path) + 1);
        add_endpoint(link, &at.local, sizeof(at.local));
    } else if (inet_pton(AF_INET, address->host, &at.v4.sin_addr) == 1) {
        at.v4.sin_family = AF_INET;
        at.v4.sin_port = htons(address->port);
        add_endpoint(link, &at.v4, sizeof(at.v4));
    } else if (inet_pton(AF_INET6, address->host, &at.v6.sin6_addr) == 1) {
        at.v6.sin6_family = AF_INET6;
        at.v6.sin6_port = htons(address->port);
        add_endpoint(link, &at.v6, sizeof(at.v6));
    }
    return link->endpoint_count > 0;
}

void redis_link_connect(struct redis_link *link)
{
    uv_update_time(&link->options.loop->uv);
    link->attempt_end_ms = redis_link_now_ms(link) + link->options.timeout_ms;
    link->endpoint_count = 0;
    if (find_address(link)) {
        connect_first(link);
    } else {
        set_attempt_timer(link, 1);
        resolve_name(link);
    }
}

void redis_link_connect_abandon(struct redis_link *link)
{
    if (link->resolve) {
        link->resolve->link = NULL;
        uv_cancel((uv_req_t *)&link->resolve->request);
        link->resolve = NULL;
    }
    redis_link_drop_socket(link);
}

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "net/net_private.h"

#define LISTEN_BACKLOG 1024
#define ACCEPTS_PER_TURN 64 /* then the loop's connections get theirs */
#define ACCEPT_RETRY_MS 100 /* without descriptors or memory */

/* An accepted socket on its way to another loop. */
struct handover {
    struct loop_task task;
    struct net_loop *to;
    int fd;
};

static int try_address(const struct addrinfo *address)
{
    static const int ON = 1;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    address->ai_protocol);
    if (fd < 0)
        return -1;
    /* TCP_NODELAY is inherited by accepted sockets. No SO_REUSEPORT: a second server must fail. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &ON, sizeof(ON)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &ON, sizeof(ON)) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

status net_listener_bind(struct net_listener *listener, const struct net_options *options,
                         struct error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    char port[8];
    snprintf(port, sizeof(port), "%u", options->port);
    int result = getaddrinfo(options->host, port, &hints, &addresses);
    if (result != 0)
        return error_set(error, STATUS_IO, "listen", "cannot resolve the host '%s': %s",
                         options->host, gai_strerror(result));
    int fd = -1;
    for (struct addrinfo *address = addresses; address && fd < 0; address = address->ai_next)
        fd = try_address(address);
    int reason = errno;
    freeaddrinfo(addresses);
    if (fd < 0)
        return error_set(error, STATUS_IO, "listen", "cannot listen on %s port %u: %s",
                         options->host, options->port, strerror(reason));
    listener->fd = fd;
    listener->port = port_of(fd);
    return OK;
}

static struct net_loop *loop_with_fewest(struct net_server *server)
{
    struct net_listener *listener = &server->listener;
    unsigned count = server->options.loop_count;
    struct net_loop *best = NULL;
    uint32_t fewest = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        struct net_loop *candidate = &server->loops[(listener->next_loop + i) % count];
        uint32_t held = atomic_load_explicit(&candidate->connection_count, memory_order_relaxed);
        if (held < fewest) {
            fewest = held;
            best = candidate;
        }
    }
    listener->next_loop = (listener->next_loop + 1) % count;
    return best;
}

static void run_handover(struct loop_task *task)
{
    struct handover *handover = CONTAINER_OF(task, struct handover, task);
    net_connection_open(handover->to, handover->fd);
    memory_free(handover);
}

static void hand_over(struct net_server *server, int fd)
{
    struct net_loop *to = loop_with_fewest(server);
    atomic_fetch_add(&to->connection_count, 1);
    atomic_fetch_add(&server->connection_count, 1);
    atomic_fetch_add(&server->holds, 1);
    net_count(&server->loops[0].counters.accepted, 1);
    if (to == &server->loops[0]) {
        net_connection_open(to, fd);
        return;
    }
    struct handover *handover = memory_alloc(sizeof(*handover));
    if (handover == NULL) {
        close(fd);
        net_connection_forget(to);
        return;
    }
    *handover = (struct handover){.task = {.run = run_handover}, .to = to, .fd = fd};
    loop_post(to->loop, &handover->task);
}

static void on_retry(uv_timer_t *timer)
{
    struct net_server *server = timer->data;
    net_listener_room(server);
}

/* Level-triggered polling would spin while nothing can be accepted. */
static void pause_accepting(struct net_server *server, bool retry)
{
    struct net_listener *listener = &server->listener;
    atomic_store(&listener->pause, LISTENER_PAUSED);
    uv_poll_stop(&listener->poll);
    if (retry)
        uv_timer_start(&listener->retry, on_retry, ACCEPT_RETRY_MS, 0);
    else if (atomic_load(&server->connection_count) < server->options.connections)
        net_listener_room(server); /* one closed before it could see the pause */
}

static void on_acceptable(uv_poll_t *poll, int result, int events)
{
    struct net_server *server = poll->data;
    struct net_listener *listener = &server->listener;
    (void)result;
    (void)events;
    loop_enter(server->loops[0].loop);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (atomic_load(&server->connection_count) >= server->options.connections) {
            pause_accepting(server, false);
            return;
        }
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(server, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(server, true);
            return;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* What remains (ECONNABORTED, EPROTO, EINTR …) is this one connection's fate. */
    }
}

static void start_polling(struct net_listener *listener)
{
    ASSERT(uv_poll_start(&listener->poll, UV_READABLE, on_acceptable) == 0);
}

static void run_resume(struct loop_task *task)
{
    struct net_listener *listener = CONTAINER_OF(task, struct net_listener, resume_task);
    if (listener->closed)
        return;
    uv_timer_stop(&listener->retry);
    atomic_store(&listener->pause, LISTENER_RUNS);
    start_polling(listener);
}

void net_listener_room(struct net_server *server)
{
    struct net_listener *listener = &server->listener;
    int paused = LISTENER_PAUSED;
    if (likely(atomic_load(&listener->pause) != LISTENER_PAUSED))
        return;
    if (atomic_compare_exchange_strong(&listener->pause, &paused, LISTENER_RESUMING))
        loop_post(server->loops[0].loop, &listener->resume_task);
}

status net_listener_start(struct net_server *server, struct error *error)
{
    struct net_listener *listener = &server->listener;
    uv_loop_t *uv = &server->loops[0].loop->uv;
    int result = uv_poll_init(uv, &listener->poll, listener->fd);
    if (result != 0)
        return error_set(error, STATUS_IO, "listen", "cannot watch the listening socket: %s",
                         uv_strerror(result));
    ASSERT(uv_timer_init(uv, &listener->retry) == 0);
    listener->poll.data = server;
    listener->retry.data = server;
    listener->resume_task.run = run_resume;
    start_polling(listener);
    return OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct net_server *server = handle->data;
    close(server->listener.fd);
    net_server_handle_closed(handle);
}

void net_listener_close(struct net_server *server)
{
    struct net_listener *listener = &server->listener;
    listener->closed = true;
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
    uv_close((uv_handle_t *)&listener->retry, net_server_handle_closed);
}

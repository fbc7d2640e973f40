#include "online/redis/redis_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES 3

enum phase { PHASE_CONNECT, PHASE_TLS, PHASE_OPEN };

struct redis_socket {
    uv_poll_t poll;
    struct loop *loop;
    int fd;
    int polled; /* for which events */
    enum phase phase;
    void *tls;
    const char *host;
    struct redis_tls_session *session;
    const struct redis_socket_callbacks *callbacks;
    void *user;
    void (*closed)(void *user);
};

static status failure(struct error *error, const char *type, const char *what, int number)
{
    return error_set(error, STATUS_UNAVAILABLE, type, "%s: %s", what, strerror(number));
}

static void on_poll(uv_poll_t *poll, int uv_status, int events);

static void poll_for(struct redis_socket *socket, int events)
{
    if (socket->polled == events)
        return;
    socket->polled = events;
    uv_poll_start(&socket->poll, events, on_poll);
}

static void fail(struct redis_socket *socket, const struct error *error)
{
    socket->callbacks->failed(socket->user, error);
}

static void opened(struct redis_socket *socket)
{
    socket->phase = PHASE_OPEN;
    poll_for(socket, UV_READABLE);
    socket->callbacks->opened(socket->user);
}

static void continue_tls(struct redis_socket *socket)
{
    struct error error;
    switch (redis_tls_handshake(socket->session, &error)) {
    case REDIS_IO_DONE:
        opened(socket);
        break;
    case REDIS_IO_WANT_READ:
        poll_for(socket, UV_READABLE);
        break;
    case REDIS_IO_WANT_WRITE:
        poll_for(socket, UV_WRITABLE);
        break;
    case REDIS_IO_FAILED:
        fail(socket, &error);
    }
}

static void connected(struct redis_socket *socket)
{
    int number = 0;
    socklen_t len = sizeof(number);
    struct error error;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    if (number != 0) {
        failure(&error, "store_away", "cannot connect", number);
        fail(socket, &error);
        return;
    }
    if (socket->tls == NULL) {
        opened(socket);
        return;
    }
    if (!status_is_ok(
            redis_tls_start(socket->tls, socket->fd, socket->host, &socket->session, &error))) {
        fail(socket, &error);
        return;
    }
    socket->phase = PHASE_TLS;
    continue_tls(socket);
}

/* Replies first: they are what somebody waits for. A socket in error is readable, and reading says
 * why. */
static void on_poll(uv_poll_t *poll, int uv_status, int events)
{
    struct redis_socket *socket = CONTAINER_OF(poll, struct redis_socket, poll);
    loop_enter(socket->loop);
    if (uv_status < 0)
        events = UV_READABLE | UV_WRITABLE;
    switch (socket->phase) {
    case PHASE_CONNECT:
        connected(socket);
        return;
    case PHASE_TLS:
        continue_tls(socket);
        return;
    case PHASE_OPEN:
        if (events & UV_READABLE)
            socket->callbacks->readable(socket->user);
        if (!uv_is_closing((uv_handle_t *)poll) && (events & UV_WRITABLE)) {
            poll_for(socket, UV_READABLE);
            socket->callbacks->writable(socket->user);
        }
    }
}

/* A peer that has vanished is found out by the time-out of commands; an idle connection by probes.
 */
static void set_options(int fd, int family)
{
    int on = 1;
    int idle = KEEPALIVE_IDLE_S;
    int interval = KEEPALIVE_INTERVAL_S;
    int probes = KEEPALIVE_PROBES;
    if (family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

status redis_socket_open(const struct redis_socket_options *options, struct redis_socket **out,
                         struct error *error)
{
    int family = options->address->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failure(error, "store_away", "cannot make a socket", errno);
    set_options(fd, family);
    if (connect(fd, options->address, options->address_len) != 0 && errno != EINPROGRESS) {
        int number = errno;
        close(fd);
        return failure(error, "store_away", "cannot connect", number);
    }
    struct redis_socket *made = memory_alloc_zero(sizeof(*made));
    if (made == NULL || uv_poll_init(&options->loop->uv, &made->poll, fd) != 0) {
        memory_free(made);
        close(fd);
        return failure(error, "store_away", "cannot watch a socket", ENOMEM);
    }
    made->loop = options->loop;
    made->fd = fd;
    made->tls = options->tls;
    made->host = options->host;
    made->callbacks = options->callbacks;
    made->user = options->user;
    poll_for(made, UV_WRITABLE);
    *out = made;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_socket *socket =
        CONTAINER_OF((uv_poll_t *)(void *)handle, struct redis_socket, poll);
    void (*closed)(void *user) = socket->closed;
    void *user = socket->user;
    loop_enter(socket->loop);
    memory_free(socket);
    closed(user);
}

/* The descriptor may go at once: uv_close() has stopped the polling. */
void redis_socket_close(struct redis_socket *socket, void (*closed)(void *user))
{
    socket->closed = closed;
    uv_close((uv_handle_t *)&socket->poll, on_closed);
    redis_tls_end(socket->session);
    socket->session = NULL;
    close(socket->fd);
}

bool redis_socket_awaits_tls(const struct redis_socket *socket)
{
    return socket->phase == PHASE_TLS;
}

enum redis_io redis_socket_read(struct redis_socket *socket, char *out, size_t capacity,
                                size_t *len, struct error *error)
{
    if (socket->session)
        return redis_tls_read(socket->session, out, capacity, len, error);
    ssize_t got = recv(socket->fd, out, capacity, 0);
    if (got > 0) {
        *len = (size_t)got;
        return REDIS_IO_DONE;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return REDIS_IO_WANT_READ;
    if (got == 0)
        error_set(error, STATUS_UNAVAILABLE, "store_away", "it closed the connection");
    else
        failure(error, "store_away", "the connection is lost", errno);
    return REDIS_IO_FAILED;
}

static enum redis_io write_some(struct redis_socket *socket, const char *data, size_t len,
                                size_t *written, struct error *error)
{
    if (socket->session)
        return redis_tls_write(socket->session, data, len, written, error);
    ssize_t sent = send(socket->fd, data, len, MSG_NOSIGNAL);
    if (sent >= 0) {
        *written = (size_t)sent;
        return REDIS_IO_DONE;
    }
    if (errno == EAGAIN || errno == EINTR)
        return REDIS_IO_WANT_WRITE;
    failure(error, "store_away", "the connection is lost", errno);
    return REDIS_IO_FAILED;
}

enum redis_io redis_socket_write(struct redis_socket *socket, const char *data, size_t len,
                                 size_t *written, struct error *error)
{
    size_t total = 0;
    enum redis_io io = REDIS_IO_DONE;
    while (total < len && io == REDIS_IO_DONE) {
        size_t more = 0;
        io = write_some(socket, data + total, len - total, &more, error);
        total += more;
    }
    if (io == REDIS_IO_WANT_WRITE)
        poll_for(socket, UV_READABLE | UV_WRITABLE);
    if (io == REDIS_IO_WANT_READ) {
        error_set(error, STATUS_UNAVAILABLE, "store_tls", "it wants to renegotiate TLS");
        io = REDIS_IO_FAILED;
    }
    *written = total;
    return io;
}

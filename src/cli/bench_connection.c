#include "cli/bench_loop_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

static void watch(struct bench_connection *connection, int operation, bool wants_write)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = connection};
    connection->wants_write = wants_write;
    epoll_ctl(connection->engine->epoll, operation, connection->fd, &event);
}

void bench_connection_close(struct bench_connection *connection, int64_t retry_ns)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->state = BENCH_DOWN;
    connection->retry_ns = retry_ns;
    buffer_reset(&connection->unsent, 0);
}

void bench_connection_open(struct bench_connection *connection, int64_t now_ns)
{
    const struct bench_address *address = &connection->engine->loop->address;
    int on = 1;
    connection->retry_ns = now_ns + BENCH_RETRY_NS;
    connection->fd =
        socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0)
        return;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int connected =
        connect(connection->fd, (const struct sockaddr *)&address->socket, address->len);
    if (connected != 0 && errno != EINPROGRESS) {
        bench_connection_close(connection, connection->retry_ns);
        return;
    }
    llhttp_init(&connection->parser, HTTP_RESPONSE, &connection->engine->parser_settings);
    connection->parser.data = connection;
    connection->state = BENCH_CONNECTING;
    watch(connection, EPOLL_CTL_ADD, true);
}

static void fail(struct bench_connection *connection)
{
    if (connection->state == BENCH_BUSY)
        bench_engine_broken(connection);
    bench_connection_close(connection, clock_monotonic_ns() + BENCH_RETRY_NS);
}

/* What send() took of the bytes; -1: the connection has failed. */
static ssize_t send_some(struct bench_connection *connection, const char *data, size_t len)
{
    ssize_t sent;
    do
        sent = send(connection->fd, data, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

void bench_connection_send(struct bench_connection *connection, int64_t began_ns, int64_t now_ns)
{
    struct bench_engine *engine = connection->engine;
    const struct buffer *next = &engine->next;
    connection->state = BENCH_BUSY;
    connection->kind = engine->next_kind;
    connection->began_ns = began_ns;
    connection->sent_ns = now_ns;
    engine->busy++;
    ssize_t sent = send_some(connection, next->data, next->len);
    if (sent >= 0 && (size_t)sent < next->len) {
        buffer_append(&connection->unsent, next->data + sent, next->len - (size_t)sent);
        watch(connection, EPOLL_CTL_MOD, true);
    }
    if (sent < 0 || connection->unsent.failed)
        fail(connection);
    engine->next_kind = bench_renderer_next(&engine->renderer, &engine->next);
}

void bench_connection_time_out(struct bench_connection *connection, int64_t now_ns)
{
    bench_connection_close(connection, now_ns);
}

static void writable(struct bench_connection *connection)
{
    if (connection->state == BENCH_CONNECTING) {
        int failure = 0;
        socklen_t len = sizeof(failure);
        if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0 || failure != 0) {
            fail(connection);
            return;
        }
        watch(connection, EPOLL_CTL_MOD, false);
        bench_engine_free(connection, clock_monotonic_ns());
        return;
    }
    struct buffer *unsent = &connection->unsent;
    ssize_t sent = unsent->len > 0 ? send_some(connection, unsent->data, unsent->len) : 0;
    if (sent < 0) {
        fail(connection);
        return;
    }
    buffer_consume(unsent, (size_t)sent);
    if (unsent->len == 0)
        watch(connection, EPOLL_CTL_MOD, false);
}

static void take_answer(struct bench_connection *connection)
{
    unsigned http_status = connection->parser.status_code;
    int64_t now_ns = clock_monotonic_ns();
    connection->answered = false;
    bench_engine_answered(connection, http_status, now_ns);
    if (connection->keeps_alive && connection->unsent.len == 0)
        bench_engine_free(connection, now_ns);
    else
        bench_connection_close(connection, now_ns);
}

static void readable(struct bench_connection *connection)
{
    struct bench_engine *engine = connection->engine;
    ssize_t got = recv(connection->fd, engine->receive, sizeof(engine->receive), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got > 0 && connection->state == BENCH_BUSY) {
        int64_t sent_ns = connection->sent_ns;
        if (sent_ns >= engine->loop->measure_ns && !engine->draining)
            engine->loop->counts->bytes_in += (uint64_t)got;
    }
    /* bytes of nothing that was asked for are as bad as an end, and an end may finish an answer */
    llhttp_errno_t parsed = HPE_OK;
    if (got > 0)
        parsed = llhttp_execute(&connection->parser, engine->receive, (size_t)got);
    else if (got == 0)
        parsed = llhttp_finish(&connection->parser);
    if (parsed == HPE_OK && connection->answered && connection->state == BENCH_BUSY)
        take_answer(connection);
    else if (parsed != HPE_OK || got <= 0 || connection->state != BENCH_BUSY)
        fail(connection);
}

void bench_connection_ready(struct bench_connection *connection, uint32_t events)
{
    if (connection->fd >= 0 && connection->wants_write &&
        (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        writable(connection);
    if (connection->fd >= 0 && connection->state >= BENCH_IDLE &&
        (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        readable(connection);
}

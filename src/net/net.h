/* TCP for a server: one listener, connections spread over event loops, input without copying,
 * output corked and bounded, deadlines, drain. Knows nothing of what is said on a connection: that
 * is the protocol's (http/).
 *
 * Input arrives in a buffer of the loop, which the protocol reads in place. What it does not
 * consume waits while the connection is paused. Output is appended to net_connection_out() and
 * leaves in one write before the loop polls again, or at net_connection_flush().
 *
 * A connection lives on one loop; all functions on it are for that loop's thread. It may close
 * inside any function here that says so; after that only net_connection_is_closing() may be asked,
 * until the callback in progress returns. */
#ifndef FEATURED_NET_NET_H
#define FEATURED_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"

#define NET_READ_BYTES (64u << 10)            /* one read; the longest input that is not copied */
#define NET_OUT_LIMIT_BYTES ((size_t)1 << 30) /* unsent output of one connection */
#define NET_LINGER_MS 2000 /* after the last answer of a client that still sends */
#define NET_LINGER_BYTES (4u << 20)

struct net_server;
struct net_loop;
struct net_connection;
struct net_input;

struct net_protocol {
    size_t connection_bytes; /* of the protocol's struct, which begins with struct net_connection */
    /* The struct beyond its net_connection is zeroed. */
    void (*open)(struct net_connection *connection);
    /* Returns how much it used; less than `len` only after net_connection_pause(), or if it closed
     * or finished the connection. `len` may be 0 after net_connection_resume(). */
    size_t (*receive)(struct net_connection *connection, const char *data, size_t len);
    /* The peer sends no more, and everything it sent was consumed. */
    void (*end)(struct net_connection *connection);
    /* Output has left; see net_connection_unsent(). */
    void (*sent)(struct net_connection *connection);
    /* The deadline was reached. */
    void (*expire)(struct net_connection *connection);
    /* The server drains: close now or soon. net_is_draining() is true from here on. */
    void (*drain)(struct net_connection *connection);
    /* The last call. */
    void (*close)(struct net_connection *connection);
};

struct net_connection {
    uv_tcp_t tcp;
    struct net_loop *net_loop;
    /* private */
    struct net_connection *next;
    struct net_connection **link;
    struct deadline deadline;
    int64_t protocol_deadline_ms;
    int64_t write_deadline_ms;
    size_t unwritten_before; /* when the write deadline was set */
    struct net_input *input;
    size_t input_at;
    size_t input_end;
    size_t lingered_bytes;
    struct buffer out;
    struct buffer sending;
    uv_write_t write_request;
    uv_shutdown_t shutdown_request;
    struct loop_task resume;
    struct loop_task flush;
    bool flush_queued;
    bool reading;
    bool paused;
    bool delivering;
    bool resume_queued;
    bool ended;
    bool end_told;
    bool finishing;
    bool linger;
    bool shut;
    bool closing;
    bool closed;
};

struct net_options {
    const char *host; /* "127.0.0.1", "::1", "0.0.0.0" or a name */
    uint16_t port;    /* 0: the kernel chooses */
    uint32_t connections;
    int64_t write_timeout_ms; /* a peer that takes nothing for so long is cut off */
    const struct net_protocol *protocol;
    void *context;
    struct loop *loops;
    unsigned loop_count;
};

/* Binds, listens (exclusively: no other process may share the port) and accepts on loops[0]. Call
 * before the loops run, or on loops[0]. A peer that goes away must not end the process: SIGPIPE is
 * ignored from here on. */
MUST_CHECK status net_server_start(const struct net_options *options, struct net_server **out,
                                   struct error *error);
uint16_t net_server_port(const struct net_server *server);
/* Stops accepting, tells every connection, cuts off the rest after `timeout_ms`, and calls
 * `drained` on loops[0] once all is closed and all holds are released. On loops[0], once. */
void net_server_drain(struct net_server *server, int64_t timeout_ms, void (*drained)(void *user),
                      void *user);
/* After drained, once the loops have stopped. */
void net_server_destroy(struct net_server *server);

struct net_counters { /* per loop, read by any thread */
    _Atomic uint64_t accepted;
    _Atomic uint64_t timed_out;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t bytes_sent;
};
uint32_t net_server_connections(const struct net_server *server);
const struct net_counters *net_server_counters(const struct net_server *server, unsigned loop);

struct loop *net_loop_of(const struct net_loop *net_loop);
void *net_loop_context(const struct net_loop *net_loop); /* struct net_options.context */
bool net_is_draining(const struct net_loop *net_loop);
/* Keeps drain from ending while work of a closed connection is still under way. */
void net_hold(struct net_loop *net_loop);
void net_release(struct net_loop *net_loop);

static inline bool net_connection_is_closing(const struct net_connection *connection)
{
    return connection->closing;
}

/* The peer has said that it sends no more. */
static inline bool net_connection_ended(const struct net_connection *connection)
{
    return connection->ended;
}

/* Inside receive(): the bytes given stay where they are until net_input_release(), which may come
 * later than the connection's end. Same loop. */
struct net_input *net_input_keep(struct net_connection *connection);
void net_input_release(struct net_loop *net_loop, struct net_input *input);

/* Stops and continues delivery; with it reading from the socket, so that a peer which sends more is
 * stopped. Continuing delivers in the loop's next iteration. */
void net_connection_pause(struct net_connection *connection);
void net_connection_resume(struct net_connection *connection);

struct buffer *net_connection_out(struct net_connection *connection);
/* Sends now. May close the connection. */
void net_connection_flush(struct net_connection *connection);
/* Sends before the loop polls: all answers of an iteration leave one after the other, which costs the
 * kernel less than reading and writing in turn, and peers are woken once. After receive() this happens
 * by itself. */
void net_connection_flush_soon(struct net_connection *connection);
size_t net_connection_unsent(const struct net_connection *connection);

/* Milliseconds of uv_now(); DEADLINE_NEVER: none. */
void net_connection_set_deadline(struct net_connection *connection, int64_t at_ms);
void net_connection_count_timeout(struct net_connection *connection);

/* Closes once the output has left; receive() is called no more. With `linger` (the peer may still
 * be sending) the output is closed first and input discarded for a moment, so that what was sent is
 * not destroyed by a reset. May close the connection. */
void net_connection_finish(struct net_connection *connection, bool linger);
/* At once; unsent output is lost. */
void net_connection_close(struct net_connection *connection);

#endif

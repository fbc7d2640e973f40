/* The HTTP/1.1 server: requests in, answers out. Knows nothing of features.
 *
 * A handler gets a `struct http_exchange` on the connection's loop, online in the epoch, and
 * answers it exactly once: in the call, or later on the same loop. A connection has one exchange at
 * a time; pipelined requests wait in the read buffer, and reading stops while one is answered late.
 * All memory of a request comes from exchange->arena, which is reset when the answer has left.
 *
 * The exchange is the handler's until it is answered. Answered inside a callback (handler,
 * on_body), it stays valid until that callback returns; answered later, it is gone when the
 * answering function returns. An arena or exchange must not be touched after that.
 *
 * If the client goes away while an exchange is open, the exchange stays valid until it is answered
 * (the answer goes nowhere); exchange->gone tells. */
#ifndef FEATURED_HTTP_HTTP_H
#define FEATURED_HTTP_HTTP_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/histogram.h"
#include "http/http_limits.h"
#include "runtime/loop.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER, /* known to the parser, served by no route */
};

struct http_header {
    str name;
    str value;
};

#define HTTP_PATH_PARAMETERS_MAX 2

struct http_exchange;
typedef void (*http_handler)(struct http_exchange *exchange);

/* One line of the route table. `path` is a pattern: "/features/online/{entity_id}"; a segment in
 * braces matches one non-empty raw segment; literals win over it, whatever
 * their method. HEAD is served by GET's handler
 * (the body is left out), OPTIONS by the router. */
struct http_route {
    enum http_method method;
    const char *path;
    http_handler handler;
    /* Streamed body: the handler runs when the headers are complete and must set on_body. */
    bool streams_body;
};

struct http_request {
    enum http_method method;
    str path;  /* raw, percent-encoded */
    str query; /* raw, without the '?' */
    const struct http_header *headers;
    uint32_t header_count;
    str path_parameters[HTTP_PATH_PARAMETERS_MAX]; /* percent-decoded bytes */
    str body;                                      /* whole; empty for streamed routes */
    str request_id;                                /* printable ASCII */
    bool http_1_0;
};

struct http_exchange {
    struct http_request request;
    struct arena arena;
    struct loop *loop;
    void *context; /* the server's user pointer: struct http_server_options.context */
    const struct http_route *route;
    bool gone; /* the client is away; finish quickly */
    /* Streamed routes. on_body is called for each piece (valid during the call) and, with an empty
     * piece and `last`, at the end. If the client goes away in the middle, on_body_gone. If the
     * rest cannot be read (malformed, too large, too slow), on_body_failed: the handler answers
     * with that error (borrowed), now or later, and what it has to say beside it, and the
     * connection ends with the answer. Without that one the server answers, and on_body_gone is
     * called. At most one of the two is; after the answer none; what is left of the body is
     * discarded or the connection closed. */
    void (*on_body)(struct http_exchange *exchange, str piece, bool last);
    void (*on_body_gone)(struct http_exchange *exchange);
    void (*on_body_failed)(struct http_exchange *exchange, const struct error *error);
    void *user; /* the handler's own state, in the arena */
    bool again; /* the handler's own: it is being called a second time for the same request */
};

str http_header_get(const struct http_request *request, str name); /* empty if absent */

struct http_query_parameter {
    str name;
    str value;
};
/* All of them in order, in the arena. MALFORMED with a detail for bad escapes or text that is not
 * UTF-8. */
MUST_CHECK status http_query_parse(str query, struct arena *arena,
                                   struct http_query_parameter **out, uint32_t *count,
                                   struct error *error);
/* Percent-decodes a path segment; false on a bad escape. *out may be the input itself. */
MUST_CHECK bool http_percent_decode(str text, bool plus_is_space, struct arena *arena, str *out);
/* Appends text with every byte but unreserved ones (RFC 3986) as %XX. */
void http_percent_encode(struct buffer *out, str text);

/* Adds a header to the answer; name and value are borrowed until the answer is begun and must not
 * hold control bytes (asserted: nothing from a request gets here unescaped). */
void http_set_header(struct http_exchange *exchange, str name, str value);

/* A whole answer; the body is copied. For HEAD the body is counted and left out. `content_type` may
 * be empty if there is no body. */
void http_respond(struct http_exchange *exchange, int code, str content_type, str body);

/* A whole answer written straight into the connection's output, with no copy: begin gives a buffer
 * to append the body to, end sends it. Nothing may happen in between but appending. If the buffer
 * failed, end answers 503. */
struct buffer *http_respond_begin(struct http_exchange *exchange, int code, str content_type);
void http_respond_end(struct http_exchange *exchange);

/* problem+json (422: FastAPI's list) from an error. */
void http_respond_error(struct http_exchange *exchange, const struct error *error);
/* The same with more members: begin leaves the object open, the caller appends `,"name":value`…,
 * and end (with what begin gave) closes it and sends. */
struct buffer *http_respond_error_begin(struct http_exchange *exchange, const struct error *error);
void http_respond_error_end(struct http_exchange *exchange, struct buffer *out);

/* What a piece of a streamed answer was. */
enum http_piece {
    HTTP_PIECE_MORE, /* others follow; this one may be empty */
    HTTP_PIECE_WAIT, /* the same, but the next not before http_stream_resume() */
    HTTP_PIECE_LAST,
    HTTP_PIECE_BROKEN, /* the rest cannot be had: the connection ends, so that nobody takes what
                          was sent for the whole */
};

/* A streamed answer of unknown length (chunked; HTTP/1.0: closes at the end). `produce` is called
 * on the loop whenever there is room and appends a piece (at most about 200 µs of work); between
 * two pieces other connections get their turn. It is not called again once the client is gone, but
 * `finish` always is, once, at the end; while the stream waits, not before http_stream_resume(): what
 * is awaited may be using the exchange's memory. */
struct http_stream {
    enum http_piece (*produce)(struct http_exchange *exchange, struct buffer *out);
    void (*finish)(struct http_exchange *exchange); /* may be NULL */
};
void http_respond_stream(struct http_exchange *exchange, int code, str content_type,
                         struct http_stream stream);
/* Ends the wait of HTTP_PIECE_WAIT; nothing if there is none. `produce` or `finish` is called later,
 * not in the call. */
void http_stream_resume(struct http_exchange *exchange);

/* Streamed request bodies: stop and go on reading from the socket. Nothing is given to on_body from
 * pause to resume (but the one call for an empty body). */
void http_body_pause(struct http_exchange *exchange);
void http_body_resume(struct http_exchange *exchange);

struct http_metrics_route {        /* per loop and route */
    _Atomic uint64_t responses[6]; /* by status class: [2] is 2xx */
    struct histogram duration;
};

struct http_server_options {
    const char *host; /* "127.0.0.1", "::1", "0.0.0.0" or a name */
    uint16_t port;    /* 0: the kernel chooses */
    struct http_limits limits;
    const char *cors_origin; /* NULL: no CORS headers; "*" or one origin */
    const struct http_route *routes;
    size_t route_count;
    void *context;
    struct loop *loops; /* connections are spread over these; the first also accepts */
    unsigned loop_count;
};

struct http_server;

/* Binds, listens (exclusively) and starts to accept. Call before the loops run, or on loops[0]. */
MUST_CHECK status http_server_start(const struct http_server_options *options,
                                    struct http_server **out, struct error *error);
uint16_t http_server_port(const struct http_server *server);
/* Stops accepting, lets exchanges in flight finish (answers carry "Connection: close"), closes idle
 * connections at once and the rest after `timeout_ms`; then calls `drained` on loops[0]. Exchanges
 * whose handler has not answered are waited for even then: their memory is the server's. On
 * loops[0]. */
void http_server_drain(struct http_server *server, int64_t timeout_ms, void (*drained)(void *user),
                       void *user);
/* After drained, once the loops have stopped. */
void http_server_destroy(struct http_server *server);

/* Sums over loops. Any thread. */
struct http_server_metrics {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_timed_out;
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t requests_malformed; /* refused before a route was found */
};
void http_server_metrics_read(const struct http_server *server, struct http_server_metrics *out);
const struct http_metrics_route *http_server_route_metrics(const struct http_server *server,
                                                           unsigned loop, size_t route);

#endif

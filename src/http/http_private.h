/* What the files of this folder share: server, per-loop state, connection, message. */
#ifndef FEATURED_HTTP_HTTP_PRIVATE_H
#define FEATURED_HTTP_HTTP_PRIVATE_H

#include <stdatomic.h>

#include "http/http.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "net/net.h"

#define HTTP_ID_BYTES 20    /* of an X-Request-Id of ours */
#define HTTP_DATE_BYTES 37  /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
#define HTTP_ALLOW_BYTES 48 /* all methods, comma separated */
#define HTTP_SPARE_MESSAGES_MAX 32
#define HTTP_OWN_HEADERS_MAX 5 /* set by the server itself, beyond the handlers' */
#define HTTP_TURN_REQUESTS 64  /* pipelined requests served before other connections get a turn */

struct http_server {
    struct http_server_options options;
    struct net_server *net;
    struct router *router;
    struct http_loop *loops;
    struct buffer cors; /* header lines of every answer, empty without CORS */
};

/* One per event loop, touched by its thread only (but for the metrics). */
struct http_loop {
    struct http_server *server;
    struct http_message *spare_messages;
    unsigned spare_message_count;
    int64_t clock_ns; /* when the present callback or the last answer was */
    int64_t date_until_ms;
    char date[HTTP_DATE_BYTES];
    char id[HTTP_ID_BYTES]; /* process, loop, counter; in hex */
    uint64_t id_counter;
    struct buffer nowhere; /* answers to clients that are gone */
    struct http_metrics_route *metrics;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t requests_malformed;
};

/* A request from its first byte until its answer is complete. Pooled per loop; an idle connection
 * has none. Outlives the connection if the client goes away before the handler has answered. */
struct http_message {
    struct http_exchange exchange;
    struct http_message *next;          /* while spare */
    struct http_connection *connection; /* NULL: the client is gone */
    struct net_loop *net_loop;
    struct http_loop *http_loop;
    struct net_input *kept; /* what the request's views point into, if it is answered late */
    int64_t started_ns;
    int route;        /* index, or ROUTER_NONE */
    bool dispatched;  /* the handler has been called */
    bool complete;    /* the whole request has come */
    bool in_callback; /* handler or on_body is running: what follows an answer waits for it */
    bool answered;
    bool close; /* the answer said so */
    bool body_paused;
    bool body_failed; /* the handler was told so, and answers */
    /* the answer */
    struct buffer *out;
    int status;
    bool head_only;
    bool has_length;
    bool degraded;    /* it is the 503 for an answer that did not fit */
    size_t answer_at; /* in out: where it starts, its length field and its body */
    size_t length_at;
    size_t body_at;
    struct http_header answer_headers[HTTP_RESPONSE_HEADERS_MAX + HTTP_OWN_HEADERS_MAX];
    unsigned answer_header_count;
    struct http_stream stream;
    struct loop_task pump;
    bool streaming;
    bool chunked;
    bool pump_queued;
    bool waits_for_room;
    bool waits_for_more; /* until http_stream_resume() */
    char id[HTTP_ID_BYTES];
    char allow[HTTP_ALLOW_BYTES];
    struct http_header headers[HTTP_HEADERS_MAX];
    struct request_parser parser; /* last: its spans are long */
};

struct http_connection {
    struct net_connection net;
    struct http_message *message;
    int64_t since_ms; /* first byte, or last progress, of the request under way; 0: none */
    bool waits_for_room;
};

static inline struct http_message *http_message_of(struct http_exchange *exchange)
{
    return CONTAINER_OF(exchange, struct http_message, exchange);
}

/* http_message.c */
struct http_message *http_message_take(struct http_connection *connection);
void http_message_recycle(struct http_message *message);
void http_message_free(struct http_message *message);
void http_message_assign_id(struct http_message *message);

/* http_connection.c */
extern const struct net_protocol http_protocol;
/* The answer is complete (in the output). Outside of a callback the message is gone afterwards. */
void http_message_answered(struct http_message *message);

/* http_dispatch.c */
void http_dispatch(struct http_message *message);
void http_find_route(struct http_message *message);

/* http_stream.c */
void http_stream_continue(struct http_message *message);
/* The client is gone: ends the stream, and with it the message, now or when its task runs. */
void http_stream_abandon(struct http_message *message);

/* http_respond.c */
void http_add_header(struct http_message *message, str name, str value);
struct buffer *http_respond_head(struct http_exchange *exchange, int code, str content_type,
                                 bool chunked);

/* http_percent.c */
bool http_percent_is_valid(str text);

/* http_date.c */
const char *http_date_line(struct http_loop *http_loop, const struct loop *loop);

/* http_reason.c */
str http_reason(int code);

#endif

/* One HTTP/1.1 request out of bytes that arrive in any pieces. No sockets, no routing: bytes in,
 * events out. However the bytes are split, the events come to the same request or the same refusal.
 *
 * A request that lies whole in one piece is not copied: the views point into that piece. What must
 * survive the piece is copied when next() returns MORE, or by request_parser_retain(). llhttp's
 * strict rules apply; beyond them the parser checks the limits, the version, Host,
 * Transfer-Encoding and the form of the target. */
#ifndef FEATURED_HTTP_REQUEST_PARSER_H
#define FEATURED_HTTP_REQUEST_PARSER_H

#include "base/buffer.h"
#include "http/http.h"
#include "http/llhttp_prefixed.h"

enum request_event {
    REQUEST_MORE,     /* every byte was used; the request goes on */
    REQUEST_HEAD,     /* a body follows: say with request_parser_begin_body() what to do with it */
    REQUEST_PIECE,    /* streamed: parser->piece, valid until the next call */
    REQUEST_COMPLETE, /* the head, and unless streamed or skipped the body, may be read */
    REQUEST_FAILED,   /* parser->failure; the connection's framing is lost */
};

enum request_body_mode {
    REQUEST_BODY_HELD,
    REQUEST_BODY_STREAMED,
    REQUEST_BODY_SKIPPED,
};

struct request_span {
    uint32_t name_at; /* offsets in the head */
    uint32_t name_len;
    uint32_t value_at;
    uint32_t value_len;
};

struct request_parser {
    /* the limits, set by the owner */
    size_t header_bytes_max;
    size_t target_bytes_max;
    /* results */
    enum status_code failure;
    const char *failure_detail; /* a literal */
    enum http_method method;
    bool http_1_0;
    bool keep_alive;
    bool started; /* more than line ends has come */
    bool head_complete;
    bool chunked;
    uint64_t content_length; /* 0 if chunked */
    uint64_t body_bytes;     /* seen so far */
    str piece;
    str body;
    str expect; /* header values, empty if absent */
    str request_id;
    str origin;
    str request_method; /* Access-Control-Request-Method */
    /* private */
    llhttp_t llhttp;
    const char *base;    /* where the head lies: in the caller's piece or in `head` */
    const char *feeding; /* the bytes llhttp is looking at, and the head's offset of them */
    size_t fed;
    struct buffer head;
    struct buffer body_copy;
    enum request_body_mode mode;
    uint64_t body_bytes_max;
    uint32_t method_end;
    uint32_t target_at;
    uint32_t target_len;
    uint32_t trailer_bytes;
    uint32_t extension_bytes;
    uint32_t header_count;
    bool target_open;
    bool name_open;
    bool value_open;
    struct request_span spans[HTTP_HEADERS_MAX];
};

void request_parser_init(struct request_parser *parser, const struct http_limits *limits);
void request_parser_fini(struct request_parser *parser);
/* Ready for the next request; what the last one's views point to is gone. */
void request_parser_reset(struct request_parser *parser);

/* Goes on with the bytes; *used may be less than `len` only if the event is not MORE. To be called
 * until MORE, COMPLETE or FAILED comes, with no bytes if none are left: an event may need none. */
enum request_event request_parser_next(struct request_parser *parser, const char *data, size_t len,
                                       size_t *used);
/* After HEAD. FAILED's reason is set and false returned if the body is known to be longer. */
MUST_CHECK bool request_parser_begin_body(struct request_parser *parser,
                                          enum request_body_mode mode, uint64_t bytes_max);
/* Copies what points into the caller's piece; false (and failure set) without memory. Views taken
 * before are invalid. */
MUST_CHECK bool request_parser_retain(struct request_parser *parser);
/* The head as views, from HEAD or COMPLETE on. `headers` has HTTP_HEADERS_MAX places. */
void request_parser_view(const struct request_parser *parser, struct http_header *headers,
                         struct http_request *out);

#endif

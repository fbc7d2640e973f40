#include "base/assert.h"
#include "http/http_private.h"

#define LENGTH_DIGITS 10      /* NET_OUT_LIMIT_BYTES has no more */
#define NEAT_BODY_BYTES 16384 /* up to here the body is moved rather than the length padded */
#define FIXED_HEAD_BYTES 512  /* all of the head but what callers and clients choose */

str http_header_get(const struct http_request *request, str name)
{
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (str_eq_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return str_of(NULL, 0);
}

static bool is_header_text(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

void http_add_header(struct http_message *message, str name, str value)
{
    ASSERT(message->answer_header_count < ARRAY_LEN(message->answer_headers));
    message->answer_headers[message->answer_header_count++] = (struct http_header){name, value};
}

void http_set_header(struct http_exchange *exchange, str name, str value)
{
    struct http_message *message = http_message_of(exchange);
    ASSERT(message->answer_header_count < HTTP_RESPONSE_HEADERS_MAX);
    ASSERT(is_header_text(name) && is_header_text(value));
    http_add_header(message, name, value);
}

static char *put(char *at, str text)
{
    if (text.len)
        memcpy(at, text.data, text.len);
    return at + text.len;
}

#define PUT(at, literal) put(at, STR(literal))

static char *put_status_line(char *at, int code)
{
    if (likely(code == 200))
        return PUT(at, "HTTP/1.1 200 OK\r\n");
    at = PUT(at, "HTTP/1.1 ");
    *at++ = (char)('0' + code / 100);
    *at++ = (char)('0' + code / 10 % 10);
    *at++ = (char)('0' + code % 10);
    *at++ = ' ';
    at = put(at, http_reason(code));
    return PUT(at, "\r\n");
}

static char *put_header(char *at, str name, str value)
{
    at = put(at, name);
    at = PUT(at, ": ");
    at = put(at, value);
    return PUT(at, "\r\n");
}

static size_t head_bytes_max(const struct http_message *message, str content_type)
{
    size_t bytes = FIXED_HEAD_BYTES + content_type.len + message->http_loop->server->cors.len +
                   message->exchange.request.request_id.len;
    for (unsigned i = 0; i < message->answer_header_count; i++)
        bytes += message->answer_headers[i].name.len + message->answer_headers[i].value.len + 4;
    return bytes;
}

static struct buffer *out_of(struct http_message *message)
{
    if (likely(message->connection != NULL))
        return net_connection_out(&message->connection->net);
    buffer_reset(&message->http_loop->nowhere, HTTP_OUT_HIGH_BYTES);
    return &message->http_loop->nowhere;
}

static bool must_close(const struct http_message *message, bool chunked)
{
    const struct http_request *request = &message->exchange.request;
    return !message->complete || !message->parser.keep_alive ||
           net_is_draining(message->net_loop) || (chunked && request->http_1_0);
}

static char *put_connection(char *at, const struct http_message *message)
{
    if (message->close)
        return PUT(at, "Connection: close\r\n");
    if (message->exchange.request.http_1_0)
        return PUT(at, "Connection: keep-alive\r\n");
    return at;
}

static char *put_framing(char *at, struct http_message *message, bool chunked)
{
    if (chunked && !message->exchange.request.http_1_0)
        return PUT(at, "Transfer-Encoding: chunked\r\n\r\n");
    if (!message->has_length)
        return PUT(at, "\r\n");
    at = PUT(at, "Content-Length: ");
    message->length_at = (size_t)(at - message->out->data);
    return PUT(at + LENGTH_DIGITS, "\r\n\r\n");
}

struct buffer *http_respond_head(struct http_exchange *exchange, int code, str content_type,
                                 bool chunked)
{
    struct http_message *message = http_message_of(exchange);
    struct http_loop *http_loop = message->http_loop;
    ASSERT(!message->answered && code >= 200 && code <= 599);
    struct buffer *out = out_of(message);
    message->out = out;
    message->status = code;
    message->close = must_close(message, chunked);
    message->head_only = exchange->request.method == HTTP_HEAD;
    message->has_length = !chunked && code != 204 && code != 304;
    message->chunked = chunked && !exchange->request.http_1_0;
    message->answer_at = out->len;
    char *at = buffer_reserve(out, head_bytes_max(message, content_type));
    if (at == NULL)
        return out;
    at = put_status_line(at, code);
    at = put(at, str_of(http_date_line(http_loop, exchange->loop), HTTP_DATE_BYTES));
    at = put_header(at, STR("X-Request-Id"), exchange->request.request_id);
    at = put(at, buffer_str(&http_loop->server->cors));
    if (content_type.len)
        at = put_header(at, STR("Content-Type"), content_type);
    for (unsigned i = 0; i < message->answer_header_count; i++)
        at = put_header(at, message->answer_headers[i].name, message->answer_headers[i].value);
    at = put_connection(at, message);
    at = put_framing(at, message, chunked);
    out->len = (size_t)(at - out->data);
    message->body_at = out->len;
    return out;
}

struct buffer *http_respond_begin(struct http_exchange *exchange, int code, str content_type)
{
    return http_respond_head(exchange, code, content_type, false);
}

/* The length is known only now; its field has room for the longest. A short body is moved up, a
 * long one stays and the field is padded with spaces, which HTTP allows there. */
static void write_length(struct http_message *message)
{
    struct buffer *out = message->out;
    char digits[LENGTH_DIGITS];
    size_t from = LENGTH_DIGITS;
    size_t body_bytes = out->len - message->body_at;
    for (size_t left = body_bytes; left || from == LENGTH_DIGITS; left /= 10)
        digits[--from] = (char)('0' + left % 10);
    char *field = out->data + message->length_at;
    if (body_bytes > NEAT_BODY_BYTES) {
        memset(field, ' ', from);
        memcpy(field + from, digits + from, LENGTH_DIGITS - from);
        return;
    }
    memcpy(field, digits + from, LENGTH_DIGITS - from);
    memmove(field + LENGTH_DIGITS - from, field + LENGTH_DIGITS,
            out->len - message->length_at - LENGTH_DIGITS);
    out->len -= from;
    message->body_at -= from;
}

/* Answers before this one in the buffer are whole; this one is taken back. */
static void take_back(struct http_message *message)
{
    message->out->failed = false;
    message->out->len = message->answer_at;
    message->answer_header_count = 0;
}

static void respond_out_of_memory(struct http_exchange *exchange)
{
    struct http_message *message = http_message_of(exchange);
    struct error error;
    take_back(message);
    if (!message->degraded) {
        message->degraded = true;
        error_clear(&error);
        (void)error_set(&error, STATUS_OUT_OF_MEMORY, "memory", "Out of memory");
        http_respond_error(exchange, &error);
        return;
    }
    message->close = true; /* not even that fits: the connection's end must do */
    http_message_answered(message);
}

void http_respond_end(struct http_exchange *exchange)
{
    struct http_message *message = http_message_of(exchange);
    struct buffer *out = message->out;
    ASSERT(out && !message->answered);
    if (unlikely(out->failed)) {
        respond_out_of_memory(exchange);
        return;
    }
    if (likely(message->has_length))
        write_length(message);
    if (message->head_only || !message->has_length)
        out->len = message->body_at;
    http_message_answered(message);
}

void http_respond(struct http_exchange *exchange, int code, str content_type, str body)
{
    buffer_append_str(http_respond_begin(exchange, code, content_type), body);
    http_respond_end(exchange);
}

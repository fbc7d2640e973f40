#include "http/request_parser.h"

#include "base/assert.h"

#define HEAD_KEEP_BYTES 4096 /* of the copies, between requests */
#define BODY_KEEP_BYTES 65536
#define EXTENSION_BYTES_MAX 4096 /* of all chunk extensions of a request: nobody uses them */

static const struct {
    uint8_t llhttp;
    enum http_method method;
} METHODS[] = {
    {LLHTTP_GET, HTTP_GET}, {LLHTTP_POST, HTTP_POST},     {LLHTTP_HEAD, HTTP_HEAD},
    {LLHTTP_PUT, HTTP_PUT}, {LLHTTP_DELETE, HTTP_DELETE}, {LLHTTP_OPTIONS, HTTP_OPTIONS},
};

static int fail(struct request_parser *parser, enum status_code code, const char *detail)
{
    if (parser->failure == STATUS_OK) {
        parser->failure = code;
        parser->failure_detail = detail;
    }
    return HPE_USER;
}

static struct request_parser *parser_of(llhttp_t *llhttp)
{
    return CONTAINER_OF(llhttp, struct request_parser, llhttp);
}

static uint32_t offset_of(const struct request_parser *parser, const char *at)
{
    return (uint32_t)(parser->fed + (size_t)(at - parser->feeding));
}

static int on_message_begin(llhttp_t *llhttp)
{
    parser_of(llhttp)->started = true;
    return 0;
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    parser->method_end = offset_of(parser, at + len);
    return 0;
}

/* Deterministic under any split: counted from the method's end to here. */
static bool target_too_long(const struct request_parser *parser, uint32_t end)
{
    return parser->method_end && end - parser->method_end > parser->target_bytes_max + 1;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    uint32_t end = offset_of(parser, at + len);
    if (!parser->target_open)
        parser->target_at = offset_of(parser, at);
    parser->target_open = true;
    parser->target_len = end - parser->target_at;
    if (target_too_long(parser, end))
        return fail(parser, STATUS_TARGET_TOO_LONG, "The request target is too long");
    return 0;
}

static int count_trailer(struct request_parser *parser, size_t len)
{
    parser->trailer_bytes += (uint32_t)(len < UINT16_MAX ? len : UINT16_MAX);
    if (parser->trailer_bytes > parser->header_bytes_max)
        return fail(parser, STATUS_MALFORMED, "The trailer section is too large");
    return 0;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    if (parser->head_complete)
        return count_trailer(parser, len);
    if (parser->header_count == HTTP_HEADERS_MAX)
        return 0; /* refused when the name ends */
    struct request_span *span = &parser->spans[parser->header_count];
    uint32_t from = offset_of(parser, at);
    if (!parser->name_open)
        *span = (struct request_span){.name_at = from};
    parser->name_open = true;
    span->name_len = from + (uint32_t)len - span->name_at;
    return 0;
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    struct request_parser *parser = parser_of(llhttp);
    parser->name_open = false;
    parser->value_open = false;
    if (parser->head_complete)
        return count_trailer(parser, 4);
    if (parser->header_count == HTTP_HEADERS_MAX)
        return fail(parser, STATUS_HEADERS_TOO_LARGE, "The request has too many header lines");
    return 0;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    if (parser->head_complete)
        return count_trailer(parser, len);
    struct request_span *span = &parser->spans[parser->header_count];
    uint32_t from = offset_of(parser, at);
    if (!parser->value_open)
        span->value_at = from;
    parser->value_open = true;
    span->value_len = from + (uint32_t)len - span->value_at;
    return 0;
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    struct request_parser *parser = parser_of(llhttp);
    parser->value_open = false;
    if (!parser->head_complete)
        parser->header_count++;
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct request_parser *parser = parser_of(llhttp);
    llhttp->upgrade = 0; /* ignored: the request is an ordinary one */
    parser->head_complete = true;
    parser->chunked = (llhttp->flags & F_CHUNKED) != 0;
    parser->content_length = parser->chunked ? 0 : llhttp->content_length;
    parser->keep_alive = llhttp_should_keep_alive(llhttp);
    return parser->chunked || parser->content_length ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

/* A body that came in one piece stays where it is. */
static bool body_is_in_place(const struct request_parser *parser)
{
    return parser->body.len && parser->body.data != parser->body_copy.data;
}

static bool append_body(struct request_parser *parser, const char *at, size_t len)
{
    buffer_append(&parser->body_copy, at, len);
    parser->body = buffer_str(&parser->body_copy);
    return !parser->body_copy.failed;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    if (len == 0)
        return 0;
    parser->body_bytes += len;
    switch (parser->mode) {
    case REQUEST_BODY_STREAMED:
        parser->piece = str_of(at, len);
        return HPE_PAUSED;
    case REQUEST_BODY_SKIPPED:
        return 0;
    case REQUEST_BODY_HELD:
        break;
    }
    if (parser->body.len == 0) {
        parser->body = str_of(at, len);
        return 0;
    }
    if (body_is_in_place(parser) && !append_body(parser, parser->body.data, parser->body.len))
        return fail(parser, STATUS_OUT_OF_MEMORY, "Out of memory");
    if (!append_body(parser, at, len))
        return fail(parser, STATUS_OUT_OF_MEMORY, "Out of memory");
    return 0;
}

static int on_chunk_header(llhttp_t *llhttp)
{
    struct request_parser *parser = parser_of(llhttp);
    if (llhttp->content_length > parser->body_bytes_max - parser->body_bytes)
        return fail(parser, STATUS_TOO_LARGE, "The request body is too large");
    return 0;
}

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request_parser *parser = parser_of(llhttp);
    (void)at;
    parser->extension_bytes += (uint32_t)(len < UINT16_MAX ? len : UINT16_MAX);
    if (parser->extension_bytes > EXTENSION_BYTES_MAX)
        return fail(parser, STATUS_MALFORMED, "The chunk extensions are too long");
    return 0;
}

static const llhttp_settings_t SETTINGS = {
    .on_message_begin = on_message_begin,
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

void request_parser_init(struct request_parser *parser, const struct http_limits *limits)
{
    memset(parser, 0, offsetof(struct request_parser, spans));
    parser->header_bytes_max = limits->header_bytes;
    parser->target_bytes_max = limits->target_bytes;
    buffer_init(&parser->head, limits->header_bytes);
    buffer_init(&parser->body_copy, SIZE_MAX / 2);
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &SETTINGS);
}

void request_parser_fini(struct request_parser *parser)
{
    buffer_fini(&parser->head);
    buffer_fini(&parser->body_copy);
}

void request_parser_reset(struct request_parser *parser)
{
    buffer_reset(&parser->head, HEAD_KEEP_BYTES);
    buffer_reset(&parser->body_copy, BODY_KEEP_BYTES);
    parser->failure = STATUS_OK;
    parser->started = false;
    parser->head_complete = false;
    parser->body_bytes = 0;
    parser->body = str_of(NULL, 0);
    parser->expect = parser->body;
    parser->request_id = parser->body;
    parser->origin = parser->body;
    parser->request_method = parser->body;
    parser->mode = REQUEST_BODY_HELD;
    parser->base = NULL;
    parser->fed = 0;
    parser->method_end = 0;
    parser->target_len = 0;
    parser->trailer_bytes = 0;
    parser->extension_bytes = 0;
    parser->header_count = 0;
    parser->target_open = false;
    parser->name_open = false;
    parser->value_open = false;
    llhttp_reset(&parser->llhttp);
}

static str head_str(const struct request_parser *parser, uint32_t at, uint32_t len)
{
    return str_of(parser->base + at, len);
}

/* Notes the values that the server itself looks at. */
static bool note_header(struct request_parser *parser, str name, str value, unsigned *hosts,
                        unsigned *encodings)
{
    switch (name.len) {
    case 4:
        *hosts += str_eq_nocase(name, STR("host"));
        break;
    case 6:
        if (str_eq_nocase(name, STR("expect")))
            parser->expect = value;
        else if (str_eq_nocase(name, STR("origin")))
            parser->origin = value;
        break;
    case 12:
        if (str_eq_nocase(name, STR("x-request-id")))
            parser->request_id = value;
        break;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding"))) {
            ++*encodings;
            return str_eq_nocase(value, STR("chunked"));
        }
        break;
    case 29:
        if (str_eq_nocase(name, STR("access-control-request-method")))
            parser->request_method = value;
        break;
    default:
        break;
    }
    return true;
}

static bool read_headers(struct request_parser *parser)
{
    unsigned hosts = 0;
    unsigned encodings = 0;
    for (uint32_t i = 0; i < parser->header_count; i++) {
        const struct request_span *span = &parser->spans[i];
        str name = head_str(parser, span->name_at, span->name_len);
        str value = str_trim(head_str(parser, span->value_at, span->value_len));
        if (!note_header(parser, name, value, &hosts, &encodings)) {
            fail(parser, STATUS_NOT_IMPLEMENTED, "Only the transfer coding 'chunked' is known");
            return false;
        }
    }
    if (hosts > 1 || (hosts == 0 && !parser->http_1_0)) {
        fail(parser, STATUS_MALFORMED, "A request needs exactly one Host header");
        return false;
    }
    if (encodings > 1 || (encodings && parser->http_1_0)) {
        fail(parser, STATUS_MALFORMED, "Transfer-Encoding is not allowed here");
        return false;
    }
    return true;
}

static bool check_version(struct request_parser *parser)
{
    const llhttp_t *llhttp = &parser->llhttp;
    str after = head_str(parser, parser->target_at + parser->target_len, 6);
    if (llhttp->http_major != 1) {
        fail(parser, STATUS_HTTP_VERSION, "Only HTTP/1.1 and HTTP/1.0 are served");
        return false;
    }
    if (!str_eq(after, STR(" HTTP/"))) { /* llhttp also reads RTSP */
        fail(parser, STATUS_MALFORMED, "The request line is malformed");
        return false;
    }
    parser->http_1_0 = llhttp->http_minor == 0;
    return true;
}

static bool check_target(struct request_parser *parser)
{
    str target = head_str(parser, parser->target_at, parser->target_len);
    bool asterisk = target.len == 1 && target.data[0] == '*';
    if (parser->method == HTTP_METHOD_OTHER) /* CONNECT has a form of its own */
        return true;
    if (target.len == 0 || memchr(target.data, '#', target.len) ||
        !(target.data[0] == '/' || (asterisk && parser->method == HTTP_OPTIONS) ||
          str_contains(target, STR("://")))) {
        fail(parser, STATUS_MALFORMED, "The request target is malformed");
        return false;
    }
    return true;
}

static bool read_head(struct request_parser *parser)
{
    parser->method = HTTP_METHOD_OTHER;
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++) {
        if (METHODS[i].llhttp == parser->llhttp.method) {
            parser->method = METHODS[i].method;
            break;
        }
    }
    return check_version(parser) && check_target(parser) && read_headers(parser);
}

bool request_parser_begin_body(struct request_parser *parser, enum request_body_mode mode,
                               uint64_t bytes_max)
{
    ASSERT(parser->head_complete && parser->body_bytes == 0);
    parser->mode = mode;
    parser->body_bytes_max = bytes_max;
    if (parser->content_length <= bytes_max)
        return true;
    fail(parser, STATUS_TOO_LARGE, "The request body is too large");
    return false;
}

static bool base_is_copy(const struct request_parser *parser)
{
    return parser->base == parser->head.data;
}

/* Moves the noted values along when the head is copied. */
static void rebase(const struct request_parser *parser, const char *from, str *value)
{
    if (value->len)
        value->data = parser->base + (value->data - from);
}

static bool copy_head(struct request_parser *parser, size_t len)
{
    const char *from = parser->base;
    buffer_append(&parser->head, from, len);
    if (parser->head.failed) {
        fail(parser, STATUS_OUT_OF_MEMORY, "Out of memory");
        return false;
    }
    parser->base = parser->head.data;
    rebase(parser, from, &parser->expect);
    rebase(parser, from, &parser->request_id);
    rebase(parser, from, &parser->origin);
    rebase(parser, from, &parser->request_method);
    return true;
}

bool request_parser_retain(struct request_parser *parser)
{
    if (parser->base && !base_is_copy(parser) && !copy_head(parser, parser->fed))
        return false;
    if (body_is_in_place(parser) && !append_body(parser, parser->body.data, parser->body.len)) {
        fail(parser, STATUS_OUT_OF_MEMORY, "Out of memory");
        return false;
    }
    return true;
}

void request_parser_view(const struct request_parser *parser, struct http_header *headers,
                         struct http_request *out)
{
    str target = head_str(parser, parser->target_at, parser->target_len);
    if (target.data[0] != '/' &&
        target.len > 1) { /* absolute form: the path begins after the host */
        str rest;
        const char *scheme_end = memmem(target.data, target.len, "://", 3);
        str authority = scheme_end ? str_of(scheme_end + 3, 0) : target;
        authority.len = (size_t)(target.data + target.len - authority.data);
        size_t i = 0;
        while (i < authority.len && authority.data[i] != '/' && authority.data[i] != '?')
            i++;
        rest = str_of(authority.data + i, authority.len - i);
        target = rest;
    }
    out->path = str_split(target, '?', &out->query);
    if (out->path.len == 0)
        out->path = STR("/");
    out->method = parser->method;
    out->http_1_0 = parser->http_1_0;
    out->header_count = parser->header_count;
    out->headers = headers;
    for (uint32_t i = 0; i < parser->header_count; i++) {
        const struct request_span *span = &parser->spans[i];
        headers[i].name = head_str(parser, span->name_at, span->name_len);
        headers[i].value = str_trim(head_str(parser, span->value_at, span->value_len));
    }
    out->body = parser->body;
}

static enum request_event refuse(struct request_parser *parser, llhttp_errno_t code)
{
    const llhttp_t *llhttp = &parser->llhttp;
    uint32_t at = offset_of(parser, llhttp->error_pos ? llhttp->error_pos : parser->feeding);
    if (parser->failure == STATUS_OK && !parser->head_complete && code == HPE_INVALID_URL &&
        target_too_long(parser, at))
        fail(parser, STATUS_TARGET_TOO_LONG, "The request target is too long");
    else if (code == HPE_INVALID_METHOD)
        fail(parser, STATUS_NOT_IMPLEMENTED, "The request method is not known");
    else if (code == HPE_PAUSED_H2_UPGRADE ||
             (code == HPE_INVALID_VERSION && !(llhttp->http_major == 1 && llhttp->http_minor <= 1)))
        fail(parser, STATUS_HTTP_VERSION, "Only HTTP/1.1 and HTTP/1.0 are served");
    else if (code == HPE_INVALID_CONTENT_LENGTH || code == HPE_UNEXPECTED_CONTENT_LENGTH)
        fail(parser, STATUS_MALFORMED, "The Content-Length header is invalid");
    else if (code == HPE_INVALID_TRANSFER_ENCODING)
        fail(parser, STATUS_MALFORMED, "The Transfer-Encoding header is invalid");
    else if (code == HPE_INVALID_HEADER_TOKEN)
        fail(parser, STATUS_MALFORMED, "A header line is malformed");
    else if (code == HPE_INVALID_URL)
        fail(parser, STATUS_MALFORMED, "The request target is malformed");
    else if (code == HPE_INVALID_CHUNK_SIZE)
        fail(parser, STATUS_MALFORMED, "A chunk size is malformed");
    else
        fail(parser, STATUS_MALFORMED, "The request is malformed");
    return REQUEST_FAILED;
}

/* Runs llhttp over the bytes; how many it used is known wherever it stopped. */
static llhttp_errno_t execute(struct request_parser *parser, const char *data, size_t len,
                              size_t *used)
{
    parser->feeding = data;
    if (llhttp_get_errno(&parser->llhttp) == HPE_PAUSED)
        llhttp_resume(&parser->llhttp);
    llhttp_errno_t code = llhttp_execute(&parser->llhttp, data, len);
    *used = code == HPE_OK ? len : 0;
    if (code == HPE_PAUSED)
        *used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - data);
    return code;
}

/* Keeps head bytes that are in the copy contiguous. */
static bool note_fed(struct request_parser *parser, const char *data, size_t used, bool copy)
{
    if (parser->fed == 0 && !copy)
        parser->base = data;
    else {
        buffer_append(&parser->head, data, used);
        parser->base = parser->head.data;
    }
    parser->fed += used;
    if (!parser->head.failed)
        return true;
    fail(parser, STATUS_OUT_OF_MEMORY, "Out of memory");
    return false;
}

static enum request_event next_of_head(struct request_parser *parser, const char *data, size_t len,
                                       size_t *used)
{
    size_t allowed = parser->header_bytes_max - parser->fed;
    size_t some = len < allowed ? len : allowed;
    llhttp_errno_t code = execute(parser, data, some, used);
    if (code != HPE_OK && code != HPE_PAUSED)
        return refuse(parser, code);
    if (!note_fed(parser, data, *used, code == HPE_OK))
        return REQUEST_FAILED;
    if (code == HPE_OK) {
        if (parser->fed < parser->header_bytes_max)
            return REQUEST_MORE;
        fail(parser, STATUS_HEADERS_TOO_LARGE, "The request line and headers are too large");
        return REQUEST_FAILED;
    }
    if (!read_head(parser))
        return REQUEST_FAILED;
    return parser->chunked || parser->content_length ? REQUEST_HEAD : REQUEST_COMPLETE;
}

enum request_event request_parser_next(struct request_parser *parser, const char *data, size_t len,
                                       size_t *used)
{
    *used = 0;
    if (parser->failure != STATUS_OK)
        return REQUEST_FAILED;
    if (!parser->head_complete)
        return next_of_head(parser, data, len, used);
    parser->piece = str_of(NULL, 0);
    llhttp_errno_t code = execute(parser, data, len, used);
    if (code == HPE_PAUSED)
        return parser->piece.len ? REQUEST_PIECE : REQUEST_COMPLETE;
    if (code != HPE_OK)
        return refuse(parser, code);
    return request_parser_retain(parser) ? REQUEST_MORE : REQUEST_FAILED;
}

#include "base/json_string.h"
#include "http/http_private.h"

/* Details quote what clients sent; what is not UTF-8 must not get into JSON. */
static void append_text(struct buffer *out, const char *text)
{
    char plain[ERROR_DETAIL_MAX];
    str view = str_from_cstr(text);
    if (str_is_utf8(view)) {
        json_append_string(out, view);
        return;
    }
    for (size_t i = 0; i < view.len; i++)
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    json_append_string(out, str_of(plain, view.len));
}

static void append_location(struct buffer *out, const struct error *error)
{
    struct error_loc_part part;
    size_t cursor = 0;
    bool first = true;
    buffer_append_char(out, '[');
    while (error_loc_next(error, &cursor, &part)) {
        if (!first)
            buffer_append_char(out, ',');
        first = false;
        if (part.is_index)
            buffer_append_uint64(out, part.index);
        else
            json_append_string(out, str_is_utf8(part.name) ? part.name : STR("?"));
    }
    buffer_append_char(out, ']');
}

static void append_detail(struct buffer *out, int code, const struct error *error)
{
    if (code != 422) {
        append_text(out, error->detail);
        return;
    }
    buffer_append_str(out, STR("[{\"loc\":"));
    append_location(out, error);
    buffer_append_str(out, STR(",\"msg\":"));
    append_text(out, error->detail);
    buffer_append_str(out, STR(",\"type\":"));
    append_text(out, error->type);
    buffer_append_str(out, STR("}]"));
}

struct buffer *http_respond_error_begin(struct http_exchange *exchange, const struct error *error)
{
    int code = status_http(error->code);
    if (status_retry_helps(error->code))
        http_add_header(http_message_of(exchange), STR("Retry-After"), STR("1"));
    struct buffer *out = http_respond_begin(exchange, code, STR("application/problem+json"));
    buffer_append_str(out, STR("{\"type\":\"about:blank\",\"title\":"));
    json_append_string(out, http_reason(code));
    buffer_append_str(out, STR(",\"status\":"));
    buffer_append_uint64(out, (uint64_t)code);
    buffer_append_str(out, STR(",\"detail\":"));
    append_detail(out, code, error);
    return out;
}

void http_respond_error_end(struct http_exchange *exchange, struct buffer *out)
{
    buffer_append_char(out, '}');
    http_respond_end(exchange);
}

void http_respond_error(struct http_exchange *exchange, const struct error *error)
{
    http_respond_error_end(exchange, http_respond_error_begin(exchange, error));
}

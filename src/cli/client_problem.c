/* What the server says when it refuses, as one text for a person. */
#include <yyjson.h>

#include "cli/client.h"
#include "cli/terminal.h"

#define PROBLEM_TEXT_MAX 4096u

static str text_of(yyjson_val *value)
{
    return str_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* ["body","features",0,"value"] as features[0].value; where the place is, "body" goes unsaid. */
static void append_place(struct buffer *out, yyjson_val *loc)
{
    size_t index, count;
    yyjson_val *part;
    size_t before = out->len;
    yyjson_arr_foreach(loc, index, count, part)
    {
        if (index == 0 && yyjson_equals_str(part, "body"))
            continue;
        if (yyjson_is_int(part))
            buffer_append_format(out, "[%lld]", (long long)yyjson_get_sint(part));
        else if (yyjson_is_str(part))
            buffer_append_format(out, "%s%.*s", out->len > before ? "." : "",
                                 STR_ARG(text_of(part)));
    }
    if (out->len > before)
        buffer_append_str(out, STR(": "));
}

static void append_detail(struct buffer *out, yyjson_val *detail)
{
    size_t index, count;
    yyjson_val *item;
    if (yyjson_is_str(detail)) {
        terminal_append_safe(out, text_of(detail));
        return;
    }
    yyjson_arr_foreach(detail, index, count, item)
    {
        yyjson_val *message = yyjson_obj_get(item, "msg");
        if (index > 0)
            buffer_append_str(out, STR("; "));
        append_place(out, yyjson_obj_get(item, "loc"));
        if (yyjson_is_str(message))
            terminal_append_safe(out, text_of(message));
    }
}

static enum status_code code_of(long http_status)
{
    for (int code = 0; code < STATUS_CODE_COUNT; code++) {
        if (code != STATUS_OK && status_http((enum status_code)code) == http_status)
            return (enum status_code)code;
    }
    return STATUS_INTERNAL;
}

status client_answer_error(const struct client_answer *answer, struct error *error)
{
    struct buffer text;
    yyjson_doc *document = yyjson_read(answer->body.data, answer->body.len, 0);
    buffer_init(&text, PROBLEM_TEXT_MAX);
    append_detail(&text, yyjson_obj_get(yyjson_doc_get_root(document), "detail"));
    yyjson_doc_free(document);
    enum status_code code = code_of(answer->http_status);
    if (text.len > 0)
        error_set(error, code, "server", "%.*s (HTTP %ld)", STR_ARG(buffer_str(&text)),
                  answer->http_status);
    else
        error_set(error, code, "server", "the server answered HTTP %ld", answer->http_status);
    buffer_fini(&text);
    return status_of(code);
}

#include "cli/ingest_result.h"

#include <inttypes.h>
#include <yyjson.h>

#include "cli/terminal.h"

/* Where the messages about one answer go, and how they begin. */
struct telling {
    struct ingest_result *result;
    ingest_name_fn *name;
    const void *context;
    struct buffer *out;
};

static void append_message(const struct telling *telling, uint64_t line, str column,
                           yyjson_val *message)
{
    struct buffer *out = telling->out;
    telling->name(out, telling->context, line);
    buffer_append_str(out, STR(": "));
    if (column.len > 0) {
        terminal_append_safe(out, column);
        buffer_append_str(out, STR(": "));
    }
    terminal_append_safe(out, str_of(yyjson_get_str(message), yyjson_get_len(message)));
    buffer_append_char(out, '\n');
    telling->result->errors_said++;
}

/* [{"line":7,"detail":"…"}]: rows that were passed over. */
static void add_errors(const struct telling *telling, yyjson_val *errors)
{
    size_t index, count;
    yyjson_val *item;
    yyjson_arr_foreach(errors, index, count, item)
    {
        append_message(telling, yyjson_get_uint(yyjson_obj_get(item, "line")), (str){0},
                       yyjson_obj_get(item, "detail"));
    }
}

static bool is_row_error(yyjson_val *item)
{
    yyjson_val *loc = yyjson_obj_get(item, "loc");
    return yyjson_equals_str(yyjson_arr_get(loc, 0), "line") &&
           yyjson_is_uint(yyjson_arr_get(loc, 1));
}

/* [{"loc":["line",7,"user_age"],"msg":"…"}] of one that was stopped. */
static void add_stop(const struct telling *telling, yyjson_val *detail)
{
    size_t index, count;
    yyjson_val *item;
    yyjson_arr_foreach(detail, index, count, item)
    {
        yyjson_val *loc = yyjson_obj_get(item, "loc");
        yyjson_val *column = yyjson_arr_get(loc, 2);
        if (is_row_error(item))
            append_message(telling, yyjson_get_uint(yyjson_arr_get(loc, 1)),
                           str_of(yyjson_get_str(column), yyjson_get_len(column)),
                           yyjson_obj_get(item, "msg"));
    }
}

static void add_counts(struct ingest_result *result, yyjson_val *root)
{
    result->rows_accepted += yyjson_get_uint(yyjson_obj_get(root, "rows_accepted"));
    result->rows_rejected += yyjson_get_uint(yyjson_obj_get(root, "rows_rejected"));
    result->values_written += yyjson_get_uint(yyjson_obj_get(root, "values_written"));
    result->values_late += yyjson_get_uint(yyjson_obj_get(root, "values_late"));
}

/* A failed load has counts and rejected rows too: what came before stays applied. */
status ingest_result_add_named(struct ingest_result *result, const struct client_answer *answer,
                               ingest_name_fn *name, const void *context, struct buffer *messages,
                               struct error *error)
{
    const struct telling telling = {result, name, context, messages};
    yyjson_doc *document = yyjson_read(answer->body.data, answer->body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *detail = yyjson_obj_get(root, "detail");
    status outcome = OK;
    add_counts(result, root);
    if (answer->http_status == 422 && is_row_error(yyjson_arr_get_first(detail))) {
        add_stop(&telling, detail);
        result->stopped = true;
    } else {
        add_errors(&telling, yyjson_obj_get(root, "errors"));
        if (answer->http_status != 200 || !yyjson_is_uint(yyjson_obj_get(root, "rows_accepted")))
            outcome = client_answer_error(answer, error);
    }
    yyjson_doc_free(document);
    return outcome;
}

static void name_line(struct buffer *out, const void *context, uint64_t line)
{
    const struct ingest_source *source = context;
    buffer_append_format(out, "%s:%" PRIu64, source->name, ingest_source_line(source, line));
}

status ingest_result_add(struct ingest_result *result, const struct client_answer *answer,
                         const struct ingest_source *source, struct buffer *messages,
                         struct error *error)
{
    return ingest_result_add_named(result, answer, name_line, source, messages, error);
}

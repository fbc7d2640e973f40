#include "cli/bulk_sender.h"

#include <string.h>
#include <yyjson.h>

#include "cli/terminal.h"

#define ROWS_BYTES_MAX ((size_t)64 << 20) /* a full chunk and the longest row */
#define MESSAGES_BYTES_MAX ((size_t)16 << 20)
#define TARGET "/features/ingest/bulk?on_error=skip"

void bulk_sender_init(struct bulk_sender *sender, struct client *client)
{
    *sender = (struct bulk_sender){.client = client};
    client_answer_init(&sender->answer);
    buffer_init(&sender->rows, ROWS_BYTES_MAX);
    buffer_init(&sender->messages, MESSAGES_BYTES_MAX);
}

void bulk_sender_fini(struct bulk_sender *sender)
{
    client_answer_fini(&sender->answer);
    buffer_fini(&sender->rows);
    buffer_fini(&sender->messages);
}

static ssize_t give(void *context, char *to, size_t room)
{
    struct bulk_sender *sender = context;
    size_t left = sender->rows.len - sender->sent;
    size_t given = left < room ? left : room;
    memcpy(to, sender->rows.data + sender->sent, given);
    sender->sent += given;
    return (ssize_t)given;
}

static void name_row(struct buffer *out, const void *context, uint64_t line)
{
    const struct bulk_sender *sender = context;
    str rest = buffer_str(&sender->rows);
    str row = {0};
    while (line-- > 0)
        row = str_split(rest, '\n', &rest);
    yyjson_doc *document = yyjson_read(row.data ? row.data : "", row.len, 0);
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(document), "entity_id");
    terminal_append_safe(out, str_of(yyjson_get_str(id), yyjson_get_len(id)));
    yyjson_doc_free(document);
}

status bulk_sender_flush(struct bulk_sender *sender, struct error *error)
{
    const struct client_upload upload = {.read = give, .context = sender};
    status result = buffer_status(&sender->rows);
    if (!status_is_ok(result))
        return error_set(error, result.code, "client", "out of memory");
    if (sender->rows.len == 0)
        return OK;
    sender->sent = 0;
    TRY(client_upload(sender->client, TARGET, "application/x-ndjson", &upload, &sender->answer,
                      error));
    size_t messages_before = sender->messages.len;
    uint64_t said_before = sender->result.errors_said;
    result = ingest_result_add_named(&sender->result, &sender->answer, name_row, sender,
                                     &sender->messages, error);
    if (said_before >= BULK_SENDER_NAMED_MAX) {
        sender->messages.len = messages_before;
        sender->result.errors_said = said_before;
    }
    buffer_reset(&sender->rows, SIZE_MAX);
    return result;
}

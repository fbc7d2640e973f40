#include "cli/ingest_arrow.h"

#include "codec/arrow_read_message.h"

#define MAGIC_BYTES 8u /* as many as the first of a message */

void ingest_arrow_init(struct ingest_arrow *arrow)
{
    *arrow = (struct ingest_arrow){0};
    buffer_init(&arrow->head, (size_t)ARROW_METADATA_BYTES * 2);
}

void ingest_arrow_fini(struct ingest_arrow *arrow)
{
    buffer_fini(&arrow->head);
}

size_t ingest_arrow_head_wants(const struct ingest_arrow *arrow)
{
    struct arrow_message message;
    if (arrow->has_head || arrow->is_raw)
        return 0;
    (void)arrow_message_take_head(buffer_str(&arrow->head), &message, NULL);
    return message.bytes - arrow->head.len;
}

void ingest_arrow_take_head(struct ingest_arrow *arrow, str bytes)
{
    struct arrow_message message;
    buffer_append_str(&arrow->head, bytes);
    if (!arrow->began && arrow->head.len >= MAGIC_BYTES) {
        arrow->began = true;
        arrow->is_file = str_eq(buffer_str(&arrow->head), ARROW_FILE_MAGIC);
        if (arrow->is_file)
            arrow->head.len = 0;
    }
    switch (arrow_message_take_head(buffer_str(&arrow->head), &message, NULL)) {
    case ARROW_NEED_MORE:
        break;
    case ARROW_END: /* not sent: a part may end without */
        arrow->head.len = 0;
        arrow->has_ended = arrow->is_file;
        break;
    case ARROW_MESSAGE:
        arrow->has_head = true;
        arrow->is_batch = message.type == ARROW_RECORD_BATCH;
        arrow->body_left = message.bytes - message.head_bytes;
        arrow->rows = arrow->is_batch
                          ? (uint64_t)flatbuffer_int(&message.header, ARROW_BATCH_LENGTH, 8, 0)
                          : 0;
        break;
    case ARROW_FAILED:
    default:
        arrow->is_raw = true;
        break;
    }
    arrow->is_raw |= arrow->head.failed;
}

void ingest_arrow_end_message(struct ingest_arrow *arrow)
{
    buffer_reset(&arrow->head, SIZE_MAX);
    arrow->head_given = 0;
    arrow->has_head = false;
    arrow->rows = 0;
}

#include "codec/arrow_write_message.h"

#include "base/compiler.h"
#include "codec/arrow_write.h"

#define CONTINUATION "\xFF\xFF\xFF\xFF"
#define LENGTH_BYTES 4u

enum { MESSAGE_VERSION, MESSAGE_HEADER_TYPE, MESSAGE_HEADER, MESSAGE_BODY_LENGTH };

void arrow_message_begin(struct arrow_message_writer *message, struct buffer *out,
                         enum arrow_header type)
{
    struct flatbuffer_field fields[] = {
        {MESSAGE_BODY_LENGTH, 8, 0},
        {MESSAGE_HEADER, 4, 0},
        {MESSAGE_VERSION, 2, ARROW_VERSION_V5},
        {MESSAGE_HEADER_TYPE, 1, type},
    };
    buffer_append(out, CONTINUATION "\0\0\0\0", 2 * LENGTH_BYTES);
    flatbuffer_write_begin(&message->flat, out);
    flatbuffer_write_table(&message->flat, FLATBUFFER_ROOT, fields, ARRAY_LEN(fields));
    message->body_length = fields[0].place;
    message->header = fields[1].place;
}

void arrow_message_begin_body(struct arrow_message_writer *message)
{
    struct buffer *out = message->flat.out;
    uint32_t bytes = (uint32_t)flatbuffer_write_end(&message->flat);
    if (!out->failed)
        memcpy(out->data + message->flat.start - LENGTH_BYTES, &bytes, LENGTH_BYTES);
    message->body_at = out->len;
}

void arrow_message_end(struct arrow_message_writer *message)
{
    flatbuffer_write_word(&message->flat, message->body_length,
                          (int64_t)(message->flat.out->len - message->body_at));
}

void arrow_append_end(struct buffer *out)
{
    buffer_append(out, CONTINUATION "\0\0\0\0", 2 * LENGTH_BYTES);
}

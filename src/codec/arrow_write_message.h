/* Private to codec: a message of an Arrow IPC stream: its frame, what it is, and how long its body
 * is.
 *
 *   arrow_message_begin → the header's table, from `header` → arrow_message_begin_body → the body
 *   → arrow_message_end
 *
 * Format: "Serialization and Interprocess Communication" of the Arrow columnar format. */
#ifndef FEATURED_CODEC_ARROW_WRITE_MESSAGE_H
#define FEATURED_CODEC_ARROW_WRITE_MESSAGE_H

#include "codec/arrow_format.h"
#include "codec/flatbuffer_write.h"

#define ARROW_ALIGN 8u

struct arrow_message_writer {
    struct flatbuffer_writer flat;
    size_t header;      /* the place that refers to the table of what the message is */
    size_t body_length; /* the place of the word */
    size_t body_at;     /* in the buffer */
};

void arrow_message_begin(struct arrow_message_writer *message, struct buffer *out,
                         enum arrow_header type);
void arrow_message_begin_body(struct arrow_message_writer *message);
void arrow_message_end(struct arrow_message_writer *message);

#endif

/* Messages of an Arrow IPC stream, as they arrive: each is framed by its length, then a FlatBuffer
 * that says what it is, then a body. Knows nothing of what is in them. Format: "Serialization and
 * Interprocess Communication" of the Arrow columnar format, and its Message.fbs. */
#ifndef FEATURED_CODEC_ARROW_READ_MESSAGE_H
#define FEATURED_CODEC_ARROW_READ_MESSAGE_H

#include "base/error.h"
#include "codec/arrow_format.h"
#include "codec/flatbuffer_read.h"

/* A message is held whole, for its columns lie one after the other. */
#define ARROW_BODY_BYTES (64u << 20)
#define ARROW_METADATA_BYTES (16u << 20) /* 10,000 columns, and what pandas says of them */

#define ARROW_FILE_MAGIC STR("ARROW1\0\0") /* a file is a stream between this and a footer */

struct arrow_message {
    int64_t version;
    int64_t type; /* an enum arrow_header, or another */
    struct flatbuffer metadata;
    struct flatbuffer_table header; /* in `metadata`, by the type */
    str body;
    size_t head_bytes; /* in front of the body */
    size_t bytes;      /* of all of it in the input */
};

enum arrow_taken {
    ARROW_MESSAGE,   /* *out is set: a view of the input */
    ARROW_NEED_MORE, /* of the input: out->bytes at least */
    ARROW_END,       /* the mark of 8 bytes that ends a stream */
    ARROW_FAILED,    /* *error is set */
};

/* The message that `input` begins with. Do not move *out. */
enum arrow_taken arrow_message_take(str input, struct arrow_message *out, struct error *error);
/* The same as soon as all in front of the body is there. */
enum arrow_taken arrow_message_take_head(str input, struct arrow_message *out, struct error *error);
status arrow_damaged(struct error *error, const char *what);
/* Fields of the tables of Message.fbs that more than one file reads. */
enum {
    ARROW_BATCH_LENGTH,
    ARROW_BATCH_NODES,
    ARROW_BATCH_BUFFERS,
    ARROW_BATCH_COMPRESSION,
    ARROW_BATCH_VARIADIC
};
enum { ARROW_DICTIONARY_ID, ARROW_DICTIONARY_DATA, ARROW_DICTIONARY_IS_DELTA };

#endif

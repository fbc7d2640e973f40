#include "codec/arrow_read_message.h"

#include <inttypes.h>

#define PREFIX_BYTES 8u /* a continuation mark, the length of the metadata */
#define CONTINUATION UINT32_C(0xFFFFFFFF)
#define VERSION_V4 3

enum { MESSAGE_VERSION, MESSAGE_HEADER_TYPE, MESSAGE_HEADER, MESSAGE_BODY_LENGTH };

status arrow_damaged(struct error *error, const char *what)
{
    return error_set(error, STATUS_INVALID, "arrow_invalid", "the Arrow stream is damaged: %s",
                     what);
}

static enum arrow_taken failed(status ignored)
{
    (void)ignored;
    return ARROW_FAILED;
}

static enum arrow_taken not_arrow(str input, struct error *error)
{
    bool is_parquet = str_starts_with(input, STR("PAR1"));
    return failed(error_set(
        error, STATUS_INVALID, "arrow_invalid",
        is_parquet ? "this is a Parquet file: read it with pyarrow and send its batches as an "
                     "Arrow IPC stream, as ingest_many of the Python client does"
                   : "this is not an Arrow IPC stream: no message begins here (streams of Arrow "
                     "before 0.15 are not taken)"));
}

static const char *name_of(int64_t type)
{
    switch (type) {
    case ARROW_SCHEMA:
        return "a schema";
    case ARROW_DICTIONARY_BATCH:
        return "a dictionary";
    default:
        return "a record batch";
    }
}

static enum arrow_taken body_too_large(int64_t type, uint64_t bytes, struct error *error)
{
    return failed(error_set(
        error, STATUS_TOO_LARGE, "too_long",
        "the Arrow message (%s) has %" PRIu64 " bytes, at most %" PRIu32
        " are taken: write smaller batches (pyarrow: write_table(table, max_chunksize=50000))",
        name_of(type), bytes, ARROW_BODY_BYTES));
}

static enum arrow_taken metadata_too_large(uint32_t bytes, struct error *error)
{
    return failed(error_set(
        error, STATUS_TOO_LARGE, "too_long",
        "an Arrow message has %" PRIu32 " bytes of metadata, at most %" PRIu32
        " are taken: send fewer columns, or without what was noted about them (pyarrow: "
        "table.replace_schema_metadata())",
        bytes, ARROW_METADATA_BYTES));
}

/* The metadata is all there. */
static enum arrow_taken take_metadata(struct arrow_message *message, int64_t *body_bytes,
                                      struct error *error)
{
    struct flatbuffer_table root = flatbuffer_root(&message->metadata);
    message->version = flatbuffer_int(&root, MESSAGE_VERSION, 2, 0);
    message->type = flatbuffer_int(&root, MESSAGE_HEADER_TYPE, 1, 0);
    message->header = flatbuffer_child(&root, MESSAGE_HEADER);
    *body_bytes = flatbuffer_int(&root, MESSAGE_BODY_LENGTH, 8, 0);
    if (message->metadata.is_damaged || !flatbuffer_is_there(&message->header) || *body_bytes < 0)
        return failed(arrow_damaged(error, "the metadata of a message cannot be read"));
    if (message->version != VERSION_V4 && message->version != ARROW_VERSION_V5)
        return failed(error_set(error, STATUS_INVALID, "arrow_invalid",
                                "the Arrow stream has metadata version %" PRId64
                                ", only V4 and V5 are taken",
                                message->version + 1));
    if (*body_bytes > ARROW_BODY_BYTES)
        return body_too_large(message->type, (uint64_t)*body_bytes, error);
    return ARROW_MESSAGE;
}

enum arrow_taken arrow_message_take_head(str input, struct arrow_message *out, struct error *error)
{
    uint32_t prefix[2];
    int64_t body_bytes;
    *out = (struct arrow_message){.bytes = PREFIX_BYTES};
    if (input.len < PREFIX_BYTES)
        return ARROW_NEED_MORE;
    memcpy(prefix, input.data, sizeof(prefix));
    if (prefix[0] != CONTINUATION)
        return not_arrow(input, error);
    if (prefix[1] == 0)
        return ARROW_END;
    if (prefix[1] > ARROW_METADATA_BYTES)
        return metadata_too_large(prefix[1], error);
    out->head_bytes = PREFIX_BYTES + (size_t)prefix[1];
    out->bytes = out->head_bytes;
    if (input.len < out->head_bytes)
        return ARROW_NEED_MORE;
    out->metadata.bytes = str_of(input.data + PREFIX_BYTES, prefix[1]);
    if (take_metadata(out, &body_bytes, error) != ARROW_MESSAGE)
        return ARROW_FAILED;
    out->bytes += (size_t)body_bytes;
    return ARROW_MESSAGE;
}

enum arrow_taken arrow_message_take(str input, struct arrow_message *out, struct error *error)
{
    enum arrow_taken taken = arrow_message_take_head(input, out, error);
    if (taken != ARROW_MESSAGE)
        return taken;
    if (input.len < out->bytes)
        return ARROW_NEED_MORE;
    out->body = str_of(input.data + out->head_bytes, out->bytes - out->head_bytes);
    return ARROW_MESSAGE;
}

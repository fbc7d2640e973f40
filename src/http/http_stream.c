#include <stdio.h>

#include "base/assert.h"
#include "http/http_private.h"

#define CHUNK_DIGITS 8 /* fixed width, so that a piece is framed where it was written */
#define CHUNK_HEAD_BYTES (CHUNK_DIGITS + 2)

static void end_stream(struct http_message *message)
{
    message->streaming = false;
    if (message->stream.finish)
        message->stream.finish(&message->exchange);
    http_message_answered(message);
}

static void frame_chunk(struct buffer *out, size_t at)
{
    char digits[CHUNK_DIGITS + 1];
    size_t piece_bytes = out->len - at - CHUNK_HEAD_BYTES;
    if (piece_bytes == 0) { /* an empty chunk would end the body */
        out->len = at;
        return;
    }
    snprintf(digits, sizeof(digits), "%08x", (unsigned)piece_bytes);
    memcpy(out->data + at, digits, CHUNK_DIGITS);
    memcpy(out->data + at + CHUNK_DIGITS, "\r\n", 2);
    buffer_append(out, "\r\n", 2);
}

static enum http_piece produce_piece(struct http_message *message, struct buffer *out)
{
    size_t at = out->len;
    if (message->chunked && buffer_reserve(out, CHUNK_HEAD_BYTES) != NULL)
        buffer_commit(out, CHUNK_HEAD_BYTES);
    enum http_piece piece = message->stream.produce(&message->exchange, out);
    if (message->chunked && !out->failed)
        frame_chunk(out, at);
    if (message->chunked && piece == HTTP_PIECE_LAST)
        buffer_append(out, "0\r\n\r\n", 5);
    return piece;
}

static void queue_pump(struct http_message *message)
{
    if (message->pump_queued)
        return;
    message->pump_queued = true;
    loop_defer(message->exchange.loop, &message->pump);
}

/* The next piece, once there is room for it. A stream whose client is gone ends in the same way. */
static void go_on(struct http_message *message)
{
    struct http_connection *connection = message->connection;
    message->waits_for_room =
        connection && net_connection_unsent(&connection->net) > HTTP_OUT_HIGH_BYTES;
    if (!message->waits_for_room)
        queue_pump(message);
}

static void run_pump(struct loop_task *task)
{
    struct http_message *message = CONTAINER_OF(task, struct http_message, pump);
    struct http_connection *connection = message->connection;
    message->pump_queued = false;
    if (connection == NULL) {
        end_stream(message);
        return;
    }
    struct buffer *out = net_connection_out(&connection->net);
    enum http_piece piece = produce_piece(message, out);
    message->waits_for_more = piece == HTTP_PIECE_WAIT;
    /* Half an answer has left: only the connection's end can say so. */
    if (out->failed || piece == HTTP_PIECE_BROKEN) {
        net_connection_close(&connection->net);
        return;
    }
    if (piece == HTTP_PIECE_LAST) {
        end_stream(message);
        return;
    }
    net_connection_flush(&connection->net);
    if (net_connection_is_closing(&connection->net) || piece == HTTP_PIECE_WAIT)
        return;
    go_on(message);
}

void http_stream_resume(struct http_exchange *exchange)
{
    struct http_message *message = http_message_of(exchange);
    if (!message->waits_for_more)
        return;
    message->waits_for_more = false;
    go_on(message);
}

void http_stream_continue(struct http_message *message)
{
    message->waits_for_room = false;
    queue_pump(message);
}

void http_stream_abandon(struct http_message *message)
{
    if (!message->pump_queued && !message->waits_for_more)
        end_stream(message);
}

void http_respond_stream(struct http_exchange *exchange, int code, str content_type,
                         struct http_stream stream)
{
    struct http_message *message = http_message_of(exchange);
    struct buffer *out = http_respond_head(exchange, code, content_type, true);
    message->stream = stream;
    message->pump.run = run_pump;
    if (out->failed) {
        if (stream.finish)
            stream.finish(exchange);
        http_respond_end(exchange); /* answers 503 */
        return;
    }
    message->streaming = true;
    if (message->head_only || message->connection == NULL)
        end_stream(message);
    else
        queue_pump(message);
}

/* What comes: replies, each to the oldest command that has none. */
#include "online/redis/redis_link_private.h"

/* One TLS record holds no more. Reads beyond it wait for the loop's next turn. */
#define READ_BYTES 65536
#define PIECE_BYTES ((size_t)512) /* given to the parser at a time */
#define READS_PER_TURN 4

/* An error's words are told; a value belongs to somebody. */
static void fail_reply(struct redis_link *link, const char *what, const redisReply *reply)
{
    char words[REDIS_WORDS_MAX] = "no error";
    struct error error;
    if (reply->type == REDIS_REPLY_ERROR)
        redis_reply_words(reply, words);
    error_set(&error, STATUS_UNAVAILABLE, "store_protocol", "%s: %s", what, words);
    redis_link_fail(link, &error);
}

/* False: the connection that this came from is no more. */
static bool take_reply(struct redis_link *link, const redisReply *reply)
{
    const struct redis_socket *socket = link->socket;
    struct redis_command *command = link->sent.first;
    if (reply->type == REDIS_REPLY_PUSH)
        return true;
    if (command == NULL) {
        fail_reply(link, "it answers what was not asked", reply);
        return false;
    }
    if (command->drops_reply) {
        command->drops_reply = false;
        return true;
    }
    if (unlikely(!redis_reply_fits(command, reply))) {
        fail_reply(link, "it answers something else than what was asked", reply);
        return false;
    }
    redis_command_take_first(&link->sent);
    link->answered++;
    redis_link_finish(link, command, REDIS_ANSWERED, reply);
    return link->socket == socket;
}

static bool take_replies(struct redis_link *link, str bytes)
{
    struct error error;
    const redisReply *reply = NULL;
    status result = redis_replies_feed(&link->replies, bytes, &error);
    do {
        if (status_is_ok(result))
            result = redis_replies_next(&link->replies, &reply, &error);
        if (!status_is_ok(result)) {
            redis_link_fail(link, &error);
            return false;
        }
        if (reply && !take_reply(link, reply))
            return false;
    } while (reply);
    return true;
}

/* The row that is expected next, if it is at the beginning of the bytes: its length. */
static size_t find_row(struct redis_link *link, str bytes, const redisReply **out)
{
    const struct redis_command *command = link->sent.first;
    bool is_row = command && !command->drops_reply &&
                  (command->shape == REDIS_SHAPE_ARRAY || command->shape == REDIS_SHAPE_PAIRS);
    return likely(is_row) ? redis_replies_take_row(&link->replies, bytes, out) : 0;
}

/* What is not rows goes to the parser in pieces: after each reply or so it moves all that is left
 * of what it was given. */
static bool take_bytes(struct redis_link *link, str bytes)
{
    while (bytes.len > 0) {
        const redisReply *row;
        size_t len = find_row(link, bytes, &row);
        bool goes_on;
        if (likely(len > 0)) {
            goes_on = take_reply(link, row);
        } else {
            len = bytes.len < PIECE_BYTES ? bytes.len : PIECE_BYTES;
            goes_on = take_replies(link, str_of(bytes.data, len));
        }
        if (!goes_on)
            return false;
        bytes = str_of(bytes.data + len, bytes.len - len);
    }
    return true;
}

void redis_link_receive(struct redis_link *link)
{
    char bytes[READ_BYTES];
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        struct error error;
        size_t len = 0;
        enum redis_io io = redis_socket_read(link->socket, bytes, sizeof(bytes), &len, &error);
        if (io == REDIS_IO_FAILED)
            redis_link_fail(link, &error);
        if (io != REDIS_IO_DONE)
            return;
        redis_count(&link->options.counters->bytes_received, (int64_t)len);
        if (!take_bytes(link, str_of(bytes, len)) || len < sizeof(bytes))
            return;
    }
}

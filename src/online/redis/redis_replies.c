#include "online/redis/redis_replies.h"

#include <string.h>

/* Reply and what hangs on it in one block. NULL makes the reader fail. */
static redisReply *add_reply(const redisReadTask *task, int type, size_t extra)
{
    struct redis_replies *replies = task->privdata;
    size_t size;
    if (__builtin_add_overflow(sizeof(redisReply), extra, &size))
        return NULL;
    redisReply *reply = arena_alloc(&replies->arena, size);
    if (reply == NULL)
        return NULL;
    memset(reply, 0, sizeof(*reply));
    reply->type = type;
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}

static void set_text(redisReply *reply, const char *text, size_t len)
{
    reply->str = (char *)(reply + 1);
    if (len > 0)
        memcpy(reply->str, text, len);
    reply->str[len] = '\0';
    reply->len = len;
}

#define VERBATIM_HEAD 4 /* "txt:" */

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    redisReply *reply = add_reply(task, task->type, len + 1);
    if (reply == NULL)
        return NULL;
    if (task->type == REDIS_REPLY_VERB && len >= VERBATIM_HEAD) {
        memcpy(reply->vtype, text, sizeof(reply->vtype) - 1);
        text += VERBATIM_HEAD;
        len -= VERBATIM_HEAD;
    }
    set_text(reply, text, len);
    return reply;
}

static int depth_of(const redisReadTask *task)
{
    int depth = 0;
    for (; task; task = task->parent)
        depth++;
    return depth;
}

/* The elements are cleared, so that a reply cut short never shows what was there before. */
static void *create_array(const redisReadTask *task, size_t elements)
{
    size_t bytes;
    if (__builtin_mul_overflow(elements, sizeof(redisReply *), &bytes) ||
        depth_of(task) > REDIS_REPLY_DEPTH_MAX)
        return NULL;
    redisReply *reply = add_reply(task, task->type, bytes);
    if (reply == NULL)
        return NULL;
    reply->elements = elements;
    reply->element = (redisReply **)(void *)(reply + 1);
    memset(reply->element, 0, bytes);
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = add_reply(task, REDIS_REPLY_INTEGER, 0);
    if (reply)
        reply->integer = value;
    return reply;
}

static void *create_double(const redisReadTask *task, double value, char *text, size_t len)
{
    redisReply *reply = add_reply(task, REDIS_REPLY_DOUBLE, len + 1);
    if (reply == NULL)
        return NULL;
    reply->dval = value;
    set_text(reply, text, len);
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return add_reply(task, REDIS_REPLY_NIL, 0);
}

static void *create_bool(const redisReadTask *task, int value)
{
    redisReply *reply = add_reply(task, REDIS_REPLY_BOOL, 0);
    if (reply)
        reply->integer = value;
    return reply;
}

/* The arena's. */
static void free_nothing(void *reply)
{
    (void)reply;
}

static redisReplyObjectFunctions FUNCTIONS = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createDouble = create_double,
    .createNil = create_nil,
    .createBool = create_bool,
    .freeObject = free_nothing,
};

bool redis_replies_init(struct redis_replies *replies)
{
    arena_init(&replies->arena, REDIS_REPLY_BYTES_MAX);
    replies->row = NULL;
    replies->reader = redisReaderCreateWithFunctions(&FUNCTIONS);
    if (replies->reader == NULL)
        return false;
    replies->reader->privdata = replies;
    return true;
}

void redis_replies_fini(struct redis_replies *replies)
{
    redisReaderFree(replies->reader);
    replies->reader = NULL;
    arena_fini(&replies->arena);
}

static status damaged(const struct redis_replies *replies, struct error *error)
{
    if (replies->reader->err == REDIS_ERR_OOM)
        return error_set(error, STATUS_UNAVAILABLE, "store_away",
                         "a reply is too deep, over %zu MiB, or there is no memory for it",
                         REDIS_REPLY_BYTES_MAX >> 20);
    return error_set(error, STATUS_UNAVAILABLE, "store_protocol",
                     "what came is no answer of Redis (%s)", replies->reader->errstr);
}

status redis_replies_feed(struct redis_replies *replies, str bytes, struct error *error)
{
    redisReader *reader = replies->reader;
    if (reader->err == 0 && bytes.len > REDIS_REPLY_BYTES_MAX - (reader->len - reader->pos))
        return error_set(error, STATUS_UNAVAILABLE, "store_away", "a reply is over %zu MiB",
                         REDIS_REPLY_BYTES_MAX >> 20);
    return redisReaderFeed(reader, bytes.data, bytes.len) == REDIS_OK ? OK
                                                                      : damaged(replies, error);
}

status redis_replies_next(struct redis_replies *replies, const redisReply **out,
                          struct error *error)
{
    void *reply = NULL;
    bool is_between = replies->reader->ridx < 0; /* else one has come in part */
    replies->row = NULL;
    if (is_between)
        arena_reset(&replies->arena);
    if (redisReaderGetReply(replies->reader, &reply) != REDIS_OK)
        return damaged(replies, error);
    *out = reply;
    return OK;
}

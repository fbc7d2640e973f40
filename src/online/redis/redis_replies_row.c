/* Rows: answers to HMGET and HGETALL. Only what is plain and whole is taken; what hiredis would refuse, or
 * might see otherwise, is left to it. */
#include "online/redis/redis_replies.h"

#define DIGITS_MAX 8
#define ELEMENT_BYTES_MIN 3 /* "_\r\n" */

/* What follows "$", "*" or "%": "12\r\n". NULL: something else. */
static inline const char *take_length(const char *at, const char *end, size_t *out)
{
    const char *digits = at;
    size_t number = 0;
    unsigned digit;
    while (at < end && (digit = (unsigned)(unsigned char)*at - '0') <= 9) {
        number = number * 10 + digit;
        at++;
    }
    if (at == digits || at - digits > DIGITS_MAX || (*digits == '0' && at - digits > 1) ||
        end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *out = number;
    return at + 2;
}

static bool starts_with(const char *at, const char *end, str what)
{
    return (size_t)(end - at) >= what.len && memcmp(at, what.data, what.len) == 0;
}

/* "$3\r\nabc\r\n", "$-1\r\n" or "_\r\n" */
static inline const char *take_element(const char *at, const char *end, redisReply *out)
{
    size_t len;
    const char *text = NULL;
    if (likely(at < end && *at == '$'))
        text = take_length(at + 1, end, &len);
    if (likely(text != NULL)) {
        if ((size_t)(end - text) < len + 2 || text[len] != '\r' || text[len + 1] != '\n')
            return NULL;
        out->type = REDIS_REPLY_STRING;
        out->str = (char *)(uintptr_t)text; /* read only, as the whole reply */
        out->len = len;
        return text + len + 2;
    }
    out->type = REDIS_REPLY_NIL;
    out->str = NULL;
    out->len = 0;
    if (starts_with(at, end, STR("$-1\r\n")))
        return at + 5;
    return starts_with(at, end, STR("_\r\n")) ? at + 3 : NULL;
}

/* The reply, its pointers to the elements, and those, in one block: that of the row before, if it was as wide. */
static redisReply *make_reply(struct redis_replies *replies, int type, size_t count)
{
    if (likely(replies->row && replies->row->elements == count)) {
        replies->row->type = type;
        return replies->row;
    }
    arena_reset(&replies->arena);
    replies->row = NULL;
    size_t each = sizeof(redisReply) + sizeof(redisReply *);
    redisReply *reply = arena_alloc(&replies->arena, sizeof(*reply) + count * each);
    if (reply == NULL)
        return NULL;
    memset(reply, 0, sizeof(*reply) * (count + 1));
    reply->type = type;
    reply->elements = count;
    reply->element = (redisReply **)(void *)(reply + count + 1);
    for (size_t i = 0; i < count; i++)
        reply->element[i] = reply + 1 + i;
    replies->row = reply;
    return reply;
}

/* Asked in vain for a reply, hiredis has begun one of no kind yet. */
static bool is_between(const redisReader *reader)
{
    bool has_begun = reader->ridx > 0 || (reader->ridx == 0 && reader->task[0]->type >= 0);
    return !has_begun && reader->pos == reader->len && reader->err == 0;
}

size_t redis_replies_take_row(struct redis_replies *replies, str bytes, const redisReply **out)
{
    const char *end = bytes.data + bytes.len;
    bool is_map = bytes.len > 0 && bytes.data[0] == '%';
    size_t count;
    if (bytes.len == 0 || (bytes.data[0] != '*' && !is_map) || !is_between(replies->reader))
        return 0;
    const char *at = take_length(bytes.data + 1, end, &count);
    if (at == NULL || count > bytes.len / ELEMENT_BYTES_MIN)
        return 0;
    count *= is_map ? 2 : 1;
    redisReply *reply =
        make_reply(replies, is_map ? REDIS_REPLY_MAP : REDIS_REPLY_ARRAY, count);
    for (size_t i = 0; reply != NULL && at != NULL && i < count; i++)
        at = take_element(at, end, reply->element[i]);
    if (reply == NULL || at == NULL)
        return 0;
    *out = reply;
    return (size_t)(at - bytes.data);
}

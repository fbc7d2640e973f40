#include "online/redis/redis_command.h"

#include <string.h>

/* CRC of each value of four bits, polynomial 0x1021. */
static const uint16_t CRC_OF_NIBBLE[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
    0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
};

static uint32_t crc16(str text)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t byte = (unsigned char)text.data[i];
        crc = (crc << 4 ^ CRC_OF_NIBBLE[(crc >> 12 ^ byte >> 4) & 15]) & 0xFFFF;
        crc = (crc << 4 ^ CRC_OF_NIBBLE[(crc >> 12 ^ byte) & 15]) & 0xFFFF;
    }
    return crc;
}

uint32_t redis_slot(str key)
{
    const char *open = key.len ? memchr(key.data, '{', key.len) : NULL;
    const char *end = key.data + key.len;
    const char *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
    if (close && close > open + 1)
        key = str_of(open + 1, (size_t)(close - open - 1));
    return crc16(key) % REDIS_SLOTS;
}

char *redis_put_head(char *at, char kind, size_t number)
{
    char digits[20];
    size_t count = 0;
    *at++ = kind;
    while (number >= 10) {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    }
    *at++ = (char)('0' + number);
    while (count > 0)
        *at++ = digits[--count];
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

char *redis_put_bulk(char *at, str argument)
{
    at = redis_put_head(at, '$', argument.len);
    if (argument.len > 0)
        at = mempcpy(at, argument.data, argument.len);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

bool redis_format(struct arena *arena, const str *arguments, uint32_t count, str *out)
{
    size_t capacity = REDIS_HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(capacity, arguments[i].len, &capacity) ||
            __builtin_add_overflow(capacity, REDIS_HEAD_BYTES, &capacity))
            return false;
    }
    char *start = arena_alloc(arena, capacity);
    if (start == NULL)
        return false;
    char *at = redis_put_head(start, '*', count);
    for (uint32_t i = 0; i < count; i++)
        at = redis_put_bulk(at, arguments[i]);
    *out = str_of(start, (size_t)(at - start));
    return true;
}

status redis_outcome_error(enum redis_outcome outcome, struct error *error)
{
    if (outcome == REDIS_LOST)
        return error_set(
            error, STATUS_UNAVAILABLE, "store_lost",
            "the online store did not answer in time, or the connection to it was lost: "
            "whether a write has happened is not known; repeating it does no harm");
    return error_set(error, STATUS_UNAVAILABLE, "store_away",
                     "the online store is away or overloaded; nothing was sent to it: try again");
}

struct refusal {
    const char *word; /* the first of an error reply */
    enum status_code code;
    const char *type;
};

/* What passes, or is mended by whoever runs the server; any other error is ours. */
static const struct refusal REFUSALS[] = {
    {"OOM", STATUS_STORE_FULL, "store_full"},
    {"LOADING", STATUS_UNAVAILABLE, "store_away"},
    {"CLUSTERDOWN", STATUS_UNAVAILABLE, "store_away"},
    {"MASTERDOWN", STATUS_UNAVAILABLE, "store_away"},
    {"TRYAGAIN", STATUS_UNAVAILABLE, "store_away"},
    {"MOVED", STATUS_UNAVAILABLE, "store_away"},
    {"ASK", STATUS_UNAVAILABLE, "store_away"},
    {"BUSY", STATUS_UNAVAILABLE, "store_away"},
    {"READONLY", STATUS_UNAVAILABLE, "store_read_only"},
    {"NOREPLICAS", STATUS_UNAVAILABLE, "store_read_only"},
    {"MISCONF", STATUS_UNAVAILABLE, "store_read_only"},
    {"NOAUTH", STATUS_UNAVAILABLE, "store_credentials"},
    {"WRONGPASS", STATUS_UNAVAILABLE, "store_credentials"},
    {"NOPERM", STATUS_UNAVAILABLE, "store_credentials"},
};

/* The server's words go into JSON and logs: one line of printable UTF-8. */
static void clean(str words, char out[static REDIS_WORDS_MAX])
{
    size_t len = words.len < REDIS_WORDS_MAX - 1 ? words.len : REDIS_WORDS_MAX - 1;
    bool keep_high = str_is_utf8(str_of(words.data, len));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)words.data[i];
        out[i] = c < 0x20 || c == 0x7F || (c > 0x7F && !keep_high) ? '?' : (char)c;
    }
    out[len] = '\0';
}

void redis_reply_words(const redisReply *reply, char out[static REDIS_WORDS_MAX])
{
    bool has_words = reply->str != NULL;
    clean(has_words ? str_of(reply->str, reply->len) : STR("no words"), out);
}

void redis_reply_words_without(const redisReply *reply, str secret,
                               char out[static REDIS_WORDS_MAX])
{
    static const char ARGUMENTS[] = ", with args";
    bool has_words = reply->str != NULL;
    str words = has_words ? str_of(reply->str, reply->len) : STR("no words");
    const char *end = memmem(words.data, words.len, ARGUMENTS, sizeof(ARGUMENTS) - 1);
    if (end != NULL)
        words.len = (size_t)(end - words.data);
    if (secret.len > 0 && str_contains(words, secret))
        words = STR("its words are not shown: they hold the password");
    clean(words, out);
}

bool redis_reply_is(const redisReply *reply, const char *word)
{
    size_t len = strlen(word);
    return reply->type == REDIS_REPLY_ERROR && reply->len >= len &&
           memcmp(reply->str, word, len) == 0 && (reply->len == len || reply->str[len] == ' ');
}

static bool error_fits(const struct redis_command *command, const redisReply *reply)
{
    str words = str_of(reply->str, reply->len);
    if (!redis_reply_is(reply, "ERR") || str_starts_with(words, STR("ERR unknown command")))
        return true;
    return command->shape == REDIS_SHAPE_CODE &&
           (str_contains(words, STR("script")) || str_contains(words, STR("Script")));
}

bool redis_reply_fits(const struct redis_command *command, const redisReply *reply)
{
    bool is_array = reply->type == REDIS_REPLY_ARRAY;
    if (command->shape == REDIS_SHAPE_ANY)
        return true;
    if (reply->type == REDIS_REPLY_ERROR)
        return error_fits(command, reply);
    switch (command->shape) {
    case REDIS_SHAPE_ARRAY:
        return is_array && reply->elements == command->elements;
    case REDIS_SHAPE_PAIRS:
        return (is_array || reply->type == REDIS_REPLY_MAP) && reply->elements % 2 == 0;
    case REDIS_SHAPE_CODE:
        return is_array && reply->elements > 0 && reply->element[0]->type == REDIS_REPLY_INTEGER;
    case REDIS_SHAPE_ANY:
        break;
    }
    return true;
}

status redis_reply_error(const redisReply *reply, struct error *error)
{
    char words[REDIS_WORDS_MAX];
    redis_reply_words(reply, words);
    for (size_t i = 0; i < ARRAY_LEN(REFUSALS); i++) {
        if (redis_reply_is(reply, REFUSALS[i].word))
            return error_set(error, REFUSALS[i].code, REFUSALS[i].type,
                             "the online store refuses: %s", words);
    }
    return error_set(error, STATUS_UNAVAILABLE, "store_error",
                     "the online store answered with an error that was not expected: %s", words);
}

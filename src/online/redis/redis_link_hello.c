#include "online/redis/redis_link_private.h"

#include <stdio.h>
#include <string.h>

#define HELLO_ARENA_BYTES ((size_t)64 << 10)
#define ARGUMENTS_MAX 8

struct arguments {
    str items[ARGUMENTS_MAX];
    uint32_t count;
};

static void add(struct arguments *arguments, str item)
{
    arguments->items[arguments->count++] = item;
}

static void add_hello(const struct redis_url *url, struct arguments *arguments)
{
    add(arguments, STR("HELLO"));
    add(arguments, STR("3"));
    if (url->password[0] != '\0') {
        add(arguments, STR("AUTH"));
        add(arguments, url->user[0] != '\0' ? str_from_cstr(url->user) : STR("default"));
        add(arguments, str_from_cstr(url->password));
    }
    add(arguments, STR("SETNAME")); /* for CLIENT LIST */
    add(arguments, STR("featured"));
}

static void add_auth(const struct redis_url *url, struct arguments *arguments)
{
    add(arguments, STR("AUTH"));
    if (url->user[0] != '\0')
        add(arguments, str_from_cstr(url->user));
    add(arguments, str_from_cstr(url->password));
}

static void add_step(struct redis_link *link, char number[12], struct arguments *arguments)
{
    const struct redis_url *url = link->options.url;
    switch (link->step) {
    case REDIS_HELLO_HELLO:
        add_hello(url, arguments);
        break;
    case REDIS_HELLO_AUTH:
        add_auth(url, arguments);
        break;
    case REDIS_HELLO_INFO:
        add(arguments, STR("INFO"));
        add(arguments, STR("server"));
        break;
    case REDIS_HELLO_SELECT:
        snprintf(number, 12, "%u", url->database);
        add(arguments, STR("SELECT"));
        add(arguments, str_from_cstr(number));
        break;
    case REDIS_HELLO_READONLY:
        add(arguments, STR("READONLY"));
        break;
    case REDIS_HELLO_PING:
    case REDIS_HELLO_DONE:
        add(arguments, STR("PING"));
    }
}

static bool is_needed(const struct redis_link *link, enum redis_hello_step step)
{
    const struct redis_url *url = link->options.url;
    switch (step) {
    case REDIS_HELLO_AUTH:
        return !link->speaks_resp3 && url->password[0] != '\0';
    case REDIS_HELLO_INFO:
        return !link->speaks_resp3;
    case REDIS_HELLO_SELECT:
        return url->database != 0;
    case REDIS_HELLO_READONLY:
        return link->options.read_only && link->is_cluster;
    case REDIS_HELLO_HELLO:
    case REDIS_HELLO_PING:
    case REDIS_HELLO_DONE:
        break;
    }
    return true;
}

static void send_step(struct redis_link *link)
{
    struct arguments arguments = {.count = 0};
    char number[12];
    struct error error;
    while (!is_needed(link, link->step))
        link->step++;
    if (link->step == REDIS_HELLO_DONE) {
        redis_link_set_ready(link);
        return;
    }
    add_step(link, number, &arguments);
    arena_reset(&link->hello_arena);
    if (redis_format(&link->hello_arena, arguments.items, arguments.count, &link->hello.bytes) &&
        redis_link_put(link, &link->hello))
        return;
    error_set(&error, STATUS_UNAVAILABLE, "store_away", "no memory to speak to it");
    redis_link_connect_next(link, &error);
}

static void next_step(struct redis_link *link)
{
    link->step++;
    send_step(link);
}

/* The answer to HELLO is a map of names and values. */
static str value_in(const redisReply *reply, const char *name)
{
    bool has_pairs = reply->type == REDIS_REPLY_MAP || reply->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; has_pairs && i + 1 < reply->elements; i += 2) {
        const redisReply *key = reply->element[i];
        const redisReply *value = reply->element[i + 1];
        if (key->str && value->str && strcmp(key->str, name) == 0)
            return str_of(value->str, value->len);
    }
    return str_of(NULL, 0);
}

static str mode_in_info(const redisReply *reply)
{
    static const char NAME[] = "\nredis_mode:";
    const char *found = reply->str ? strstr(reply->str, NAME) : NULL;
    if (found == NULL)
        return str_of(NULL, 0);
    found += sizeof(NAME) - 1;
    return str_of(found, strcspn(found, "\r\n"));
}

/* Which failure it is decides when it is tried again. */
static void fail(struct redis_link *link, const char *type, const char *what,
                 const redisReply *reply)
{
    struct error error;
    char words[REDIS_WORDS_MAX];
    redis_reply_words_without(reply, str_from_cstr(link->options.url->password), words);
    error_set(&error, STATUS_UNAVAILABLE, type, "%s (%s)", what, words);
    redis_link_connect_next(link, &error);
}

static void fail_reply(struct redis_link *link, const redisReply *reply)
{
    if (redis_reply_is(reply, "NOAUTH"))
        fail(link, "store_credentials", "it wants a password: redis://USER:PASSWORD@HOST", reply);
    else if (redis_reply_is(reply, "WRONGPASS") || link->step == REDIS_HELLO_AUTH)
        fail(link, "store_credentials", "it refuses the user or the password of the URL", reply);
    else if (redis_reply_is(reply, "NOPERM"))
        fail(link, "store_credentials", "the user of the URL lacks a permission", reply);
    else if (link->step == REDIS_HELLO_SELECT)
        fail(link, "store_protocol", "it has no such database as the URL's", reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        fail(link, "store_away", "it does not serve", reply);
    else
        fail(link, "store_protocol", "what answers is no Redis", reply);
}

static bool take_mode(struct redis_link *link, str mode, const redisReply *reply)
{
    link->is_cluster = str_eq(mode, STR("cluster"));
    if (!str_eq(mode, STR("sentinel")))
        return true;
    fail(link, "store_protocol", "it is a Sentinel: give the address of a server or cluster",
         reply);
    return false;
}

static bool is_text(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, text) == 0;
}

/* An older server, or one where HELLO is renamed or not allowed. */
static bool lacks_hello(const redisReply *reply)
{
    return redis_reply_is(reply, "NOPROTO") || redis_reply_is(reply, "NOPERM") ||
           (reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "unknown command") != NULL);
}

static void on_hello(struct redis_link *link, const redisReply *reply)
{
    link->speaks_resp3 = reply->type == REDIS_REPLY_MAP;
    if (link->speaks_resp3) {
        if (take_mode(link, value_in(reply, "mode"), reply))
            next_step(link);
    } else if (lacks_hello(reply)) {
        next_step(link);
    } else {
        fail_reply(link, reply);
    }
}

/* Where INFO is not allowed, the URL's word counts. */
static void on_info(struct redis_link *link, const redisReply *reply)
{
    bool is_known = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_VERB;
    link->is_cluster = link->options.url->is_cluster;
    if (!is_known && !redis_reply_is(reply, "NOPERM"))
        fail_reply(link, reply);
    else if (!is_known || take_mode(link, mode_in_info(reply), reply))
        next_step(link);
}

static void on_step(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct redis_link *link = CONTAINER_OF(command, struct redis_link, hello);
    if (outcome != REDIS_ANSWERED)
        return;
    if (link->step == REDIS_HELLO_HELLO)
        on_hello(link, reply);
    else if (link->step == REDIS_HELLO_INFO)
        on_info(link, reply);
    else if (is_text(reply, link->step == REDIS_HELLO_PING ? "PONG" : "OK"))
        next_step(link);
    else
        fail_reply(link, reply);
}

void redis_link_hello(struct redis_link *link)
{
    arena_fini(&link->hello_arena);
    arena_init(&link->hello_arena, HELLO_ARENA_BYTES);
    link->hello = (struct redis_command){.done = on_step};
    link->speaks_resp3 = false;
    link->is_cluster = false;
    link->step = REDIS_HELLO_HELLO;
    send_step(link);
}

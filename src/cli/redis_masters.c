#include "cli/redis_masters.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/assert.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "online/redis/redis_link.h"
#include "online/redis/redis_tls.h"

#define TIMEOUT_S                                                                                  \
    30                 /* connecting, and each answer: a script under way elsewhere may hold it up \
                        */
#define WORDS_MAX 8192 /* of one command */
#define SAID_BYTES_MAX 4096u

bool redis_masters_is_url(const char *text)
{
    static const char *const SCHEMES[] = {"redis://", "rediss://", "redis-cluster://",
                                          "rediss-cluster://", "unix://"};
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        if (strncmp(text, SCHEMES[i], strlen(SCHEMES[i])) == 0)
            return true;
    }
    return false;
}

static status broken(const struct redis_master *node, struct error *error)
{
    const char *reason = node->context != NULL ? node->context->errstr : "out of memory";
    return error_set(error, STATUS_UNAVAILABLE, "redis", "the connection to %s broke off: %s",
                     node->name, reason);
}

status redis_master_queue(struct redis_master *node, int count, const str *words,
                          struct error *error)
{
    const char *data[WORDS_MAX];
    size_t lens[WORDS_MAX];
    ASSERT(count > 0 && count <= WORDS_MAX);
    for (int i = 0; i < count; i++) {
        data[i] = words[i].len > 0 ? words[i].data : "";
        lens[i] = words[i].len;
    }
    return redisAppendCommandArgv(node->context, count, data, lens) == REDIS_OK
               ? OK
               : broken(node, error);
}

status redis_master_reply(struct redis_master *node, redisReply **out, struct error *error)
{
    void *reply = NULL;
    if (redisGetReply(node->context, &reply) != REDIS_OK || reply == NULL)
        return broken(node, error);
    *out = reply;
    return OK;
}

static status refused(const struct redis_master *node, const redisReply *reply, str secret,
                      struct error *error)
{
    char words[REDIS_WORDS_MAX];
    struct buffer said;
    redis_reply_words_without(reply, secret, words);
    buffer_init(&said, SAID_BYTES_MAX);
    terminal_append_safe(&said, str_from_cstr(words));
    status result = error_set(error, STATUS_UNAVAILABLE, "redis", "%s answers: %.*s", node->name,
                              STR_ARG(buffer_str(&said)));
    buffer_fini(&said);
    return result;
}

status redis_master_refused(const struct redis_master *node, const redisReply *reply,
                            struct error *error)
{
    return refused(node, reply, STR(""), error);
}

static status call(struct redis_master *node, int count, const str *words, str secret,
                   redisReply **out, struct error *error)
{
    redisReply *reply;
    TRY(redis_master_queue(node, count, words, error));
    TRY(redis_master_reply(node, &reply, error));
    if (reply->type == REDIS_REPLY_ERROR) {
        status result = refused(node, reply, secret, error);
        freeReplyObject(reply);
        return result;
    }
    *out = reply;
    return OK;
}

status redis_master_call(struct redis_master *node, int count, const str *words, redisReply **out,
                         struct error *error)
{
    return call(node, count, words, STR(""), out, error);
}

/* A command whose answer is only that it worked; `secret` is not shown. */
static status order(struct redis_master *node, int count, const str *words, str secret,
                    struct error *error)
{
    redisReply *reply = NULL;
    TRY(call(node, count, words, secret, &reply, error));
    freeReplyObject(reply);
    return OK;
}

static status authenticate(struct redis_master *node, const struct redis_url *url,
                           struct error *error)
{
    const str words[] = {STR("AUTH"), str_from_cstr(url->user), str_from_cstr(url->password)};
    const str without_user[] = {words[0], words[2]};
    if (url->password[0] == '\0')
        return OK;
    return url->user[0] != '\0' ? order(node, 3, words, words[2], error)
                                : order(node, 2, without_user, words[2], error);
}

static status select_database(struct redis_master *node, const struct redis_url *url,
                              struct error *error)
{
    char number[16];
    int len = snprintf(number, sizeof(number), "%u", url->database);
    const str words[] = {STR("SELECT"), str_of(number, (size_t)len)};
    return url->database == 0 ? OK : order(node, 2, words, STR(""), error);
}

static status begin_tls(const struct redis_masters *masters, struct redis_master *node,
                        struct error *error)
{
    struct ssl_st *ssl = redis_tls_ssl(masters->tls, node->address.host);
    if (ssl == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "redis", "out of memory");
    if (redisInitiateSSL(node->context, ssl) == REDIS_OK)
        return OK;
    SSL_free(ssl); /* only a session that stands is the context's */
    return error_set(error, STATUS_UNAVAILABLE, "redis", "no TLS with %s: %s", node->name,
                     node->context->errstr);
}

static void name_node(const struct redis_masters *masters, struct redis_master *node)
{
    if (node->address.host[0] == '\0')
        snprintf(node->name, sizeof(node->name), "%.*s", (int)sizeof(node->name) - 1,
                 masters->url.socket_path);
    else
        snprintf(node->name, sizeof(node->name), "%s:%u", node->address.host, node->address.port);
}

static status connect_node(const struct redis_masters *masters, struct redis_master *node,
                           struct error *error)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    const struct redis_url *url = &masters->url;
    redisOptions options = {.connect_timeout = &timeout, .command_timeout = &timeout};
    if (node->address.host[0] == '\0')
        REDIS_OPTIONS_SET_UNIX(&options, url->socket_path);
    else
        REDIS_OPTIONS_SET_TCP(&options, node->address.host, node->address.port);
    name_node(masters, node);
    node->context = redisConnectWithOptions(&options);
    if (node->context == NULL || node->context->err != 0)
        return error_set(error, STATUS_UNAVAILABLE, "redis", "cannot connect to %s: %s", node->name,
                         node->context ? node->context->errstr : "out of memory");
    if (masters->tls != NULL)
        TRY(begin_tls(masters, node, error));
    TRY(authenticate(node, url, error));
    return select_database(node, url, error);
}

static bool reply_contains(const redisReply *reply, const char *text)
{
    return (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_VERB) &&
           str_contains(redis_reply_str(reply), str_from_cstr(text));
}

static status ask_whether_cluster(struct redis_masters *masters, struct error *error)
{
    const str words[] = {STR("INFO"), STR("cluster")};
    redisReply *reply;
    TRY(redis_master_call(&masters->nodes[0], 2, words, &reply, error));
    masters->is_cluster = reply_contains(reply, "cluster_enabled:1");
    freeReplyObject(reply);
    return OK;
}

/* The first of the seeds that answers. */
static status connect_seed(struct redis_masters *masters, struct error *error)
{
    struct redis_master *node = &masters->nodes[0];
    status result = OK;
    masters->count = 1;
    if (masters->url.seed_count == 0)
        return connect_node(masters, node, error);
    for (uint32_t i = 0; i < masters->url.seed_count; i++) {
        if (node->context != NULL)
            redisFree(node->context);
        *node = (struct redis_master){.address = masters->url.seeds[i]};
        result = connect_node(masters, node, error);
        if (status_is_ok(result))
            break;
    }
    return result;
}

static status ask_slots(struct redis_master *node, struct redis_slots **out, struct error *error)
{
    const str words[] = {STR("CLUSTER"), STR("SLOTS")};
    redisReply *reply;
    TRY(redis_master_call(node, 2, words, &reply, error));
    status result = redis_slots_parse(reply, &node->address, out, error);
    freeReplyObject(reply);
    return result;
}

/* The seed's connection makes room for one to each master. */
static status connect_masters(struct redis_masters *masters, struct error *error)
{
    struct redis_master *seed = &masters->nodes[0];
    struct redis_slots *slots;
    TRY(ask_slots(seed, &slots, error));
    masters->slots = slots;
    if (slots->covered < REDIS_SLOTS)
        return error_set(error, STATUS_UNAVAILABLE, "redis",
                         "%s: only %u of the cluster's %u slots have a master that serves them",
                         seed->name, slots->covered, REDIS_SLOTS);
    redisFree(seed->context);
    masters->count = 0;
    for (uint32_t i = 0; i < slots->node_count; i++) {
        struct redis_master *node = &masters->nodes[masters->count++];
        *node = (struct redis_master){.address = slots->nodes[i].address};
        if (slots->nodes[i].master == REDIS_NO_NODE)
            TRY(connect_node(masters, node, error));
    }
    return OK;
}

status redis_masters_open(const char *url, struct redis_masters *out, struct error *error)
{
    struct redis_masters masters = {0};
    status result = redis_url_parse(str_from_cstr(url), &masters.url, error);
    if (!status_is_ok(result))
        return result;
    masters.nodes = memory_alloc_array(REDIS_NODES_MAX, sizeof(*masters.nodes));
    if (masters.nodes == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "redis", "out of memory");
    if (masters.url.is_tls)
        result = redis_link_tls_create(&masters.url, &masters.tls, error);
    if (status_is_ok(result))
        result = connect_seed(&masters, error);
    if (status_is_ok(result))
        result = ask_whether_cluster(&masters, error);
    memcpy(masters.name, masters.nodes[0].name, sizeof(masters.name));
    if (status_is_ok(result) && masters.is_cluster)
        result = connect_masters(&masters, error);
    if (!status_is_ok(result)) {
        redis_masters_close(&masters);
        return result;
    }
    *out = masters;
    return OK;
}

static bool have_same_owner(const struct redis_slots *a, const struct redis_slots *b, uint32_t slot)
{
    if (a->owner[slot] == REDIS_NO_NODE || b->owner[slot] == REDIS_NO_NODE)
        return false;
    const struct redis_address *x = &a->nodes[a->owner[slot]].address;
    const struct redis_address *y = &b->nodes[b->owner[slot]].address;
    return strcmp(x->host, y->host) == 0 && x->port == y->port;
}

status redis_masters_check_slots(struct redis_masters *masters, struct error *error)
{
    struct redis_master *node = masters->nodes;
    struct redis_slots *now;
    uint32_t same = 0;
    if (!masters->is_cluster)
        return OK;
    while (node->context == NULL)
        node++;
    TRY(ask_slots(node, &now, error));
    while (same < REDIS_SLOTS && have_same_owner(masters->slots, now, same))
        same++;
    redis_slots_destroy(now);
    if (same == REDIS_SLOTS)
        return OK;
    return error_set(error, STATUS_UNAVAILABLE, "redis",
                     "slots of the cluster moved to other nodes meanwhile: keys may have been "
                     "missed; run it again when it is at rest");
}

void redis_masters_close(struct redis_masters *masters)
{
    for (uint32_t i = 0; i < masters->count; i++) {
        if (masters->nodes[i].context != NULL)
            redisFree(masters->nodes[i].context);
    }
    redis_link_tls_destroy(masters->tls);
    memory_free(masters->nodes);
    redis_slots_destroy(masters->slots);
    *masters = (struct redis_masters){0};
}

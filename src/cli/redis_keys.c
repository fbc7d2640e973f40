#include "cli/redis_keys.h"

#include <string.h>

#define PAGE_KEYS "1000" /* looked at in one round trip: some milliseconds of that Redis */

/* Few: insertion sort. */
void redis_keys_begin(struct redis_keys *keys, struct redis_masters *masters, const char *match,
                      const char *type)
{
    *keys = (struct redis_keys){.masters = masters, .match = match, .type = type, .cursor = "0"};
    for (uint32_t i = 0; i < masters->count; i++) {
        uint32_t place = keys->count;
        if (masters->nodes[i].context == NULL)
            continue;
        for (; place > 0 &&
               strcmp(masters->nodes[keys->order[place - 1]].name, masters->nodes[i].name) > 0;
             place--)
            keys->order[place] = keys->order[place - 1];
        keys->order[place] = i;
        keys->count++;
    }
}

static bool is_page(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[0]->len >= REDIS_CURSOR_MAX || reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING)
            return false;
    }
    return true;
}

status redis_keys_page(struct redis_keys *keys, redisReply **out, struct error *error)
{
    struct redis_master *master = redis_keys_master(keys);
    const str words[] = {STR("SCAN"),  str_from_cstr(keys->cursor),
                         STR("MATCH"), str_from_cstr(keys->match),
                         STR("COUNT"), STR(PAGE_KEYS),
                         STR("TYPE"),  str_from_cstr(keys->type)};
    redisReply *reply;
    TRY(redis_master_call(master, (int)ARRAY_LEN(words), words, &reply, error));
    if (is_page(reply)) {
        *out = reply;
        return OK;
    }
    freeReplyObject(reply);
    return error_set(error, STATUS_UNAVAILABLE, "redis", "%s does not answer SCAN as Redis does",
                     master->name);
}

status redis_keys_advance(struct redis_keys *keys, const redisReply *reply, bool *changed,
                          struct error *error)
{
    memcpy(keys->cursor, reply->element[0]->str, reply->element[0]->len + 1);
    *changed = strcmp(keys->cursor, "0") == 0;
    if (!*changed)
        return OK;
    keys->at++;
    return redis_keys_are_done(keys) ? redis_masters_check_slots(keys->masters, error) : OK;
}

status redis_keys_count(struct redis_keys *keys, uint64_t *out, struct error *error)
{
    const str words[] = {STR("DBSIZE")};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < keys->count; i++) {
        redisReply *reply;
        TRY(redis_master_call(&keys->masters->nodes[keys->order[i]], 1, words, &reply, error));
        if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
            sum += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    *out = sum;
    return OK;
}

status redis_keys_refusal(const struct redis_master *master, const redisReply *reply,
                          struct error *error)
{
    if (str_starts_with(redis_reply_str(reply), STR("WRONGTYPE")))
        return OK;
    return redis_master_refused(master, reply, error);
}

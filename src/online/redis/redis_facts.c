#include "online/redis/redis_facts.h"

#include <stdio.h>

#include "base/log.h"

/* The value of a line "name:value"; empty: there is none. */
static str find_value(str info, str name)
{
    while (info.len > 0) {
        str line = str_split(info, '\n', &info);
        if (line.len > name.len && str_starts_with(line, name) && line.data[name.len] == ':') {
            size_t end = line.len;
            if (line.data[end - 1] == '\r')
                end--;
            return str_of(line.data + name.len + 1, end - name.len - 1);
        }
    }
    return str_of(NULL, 0);
}

static void tell(const struct redis_facts *facts)
{
    log_event(LOG_INFO, "redis_settings", "masters=%u appendonly=%u evicting=%u unknown=%u",
              facts->masters, facts->durable, facts->evicting, facts->unknown);
    if (facts->durable + facts->unknown < facts->masters)
        log_event(LOG_WARN, "redis_not_durable",
                  "reason=\"appendonly is off: a restart of Redis loses what its last snapshot, if "
                  "any, had not\"");
    if (facts->evicting > 0)
        log_event(LOG_WARN, "redis_evicts",
                  "maxmemory_policy=%s reason=\"values are dropped silently when it is full: set "
                  "noeviction\"",
                  facts->policy);
}

static void read_info(struct redis_facts *facts, str info)
{
    str aof = find_value(info, STR("aof_enabled"));
    str limit = find_value(info, STR("maxmemory"));
    str policy = find_value(info, STR("maxmemory_policy"));
    if (aof.len == 0 || !str_is_utf8(policy)) {
        facts->unknown++;
        return;
    }
    facts->durable += str_eq(aof, STR("1"));
    if (limit.len == 0 || str_eq(limit, STR("0")) || str_eq(policy, STR("noeviction")))
        return;
    facts->evicting++;
    snprintf(facts->policy, sizeof(facts->policy), "%.*s", STR_ARG(policy));
}

static void ask_next(struct redis_facts *facts);

static void answered(struct redis_command *command, enum redis_outcome outcome,
                     const redisReply *reply)
{
    struct redis_facts *facts = command->user;
    bool is_text = outcome == REDIS_ANSWERED &&
                   (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_VERB);
    loop_enter(facts->loop);
    if (outcome != REDIS_ANSWERED) /* perhaps the client is being closed */
        return;
    read_info(facts, is_text ? str_of(reply->str, reply->len) : str_of(NULL, 0));
    facts->master++;
    ask_next(facts);
}

static void ask_next(struct redis_facts *facts)
{
    uint64_t revision;
    if (facts->master >= facts->masters ||
        facts->masters != redis_client_masters(facts->client, &revision)) {
        if (facts->master > 0)
            tell(facts);
        return;
    }
    facts->command = (struct redis_command){
        .bytes = STR("*1\r\n$4\r\nINFO\r\n"),
        .slot = REDIS_SLOT_ANY,
        .lane = REDIS_LANE_WRITE,
        .done = answered,
        .user = facts,
    };
    redis_client_submit_to(facts->client, facts->master, &facts->command);
}

void redis_facts_ask(struct redis_facts *facts, struct loop *loop, struct redis_client *client)
{
    uint64_t revision;
    *facts = (struct redis_facts){.loop = loop, .client = client};
    facts->masters = redis_client_masters(client, &revision);
    ask_next(facts);
}

#include "online/redis/redis_slots.h"

#include <string.h>

#include "base/hash_map.h"
#include "base/memory.h"
#include "online/redis/redis_redirect.h"

#define TOO_MANY_NODES "more than 1000 nodes, or than there is memory for"

struct slots_parser {
    struct redis_slots *slots;
    struct hash_map by_address; /* all bytes of the address → struct redis_slots_node */
    const struct redis_address *asked;
    struct error *error;
};

static status refuse(struct slots_parser *parser, const char *what)
{
    char text[REDIS_ADDRESS_TEXT_MAX];
    return error_set(parser->error, STATUS_UNAVAILABLE, "redis_slots",
                     "redis %s answered CLUSTER SLOTS with something else: %s",
                     redis_address_text(parser->asked, text), what);
}

static bool is_list(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ARRAY;
}

static bool is_text(const redisReply *reply)
{
    return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                     reply->type == REDIS_REPLY_VERB);
}

static bool is_integer(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER;
}

/* The "ip" among a node's further properties (a flat list in RESP2, a map in RESP3): there when the
 * host is a name, or unknown. */
static str ip_of(const redisReply *node)
{
    if (node->elements < 4)
        return (str){0};
    const redisReply *properties = node->element[3];
    if (properties == NULL ||
        (properties->type != REDIS_REPLY_ARRAY && properties->type != REDIS_REPLY_MAP))
        return (str){0};
    for (size_t i = 0; i + 1 < properties->elements; i += 2) {
        const redisReply *name = properties->element[i], *value = properties->element[i + 1];
        if (is_text(name) && is_text(value) && str_eq(str_of(name->str, name->len), STR("ip")))
            return str_of(value->str, value->len);
    }
    return (str){0};
}

/* [host, port, id, properties…]: no host, or "": the one we asked. "?": a host name that is not
 * configured. */
static bool read_address(struct slots_parser *parser, const redisReply *node,
                         struct redis_address *out)
{
    if (!is_list(node) || node->elements < 2 || !is_integer(node->element[1]))
        return false;
    const redisReply *host = node->element[0];
    str name = {0};
    if (is_text(host))
        name = str_of(host->str, host->len);
    else if (host == NULL || host->type != REDIS_REPLY_NIL)
        return false;
    if (str_eq(name, STR("?")))
        name = ip_of(node);
    return redis_address_read(name, node->element[1]->integer, parser->asked, out);
}

static struct redis_slots_node *find_or_add(struct slots_parser *parser,
                                            const struct redis_address *address)
{
    struct redis_slots *slots = parser->slots;
    struct redis_slots_node *node =
        hash_map_get(&parser->by_address, str_of((const char *)address, sizeof(*address)));
    if (node || slots->node_count == REDIS_NODES_MAX)
        return node;
    node = &slots->nodes[slots->node_count];
    node->address = *address;
    node->master = REDIS_NO_NODE;
    if (!hash_map_put(&parser->by_address,
                      str_of((const char *)&node->address, sizeof(node->address)), node))
        return NULL;
    slots->node_count++;
    return node;
}

static status read_replicas(struct slots_parser *parser, const redisReply *range, uint16_t master)
{
    for (size_t i = 3; i < range->elements; i++) {
        struct redis_address address;
        if (!read_address(parser, range->element[i], &address))
            return refuse(parser, "a replica without a usable address");
        uint32_t known = parser->slots->node_count;
        struct redis_slots_node *node = find_or_add(parser, &address);
        if (node == NULL)
            return refuse(parser, TOO_MANY_NODES);
        if (parser->slots->node_count > known)
            node->master = master;
    }
    return OK;
}

/* [first slot, last slot, master, replica…] */
static status read_range(struct slots_parser *parser, const redisReply *range)
{
    struct redis_slots *slots = parser->slots;
    struct redis_address address;
    if (!is_list(range) || range->elements < 3 || !is_integer(range->element[0]) ||
        !is_integer(range->element[1]))
        return refuse(parser, "a range that is none");
    long long first = range->element[0]->integer, last = range->element[1]->integer;
    if (first < 0 || last < first || last >= REDIS_SLOTS)
        return refuse(parser, "a range of slots that do not exist");
    if (!read_address(parser, range->element[2], &address))
        return refuse(parser, "a master without a usable address");
    struct redis_slots_node *node = find_or_add(parser, &address);
    if (node == NULL)
        return refuse(parser, TOO_MANY_NODES);
    uint16_t index = (uint16_t)(node - slots->nodes);
    node->master = REDIS_NO_NODE; /* also if it is a replica of another range's */
    for (long long slot = first; slot <= last; slot++) {
        if (slots->owner[slot] != REDIS_NO_NODE)
            return refuse(parser, "a slot with two masters");
        slots->owner[slot] = index;
    }
    slots->covered += (uint32_t)(last - first) + 1;
    return read_replicas(parser, range, index);
}

static status refuse_error(struct slots_parser *parser, const redisReply *reply)
{
    char text[REDIS_ADDRESS_TEXT_MAX], words[REDIS_WORDS_MAX];
    redis_reply_words(reply, words);
    return error_set(parser->error, STATUS_UNAVAILABLE, "redis_slots",
                     "redis %s refuses CLUSTER SLOTS: %s", redis_address_text(parser->asked, text),
                     words);
}

static status parse(struct slots_parser *parser, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return refuse_error(parser, reply);
    if (!is_list(reply))
        return refuse(parser, "no list");
    if (reply->elements > REDIS_SLOTS)
        return refuse(parser, "more ranges than slots");
    for (size_t i = 0; i < reply->elements; i++)
        TRY(read_range(parser, reply->element[i]));
    return OK;
}

status redis_slots_parse(const redisReply *reply, const struct redis_address *asked,
                         struct redis_slots **out, struct error *error)
{
    struct redis_slots *slots = memory_alloc_zero(sizeof(*slots));
    struct redis_slots_node *nodes = memory_alloc_array(REDIS_NODES_MAX, sizeof(*nodes));
    if (slots == NULL || nodes == NULL) {
        memory_free(slots);
        memory_free(nodes);
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the cluster's slots");
    }
    struct slots_parser parser = {slots, .asked = asked, .error = error};
    hash_map_init(&parser.by_address);
    slots->nodes = nodes;
    memset(slots->owner, 0xFF, sizeof(slots->owner));
    status result = parse(&parser, reply);
    hash_map_fini(&parser.by_address);
    if (!status_is_ok(result)) {
        redis_slots_destroy(slots);
        return result;
    }
    *out = slots;
    return OK;
}

void redis_slots_destroy(struct redis_slots *slots)
{
    if (slots == NULL)
        return;
    memory_free(slots->nodes);
    memory_free(slots);
}

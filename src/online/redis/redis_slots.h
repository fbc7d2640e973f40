/* The answer to CLUSTER SLOTS (Redis 6.2 to 7, Valkey; RESP2 or RESP3) as a map from slot to node.
 * Pure; hostile replies are refused as a whole, slots that nobody serves are no error. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_SLOTS_H
#define FEATURED_ONLINE_REDIS_REDIS_SLOTS_H

#include "online/redis/redis_command.h"
#include "online/redis/redis_url.h"

#define REDIS_NODES_MAX 1000u /* what Redis Cluster itself is made for */
#define REDIS_NO_NODE UINT16_MAX

struct redis_slots_node {
    struct redis_address address;
    uint16_t master; /* of this replica; REDIS_NO_NODE: it is a master */
};

struct redis_slots {
    struct redis_slots_node *nodes;
    uint32_t node_count;
    uint32_t covered;            /* slots with a master */
    uint16_t owner[REDIS_SLOTS]; /* index of its master, or REDIS_NO_NODE */
};

/* `asked`: who answered; it stands for hosts that the answer leaves out. Allocated: see destroy. */
MUST_CHECK status redis_slots_parse(const redisReply *reply, const struct redis_address *asked,
                                    struct redis_slots **out, struct error *error);
void redis_slots_destroy(struct redis_slots *slots);

#endif

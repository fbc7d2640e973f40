/* Private to the driver: what the masters' own settings mean for the values, said once in the log
 * when the store is first reached: durability and memory are theirs. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_FACTS_H
#define FEATURED_ONLINE_REDIS_REDIS_FACTS_H

#include "online/redis/redis_client.h"

struct redis_facts {
    struct redis_command command;
    struct loop *loop;
    struct redis_client *client;
    uint32_t master; /* asked now */
    uint32_t masters;
    uint32_t unknown; /* did not say */
    uint32_t durable; /* append to a file what is written */
    uint32_t evicting;
    char policy[32]; /* of one that evicts */
};

/* On the client's loop; the facts are in use until the answers came or the client is closed. */
void redis_facts_ask(struct redis_facts *facts, struct loop *loop, struct redis_client *client);

#endif

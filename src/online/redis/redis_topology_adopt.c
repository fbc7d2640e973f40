/* What follows from a new slot map: the nodes, their links, who owns what. */
#include <stdlib.h>

#include "online/redis/redis_client_private.h"

static int compare_masters(const void *a, const void *b, void *context)
{
    const struct redis_client *client = context;
    const struct redis_address *left = &client->nodes[*(const uint16_t *)a]->address;
    const struct redis_address *right = &client->nodes[*(const uint16_t *)b]->address;
    int order = strcmp(left->host, right->host);
    return order ? order : (left->port > right->port) - (left->port < right->port);
}

/* FNV-1a, with no seed of the process: cursors of one server are taken by another one. */
static uint64_t fingerprint(const struct redis_client *client)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < client->master_count; i++) {
        char name[REDIS_ADDRESS_TEXT_MAX];
        const struct redis_node *node = client->nodes[client->masters[i]];
        for (const char *at = redis_address_text(&node->address, name); *at; at++)
            sum = (sum ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
        sum = (sum ^ ' ') * UINT64_C(0x100000001b3);
    }
    return sum;
}

/* Nodes that have come to own slots, or no longer do. In the order of their addresses, as any other
 * client of this cluster has them. */
void redis_masters_rebuild(struct redis_client *client)
{
    client->master_count = 0;
    for (uint32_t i = 0; i < client->node_end; i++) {
        const struct redis_node *node = client->nodes[i];
        if (node && (client->is_cluster ? node->is_master : node == client->seed))
            client->masters[client->master_count++] = (uint16_t)i;
    }
    qsort_r(client->masters, client->master_count, sizeof(client->masters[0]), compare_masters,
            client);
    client->revision = fingerprint(client);
}

static void forget_roles(struct redis_client *client)
{
    for (uint32_t i = 0; i < client->node_end; i++) {
        struct redis_node *node = client->nodes[i];
        if (node == NULL)
            continue;
        node->in_map = false;
        node->is_master = false;
        node->replicas = NULL;
        node->replica_next = NULL;
        node->replica_turn = NULL;
    }
}

/* The map's nodes among ours; `index_of` gets ours of each, REDIS_NO_NODE without memory. */
static void take_nodes(struct redis_client *client, const struct redis_slots *slots,
                       uint16_t *index_of)
{
    for (uint32_t i = 0; i < slots->node_count; i++) {
        struct redis_node *node = redis_node_take(client, &slots->nodes[i].address);
        index_of[i] = node ? node->index : REDIS_NO_NODE;
        if (node == NULL)
            continue;
        node->in_map = true;
        node->is_master = slots->nodes[i].master == REDIS_NO_NODE;
    }
    for (uint32_t i = 0; i < slots->node_count; i++) {
        uint16_t master = slots->nodes[i].master;
        if (master == REDIS_NO_NODE || index_of[i] == REDIS_NO_NODE ||
            index_of[master] == REDIS_NO_NODE)
            continue;
        struct redis_node *node = client->nodes[index_of[i]];
        node->replica_next = client->nodes[index_of[master]]->replicas;
        client->nodes[index_of[master]]->replicas = node;
    }
}

static void take_owners(struct redis_client *client, const struct redis_slots *slots,
                        const uint16_t *index_of)
{
    client->covered = 0;
    for (uint32_t slot = 0; slot < REDIS_SLOTS; slot++) {
        uint16_t owner = slots->owner[slot];
        client->owner[slot] = owner == REDIS_NO_NODE ? REDIS_NO_NODE : index_of[owner];
        client->covered += client->owner[slot] != REDIS_NO_NODE;
    }
}

/* A node that a slot is moving to owns none yet, and is in no map; seeds stay while there is
 * trouble. */
static bool is_needed(const struct redis_client *client, const struct redis_node *node)
{
    return node->in_map || node->needed_ms > redis_now_ms(client) ||
           (node->is_seed && client->refresh.bad_rounds > 0);
}

static void drop_node(struct redis_client *client, struct redis_node *node)
{
    if (node == client->seed)
        client->seed = NULL;
    redis_node_drop(client, node);
}

/* A master's links are made at once, for redis_client_check() to know whether it is there. */
void redis_topology_settle(struct redis_client *client)
{
    unsigned of_replica = client->options.read_from_replica ? 1u << LINE_REPLICA : 0;
    for (uint32_t i = 0; i < client->node_end; i++) {
        struct redis_node *node = client->nodes[i];
        if (node == NULL)
            continue;
        if (!is_needed(client, node)) {
            drop_node(client, node);
        } else if (node->in_map) {
            unsigned kinds = node->is_master ? LINES_MASTER : of_replica;
            redis_node_disconnect(node, kinds);
            redis_node_connect(client, node, kinds);
        }
    }
}

void redis_topology_adopt(struct redis_client *client, const struct redis_slots *slots)
{
    uint16_t index_of[REDIS_NODES_MAX];
    forget_roles(client);
    take_nodes(client, slots, index_of);
    take_owners(client, slots, index_of);
    client->has_map = true;
    redis_topology_settle(client);
    redis_masters_rebuild(client);
    redis_route_kick(client);
}

void redis_topology_moved(struct redis_client *client, uint32_t slot, struct redis_node *node)
{
    client->covered += client->owner[slot] == REDIS_NO_NODE;
    client->owner[slot] = node->index;
    redis_node_connect(client, node, LINES_MASTER);
    if (!node->is_master) {
        node->is_master = true;
        redis_masters_rebuild(client);
        redis_client_notify(client);
    }
    redis_topology_want(client);
}

void redis_topology_found_single(struct redis_client *client)
{
    struct redis_node *seed = redis_node_take(client, &client->options.url->seeds[0]);
    if (seed == NULL)
        return;
    client->seed = seed;
    client->is_cluster = false;
    client->has_map = false;
    client->refresh.is_running = false;
    client->refresh.bad_rounds = 0;
    client->covered = 0;
    memset(client->owner, 0xFF, sizeof(client->owner));
    forget_roles(client);
    for (uint32_t i = 0; i < client->node_end; i++)
        if (client->nodes[i] && client->nodes[i] != seed)
            redis_node_drop(client, client->nodes[i]);
    redis_node_connect(client, seed, LINES_MASTER);
    redis_masters_rebuild(client);
    redis_route_kick(client);
    redis_topology_schedule(client);
    redis_client_notify(client);
}

/* The nodes a client knows, and their links. */
#include "base/assert.h"
#include "base/memory.h"
#include "online/redis/redis_client_private.h"

/* Maps list their nodes in the same order, mostly. */
static struct redis_node *find(struct redis_client *client, const struct redis_address *address)
{
    for (uint32_t i = 1; i <= client->node_end; i++) {
        uint32_t index = (client->node_found + i) % client->node_end;
        struct redis_node *node = client->nodes[index];
        if (node && redis_address_eq(&node->address, address)) {
            client->node_found = index;
            return node;
        }
    }
    return NULL;
}

struct redis_node *redis_node_take(struct redis_client *client, const struct redis_address *address)
{
    struct redis_node *node = find(client, address);
    if (node)
        return node;
    uint32_t index = 0;
    while (index < client->node_end && client->nodes[index])
        index++;
    if (index == REDIS_CLIENT_NODES_MAX)
        return NULL;
    node = memory_alloc_zero(sizeof(*node));
    if (node == NULL)
        return NULL;
    node->address = *address;
    node->index = (uint16_t)index;
    client->nodes[index] = node;
    if (index == client->node_end)
        client->node_end++;
    client->node_count++;
    redis_count(&client->counters->nodes, 1);
    return node;
}

bool redis_line_is_ready(const struct redis_line *line)
{
    return line && redis_link_state(line->link) == REDIS_LINK_READY;
}

static void on_link_changed(void *user, struct redis_link *link, enum redis_link_state state)
{
    struct redis_line *line = user;
    struct redis_client *client = line->client;
    if (client->is_closing || line->node == NULL)
        return;
    if (state == REDIS_LINK_READY) {
        if (!client->is_cluster && redis_link_is_cluster(link))
            redis_topology_found_cluster(client);
        else if (client->is_cluster && (!client->has_map || client->refresh.bad_rounds > 0))
            redis_topology_want(client);
        redis_route_kick(client);
    } else if (state == REDIS_LINK_BACKOFF && client->is_cluster) {
        redis_topology_want(client);
    }
    redis_client_notify(client);
}

static void insert(struct redis_line **list, struct redis_line *line)
{
    line->next = *list;
    line->previous = list;
    if (line->next)
        line->next->previous = &line->next;
    *list = line;
}

static void take_out(struct redis_line *line)
{
    *line->previous = line->next;
    if (line->next)
        line->next->previous = line->previous;
}

static struct redis_line *line_open(struct redis_client *client, struct redis_node *node,
                                    enum redis_line_kind kind)
{
    const struct redis_client_options *options = &client->options;
    struct redis_line *line = memory_alloc_zero(sizeof(*line));
    if (line == NULL)
        return NULL;
    line->client = client;
    line->node = node;
    line->kind = kind;
    line->address = node->address;
    line->link = redis_link_create(&(struct redis_link_options){
        .loop = options->loop,
        .url = node->address.host[0] == '\0' ? options->url : &client->node_url,
        .address = node->address,
        .tls = options->tls,
        .read_only = kind == LINE_REPLICA,
        .timeout_ms = options->timeout_ms,
        .max_pending = options->max_pending,
        .max_pending_bytes = options->max_pending_bytes,
        .counters = client->counters,
        .changed = on_link_changed,
        .user = line,
    });
    if (line->link == NULL) {
        memory_free(line);
        return NULL;
    }
    insert(&client->lines, line);
    client->holds++;
    return line;
}

void redis_node_connect(struct redis_client *client, struct redis_node *node, unsigned kinds)
{
    for (unsigned kind = 0; kind < LINE_KINDS; kind++)
        if (node->lines[kind] == NULL && (kinds & 1u << kind))
            node->lines[kind] = line_open(client, node, (enum redis_line_kind)kind);
}

void redis_node_disconnect(struct redis_node *node, unsigned kinds)
{
    for (unsigned kind = 0; kind < LINE_KINDS; kind++) {
        struct redis_line *line = node->lines[kind];
        if (line == NULL || (kinds & 1u << kind))
            continue;
        node->lines[kind] = NULL;
        line->node = NULL;
        take_out(line);
        insert(&line->client->retired, line);
    }
}

void redis_node_forget(struct redis_client *client, struct redis_node *node)
{
    ASSERT(client->nodes[node->index] == node);
    client->nodes[node->index] = NULL;
    while (client->node_end > 0 && client->nodes[client->node_end - 1] == NULL)
        client->node_end--;
    client->node_count--;
    redis_count(&client->counters->nodes, -1);
    memory_free(node);
}

void redis_node_drop(struct redis_client *client, struct redis_node *node)
{
    redis_node_disconnect(node, 0);
    redis_node_forget(client, node);
}

static void on_link_closed(void *user)
{
    struct redis_line *line = user;
    struct redis_client *client = line->client;
    memory_free(line);
    redis_client_release(client);
}

void redis_line_close(struct redis_line *line)
{
    take_out(line);
    redis_link_close(line->link, on_link_closed, line);
}

void redis_lines_sweep(struct redis_client *client)
{
    struct redis_line *next;
    for (struct redis_line *line = client->retired; line; line = next) {
        next = line->next;
        if (line->in_flight == 0 && !line->is_asked)
            redis_line_close(line);
    }
}

/* What the files of the client share: redis_client.c (its life), redis_route.c (commands),
 * redis_nodes.c (nodes and their links), redis_topology.c (the slot map). All on the client's loop.
 */
#ifndef FEATURED_ONLINE_REDIS_REDIS_CLIENT_PRIVATE_H
#define FEATURED_ONLINE_REDIS_REDIS_CLIENT_PRIVATE_H

#include "online/redis/redis_client.h"
#include "online/redis/redis_link.h"
#include "online/redis/redis_redirect.h"
#include "online/redis/redis_slots.h"

/* A new map's nodes come before the old map's go. */
#define REDIS_CLIENT_NODES_MAX (2u * REDIS_NODES_MAX + REDIS_SEEDS_MAX)

enum redis_line_kind { LINE_READ, LINE_WRITE, LINE_REPLICA, LINE_KINDS };

#define LINES_MASTER (1u << LINE_READ | 1u << LINE_WRITE)

/* One link of a node, as the client holds it. It outlives its node while commands are under way. */
struct redis_line {
    struct redis_client *client;
    struct redis_line **previous; /* in client->lines or client->retired */
    struct redis_line *next;
    struct redis_link *link;
    struct redis_node *node; /* NULL: retired */
    enum redis_line_kind kind;
    struct redis_address address;
    uint32_t in_flight;
    bool is_asked; /* `slots` is under way */
    uint64_t asked_in;
    struct redis_command slots;
};

struct redis_node {
    struct redis_address address;
    struct redis_line *lines[LINE_KINDS];
    uint16_t index;
    bool in_map;
    bool is_master;
    bool is_seed;
    bool was_asked;     /* in this refresh */
    int64_t needed_ms;  /* an ASK led here: kept for a while, though no slot's master */
    int64_t suspect_ms; /* until then others are asked first */
    /* the replicas of a master, in a ring of turns */
    struct redis_node *replicas;
    struct redis_node *replica_next;
    struct redis_node *replica_turn;
};

/* Commands to be tried again, each after the same time: first in, first due. */
struct redis_waiting {
    struct redis_command *first;
    struct redis_command **last;
};

enum { WAIT_SHORT, WAIT_LONG, WAIT_KINDS };

struct redis_refresh {
    bool is_running;
    uint64_t number;
    uint32_t outstanding; /* asked, not answered, of this refresh */
    uint32_t turn;        /* whom to ask first: the node behind the last one */
    uint32_t asked;
    uint32_t bad_rounds; /* in a row */
    int64_t started_ms;
    int64_t asked_ms;
    int64_t next_ms;
    struct error failure; /* of the last one; empty: none */
    struct redis_slots
        *best; /* an answer with fewer slots than known before: others are asked too */
};

/* What a master last said instead of serving. */
struct redis_complaint {
    struct redis_address address;
    char words[REDIS_WORDS_MAX];
    int64_t until_ms;
};

struct redis_client {
    struct redis_client_options options;
    struct redis_counters *counters;
    struct redis_url node_url; /* without socket: of nodes with an address */
    bool is_cluster;
    bool has_map;
    bool is_closing;
    bool is_kicked;          /* what waits is tried at once */
    bool is_notifying;       /* `notify` is under way */
    uint32_t holds;          /* lines, timers and `notify`: 0 → closed */
    struct redis_node *seed; /* the single server, or the first seed; NULL: no longer needed */
    uint16_t owner[REDIS_SLOTS];
    uint32_t covered;
    struct redis_node *nodes[REDIS_CLIENT_NODES_MAX]; /* with holes */
    uint32_t node_end;                                /* behind the last one */
    uint32_t node_found; /* the last one looked for: the next one is mostly behind it */
    uint32_t node_count;
    uint16_t masters[REDIS_CLIENT_NODES_MAX];
    uint32_t master_count;
    uint64_t revision; /* of `masters`: of their addresses */
    struct redis_line *lines;
    struct redis_line *retired;
    uint32_t pending;
    uint64_t pending_bytes;
    uint32_t waiting_count;
    struct redis_waiting waiting[WAIT_KINDS];
    uv_timer_t retry_timer;
    struct redis_refresh refresh;
    uv_timer_t refresh_timer;
    struct redis_complaint complaint;
    struct loop_task notify;
    void (*closed)(void *user);
    void *closed_user;
};

static inline int64_t redis_now_ms(const struct redis_client *client)
{
    return (int64_t)uv_now(&client->options.loop->uv);
}

/* redis_client.c */
void redis_client_release(struct redis_client *client); /* one of `holds` */
void redis_client_notify(struct redis_client *client);

/* redis_nodes.c */
/* The node with this address, made if it is new. NULL: too many, or no memory. Without lines. */
struct redis_node *redis_node_take(struct redis_client *client,
                                   const struct redis_address *address);
/* Makes what is missing of the lines for `kinds` (bits); one that cannot be made is tried again at
 * the next refresh. */
void redis_node_connect(struct redis_client *client, struct redis_node *node, unsigned kinds);
/* Lets go of the lines that are not of `kinds`: they are closed when nothing is under way on them.
 */
void redis_node_disconnect(struct redis_node *node, unsigned kinds);
void redis_node_drop(struct redis_client *client, struct redis_node *node);
bool redis_line_is_ready(const struct redis_line *line);
void redis_line_close(struct redis_line *line);
/* Without its lines, which are closed elsewhere. */
void redis_node_forget(struct redis_client *client, struct redis_node *node);
/* Closes retired lines that are done. */
void redis_lines_sweep(struct redis_client *client);

/* redis_route.c */
void redis_route_retry(uv_timer_t *timer);
/* What waits is tried at once: a link is ready, or the map is new. */
void redis_route_kick(struct redis_client *client);
/* REFUSED for all that waits. */
void redis_route_end(struct redis_client *client);

/* redis_topology.c */
void redis_topology_tick(uv_timer_t *timer);
void redis_topology_schedule(struct redis_client *client);
void redis_topology_connect_seeds(struct redis_client *client);
/* Something does not fit the map: refresh it soon. */
void redis_topology_want(struct redis_client *client);
void redis_topology_found_cluster(struct redis_client *client);
/* MOVED. */
void redis_topology_moved(struct redis_client *client, uint32_t slot, struct redis_node *node);
void redis_topology_end(struct redis_client *client);
/* redis_topology_adopt.c */
void redis_topology_adopt(struct redis_client *client, const struct redis_slots *slots);
/* Links for the nodes in the map; parts with those that are of no use. */
void redis_topology_settle(struct redis_client *client);
void redis_topology_found_single(struct redis_client *client);
void redis_masters_rebuild(struct redis_client *client);

#endif

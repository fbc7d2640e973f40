/* A client over a cluster (or single servers) that exists in memory only: who is up, who owns which
 * slot, who answers what. Each command counts how often it was carried out. */
#ifndef FEATURED_TESTS_UNIT_ONLINE_REDIS_CLIENT_WORLD_H
#define FEATURED_TESTS_UNIT_ONLINE_REDIS_CLIENT_WORLD_H

#include "fake_link.h"
#include "online/redis/redis_client.h"

#define WORLD_NODES 8
#define WORLD_PORT 7000u /* of node 0; the others follow */
#define WORLD_NOBODY 255

struct world_node {
    bool is_up;
    bool is_single;       /* not part of a cluster */
    bool is_silent;       /* accepts commands, answers none */
    uint8_t master;       /* of a replica; itself: a master */
    const char *error;    /* said instead of carrying out a command … */
    unsigned error_count; /* … so many times */
    const char *slots;    /* said instead of the true map */
    unsigned commands;    /* carried out */
    unsigned slots_asked;
};

struct world {
    struct epoch epoch;
    struct loop loop;
    struct world_node nodes[WORLD_NODES];
    uint8_t owner[REDIS_SLOTS];
    uint8_t migrating_to[REDIS_SLOTS]; /* WORLD_NOBODY: stays */
    struct redis_url url;
    struct redis_client_options options; /* to be changed before world_connect() */
    struct redis_counters counters;
    struct redis_client *client;
    unsigned changes;
    bool is_closed;
    char text[1 << 16];
};

struct call {
    struct redis_command command;
    unsigned executed;
    unsigned ended;
    enum redis_outcome outcome;
    char text[128]; /* of the reply */
    int64_t ended_ms;
    struct world *world;
    struct call *then; /* submitted from within `done` */
};

extern struct world world;

/* No node is up yet; one seed, node 0; `timeout_ms` 300. */
int world_setup(void **state);
int world_teardown(void **state);
/* `masters` of WORLD_NODES own equal parts; replica i + masters of master i if `with_replicas`. */
void world_make_cluster(unsigned masters, bool with_replicas);
void world_make_single(void);
void world_move(unsigned first, unsigned last, unsigned node);
void world_kill(unsigned node);
void world_connect(void);
/* Connected, and redis_client_check() is content. */
void world_connect_ready(void);
void world_close(void);

void world_submit(struct call *call, uint32_t slot, enum redis_lane lane);
/* Runs the loop until it is true: fails after 10 s. */
#define WORLD_UNTIL(condition)                                                                     \
    do {                                                                                           \
        int64_t until_ = world_now_ms() + 10000;                                                   \
        while (!(condition)) {                                                                     \
            if (world_now_ms() > until_)                                                           \
                fail_msg("line %d: never: %s", __LINE__, #condition);                              \
            world_turn();                                                                          \
        }                                                                                          \
    } while (0)
void world_turn(void);
int64_t world_now_ms(void);
bool world_is_ready(void);
/* Submits and waits: the port of the node that carried it out. */
unsigned world_ask(uint32_t slot, enum redis_lane lane);
/* What redis_client_check() says; "" is OK. */
const char *world_check(void);

#endif

/* One loop, one link and its commands, driven step by step; and a peer of the test's own that need
 * not behave. */
#ifndef FEATURED_TESTS_UNIT_ONLINE_REDIS_LINK_WORLD_H
#define FEATURED_TESTS_UNIT_ONLINE_REDIS_LINK_WORLD_H

#include <pthread.h>

#include "online/redis/redis_client.h"
#include "online/redis/redis_link.h"

#define CALLS_MAX 4096

/* A command and what became of it. */
struct call {
    struct redis_command command;
    struct link_world *world;
    bool is_done;
    unsigned order; /* in which they were done, from 1 */
    enum redis_outcome outcome;
    int type;
    char text[256]; /* string, status or error; integers and elements as decimals */
    void (*then)(struct call *call); /* NULL: nothing more */
};

struct link_world {
    struct epoch epoch;
    struct loop loop;
    struct redis_url url;
    struct redis_counters counters;
    struct redis_link_options options;
    struct redis_link *link; /* NULL once closed */
    struct arena arena;
    unsigned done_count;
    enum redis_link_state states[64]; /* as reported, first to last */
    unsigned state_count;
    void (*on_changed)(struct link_world *world, enum redis_link_state state); /* NULL: nothing */
    uv_timer_t guard; /* a test that waits in vain fails */
};

void link_world_init(struct link_world *world, const char *url);
/* Closes the link if the test has not. */
void link_world_fini(struct link_world *world);
void link_world_open(struct link_world *world);
void link_world_close(struct link_world *world);
/* Runs the loop until it is so; fails the test after 20 s. */
void link_world_until_closed(struct link_world *world);
void link_world_until_state(struct link_world *world, enum redis_link_state state);
void link_world_until_done(struct link_world *world, unsigned count);
uint64_t link_world_count(const _Atomic uint64_t *counter);

/* Words separated by spaces. */
void call_init(struct link_world *world, struct call *call, const char *words);
void call_send(struct call *call);
/* Sends it and waits for the answer. */
void call_run(struct link_world *world, struct call *call, const char *words);

/* Listens on a free port; `serve` is called on its own thread for each connection, one at a time,
 * and the connection is closed when it returns. */
struct peer {
    int listener;
    uint16_t port;
    void (*serve)(int fd);
    pthread_t thread;
};

void peer_start(struct peer *peer, void (*serve)(int fd));
void peer_stop(struct peer *peer);
void peer_send(int fd, const char *text);
/* False: the other side has ended the connection. */
bool peer_receive(int fd);
/* Answers until the link is READY. */
bool peer_greet(int fd);

#endif

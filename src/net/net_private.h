/* What the files of this folder share: the server, its loops and its listener. */
#ifndef FEATURED_NET_NET_PRIVATE_H
#define FEATURED_NET_NET_PRIVATE_H

#include <stdatomic.h>

#include "net/net.h"

#define NET_SPARE_INPUTS_MAX 32         /* kept per loop, 64 KiB each */
#define NET_SPARE_OUTS_MAX 32           /* kept per loop */
#define NET_SPARE_OUT_BYTES (64u << 10) /* a larger one is freed */
#define NET_SPARE_CONNECTIONS_MAX 64

/* One read's bytes, and who still looks at them. */
struct net_input {
    struct net_input *next; /* while spare */
    uint32_t references;
    char data[NET_READ_BYTES];
};

struct net_loop {
    struct loop *loop;
    struct net_server *server;
    struct net_connection *connections;
    struct deadlines deadlines;
    uv_timer_t timer;
    int64_t timer_at_ms;
    struct net_input *reading; /* where the next read goes */
    struct net_input *spare_inputs;
    unsigned spare_input_count;
    struct net_connection *spare_connections;
    unsigned spare_connection_count;
    struct buffer spare_outs[NET_SPARE_OUTS_MAX];
    unsigned spare_out_count;
    bool prepared; /* the timer is there */
    bool draining;
    struct loop_task drain_task;
    struct loop_task cut_task;
    struct loop_task stop_task;
    _Atomic uint32_t connection_count; /* handed-over ones that are not open yet included */
    _Alignas(CACHE_LINE_BYTES) struct net_counters counters;
};

enum listener_pause { LISTENER_RUNS, LISTENER_PAUSED, LISTENER_RESUMING };

struct net_listener {
    int fd;
    uint16_t port;
    uv_poll_t poll;
    uv_timer_t retry;
    struct loop_task resume_task;
    _Atomic int pause; /* enum listener_pause */
    unsigned next_loop;
    bool closed;
};

struct net_server {
    struct net_options options;
    struct net_listener listener;
    struct net_loop *loops;
    _Atomic uint32_t connection_count;
    _Atomic uint32_t holds; /* connections, and work of closed ones */
    _Atomic bool draining;
    _Atomic bool settled;     /* no holds are left while draining */
    _Atomic unsigned handles; /* libuv's, still open */
    uv_timer_t drain_timer;
    struct loop_task settled_task;
    struct loop_task drained_task;
    void (*drained)(void *user);
    void *drained_user;
};

status net_listener_bind(struct net_listener *listener, const struct net_options *options,
                         struct error *error);
status net_listener_start(struct net_server *server, struct error *error);
void net_listener_close(struct net_server *server);
/* Any thread: a connection or file descriptor has become free. */
void net_listener_room(struct net_server *server);

/* On the loop's thread; takes the descriptor. */
void net_connection_open(struct net_loop *net_loop, int fd);
void net_connection_forget(struct net_loop *net_loop); /* one counted connection is no more */
void net_loop_prepare(struct net_loop *net_loop);
void net_loop_free_spares(struct net_loop *net_loop);
void net_server_handle_closed(uv_handle_t *handle); /* handle->data is the server */

/* Counters have one writer. */
static inline void net_count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

#endif

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "net/net_private.h"

#define LISTENER_HANDLES 2
#define DRAIN_HANDLES 1

struct loop *net_loop_of(const struct net_loop *net_loop)
{
    return net_loop->loop;
}

void *net_loop_context(const struct net_loop *net_loop)
{
    return net_loop->server->options.context;
}

bool net_is_draining(const struct net_loop *net_loop)
{
    return net_loop->draining;
}

uint16_t net_server_port(const struct net_server *server)
{
    return server->listener.port;
}

uint32_t net_server_connections(const struct net_server *server)
{
    return atomic_load(&server->connection_count);
}

const struct net_counters *net_server_counters(const struct net_server *server, unsigned loop)
{
    return &server->loops[loop].counters;
}

static void run_drained(struct loop_task *task)
{
    struct net_server *server = CONTAINER_OF(task, struct net_server, drained_task);
    server->drained(server->drained_user);
}

void net_server_handle_closed(uv_handle_t *handle)
{
    struct net_server *server = handle->data;
    if (atomic_fetch_sub(&server->handles, 1) == 1)
        loop_post(server->loops[0].loop, &server->drained_task);
}

/* On the loop's thread: the handles of another thread's loop cannot be touched from outside. */
void net_loop_prepare(struct net_loop *net_loop)
{
    uv_loop_t *uv = &net_loop->loop->uv;
    if (likely(net_loop->prepared))
        return;
    net_loop->prepared = true;
    deadlines_init(&net_loop->deadlines, (int64_t)uv_now(uv));
    ASSERT(uv_timer_init(uv, &net_loop->timer) == 0);
    net_loop->timer.data = net_loop->server;
}

static void run_stop(struct loop_task *task)
{
    struct net_loop *net_loop = CONTAINER_OF(task, struct net_loop, stop_task);
    net_loop_free_spares(net_loop);
    net_loop_prepare(net_loop);
    uv_close((uv_handle_t *)&net_loop->timer, net_server_handle_closed);
}

static void run_settled(struct loop_task *task)
{
    struct net_server *server = CONTAINER_OF(task, struct net_server, settled_task);
    uv_close((uv_handle_t *)&server->drain_timer, net_server_handle_closed);
    for (unsigned i = 0; i < server->options.loop_count; i++)
        loop_post(server->loops[i].loop, &server->loops[i].stop_task);
}

/* Drain is over when nothing holds the server; whoever sees that first says so. */
static void settle(struct net_server *server)
{
    if (atomic_load(&server->draining) && atomic_load(&server->holds) == 0 &&
        !atomic_exchange(&server->settled, true))
        loop_post(server->loops[0].loop, &server->settled_task);
}

void net_hold(struct net_loop *net_loop)
{
    atomic_fetch_add(&net_loop->server->holds, 1);
}

void net_release(struct net_loop *net_loop)
{
    if (atomic_fetch_sub(&net_loop->server->holds, 1) == 1)
        settle(net_loop->server);
}

void net_connection_forget(struct net_loop *net_loop)
{
    atomic_fetch_sub(&net_loop->connection_count, 1);
    atomic_fetch_sub(&net_loop->server->connection_count, 1);
    net_listener_room(net_loop->server);
    net_release(net_loop);
}

static void run_drain(struct loop_task *task)
{
    struct net_loop *net_loop = CONTAINER_OF(task, struct net_loop, drain_task);
    struct net_connection *next;
    net_loop->draining = true;
    for (struct net_connection *c = net_loop->connections; c; c = next) {
        next = c->next;
        net_loop->server->options.protocol->drain(c);
    }
}

static void run_cut(struct loop_task *task)
{
    struct net_loop *net_loop = CONTAINER_OF(task, struct net_loop, cut_task);
    while (net_loop->connections)
        net_connection_close(net_loop->connections);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct net_server *server = timer->data;
    for (unsigned i = 0; i < server->options.loop_count; i++)
        loop_post(server->loops[i].loop, &server->loops[i].cut_task);
}

void net_server_drain(struct net_server *server, int64_t timeout_ms, void (*drained)(void *user),
                      void *user)
{
    ASSERT(!atomic_load(&server->draining));
    server->drained = drained;
    server->drained_user = user;
    net_listener_close(server);
    uv_timer_start(&server->drain_timer, on_drain_timeout, (uint64_t)timeout_ms, 0);
    for (unsigned i = 0; i < server->options.loop_count; i++)
        loop_post(server->loops[i].loop, &server->loops[i].drain_task);
    atomic_store(&server->draining, true);
    settle(server);
}

static void init_loop(struct net_server *server, unsigned i)
{
    struct net_loop *net_loop = &server->loops[i];
    net_loop->server = server;
    net_loop->loop = &server->options.loops[i];
    net_loop->drain_task.run = run_drain;
    net_loop->cut_task.run = run_cut;
    net_loop->stop_task.run = run_stop;
    net_loop->timer_at_ms = DEADLINE_NEVER;
}

status net_server_start(const struct net_options *options, struct net_server **out,
                        struct error *error)
{
    ASSERT(options->loop_count > 0);
    struct net_server *server = memory_alloc_zero(sizeof(*server));
    size_t loops_bytes = options->loop_count * sizeof(struct net_loop);
    struct net_loop *loops = memory_alloc_aligned(CACHE_LINE_BYTES, loops_bytes);
    status result = OK;
    if (server == NULL || loops == NULL) {
        result = error_set(error, STATUS_OUT_OF_MEMORY, "memory", "out of memory");
        goto out_memory;
    }
    memset(loops, 0, loops_bytes);
    server->options = *options;
    server->loops = loops;
    for (unsigned i = 0; i < options->loop_count; i++)
        loops[i].loop = &options->loops[i];
    result = net_listener_bind(&server->listener, options, error);
    if (!status_is_ok(result))
        goto out_memory;
    result = net_listener_start(server, error);
    if (!status_is_ok(result))
        goto out_socket;
    for (unsigned i = 0; i < options->loop_count; i++)
        init_loop(server, i);
    signal(SIGPIPE, SIG_IGN);
    ASSERT(uv_timer_init(&options->loops[0].uv, &server->drain_timer) == 0);
    server->drain_timer.data = server;
    server->settled_task.run = run_settled;
    server->drained_task.run = run_drained;
    atomic_init(&server->handles, options->loop_count + LISTENER_HANDLES + DRAIN_HANDLES);
    *out = server;
    return OK;
out_socket:
    close(server->listener.fd);
out_memory:
    memory_free(loops);
    memory_free(server);
    return result;
}

void net_server_destroy(struct net_server *server)
{
    if (server == NULL)
        return;
    ASSERT(atomic_load(&server->handles) == 0);
    memory_free(server->loops);
    memory_free(server);
}

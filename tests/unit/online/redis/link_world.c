#include "link_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* Each callback stops the loop, as it may come just before the loop sleeps. */
static void on_changed(void *user, struct redis_link *link, enum redis_link_state state)
{
    struct link_world *world = user;
    assert_ptr_equal(link, world->link);
    assert_int_equal(redis_link_state(link), state);
    uv_stop(&world->loop.uv);
    if (world->state_count < ARRAY_LEN(world->states))
        world->states[world->state_count++] = state;
    if (world->on_changed)
        world->on_changed(world, state);
}

void link_world_init(struct link_world *world, const char *url)
{
    struct error error;
    memset(world, 0, sizeof(*world));
    signal(SIGPIPE, SIG_IGN);
    epoch_init(&world->epoch);
    assert_true(status_is_ok(loop_init(&world->loop, &world->epoch, 0)));
    arena_init(&world->arena, (size_t)256 << 20);
    if (!status_is_ok(redis_url_parse(str_from_cstr(url), &world->url, &error)))
        fail_msg("%s", error.detail);
    world->options = (struct redis_link_options){
        .loop = &world->loop,
        .url = &world->url,
        .address = world->url.seeds[0],
        .timeout_ms = 5000,
        .max_pending = CALLS_MAX,
        .max_pending_bytes = (uint64_t)64 << 20,
        .counters = &world->counters,
        .changed = on_changed,
        .user = world,
    };
    assert_int_equal(uv_timer_init(&world->loop.uv, &world->guard), 0);
}

void link_world_open(struct link_world *world)
{
    world->link = redis_link_create(&world->options);
    assert_non_null(world->link);
}

static void on_closed(void *user)
{
    struct link_world *world = user;
    world->link = NULL;
    uv_stop(&world->loop.uv);
}

void link_world_close(struct link_world *world)
{
    redis_link_close(world->link, on_closed, world);
}

void link_world_fini(struct link_world *world)
{
    if (world->link) {
        link_world_close(world);
        link_world_until_closed(world);
    }
    assert_int_equal(link_world_count(&world->counters.links), 0);
    assert_int_equal(link_world_count(&world->counters.links_ready), 0);
    uv_close((uv_handle_t *)&world->guard, NULL);
    loop_fini(&world->loop);
    arena_fini(&world->arena);
}

static void on_guard(uv_timer_t *timer)
{
    struct link_world *world = CONTAINER_OF(timer, struct link_world, guard);
    fail_msg("waited in vain: %s",
             world->link ? redis_link_failure(world->link)->detail : "closed");
}

static void start_guard(struct link_world *world)
{
    uv_update_time(&world->loop.uv);
    uv_timer_start(&world->guard, on_guard, PATIENCE_MS, 0);
}

void link_world_until_closed(struct link_world *world)
{
    start_guard(world);
    while (world->link)
        uv_run(&world->loop.uv, UV_RUN_ONCE);
    uv_timer_stop(&world->guard);
}

void link_world_until_state(struct link_world *world, enum redis_link_state state)
{
    start_guard(world);
    while (redis_link_state(world->link) != state)
        uv_run(&world->loop.uv, UV_RUN_ONCE);
    uv_timer_stop(&world->guard);
}

void link_world_until_done(struct link_world *world, unsigned count)
{
    start_guard(world);
    while (world->done_count < count)
        uv_run(&world->loop.uv, UV_RUN_ONCE);
    uv_timer_stop(&world->guard);
}

uint64_t link_world_count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void on_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct call *call = CONTAINER_OF(command, struct call, command);
    assert_false(call->is_done);
    assert_int_equal(outcome == REDIS_ANSWERED, reply != NULL);
    uv_stop(&call->world->loop.uv);
    call->is_done = true;
    call->order = ++call->world->done_count;
    call->outcome = outcome;
    if (reply) {
        call->type = reply->type;
        if (reply->str)
            snprintf(call->text, sizeof(call->text), "%s", reply->str);
        else if (reply->elements)
            snprintf(call->text, sizeof(call->text), "%zu", reply->elements);
        else
            snprintf(call->text, sizeof(call->text), "%lld", reply->integer);
    }
    if (call->then)
        call->then(call);
}

void call_init(struct link_world *world, struct call *call, const char *words)
{
    str arguments[64];
    uint32_t count = 0;
    str rest = str_from_cstr(words);
    while (rest.len > 0 && count < ARRAY_LEN(arguments))
        arguments[count++] = str_split(rest, ' ', &rest);
    memset(call, 0, sizeof(*call));
    assert_true(redis_format(&world->arena, arguments, count, &call->command.bytes));
    call->command.slot = REDIS_SLOT_ANY;
    call->command.done = on_done;
    call->world = world;
}

void call_send(struct call *call)
{
    redis_link_send(call->world->link, &call->command);
}

void call_run(struct link_world *world, struct call *call, const char *words)
{
    call_init(world, call, words);
    call_send(call);
    link_world_until_done(world, call->is_done ? 0 : world->done_count + 1);
    assert_true(call->is_done);
}

static void *run_peer(void *argument)
{
    struct peer *peer = argument;
    int fd;
    while ((fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        peer->serve(fd);
        close(fd);
    }
    return NULL;
}

void peer_start(struct peer *peer, void (*serve)(int fd))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    peer->serve = serve;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(peer->listener, 16), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    close(peer->listener);
}

void peer_send(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

bool peer_receive(int fd)
{
    char bytes[4096];
    return recv(fd, bytes, sizeof(bytes), 0) > 0;
}

bool peer_greet(int fd)
{
    if (!peer_receive(fd))
        return false;
    peer_send(fd, "%1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n");
    if (!peer_receive(fd))
        return false;
    peer_send(fd, "+PONG\r\n");
    return true;
}

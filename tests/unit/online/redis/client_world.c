#include "client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TURN_MS 5 /* the loop wakes at least so often */

struct world world;

static uv_timer_t turn_timer;

static unsigned index_of(const struct redis_address *address)
{
    assert_string_equal(address->host, "127.0.0.1");
    assert_in_range(address->port, WORLD_PORT, WORLD_PORT + WORLD_NODES - 1);
    return address->port - WORLD_PORT;
}

static bool is_up(void *user, const struct redis_address *address)
{
    (void)user;
    return world.nodes[index_of(address)].is_up;
}

static bool is_cluster(void *user, const struct redis_address *address)
{
    (void)user;
    return !world.nodes[index_of(address)].is_single;
}

static size_t put_node(size_t len, unsigned node)
{
    return len + (size_t)snprintf(world.text + len, sizeof(world.text) - len,
                                  "*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$2\r\nid\r\n",
                                  WORLD_PORT + node);
}

static unsigned replicas_of(unsigned master)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WORLD_NODES; i++)
        count += i != master && world.nodes[i].master == master && world.nodes[i].is_up;
    return count;
}

static const char *slots_text(void)
{
    unsigned ranges = 0;
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++)
        ranges += world.owner[slot] != WORLD_NOBODY &&
                  (slot == 0 || world.owner[slot] != world.owner[slot - 1]);
    size_t len = (size_t)snprintf(world.text, sizeof(world.text), "*%u\r\n", ranges);
    for (unsigned slot = 0; slot < REDIS_SLOTS;) {
        unsigned owner = world.owner[slot], first = slot;
        while (slot < REDIS_SLOTS && world.owner[slot] == owner)
            slot++;
        if (owner == WORLD_NOBODY)
            continue;
        len += (size_t)snprintf(world.text + len, sizeof(world.text) - len, "*%u\r\n:%u\r\n:%u\r\n",
                                3 + replicas_of(owner), first, slot - 1);
        len = put_node(len, owner);
        for (unsigned i = 0; i < WORLD_NODES; i++)
            if (i != owner && world.nodes[i].master == owner && world.nodes[i].is_up)
                len = put_node(len, i);
    }
    assert_true(len < sizeof(world.text) - 100);
    return world.text;
}

static const char *say(const char *format, unsigned a, unsigned b)
{
    snprintf(world.text, sizeof(world.text), format, a, b);
    return world.text;
}

static bool serves(const struct world_node *node, unsigned index, unsigned owner, bool read_only)
{
    return owner == index || (read_only && node->master == owner);
}

static const char *answer(void *user, struct redis_link *link, const struct redis_command *command,
                          bool is_asking)
{
    unsigned index = fake_link_port(link) - WORLD_PORT, slot = command->slot;
    struct world_node *node = &world.nodes[index];
    (void)user;
    if (node->is_silent)
        return NULL;
    if (str_contains(command->bytes, STR("SLOTS"))) {
        node->slots_asked++;
        if (node->is_single)
            return "-ERR This instance has cluster support disabled\r\n";
        return node->slots ? node->slots : slots_text();
    }
    if (node->error_count > 0) {
        node->error_count--;
        return node->error;
    }
    if (!node->is_single && slot < REDIS_SLOTS) {
        unsigned owner = world.owner[slot], target = world.migrating_to[slot];
        if (owner == WORLD_NOBODY)
            return "-CLUSTERDOWN Hash slot not served\r\n";
        if (owner == index && target != WORLD_NOBODY)
            return say("-ASK %u 127.0.0.1:%u\r\n", slot, WORLD_PORT + target);
        if (!serves(node, index, owner, fake_link_is_read_only(link)) &&
            !(is_asking && target == index))
            return say("-MOVED %u 127.0.0.1:%u\r\n", slot, WORLD_PORT + owner);
    }
    CONTAINER_OF(command, struct call, command)->executed++;
    node->commands++;
    return say("+%u%.0u\r\n", WORLD_PORT + index, 0);
}

static void on_turn(uv_timer_t *timer)
{
    (void)timer;
}

static void on_changed(void *user, struct redis_client *client)
{
    (void)user;
    assert_ptr_equal(client, world.client);
    world.changes++;
}

int world_setup(void **state)
{
    static const struct fake_nodes NODES = {is_up, is_cluster, answer, NULL};
    (void)state;
    memset(&world, 0, sizeof(world));
    epoch_init(&world.epoch);
    if (!status_is_ok(loop_init(&world.loop, &world.epoch, 0)))
        return -1;
    uv_timer_init(&world.loop.uv, &turn_timer);
    uv_timer_start(&turn_timer, on_turn, TURN_MS, TURN_MS);
    memset(world.owner, WORLD_NOBODY, sizeof(world.owner));
    memset(world.migrating_to, WORLD_NOBODY, sizeof(world.migrating_to));
    for (unsigned i = 0; i < WORLD_NODES; i++)
        world.nodes[i].master = (uint8_t)i;
    snprintf(world.url.seeds[0].host, REDIS_HOST_MAX, "127.0.0.1");
    world.url.seeds[0].port = WORLD_PORT;
    world.url.seed_count = 1;
    world.options = (struct redis_client_options){
        .loop = &world.loop,
        .url = &world.url,
        .timeout_ms = 300,
        .max_pending = 1000,
        .max_pending_bytes = 1 << 20,
        .counters = &world.counters,
        .changed = on_changed,
    };
    fake_links_init(&NODES);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    if (world.client)
        world_close();
    WORLD_UNTIL(fake_links_open() == 0);
    uv_close((uv_handle_t *)&turn_timer, NULL);
    loop_fini(&world.loop);
    return 0;
}

void world_make_cluster(unsigned masters, bool with_replicas)
{
    for (unsigned i = 0; i < masters; i++) {
        world.nodes[i].is_up = true;
        world_move(REDIS_SLOTS * i / masters, REDIS_SLOTS * (i + 1) / masters - 1, i);
        if (!with_replicas)
            continue;
        world.nodes[masters + i].is_up = true;
        world.nodes[masters + i].master = (uint8_t)i;
    }
}

void world_make_single(void)
{
    world.nodes[0].is_up = true;
    world.nodes[0].is_single = true;
}

void world_move(unsigned first, unsigned last, unsigned node)
{
    memset(world.owner + first, (int)node, last - first + 1);
}

void world_kill(unsigned node)
{
    world.nodes[node].is_up = false;
    fake_links_kill((uint16_t)(WORLD_PORT + node));
}

void world_connect(void)
{
    world.client = redis_client_create(&world.options);
    assert_non_null(world.client);
}

bool world_is_ready(void)
{
    return status_is_ok(redis_client_check(world.client, NULL));
}

void world_connect_ready(void)
{
    world_connect();
    WORLD_UNTIL(world_is_ready());
    WORLD_UNTIL(redis_client_is_cluster(world.client) == !world.nodes[0].is_single &&
                world_is_ready());
}

static void on_closed(void *user)
{
    (void)user;
    world.is_closed = true;
}

void world_close(void)
{
    world.is_closed = false;
    redis_client_close(world.client, on_closed, NULL);
    WORLD_UNTIL(world.is_closed);
    world.client = NULL;
    assert_int_equal(atomic_load(&world.counters.pending), 0);
    assert_int_equal(atomic_load(&world.counters.nodes), 0);
}

static void on_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct call *call = CONTAINER_OF(command, struct call, command);
    call->ended++;
    call->outcome = outcome;
    call->ended_ms = world_now_ms();
    assert_int_equal(outcome == REDIS_ANSWERED, reply != NULL);
    snprintf(call->text, sizeof(call->text), "%s", reply ? reply->str : "");
    if (call->then)
        world_submit(call->then, command->slot, command->lane);
}

void world_submit(struct call *call, uint32_t slot, enum redis_lane lane)
{
    call->command.bytes = STR("*1\r\n$4\r\nPING\r\n");
    call->command.slot = slot;
    call->command.lane = lane;
    call->command.done = on_done;
    redis_client_submit(world.client, &call->command);
}

void world_turn(void)
{
    uv_run(&world.loop.uv, UV_RUN_ONCE);
}

int64_t world_now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

unsigned world_ask(uint32_t slot, enum redis_lane lane)
{
    struct call call = {0};
    world_submit(&call, slot, lane);
    WORLD_UNTIL(call.ended);
    assert_int_equal(call.ended, 1);
    assert_int_equal(call.outcome, REDIS_ANSWERED);
    assert_int_equal(call.executed, 1);
    return (unsigned)atoi(call.text);
}

const char *world_check(void)
{
    static struct error error;
    error_clear(&error);
    status result = redis_client_check(world.client, &error);
    assert_int_equal(status_is_ok(result), error.detail[0] == '\0');
    return error.detail;
}

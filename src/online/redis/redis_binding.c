/* A store belongs to one registry: the key featured:registry holds whose. Looked at once a second, so that
 * a database that was emptied, or restored from elsewhere, is noticed; and how far Redis' clock is from
 * ours. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/redis/redis_facts.h"
#include "online/redis/redis_private.h"

#define OFFSET_WARNED_US INT64_C(1000000)
#define WARNED_EVERY_NS INT64_C(60000000000)
#define COMMANDS_BYTES_MAX ((size_t)64 << 10)

struct redis_binding {
    struct redis_store *store;
    struct arena arena;
    struct redis_command get;
    struct redis_command set;
    struct redis_command time;
    bool is_looking;
    bool is_timing;
    bool has_set; /* in the look at hand */
    bool has_told; /* opened() was called */
    struct redis_facts facts;
    int64_t timed_at_us;
    int64_t warned_ns;
};

static struct redis_loop *loop_of(struct redis_binding *binding)
{
    return &binding->store->loops[0];
}

static void tell(struct redis_binding *binding, status result, const struct error *error)
{
    const struct redis_store_options *options = &binding->store->options;
    if (binding->has_told)
        return;
    binding->has_told = true;
    options->opened(options->user, result, error);
}

/* Who is told sends requests at once, and they come to any loop. */
void redis_binding_tell(struct redis_binding *binding, bool wholly)
{
    struct redis_store *store = binding->store;
    struct error none;
    bool is_ready = redis_store_state(store) == REDIS_STORE_READY;
    if (binding->has_told || !is_ready || !redis_store_is_reached(store, wholly))
        return;
    error_clear(&none);
    if (loop_of(binding)->client != NULL)
        redis_facts_ask(&binding->facts, loop_of(binding)->loop, loop_of(binding)->client);
    tell(binding, OK, &none);
}

static void become_ready(struct redis_binding *binding)
{
    atomic_store_explicit(&binding->store->state, REDIS_STORE_READY, memory_order_release);
    redis_binding_tell(binding, true);
}

static void become_foreign(struct redis_binding *binding, const struct error *error)
{
    struct redis_store *store = binding->store;
    pthread_mutex_lock(&store->failure_lock);
    store->failure = *error;
    pthread_mutex_unlock(&store->failure_lock);
    atomic_store_explicit(&store->state, REDIS_STORE_FOREIGN, memory_order_release);
    tell(binding, status_of(error->code), error);
}

/* What waiting does not mend, while the store has never been ready. */
static void fail_if_for_good(struct redis_binding *binding, const struct error *error)
{
    str type = str_from_cstr(error->type);
    bool for_good = str_eq(type, STR("store_credentials")) || str_eq(type, STR("store_tls")) ||
                    str_eq(type, STR("store_protocol"));
    if (for_good && !binding->has_told)
        tell(binding, status_of(error->code), error);
}

static void look(struct redis_binding *binding)
{
    redis_client_submit(loop_of(binding)->client, &binding->get);
}

static void set_done(struct redis_command *command, enum redis_outcome outcome,
                     const redisReply *reply)
{
    struct redis_binding *binding = CONTAINER_OF(command, struct redis_binding, set);
    struct error error;
    loop_enter(loop_of(binding)->loop);
    error_clear(&error);
    bool is_set = status_is_ok(redis_answer_check(outcome, reply, &error));
    if (is_set && redis_store_state(binding->store) == REDIS_STORE_READY)
        log_event(LOG_WARN, "values_emptied",
                  "reason=\"the key " REDIS_REGISTRY_KEY " was gone: Redis was emptied, or came back "
                  "without its data\"");
    if (is_set && loop_of(binding)->client != NULL) {
        look(binding);
        return;
    }
    binding->is_looking = false;
    fail_if_for_good(binding, &error);
}

static void compare(struct redis_binding *binding, str held)
{
    struct error error;
    error_clear(&error);
    if (str_eq(held, binding->store->options.registry_identity)) {
        become_ready(binding);
        return;
    }
    error_set(&error, STATUS_UNAVAILABLE, "store_foreign",
                     "the online store in Redis belongs to another registry (key " REDIS_REGISTRY_KEY
                     "); use another database number, or DEL " REDIS_REGISTRY_KEY
                     " if that registry is gone");
    become_foreign(binding, &error);
}

static void get_done(struct redis_command *command, enum redis_outcome outcome,
                     const redisReply *reply)
{
    struct redis_binding *binding = CONTAINER_OF(command, struct redis_binding, get);
    struct redis_client *client = loop_of(binding)->client;
    struct error error;
    loop_enter(loop_of(binding)->loop);
    error_clear(&error);
    status result = redis_answer_check(outcome, reply, &error);
    if (status_is_ok(result) && reply->type == REDIS_REPLY_NIL && !binding->has_set &&
        client != NULL) {
        binding->has_set = true;
        redis_client_submit(client, &binding->set);
        return;
    }
    binding->is_looking = false;
    if (!status_is_ok(result))
        fail_if_for_good(binding, &error);
    else if (reply->type == REDIS_REPLY_STRING)
        compare(binding, str_of(reply->str, reply->len));
}

static void warn_of_offset(struct redis_binding *binding, int64_t offset_us)
{
    int64_t now_ns = clock_monotonic_ns();
    bool is_small = offset_us > -OFFSET_WARNED_US && offset_us < OFFSET_WARNED_US;
    if (is_small || (binding->warned_ns != 0 && now_ns - binding->warned_ns < WARNED_EVERY_NS))
        return;
    binding->warned_ns = now_ns;
    log_event(LOG_WARN, "redis_clock_differs", "offset_us=%lld", (long long)offset_us);
}

/* {seconds, microseconds}, as of half-way through the round trip. */
static void time_done(struct redis_command *command, enum redis_outcome outcome,
                      const redisReply *reply)
{
    struct redis_binding *binding = CONTAINER_OF(command, struct redis_binding, time);
    int64_t seconds;
    int64_t micros;
    binding->is_timing = false;
    if (outcome != REDIS_ANSWERED || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING ||
        !str_to_int64(str_of(reply->element[0]->str, reply->element[0]->len), &seconds) ||
        !str_to_int64(str_of(reply->element[1]->str, reply->element[1]->len), &micros) ||
        seconds < 0 || seconds > CLOCK_MAX_US / 1000000 || micros < 0 || micros > 999999)
        return;
    int64_t now_us = binding->store->options.clock->wall_us();
    int64_t offset_us =
        seconds * 1000000 + micros - (binding->timed_at_us + (now_us - binding->timed_at_us) / 2);
    atomic_store_explicit(&binding->store->clock_offset_us, offset_us, memory_order_relaxed);
    warn_of_offset(binding, offset_us);
}

static bool format_commands(struct redis_binding *binding)
{
    str key = STR(REDIS_REGISTRY_KEY);
    str identity = binding->store->options.registry_identity;
    uint32_t slot = redis_slot(key);
    binding->get =
        (struct redis_command){.slot = slot, .lane = REDIS_LANE_WRITE, .done = get_done};
    binding->set =
        (struct redis_command){.slot = slot, .lane = REDIS_LANE_WRITE, .done = set_done};
    binding->time = (struct redis_command){
        .slot = REDIS_SLOT_ANY,
        .lane = REDIS_LANE_READ,
        .shape = REDIS_SHAPE_ARRAY,
        .elements = 2,
        .done = time_done,
    };
    return redis_format(&binding->arena, (str[]){STR("GET"), key}, 2, &binding->get.bytes) &&
           redis_format(&binding->arena, (str[]){STR("SET"), key, identity, STR("NX")}, 4,
                        &binding->set.bytes) &&
           redis_format(&binding->arena, (str[]){STR("TIME")}, 1, &binding->time.bytes);
}

struct redis_binding *redis_binding_create(struct redis_store *store)
{
    struct redis_binding *binding = memory_alloc_zero(sizeof(*binding));
    if (binding == NULL)
        return NULL;
    binding->store = store;
    arena_init(&binding->arena, COMMANDS_BYTES_MAX);
    if (format_commands(binding))
        return binding;
    redis_binding_destroy(binding);
    return NULL;
}

void redis_binding_destroy(struct redis_binding *binding)
{
    if (binding == NULL)
        return;
    arena_fini(&binding->arena);
    memory_free(binding);
}

void redis_binding_tick(struct redis_binding *binding)
{
    struct redis_client *client = loop_of(binding)->client;
    struct error error;
    if (client == NULL || binding->store->is_draining)
        return;
    atomic_store_explicit(&binding->store->is_cluster, redis_client_is_cluster(client),
                          memory_order_relaxed);
    error_clear(&error);
    if (!status_is_ok(redis_client_check(client, &error)))
        fail_if_for_good(binding, &error);
    if (!binding->is_looking) {
        binding->is_looking = true;
        binding->has_set = false;
        look(binding);
    }
    if (!binding->is_timing) {
        binding->is_timing = true;
        binding->timed_at_us = binding->store->options.clock->wall_us();
        redis_client_submit(client, &binding->time);
    }
}

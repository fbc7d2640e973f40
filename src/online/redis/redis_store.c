#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/redis/redis_link.h"
#include "online/redis/redis_private.h"

#define LOGGED_EVERY_NS INT64_C(60000000000)

status redis_no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "not enough memory for this request; ask for less at a time");
}

status redis_answer_check(enum redis_outcome outcome, const redisReply *reply, struct error *error)
{
    if (outcome != REDIS_ANSWERED)
        return redis_outcome_error(outcome, error);
    return likely(reply->type != REDIS_REPLY_ERROR) ? OK : redis_reply_error(reply, error);
}

/* The key is an entity id, which may hold anything. */
static str printable(str key)
{
    return str_is_utf8(key) ? key : STR("(not UTF-8)");
}

/* `last_ns`: when it was logged last, 0 for never. */
static bool may_log(int64_t *last_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    if (*last_ns != 0 && now_ns - *last_ns < LOGGED_EVERY_NS)
        return false;
    *last_ns = now_ns;
    return true;
}

static void log_refusal(struct redis_loop *on, const redisReply *reply)
{
    char words[REDIS_WORDS_MAX];
    if (!may_log(&on->rows.refusal_logged_ns))
        return;
    redis_reply_words(reply, words);
    log_event(LOG_WARN, "writes_refused", "reason=\"%s\"", words);
}

status redis_script_check(struct redis_loop *on, enum redis_outcome outcome,
                          const redisReply *reply, size_t elements, str key, struct error *error)
{
    if (unlikely(outcome == REDIS_ANSWERED && reply->type == REDIS_REPLY_ERROR))
        log_refusal(on, reply);
    TRY(redis_answer_check(outcome, reply, error));
    bool has_code = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                    reply->element[0]->type == REDIS_REPLY_INTEGER;
    if (has_code && reply->element[0]->integer == REDIS_SCRIPT_NOT_UNDERSTOOD)
        return error_set(error, STATUS_UNAVAILABLE, "row_damaged",
                         "the event times of the key %.*s in Redis cannot be understood; erase the "
                         "id or DEL the key",
                         STR_ARG(printable(key)));
    if (has_code && reply->element[0]->integer == REDIS_SCRIPT_ANOTHER_TYPE)
        return error_set(error, STATUS_UNAVAILABLE, "row_damaged",
                         "the key %.*s in Redis is not a hash: something else wrote it; DEL it or "
                         "use another database number",
                         STR_ARG(printable(key)));
    if (!has_code || reply->elements < elements)
        return error_set(error, STATUS_UNAVAILABLE, "store_protocol",
                         "the online store answered a script with something else");
    return OK;
}

void redis_loop_damaged(struct redis_loop *on, str key)
{
    redis_count(&on->rows.rows_damaged, 1);
    if (!may_log(&on->rows.damage_logged_ns))
        return;
    log_event(LOG_WARN, "redis_row_damaged", "rows=%llu",
              (unsigned long long)atomic_load(&on->rows.rows_damaged));
    log_event(LOG_DEBUG, "redis_row_damaged", "key=%.*s", STR_ARG(printable(key)));
}

static status check_state(struct redis_store *store, struct error *error)
{
    enum redis_store_state state = redis_store_state(store);
    if (likely(state == REDIS_STORE_READY))
        return OK;
    if (state == REDIS_STORE_OPENING)
        return error_set(error, STATUS_UNAVAILABLE, "store_connecting",
                         "the online store in Redis has not been reached yet");
    pthread_mutex_lock(&store->failure_lock);
    struct error failure = store->failure;
    pthread_mutex_unlock(&store->failure_lock);
    return error_set(error, STATUS_UNAVAILABLE, failure.type, "%s", failure.detail);
}

status redis_loop_check(const struct redis_loop *on, struct error *error)
{
    TRY(check_state(on->store, error));
    return likely(on->client != NULL) ? OK : redis_outcome_error(REDIS_REFUSED, error);
}

static status check_reach(struct redis_store *store, bool wholly, struct error *error)
{
    status result = OK;
    for (unsigned i = 0; status_is_ok(result) && i < store->options.loop_count; i++) {
        struct redis_loop *on = &store->loops[i];
        pthread_mutex_lock(&on->reach_lock);
        result = wholly || !on->serves ? on->reach : OK;
        if (!status_is_ok(result) && error != NULL)
            *error = on->reach_error;
        pthread_mutex_unlock(&on->reach_lock);
    }
    return result;
}

bool redis_store_is_reached(struct redis_store *store, bool wholly)
{
    return status_is_ok(check_reach(store, wholly, NULL));
}

/* Before it was reached, why it is not says more than that. */
static status check_how(struct online_store *of, bool wholly, struct error *error)
{
    struct redis_store *store = redis_store_of(of);
    if (redis_store_state(store) != REDIS_STORE_OPENING)
        TRY(check_state(store, error));
    TRY(check_reach(store, wholly, error));
    return check_state(store, error);
}

/* While some nodes of a cluster are away, the others' rows are served: no reason to take all servers out
 * of the load balancer. */
static status check(struct online_store *of, struct error *error)
{
    return check_how(of, false, error);
}

static status check_ingestion(struct online_store *of, struct error *error)
{
    return check_how(of, true, error);
}

static void loop_reached(struct loop_task *task)
{
    struct redis_loop *on = CONTAINER_OF(task, struct redis_loop, reached);
    redis_binding_tell(on->store->binding, true);
}

/* The client's opinion, for other threads. */
static void client_changed(void *user, struct redis_client *client)
{
    struct redis_loop *on = user;
    struct error error;
    error_clear(&error);
    status result = redis_client_check(client, &error);
    pthread_mutex_lock(&on->reach_lock);
    on->reach = result;
    on->reach_error = error;
    on->serves = redis_client_serves(client);
    pthread_mutex_unlock(&on->reach_lock);
    if (!status_is_ok(result))
        return;
    if (on->loop->index == 0 && on->store->binding != NULL)
        redis_binding_tick(on->store->binding);
    if (on->has_reached)
        return;
    on->has_reached = true;
    on->reached.run = loop_reached;
    loop_post(on->store->loops[0].loop, &on->reached);
}

static void tick(uv_timer_t *timer)
{
    struct redis_store *store = timer->data;
    struct redis_loop *on = &store->loops[0];
    loop_enter(on->loop);
    if (on->client == NULL)
        return;
    redis_binding_tick(store->binding);
    redis_binding_tell(store->binding, false); /* long enough waited for all of it */
    redis_keeper_tick(store->keeper);
    if (redis_store_state(store) == REDIS_STORE_READY)
        redis_tidy_tick(store->tidy);
}

static void start_loop(struct loop_task *task)
{
    struct redis_loop *on = CONTAINER_OF(task, struct redis_loop, start);
    const struct redis_store_options *options = &on->store->options;
    struct redis_client_options client = {
        .loop = on->loop,
        .url = options->url,
        .tls = on->store->tls,
        .read_from_replica = options->read_from_replica,
        .timeout_ms = options->timeout_ms,
        .max_pending = options->max_pending,
        .max_pending_bytes = REDIS_PENDING_BYTES_MAX,
        .counters = &on->counters,
        .changed = client_changed,
        .user = on,
    };
    on->client = redis_client_create(&client);
    if (on->client != NULL)
        return;
    pthread_mutex_lock(&on->reach_lock);
    on->reach = redis_no_memory(&on->reach_error);
    pthread_mutex_unlock(&on->reach_lock);
}

void redis_store_start(struct online_store *of)
{
    struct redis_store *store = redis_store_of(of);
    ASSERT(loop_is_current(store->loops[0].loop));
    atomic_store(&store->loops_open, store->options.loop_count);
    ASSERT(uv_timer_init(&store->loops[0].loop->uv, &store->tick) == 0);
    store->tick.data = store;
    ASSERT(uv_timer_start(&store->tick, tick, 0, REDIS_TICK_MS) == 0);
    for (unsigned i = 0; i < store->options.loop_count; i++) {
        store->loops[i].start.run = start_loop;
        loop_post(store->loops[i].loop, &store->loops[i].start);
    }
}

static void all_drained(struct loop_task *task)
{
    struct redis_store *store = CONTAINER_OF(task, struct redis_store, drained_task);
    store->drained(store->drained_user);
}

static void client_closed(void *user)
{
    struct redis_loop *on = user;
    struct redis_store *store = on->store;
    if (atomic_fetch_sub(&store->loops_open, 1) != 1)
        return;
    store->drained_task.run = all_drained;
    loop_post(store->loops[0].loop, &store->drained_task);
}

static void end_loop(struct loop_task *task)
{
    struct redis_loop *on = CONTAINER_OF(task, struct redis_loop, end);
    struct redis_client *client = on->client;
    on->client = NULL;
    if (client != NULL)
        redis_client_close(client, client_closed, on);
    else
        client_closed(on);
}

static void tick_closed(uv_handle_t *handle)
{
    struct redis_store *store = handle->data;
    for (unsigned i = 0; i < store->options.loop_count; i++) {
        store->loops[i].end.run = end_loop;
        loop_post(store->loops[i].loop, &store->loops[i].end);
    }
}

static void statistics_drained(struct redis_store *store)
{
    uv_close((uv_handle_t *)&store->tick, tick_closed);
}

static void drain(struct online_store *of, void (*drained)(void *user), void *user)
{
    struct redis_store *store = redis_store_of(of);
    ASSERT(loop_is_current(store->loops[0].loop));
    store->drained = drained;
    store->drained_user = user;
    store->is_draining = true;
    redis_keeper_drain(store->keeper, statistics_drained);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_loop(const struct redis_loop *on, struct online_metrics *out)
{
    const struct redis_counters *from = &on->counters;
    struct online_remote *remote = &out->remote;
    remote->commands += load(&from->commands);
    remote->batches += load(&from->batches);
    remote->bytes_sent += load(&from->bytes_sent);
    remote->bytes_received += load(&from->bytes_received);
    remote->refused += load(&from->refused);
    remote->lost += load(&from->lost);
    remote->timeouts += load(&from->timeouts);
    remote->errors += load(&from->errors);
    remote->connects += load(&from->connects);
    remote->connect_failures += load(&from->connect_failures);
    remote->moved += load(&from->moved);
    remote->asked += load(&from->asked);
    remote->retried += load(&from->retried);
    remote->refreshes += load(&from->refreshes);
    remote->nodes = load(&from->nodes) > remote->nodes ? load(&from->nodes) : remote->nodes;
    remote->links += load(&from->links);
    remote->links_ready += load(&from->links_ready);
    remote->pending += load(&from->pending);
    remote->rows_damaged += load(&on->rows.rows_damaged);
    remote->script_loads += load(&on->rows.script_loads);
    out->values_written += load(&on->rows.values_written);
    out->values_late += load(&on->rows.values_late);
    out->values_erased += load(&on->rows.values_erased);
}

static void metrics(struct online_store *of, struct online_metrics *out)
{
    struct redis_store *store = redis_store_of(of);
    *out = (struct online_metrics){.remote = {.enabled = true}};
    for (unsigned i = 0; i < store->options.loop_count; i++)
        add_loop(&store->loops[i], out);
    out->remote.is_cluster = atomic_load_explicit(&store->is_cluster, memory_order_relaxed);
    out->remote.rows_tidied = load(&store->rows_tidied);
    out->remote.statistics_failures = load(&store->statistics_failures);
    out->remote.clock_offset_us =
        atomic_load_explicit(&store->clock_offset_us, memory_order_relaxed);
}

static int64_t now_us(struct online_store *of)
{
    return store_clock_now_us(redis_store_of(of)->options.clock);
}

static void destroy(struct redis_store *store)
{
    for (unsigned i = 0; store->loops != NULL && i < store->options.loop_count; i++) {
        struct redis_loop *on = &store->loops[i];
        ASSERT(on->client == NULL);
        pthread_mutex_destroy(&on->reach_lock);
        pthread_mutex_destroy(&on->statistics_lock);
        redis_deltas_fini(&on->deltas);
    }
    redis_binding_destroy(store->binding);
    redis_keeper_destroy(store->keeper);
    redis_tidy_destroy(store->tidy);
    redis_link_tls_destroy(store->tls);
    pthread_mutex_destroy(&store->failure_lock);
    memory_free(store->loops);
    memory_free(store);
}

static void close_store(struct online_store *of)
{
    destroy(redis_store_of(of));
}

static const struct online_driver driver = {
    .name = "redis",
    .keeps_others = true,
    .answers_later = true,
    .read = redis_store_read,
    .write = redis_store_write,
    .erase = redis_store_erase,
    .scan = redis_store_scan,
    .statistics = redis_store_statistics,
    .metrics = metrics,
    .now_us = now_us,
    .check = check,
    .check_ingestion = check_ingestion,
    .drain = drain,
    .close = close_store,
};

static bool create_loops(struct redis_store *store)
{
    unsigned count = store->options.loop_count;
    store->loops = memory_alloc_aligned(_Alignof(struct redis_loop), count * sizeof(*store->loops));
    if (store->loops == NULL)
        return false;
    memset(store->loops, 0, count * sizeof(*store->loops));
    for (unsigned i = 0; i < count; i++) {
        struct redis_loop *on = &store->loops[i];
        on->store = store;
        on->loop = &store->options.loops[i];
        on->reach = redis_outcome_error(REDIS_REFUSED, &on->reach_error);
        ASSERT(pthread_mutex_init(&on->reach_lock, NULL) == 0);
        ASSERT(pthread_mutex_init(&on->statistics_lock, NULL) == 0);
    }
    store->binding = redis_binding_create(store);
    store->keeper = redis_keeper_create(store);
    store->tidy = redis_tidy_create(store);
    return store->binding != NULL && store->keeper != NULL && store->tidy != NULL;
}

status redis_store_open(const struct redis_store_options *options, struct online_store **out,
                        struct error *error)
{
    struct redis_store *store = memory_alloc_zero(sizeof(*store));
    if (store == NULL)
        return redis_no_memory(error);
    store->store.driver = &driver;
    store->options = *options;
    atomic_init(&store->state, REDIS_STORE_OPENING);
    ASSERT(pthread_mutex_init(&store->failure_lock, NULL) == 0);
    status result = OK;
    if (options->url->is_tls)
        result = redis_link_tls_create(options->url, &store->tls, error);
    if (status_is_ok(result) && !create_loops(store))
        result = redis_no_memory(error);
    if (!status_is_ok(result)) {
        destroy(store);
        return result;
    }
    *out = &store->store;
    return OK;
}

/* Live statistics under several servers: each event loop adds up what it accepted; once a second, and
 * before each reading, the sum goes to where all servers merge theirs (options.statistics). One request at
 * a time: a sum keeps its number until it has arrived, so that it counts once. */
#include <stdio.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/redis/redis_private.h"

#define DRAIN_TRIES 3u

/* A reading that waits for the next answer. */
struct reading {
    struct loop_task task; /* first */
    struct redis_store *store;
    struct online_statistics *request;
    struct reading *next;
};

struct redis_keeper {
    struct redis_store *store;
    char source[33];
    struct redis_statistics_request request;
    bool is_sent;
    struct redis_deltas sending; /* under request.number, until that has arrived */
    struct redis_deltas known;   /* what all servers had together, when last heard */
    struct reading *waiting;
    struct reading *asking; /* those that the request sent answers */
    uint64_t *ids;          /* of them */
    struct statistics *out;
    unsigned drain_tries; /* left */
    void (*drained)(struct redis_store *store);
};

static void count_failures(struct redis_store *store, uint32_t count)
{
    atomic_fetch_add_explicit(&store->statistics_failures, count, memory_order_relaxed);
}

void redis_statistics_add(struct redis_loop *on, uint64_t version_id, const struct value *value,
                          int64_t event_time_us)
{
    pthread_mutex_lock(&on->statistics_lock);
    struct statistics *delta = redis_deltas_of(&on->deltas, version_id);
    if (delta != NULL)
        statistics_add(delta, value, event_time_us);
    pthread_mutex_unlock(&on->statistics_lock);
    if (delta == NULL)
        count_failures(on->store, 1);
}

struct redis_keeper *redis_keeper_create(struct redis_store *store)
{
    unsigned char random[16] = {0};
    struct redis_keeper *keeper = memory_alloc_zero(sizeof(*keeper));
    if (keeper == NULL)
        return NULL;
    keeper->store = store;
    ASSERT(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(keeper->source + 2 * i, 3, "%02x", random[i]);
    return keeper;
}

void redis_keeper_destroy(struct redis_keeper *keeper)
{
    if (keeper == NULL)
        return;
    ASSERT(!keeper->is_sent);
    redis_deltas_fini(&keeper->sending);
    redis_deltas_fini(&keeper->known);
    memory_free(keeper->ids);
    memory_free(keeper->out);
    memory_free(keeper);
}

/* What all loops have accepted since, into `sending`. Without memory it is lost, and counted. */
static void collect(struct redis_keeper *keeper)
{
    struct redis_store *store = keeper->store;
    for (unsigned i = 0; i < store->options.loop_count; i++) {
        struct redis_loop *on = &store->loops[i];
        uint32_t lost = 0;
        pthread_mutex_lock(&on->statistics_lock);
        struct redis_deltas taken = on->deltas;
        on->deltas = (struct redis_deltas){0};
        pthread_mutex_unlock(&on->statistics_lock);
        for (uint32_t k = 0; k < taken.count; k++) {
            struct statistics *sum =
                redis_deltas_of(&keeper->sending, taken.items[k].version_id);
            if (sum != NULL)
                statistics_merge(sum, &taken.items[k].delta);
            else
                lost++;
        }
        redis_deltas_fini(&taken);
        if (lost > 0)
            count_failures(store, lost);
    }
}

static size_t count_ids(const struct reading *first)
{
    size_t count = 0;
    for (const struct reading *reading = first; reading != NULL; reading = reading->next)
        count += reading->request->count;
    return count;
}

static void answer_on_loop(struct loop_task *task)
{
    struct reading *reading = CONTAINER_OF(task, struct reading, task);
    struct online_statistics *request = reading->request;
    memory_free(reading);
    request->done(request);
}

static void answer(struct reading *reading, status result)
{
    reading->request->status = result;
    reading->task.run = answer_on_loop;
    loop_post(reading->request->loop, &reading->task);
}

/* What was known last, and what this server has on top of it. */
static void answer_from_own(struct redis_keeper *keeper, struct reading *reading)
{
    struct redis_store *store = keeper->store;
    struct online_statistics *request = reading->request;
    for (uint32_t i = 0; i < request->count; i++) {
        uint64_t id = request->version_ids[i];
        const struct statistics *known = redis_deltas_find(&keeper->known, id);
        const struct statistics *own = redis_deltas_find(&keeper->sending, id);
        statistics_init(&request->out[i]);
        if (known != NULL)
            statistics_merge(&request->out[i], known);
        if (own != NULL)
            statistics_merge(&request->out[i], own);
        for (unsigned k = 0; k < store->options.loop_count; k++) {
            pthread_mutex_lock(&store->loops[k].statistics_lock);
            own = redis_deltas_find(&store->loops[k].deltas, id);
            if (own != NULL)
                statistics_merge(&request->out[i], own);
            pthread_mutex_unlock(&store->loops[k].statistics_lock);
        }
    }
    answer(reading, OK);
}

static void answer_all(struct redis_keeper *keeper, bool has_arrived)
{
    const struct statistics *out = keeper->out;
    struct reading *reading = keeper->asking;
    keeper->asking = NULL;
    while (reading != NULL) {
        struct reading *next = reading->next;
        struct online_statistics *request = reading->request;
        if (has_arrived) {
            memcpy(request->out, out, request->count * sizeof(*out));
            out += request->count;
            answer(reading, OK);
        } else {
            answer_from_own(keeper, reading);
        }
        reading = next;
    }
}

/* For the time when they cannot be asked. */
static void remember(struct redis_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->sending.count; i++) {
        const struct redis_statistics_delta *sent = &keeper->sending.items[i];
        struct statistics *known = redis_deltas_of(&keeper->known, sent->version_id);
        if (known != NULL)
            statistics_merge(known, &sent->delta);
    }
    for (uint32_t i = 0; i < keeper->request.count; i++) {
        struct statistics *known = redis_deltas_of(&keeper->known, keeper->ids[i]);
        if (known != NULL)
            *known = keeper->out[i];
    }
}

static void go_on(struct redis_keeper *keeper);

static void request_done(struct redis_statistics_request *request)
{
    struct redis_keeper *keeper = CONTAINER_OF(request, struct redis_keeper, request);
    bool has_arrived = status_is_ok(request->status);
    loop_enter(keeper->store->loops[0].loop);
    keeper->is_sent = false;
    if (has_arrived)
        remember(keeper);
    else
        count_failures(keeper->store, 1);
    answer_all(keeper, has_arrived);
    if (has_arrived)
        redis_deltas_fini(&keeper->sending);
    if (keeper->drained != NULL || keeper->waiting != NULL)
        go_on(keeper);
}

static bool reserve_ids(struct redis_keeper *keeper, size_t count)
{
    memory_free(keeper->ids);
    memory_free(keeper->out);
    keeper->ids = memory_alloc_array(count + 1, sizeof(*keeper->ids));
    keeper->out = memory_alloc_array(count + 1, sizeof(*keeper->out));
    return keeper->ids != NULL && keeper->out != NULL;
}

/* Sends what there is, with the readings that wait. */
static void send_request(struct redis_keeper *keeper)
{
    size_t count = count_ids(keeper->waiting);
    size_t at = 0;
    keeper->asking = keeper->waiting;
    keeper->waiting = NULL;
    if (!reserve_ids(keeper, count) || count > UINT32_MAX) {
        answer_all(keeper, false);
        if (keeper->drained != NULL)
            go_on(keeper); /* as often as is tried, then without */
        return;
    }
    for (const struct reading *reading = keeper->asking; reading; reading = reading->next) {
        memcpy(keeper->ids + at, reading->request->version_ids,
               reading->request->count * sizeof(*keeper->ids));
        at += reading->request->count;
    }
    for (size_t i = 0; i < count; i++)
        statistics_init(&keeper->out[i]);
    const struct redis_store_options *options = &keeper->store->options;
    keeper->request = (struct redis_statistics_request){
        .deltas = keeper->sending.items,
        .delta_count = keeper->sending.count,
        .source = str_of(keeper->source, 32),
        .number = keeper->request.number,
        .version_ids = keeper->ids,
        .count = (uint32_t)count,
        .out = keeper->out,
        .loop = keeper->store->loops[0].loop,
        .done = request_done,
    };
    keeper->is_sent = true;
    options->statistics(options->user, &keeper->request);
}

static void end_drain(struct redis_keeper *keeper)
{
    void (*drained)(struct redis_store *store) = keeper->drained;
    if (keeper->sending.count > 0)
        log_event(LOG_WARN, "statistics_lost", "versions=%u", keeper->sending.count);
    keeper->drained = NULL;
    drained(keeper->store);
}

static void go_on(struct redis_keeper *keeper)
{
    if (keeper->is_sent)
        return;
    if (keeper->sending.count == 0) {
        collect(keeper);
        keeper->request.number += keeper->sending.count > 0;
    } else if (keeper->drained != NULL && keeper->drain_tries-- == 0) {
        end_drain(keeper);
        return;
    }
    if (keeper->sending.count > 0 || keeper->waiting != NULL)
        send_request(keeper);
    else if (keeper->drained != NULL)
        end_drain(keeper);
}

static void join(struct loop_task *task)
{
    struct reading *reading = CONTAINER_OF(task, struct reading, task);
    struct redis_keeper *keeper = reading->store->keeper;
    struct reading **last = &keeper->waiting;
    while (*last != NULL)
        last = &(*last)->next;
    reading->next = NULL;
    *last = reading;
    go_on(keeper);
}

void redis_store_statistics(struct online_store *of, struct online_statistics *request)
{
    struct redis_store *store = redis_store_of(of);
    struct reading *reading = memory_alloc_zero(sizeof(*reading));
    if (reading == NULL) {
        request->status = status_of(STATUS_OUT_OF_MEMORY);
        request->done(request);
        return;
    }
    reading->store = store;
    reading->request = request;
    reading->task.run = join;
    loop_post(store->loops[0].loop, &reading->task);
}

void redis_keeper_tick(struct redis_keeper *keeper)
{
    go_on(keeper);
}

void redis_keeper_drain(struct redis_keeper *keeper, void (*drained)(struct redis_store *store))
{
    keeper->drained = drained;
    keeper->drain_tries = DRAIN_TRIES;
    go_on(keeper);
}

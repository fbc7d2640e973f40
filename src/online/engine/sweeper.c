#include "online/engine/sweeper.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "online/engine/edit.h"
#include "online/engine/writer.h"

#define PASS_INTERVAL_NS INT64_C(60000000000)
#define HURRY_INTERVAL_NS INT64_C(1000000000)
#define SLICE_ROWS_MAX 1024u
/* Rests this many times as long as it worked: a twentieth of one core. */
#define REST_FACTOR 19
#define REST_MAX_NS INT64_C(1000000000)
#define NS_PER_SECOND INT64_C(1000000000)

struct sweeper {
    struct engine *engine;
    struct epoch_reader *reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* on the monotonic clock; anything below */
    bool stopping;
    bool hurry;
    int64_t hurry_from_ns; /* before that a hurry has just been answered */
    bool proposal_done;
    uint64_t passes_wanted; /* by tests */
    uint64_t passes_done;
    /* the thread's own */
    bool urgent; /* this pass: no pace, no grace */
    int64_t cutoff_us;
    struct sweep_request proposal;
    char ids[SWEEP_KEYS_MAX * LIMIT_ENTITY_ID_BYTES]; /* of the proposal */
};

void sweeper_hurry(struct sweeper *sweeper)
{
    int64_t now_ns = clock_monotonic_ns();
    pthread_mutex_lock(&sweeper->lock);
    if (now_ns >= sweeper->hurry_from_ns) {
        sweeper->hurry = true;
        pthread_cond_broadcast(&sweeper->changed);
    }
    pthread_mutex_unlock(&sweeper->lock);
}

void sweeper_run_pass(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    uint64_t wanted = ++sweeper->passes_wanted;
    pthread_cond_broadcast(&sweeper->changed);
    while (sweeper->passes_done < wanted)
        pthread_cond_wait(&sweeper->changed, &sweeper->lock);
    pthread_mutex_unlock(&sweeper->lock);
}

static void proposal_done(struct sweep_request *request)
{
    struct sweeper *sweeper = request->user;
    pthread_mutex_lock(&sweeper->lock);
    sweeper->proposal_done = true;
    pthread_cond_broadcast(&sweeper->changed);
    pthread_mutex_unlock(&sweeper->lock);
}

static bool test_waits(const struct sweeper *sweeper)
{
    return sweeper->passes_done < sweeper->passes_wanted;
}

/* Until the time has passed or there is a reason to be quick; true when stopping. */
static bool rest(struct sweeper *sweeper, int64_t duration_ns)
{
    int64_t end_ns = clock_monotonic_ns() + duration_ns;
    struct timespec end = {.tv_sec = end_ns / NS_PER_SECOND, .tv_nsec = end_ns % NS_PER_SECOND};
    pthread_mutex_lock(&sweeper->lock);
    int result = 0;
    while (duration_ns > 0 && !sweeper->stopping && !sweeper->hurry && !test_waits(sweeper) &&
           result != ETIMEDOUT)
        result = pthread_cond_timedwait(&sweeper->changed, &sweeper->lock, &end);
    bool stopping = sweeper->stopping;
    pthread_mutex_unlock(&sweeper->lock);
    return stopping;
}

static void propose(struct sweeper *sweeper)
{
    if (sweeper->proposal.key_count == 0)
        return;
    sweeper->proposal_done = false; /* nobody else has it yet */
    writer_submit_sweep(sweeper->engine->writer, &sweeper->proposal);
    pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->proposal_done)
        pthread_cond_wait(&sweeper->changed, &sweeper->lock);
    pthread_mutex_unlock(&sweeper->lock);
}

static void add_key(struct sweeper *sweeper, const struct row *row)
{
    struct sweep_request *proposal = &sweeper->proposal;
    char *copy = sweeper->ids + proposal->key_count * LIMIT_ENTITY_ID_BYTES;
    str id = row_id(row);
    memcpy(copy, id.data, id.len);
    proposal->keys[proposal->key_count++] = str_of(copy, id.len);
}

/* Looks at the next rows of a shard while online; false at its end. */
static bool walk_slice(struct sweeper *sweeper, uint32_t entity_index, uint32_t shard,
                       uint32_t *position)
{
    const struct engine *engine = sweeper->engine;
    bool more = true;
    sweeper->proposal.entity_index = entity_index;
    sweeper->proposal.cutoff_us = sweeper->cutoff_us;
    sweeper->proposal.key_count = 0;
    epoch_online(engine->epoch, sweeper->reader);
    const struct catalog *catalog = catalog_current(engine->catalog);
    const struct table *table = engine_table(engine, entity_index);
    const struct catalog_entity *entity = catalog->entities[entity_index];
    for (uint32_t n = 0; n < SLICE_ROWS_MAX && sweeper->proposal.key_count < SWEEP_KEYS_MAX; n++) {
        const struct row *row = table_walk(table, shard, position);
        if (row == NULL) {
            more = false;
            break;
        }
        if (edit_sweep_would_change(row, entity, sweeper->cutoff_us))
            add_key(sweeper, row);
    }
    epoch_offline(sweeper->reader);
    propose(sweeper);
    return more;
}

/* Works through one shard; true when stopping. */
static bool sweep_shard(struct sweeper *sweeper, uint32_t entity_index, uint32_t shard,
                        int64_t *worked_ns)
{
    uint32_t position = 0;
    bool more = true;
    while (more) {
        int64_t begin_ns = clock_monotonic_ns();
        more = walk_slice(sweeper, entity_index, shard, &position);
        *worked_ns += clock_monotonic_ns() - begin_ns;
        /* Small tables: a rest is worth a wake-up only after some work. */
        bool resting = !sweeper->urgent && *worked_ns > NS_PER_SECOND / 1000;
        int64_t duration_ns = resting ? *worked_ns * REST_FACTOR : 0;
        if (resting)
            *worked_ns = 0;
        if (rest(sweeper, duration_ns < REST_MAX_NS ? duration_ns : REST_MAX_NS))
            return true;
    }
    return false;
}

/* True when stopping. */
static bool pass(struct sweeper *sweeper)
{
    int64_t worked_ns = 0;
    if (engine_state(sweeper->engine) != ENGINE_READY)
        return false; /* the tables are not for looking at yet */
    int64_t grace_us = sweeper->urgent ? 0 : SWEEP_GRACE_US;
    sweeper->cutoff_us = store_clock_now_us(sweeper->engine->clock) - grace_us;
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++) {
        if (engine_table(sweeper->engine, e) == NULL)
            continue;
        for (uint32_t s = 0; s < TABLE_SHARDS; s++)
            if (sweep_shard(sweeper, e, s, &worked_ns))
                return true;
    }
    return false;
}

/* Takes note of why the pass is made; returns which test passes it will have answered. */
static uint64_t begin_pass(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    uint64_t wanted = sweeper->passes_wanted;
    sweeper->urgent = sweeper->hurry || test_waits(sweeper);
    if (sweeper->urgent)
        sweeper->hurry_from_ns = INT64_MAX;
    sweeper->hurry = false;
    pthread_mutex_unlock(&sweeper->lock);
    return wanted;
}

static void end_pass(struct sweeper *sweeper, uint64_t wanted)
{
    pthread_mutex_lock(&sweeper->lock);
    if (sweeper->urgent)
        sweeper->hurry_from_ns = clock_monotonic_ns() + HURRY_INTERVAL_NS;
    sweeper->passes_done = wanted;
    pthread_cond_broadcast(&sweeper->changed);
    pthread_mutex_unlock(&sweeper->lock);
}

static void *run(void *argument)
{
    struct sweeper *sweeper = argument;
    while (!rest(sweeper, PASS_INTERVAL_NS)) {
        uint64_t wanted = begin_pass(sweeper);
        bool stopping = pass(sweeper);
        end_pass(sweeper, wanted);
        if (stopping)
            break;
    }
    return NULL;
}

static void init(struct sweeper *sweeper, struct engine *engine)
{
    pthread_condattr_t attributes;
    sweeper->engine = engine;
    sweeper->proposal.user = sweeper;
    sweeper->proposal.done = proposal_done;
    ASSERT(pthread_mutex_init(&sweeper->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&sweeper->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

status sweeper_start(struct engine *engine, struct error *error)
{
    struct sweeper *sweeper = memory_alloc_zero(sizeof(*sweeper));
    if (sweeper == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the online store");
    init(sweeper, engine);
    status result = OK;
    sweeper->reader = epoch_register(engine->epoch);
    if (sweeper->reader == NULL)
        result = status_of(STATUS_TOO_MANY);
    else if (pthread_create(&sweeper->thread, NULL, run, sweeper) != 0)
        result = status_of(STATUS_UNAVAILABLE);
    if (!status_is_ok(result)) {
        sweeper_destroy(sweeper);
        return error_set(error, result.code, "online_store",
                         "the online store's maintenance thread cannot be started: %s",
                         status_name(result.code));
    }
    pthread_setname_np(sweeper->thread, "maintenance");
    engine->sweeper = sweeper;
    return OK;
}

void sweeper_stop(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    sweeper->stopping = true;
    pthread_cond_broadcast(&sweeper->changed);
    pthread_mutex_unlock(&sweeper->lock);
    pthread_join(sweeper->thread, NULL);
}

void sweeper_destroy(struct sweeper *sweeper)
{
    if (sweeper == NULL)
        return;
    if (sweeper->reader != NULL)
        epoch_unregister(sweeper->reader);
    pthread_cond_destroy(&sweeper->changed);
    pthread_mutex_destroy(&sweeper->lock);
    memory_free(sweeper);
}

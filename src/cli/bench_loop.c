#include "cli/bench_loop_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define EVENTS_MAX 512
#define TICK_NS INT64_C(20000000) /* how soon timeouts, ends and retries are seen */
#define NS_PER_SECOND INT64_C(1000000000)
#define EARLY_NS INT64_C(200000) /* of a precise loop: it wakes before, and polls from then on */
#define STOP_NS NS_PER_SECOND    /* for answers, after Ctrl-C */
#define UNSENT_BYTES_MAX ((size_t)16 << 20)

static void add_relaxed(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static int64_t thread_cpu_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return at.tv_sec * NS_PER_SECOND + at.tv_nsec;
}

bool bench_engine_counts(const struct bench_engine *engine, int64_t began_ns)
{
    const struct bench_loop *loop = engine->loop;
    return began_ns >= loop->measure_ns && began_ns < loop->end_ns;
}

static uint64_t since(int64_t began_ns, int64_t now_ns)
{
    return now_ns > began_ns ? (uint64_t)(now_ns - began_ns) : 0;
}

void bench_engine_answered(struct bench_connection *connection, unsigned http_status,
                           int64_t now_ns)
{
    struct bench_engine *engine = connection->engine;
    struct bench_loop *loop = engine->loop;
    struct bench_counts *counts = loop->counts;
    bool good = http_status >= 200 && http_status < 300;
    uint64_t latency_ns = since(connection->began_ns, now_ns);
    engine->busy--;
    add_relaxed(good ? &loop->live.answers : &loop->live.errors);
    if (good)
        histogram_add(&loop->live.latency, latency_ns);
    if (good && now_ns >= loop->measure_ns && now_ns < loop->end_ns) {
        counts->answers_in_time++;
        counts->ids_in_time += connection->kind == BENCH_BATCH ? loop->workload->batch_size : 1;
    }
    if (!bench_engine_counts(engine, connection->began_ns))
        return;
    if (good) {
        hdr_histogram_add(&counts->latency[connection->kind], latency_ns);
        counts->answers[connection->kind]++;
    } else {
        counts->statuses[http_status < BENCH_HTTP_STATUS_MAX ? http_status : 0]++;
    }
}

void bench_engine_broken(struct bench_connection *connection)
{
    struct bench_engine *engine = connection->engine;
    engine->busy--;
    add_relaxed(&engine->loop->live.errors);
    engine->loop->counts->broken += bench_engine_counts(engine, connection->began_ns);
}

/* Closed loop: on with the next request. Open loop: it waits for one that is due. */
void bench_engine_free(struct bench_connection *connection, int64_t now_ns)
{
    struct bench_engine *engine = connection->engine;
    connection->state = BENCH_IDLE;
    connection->idle_ns = now_ns;
    if (engine->loop->interval_ns == 0) {
        if (!engine->draining)
            bench_connection_send(connection, now_ns, now_ns);
        return;
    }
    /* it may still be there from before it broke while it was idle */
    if (connection->in_ring)
        return;
    uint32_t size = engine->loop->connection_count;
    connection->in_ring = true;
    engine->idle[(engine->idle_first + engine->idle_count++) % size] = connection;
}

/* NULL: none is free. One that broke while it was idle is passed over. */
static struct bench_connection *take_idle(struct bench_engine *engine)
{
    while (engine->idle_count > 0) {
        struct bench_connection *connection = engine->idle[engine->idle_first];
        engine->idle_first = (engine->idle_first + 1) % engine->loop->connection_count;
        engine->idle_count--;
        connection->in_ring = false;
        if (connection->state == BENCH_IDLE)
            return connection;
    }
    return NULL;
}

static int64_t due_ns(const struct bench_engine *engine)
{
    const struct bench_loop *loop = engine->loop;
    return loop->begin_ns + (int64_t)((double)engine->due_index * loop->interval_ns);
}

/* Sends what is due as far as connections are free, and what was due before the end also after it.
 */
static void send_due(struct bench_engine *engine, int64_t now_ns)
{
    struct bench_loop *loop = engine->loop;
    for (int64_t due = due_ns(engine); due <= now_ns && due < loop->end_ns; due = due_ns(engine)) {
        struct bench_connection *connection = take_idle(engine);
        if (connection == NULL)
            return;
        now_ns = clock_monotonic_ns();
        if (bench_engine_counts(engine, due)) {
            loop->counts->sent++;
            if (connection->idle_ns <= due)
                hdr_histogram_add(&loop->counts->lag, since(due, now_ns));
            else
                loop->counts->waited++;
        }
        engine->due_index++;
        bench_connection_send(connection, due, now_ns);
    }
}

static void count_late(struct bench_engine *engine, enum bench_kind kind, int64_t began_ns,
                       int64_t now_ns, uint64_t *count)
{
    if (!bench_engine_counts(engine, began_ns))
        return;
    hdr_histogram_add(&engine->loop->counts->latency[kind], since(began_ns, now_ns));
    (*count)++;
}

/* Timeouts, and connections that are to be made again. */
static void look_after_connections(struct bench_engine *engine, int64_t now_ns)
{
    struct bench_loop *loop = engine->loop;
    for (uint32_t i = 0; i < loop->connection_count; i++) {
        struct bench_connection *connection = &engine->connections[i];
        if (connection->state == BENCH_BUSY && now_ns - connection->sent_ns > loop->timeout_ns) {
            count_late(engine, connection->kind, connection->began_ns, now_ns,
                       &loop->counts->timeouts);
            add_relaxed(&loop->live.errors);
            engine->busy--;
            bench_connection_time_out(connection, now_ns);
        } else if (connection->state == BENCH_DOWN && connection->retry_ns <= now_ns &&
                   (!engine->draining || loop->interval_ns > 0)) {
            bench_connection_open(connection, now_ns);
        } else if (connection->state == BENCH_CONNECTING &&
                   now_ns - connection->retry_ns > loop->timeout_ns) {
            bench_connection_close(connection, now_ns);
        }
    }
}

static void wait_for_events(struct bench_engine *engine, int64_t now_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t until = now_ns + TICK_NS;
    int64_t early_ns = engine->loop->is_precise ? EARLY_NS : 0;
    if (engine->loop->interval_ns > 0 && engine->idle_count > 0 && !engine->draining &&
        due_ns(engine) - early_ns < until)
        until = due_ns(engine) - early_ns;
    now_ns = clock_monotonic_ns();
    struct timespec wait = {.tv_nsec = until > now_ns ? (long)(until - now_ns) : 0};
    int count = epoll_pwait2(engine->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++)
        bench_connection_ready(events[i].data.ptr, events[i].events);
}

/* Until everything that was due has its answer, or the time for that is over. */
static bool has_finished(const struct bench_engine *engine, int64_t now_ns)
{
    const struct bench_loop *loop = engine->loop;
    bool all_sent = loop->interval_ns == 0 || due_ns(engine) >= loop->end_ns;
    return (engine->draining && all_sent && engine->busy == 0) || now_ns >= engine->give_up_ns ||
           engine->next.failed;
}

/* The window ends here; what was due is still waited for, as long as a person would. */
static void stop(struct bench_engine *engine, int64_t now_ns)
{
    struct bench_loop *loop = engine->loop;
    if (engine->stopped)
        return;
    engine->stopped = true;
    if (now_ns < loop->end_ns)
        loop->end_ns = now_ns;
    if (now_ns + STOP_NS < engine->give_up_ns)
        engine->give_up_ns = now_ns + STOP_NS;
}

static void run(struct bench_engine *engine)
{
    struct bench_loop *loop = engine->loop;
    int64_t looked_ns = 0;
    int64_t now_ns = clock_monotonic_ns();
    bool measuring = false;
    engine->give_up_ns = loop->end_ns + loop->timeout_ns;
    while (!has_finished(engine, now_ns)) {
        if (atomic_load_explicit(&loop->stop, memory_order_relaxed))
            stop(engine, now_ns);
        if (!measuring && now_ns >= loop->measure_ns) {
            measuring = true;
            engine->cpu_begin_ns = thread_cpu_ns();
        }
        if (!engine->draining && now_ns >= loop->end_ns) {
            engine->draining = true;
            loop->counts->cpu_ns = thread_cpu_ns() - engine->cpu_begin_ns;
        }
        if (loop->interval_ns > 0)
            send_due(engine, now_ns);
        if (now_ns - looked_ns >= TICK_NS) {
            look_after_connections(engine, now_ns);
            looked_ns = now_ns;
        }
        wait_for_events(engine, now_ns);
        now_ns = clock_monotonic_ns();
    }
    if (measuring && !engine->draining)
        loop->counts->cpu_ns = thread_cpu_ns() - engine->cpu_begin_ns;
}

/* What is left open counts with the time it has waited so far. */
static void count_unanswered(struct bench_engine *engine)
{
    struct bench_loop *loop = engine->loop;
    int64_t now_ns = clock_monotonic_ns();
    uint64_t *unanswered = &loop->counts->unanswered;
    for (uint32_t i = 0; i < loop->connection_count; i++) {
        struct bench_connection *connection = &engine->connections[i];
        if (connection->state == BENCH_BUSY)
            count_late(engine, connection->kind, connection->began_ns, now_ns, unanswered);
    }
    while (loop->interval_ns > 0 && due_ns(engine) < loop->end_ns && !engine->next.failed) {
        count_late(engine, engine->next_kind, due_ns(engine), now_ns, unanswered);
        loop->counts->sent += bench_engine_counts(engine, due_ns(engine));
        loop->counts->waited += bench_engine_counts(engine, due_ns(engine));
        engine->due_index++;
        engine->next_kind = bench_renderer_next(&engine->renderer, &engine->next);
    }
}

static int on_message_complete(llhttp_t *parser)
{
    struct bench_connection *connection = parser->data;
    connection->answered = true;
    connection->keeps_alive = llhttp_should_keep_alive(parser) != 0;
    return 0;
}

static bool prepare(struct bench_engine *engine)
{
    struct bench_loop *loop = engine->loop;
    uint32_t count = loop->connection_count;
    engine->connections = memory_alloc_array(count, sizeof(*engine->connections));
    engine->idle = memory_alloc_array(count, sizeof(struct bench_connection *));
    engine->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine->connections == NULL || engine->idle == NULL || engine->epoll < 0)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct bench_connection *connection = &engine->connections[i];
        *connection = (struct bench_connection){.engine = engine, .fd = -1};
        buffer_init(&connection->unsent, UNSENT_BYTES_MAX);
    }
    llhttp_settings_init(&engine->parser_settings);
    engine->parser_settings.on_message_complete = on_message_complete;
    engine->next_kind = bench_renderer_next(&engine->renderer, &engine->next);
    /* the kernel may wake us this much late: one nanosecond instead of fifty microseconds */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return !engine->next.failed;
}

static void release(struct bench_engine *engine)
{
    for (uint32_t i = 0; engine->connections != NULL && i < engine->loop->connection_count; i++) {
        bench_connection_close(&engine->connections[i], 0);
        buffer_fini(&engine->connections[i].unsent);
    }
    if (engine->epoll >= 0)
        close(engine->epoll);
    memory_free(engine->idle);
    memory_free(engine->connections);
    bench_renderer_fini(&engine->renderer);
    buffer_fini(&engine->next);
    memory_free(engine);
}

void bench_loop_run(struct bench_loop *loop)
{
    struct bench_engine *engine = memory_alloc_zero(sizeof(*engine));
    loop->result = error_set(&loop->error, STATUS_OUT_OF_MEMORY, "bench", "out of memory");
    if (engine == NULL)
        return;
    engine->loop = loop;
    engine->epoll = -1;
    buffer_init(&engine->next, UNSENT_BYTES_MAX);
    bench_renderer_init(&engine->renderer, loop->workload, loop->stream);
    if (prepare(engine)) {
        error_clear(&loop->error);
        loop->result = OK;
        run(engine);
        count_unanswered(engine);
        if (engine->next.failed)
            loop->result = error_set(&loop->error, STATUS_OUT_OF_MEMORY, "bench", "out of memory");
    }
    release(engine);
}

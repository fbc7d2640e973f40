#include "server/server.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/rest/api.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "runtime/store_clock.h"
#include "server/embedded.h"
#include "server/notify.h"
#include "server/stores.h"

#define ASSETS_MAX 8
#define PROGRESS_MS 1000 /* a line on standard error while recovering */

struct server {
    const struct server_options *options;
    struct epoch epoch;
    struct store_clock clock;
    struct catalog_ref catalog;
    struct stores stores;
    struct service service;
    struct api api;
    struct api_asset assets[ASSETS_MAX];
    struct http_server *http;
    struct loop *loops;
    unsigned loops_ready; /* initialised */
    pthread_t threads[SERVER_THREADS_MAX];
    unsigned threads_started;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t snapshot;
    uv_timer_t progress; /* then the watchdog's */
    struct notify notify;
    bool handles_open;
    int64_t started_ns;
    bool serving; /* start() is through: what is posted to the first loop may act on all of it */
    bool stopping;
    status opening; /* what came of it: failed, or as good as OK */
    struct error opening_error;
};

static status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "not enough memory to start");
}

/* Without room for descriptors connections wait and the log cannot go on: take what there is. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int64_t seconds_since(int64_t started_ns)
{
    return (clock_monotonic_ns() - started_ns) / 1000000000;
}

static void announce(const struct server *server)
{
    const char *host = server->options->host;
    bool is_v6 = strchr(host, ':') != NULL;
    unsigned port = http_server_port(server->http);
    log_event(LOG_INFO, "ready",
              "host=%s port=%u threads=%u data=\"%s\" registry=%s values=%s features=%u", host,
              port, server->options->threads, server->stores.data_dir.path,
              server->stores.registry->driver->name, server->stores.online->driver->name,
              catalog_current(&server->catalog)->feature_count);
    printf("featured %s ready on http://%s%s%s:%u\n", FEATURED_VERSION, is_v6 ? "[" : "", host,
           is_v6 ? "]" : "", port);
    fflush(stdout);
}

static void stop_loops(struct server *server)
{
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    uv_close((uv_handle_t *)&server->snapshot, NULL);
    uv_close((uv_handle_t *)&server->progress, NULL);
    server->handles_open = false;
    for (unsigned i = 0; i < server->loops_ready; i++)
        loop_stop(&server->loops[i]);
}

static void stores_drained(void *user)
{
    stop_loops(user);
}

/* Every exchange has been answered: nothing is written any more. */
static void drained(void *user)
{
    struct server *server = user;
    stores_drain(&server->stores, stores_drained, server);
}

static void stop(struct server *server)
{
    server->stopping = true;
    uv_timer_stop(&server->progress);
    notify_stopping(&server->notify);
    http_server_drain(server->http, server->options->drain_timeout_ms, drained, server);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    notify_tick(&server->notify);
}

static void tell_manager(struct server *server)
{
    uint64_t tick_ms = notify_ready(&server->notify);
    uv_timer_stop(&server->progress);
    if (tick_ms > 0)
        ASSERT(uv_timer_start(&server->progress, on_tick, tick_ms, tick_ms) == 0);
}

static void on_opened(void *user, status result, const struct error *error)
{
    struct server *server = user;
    if (!server->serving || server->stopping)
        return;
    server->opening = result;
    if (status_is_ok(result)) {
        stores_log_opened(&server->stores);
        announce(server);
        tell_manager(server);
    } else {
        server->opening_error = *error;
        stop(server);
    }
}

static status open_stores(struct server *server, struct error *error)
{
    const struct stores_options options = {
        .server = server->options,
        .epoch = &server->epoch,
        .clock = &server->clock,
        .catalog = &server->catalog,
        .loops = server->loops,
        .loop_count = server->options->threads,
        .opened = on_opened,
        .user = server,
    };
    return stores_open(&server->stores, &options, error);
}

static void on_terminate(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    loop_enter(&server->loops[0]);
    if (server->stopping) {
        log_event(LOG_WARN, "ended_at_once", "signal=%d reason=\"second signal\"", number);
        _exit(1);
    }
    log_event(LOG_INFO, "draining", "signal=%d timeout_ms=%lld", number,
              (long long)server->options->drain_timeout_ms);
    stop(server);
}

static void on_snapshot(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    log_event(LOG_INFO, "snapshot_asked_for", "signal=%d", number);
    stores_snapshot(&server->stores);
}

static void on_progress(uv_timer_t *timer)
{
    struct server *server = timer->data;
    unsigned permille;
    if (!stores_are_embedded(&server->stores)) {
        notify_waiting(&server->notify);
        return;
    }
    if (!stores_progress(&server->stores, &permille))
        return;
    log_event(LOG_INFO, "recovering", "permille=%u seconds=%lld", permille,
              (long long)seconds_since(server->started_ns));
    notify_recovering(&server->notify, permille);
}

static status open_handles(struct server *server, struct error *error)
{
    uv_loop_t *uv = &server->loops[0].uv;
    uv_signal_t *signals[] = {&server->terminate, &server->interrupt, &server->snapshot};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at the limit of its size is an error like others */
    ASSERT(uv_timer_init(uv, &server->progress) == 0);
    server->progress.data = server;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        /* the first of a process makes a pipe; the others only take memory that is there */
        if (uv_signal_init(uv, signals[i]) != 0) {
            while (i-- > 0)
                uv_close((uv_handle_t *)signals[i], NULL);
            uv_close((uv_handle_t *)&server->progress, NULL);
            return out_of_memory(error);
        }
        signals[i]->data = server;
    }
    server->handles_open = true;
    if (uv_signal_start(&server->terminate, on_terminate, SIGTERM) != 0 ||
        uv_signal_start(&server->interrupt, on_terminate, SIGINT) != 0 ||
        uv_signal_start(&server->snapshot, on_snapshot, SIGUSR1) != 0)
        return error_set(error, STATUS_INTERNAL, "signal", "cannot watch for signals");
    ASSERT(uv_timer_start(&server->progress, on_progress, PROGRESS_MS, PROGRESS_MS) == 0);
    return OK;
}

static void embed_assets(struct server *server)
{
    struct api *api = &server->api;
    ASSERT(embedded_file_count <= ASSETS_MAX);
    for (size_t i = 0; i < embedded_file_count; i++) {
        const struct embedded_file *file = &embedded_files[i];
        server->assets[i] = (struct api_asset){
            .name = str_from_cstr(file->name),
            .content_type = str_from_cstr(file->content_type),
            .content = str_of(file->begin, (size_t)(file->end - file->begin)),
        };
    }
    api->assets = server->assets;
    api->asset_count = embedded_file_count;
    api->openapi_json =
        str_of(embedded_openapi.begin, (size_t)(embedded_openapi.end - embedded_openapi.begin));
}

static status start_http(struct server *server, struct error *error)
{
    const struct server_options *options = server->options;
    server->service.registry = server->stores.registry;
    server->service.online = server->stores.online;
    server->service.catalog = &server->catalog;
    server->api.service = &server->service;
    server->api.strict = options->strict;
    server->api.version = STR(FEATURED_VERSION);
    server->api.started_at_us = clock_wall_us();
    server->api.loop_count = options->threads;
    embed_assets(server);
    struct http_server_options http = {
        .host = options->host,
        .port = options->port,
        .limits = options->limits,
        .cors_origin = options->cors_origin,
        .routes = api_routes,
        .route_count = api_route_count,
        .context = &server->api,
        .loops = server->loops,
        .loop_count = options->threads,
    };
    TRY(http_server_start(&http, &server->http, error));
    server->api.http = server->http;
    log_event(LOG_INFO, "listening", "host=%s port=%u", options->host,
              http_server_port(server->http));
    return OK;
}

static void *run_loop(void *argument)
{
    struct loop *loop = argument;
    char name[16];
    snprintf(name, sizeof(name), "loop-%u", loop->index);
    pthread_setname_np(pthread_self(), name);
    loop_run(loop);
    return NULL;
}

/* Signals belong to the first loop. */
static status start_threads(struct server *server, struct error *error)
{
    sigset_t all;
    sigset_t before;
    status result = OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 1; i < server->options->threads && status_is_ok(result); i++) {
        if (pthread_create(&server->threads[i], NULL, run_loop, &server->loops[i]) != 0)
            result = error_set(error, STATUS_UNAVAILABLE, "thread", "cannot start thread %u", i);
        else
            server->threads_started = i;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static status init_loops(struct server *server, struct error *error)
{
    unsigned count = server->options->threads;
    ASSERT(count >= 1 && count <= SERVER_THREADS_MAX);
    server->loops = memory_alloc_array(count, sizeof(*server->loops));
    if (server->loops == NULL)
        return out_of_memory(error);
    for (unsigned i = 0; i < count; i++) {
        if (!status_is_ok(loop_init(&server->loops[i], &server->epoch, i)))
            return error_set(error, STATUS_UNAVAILABLE, "loop",
                             "cannot start event loop %u: too few file descriptors or no memory",
                             i);
        server->loops_ready++;
    }
    return OK;
}

static const char *why_ignored(const struct server_options *options)
{
    if (options->redis_url == NULL)
        return "values are not in Redis";
    return options->database_url ? "values are in Redis, definitions in PostgreSQL"
                                 : "values are in Redis";
}

static status start(struct server *server, struct error *error)
{
    server->started_ns = clock_monotonic_ns();
    notify_init(&server->notify);
    if (server->options->ignored)
        log_event(LOG_WARN, "settings_ignored", "settings=\"%s\" reason=\"%s\"",
                  server->options->ignored, why_ignored(server->options));
    raise_file_limit();
    hash_seed_init();
    epoch_init(&server->epoch);
    store_clock_init(&server->clock, clock_wall_us);
    TRY(init_loops(server, error));
    TRY(open_stores(server, error));
    TRY(open_handles(server, error));
    /* The listener last: whatever fails before it leaves nothing that has to be drained. */
    TRY(start_threads(server, error));
    return start_http(server, error);
}

/* From whatever state start() reached. */
static void finish(struct server *server)
{
    for (unsigned i = 1; i <= server->threads_started; i++)
        pthread_join(server->threads[i], NULL);
    if (server->http)
        http_server_destroy(server->http);
    stores_close(&server->stores);
    for (unsigned i = 0; i < server->loops_ready; i++)
        loop_fini(&server->loops[i]);
    memory_free(server->loops);
}

/* A start that failed half-way: let what was opened close itself. */
static void abandon(struct server *server)
{
    if (server->handles_open)
        stop_loops(server);
    else
        for (unsigned i = 0; i < server->loops_ready; i++)
            loop_stop(&server->loops[i]);
    if (server->loops_ready)
        loop_run(&server->loops[0]);
}

status server_run(const struct server_options *options, struct error *error)
{
    struct server *server = memory_alloc_aligned(CACHE_LINE_BYTES, sizeof(*server));
    if (server == NULL)
        return out_of_memory(error);
    memset(server, 0, sizeof(*server));
    server->options = options;
    status ended = start(server, error);
    if (status_is_ok(ended)) {
        server->serving = true;
        stores_start(&server->stores);
        loop_run(&server->loops[0]);
        ended = server->opening;
        if (!status_is_ok(ended) && error)
            *error = server->opening_error;
    } else {
        abandon(server);
    }
    finish(server);
    if (status_is_ok(ended))
        log_event(LOG_INFO, "stopped", "%s", "");
    memory_free(server);
    return ended;
}

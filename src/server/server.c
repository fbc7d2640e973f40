#include "server/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "api/rest/api.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "online/engine/engine.h"
#include "registry/sqlite/registry_sqlite.h"
#include "runtime/store_clock.h"
#include "server/data_dir.h"
#include "server/embedded.h"

#define REGISTRY_FILE "registry.db"
#define ASSETS_MAX 8

struct server {
    const struct server_options *options;
    struct data_dir data_dir;
    struct epoch epoch;
    struct store_clock clock;
    struct catalog_ref catalog;
    struct registry *registry;
    struct online_store *online;
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
    bool signals_open;
    bool stopping;
};

static status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "not enough memory to start");
}

static status open_stores(struct server *server, struct error *error)
{
    char path[PATH_MAX];
    TRY(data_dir_open(&server->data_dir, server->options->data_dir, error));
    data_dir_file(&server->data_dir, REGISTRY_FILE, path);
    TRY(registry_sqlite_open(path, &server->epoch, &server->clock, &server->catalog,
                             &server->registry, error));
    struct engine_options options = {
        .epoch = &server->epoch,
        .clock = &server->clock,
        .catalog = &server->catalog,
        .max_memory_bytes = server->options->max_memory_bytes,
    };
    return engine_open(&options, &server->online, error);
}

static void stop_loops(struct server *server)
{
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    server->signals_open = false;
    for (unsigned i = 0; i < server->loops_ready; i++)
        loop_stop(&server->loops[i]);
}

/* Every exchange has been answered: nothing is written any more. */
static void drained(void *user)
{
    stop_loops(user);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    loop_enter(&server->loops[0]);
    if (server->stopping) {
        log_event(LOG_WARN, "ended_at_once", "signal=%d reason=\"second signal\"", number);
        _exit(1);
    }
    server->stopping = true;
    log_event(LOG_INFO, "draining", "signal=%d timeout_ms=%lld", number,
              (long long)server->options->drain_timeout_ms);
    http_server_drain(server->http, server->options->drain_timeout_ms, drained, server);
}

static status watch_signals(struct server *server, struct error *error)
{
    uv_loop_t *uv = &server->loops[0].uv;
    signal(SIGPIPE, SIG_IGN);
    if (uv_signal_init(uv, &server->terminate) != 0)
        return out_of_memory(error);
    if (uv_signal_init(uv, &server->interrupt) != 0) {
        uv_close((uv_handle_t *)&server->terminate, NULL);
        return out_of_memory(error);
    }
    server->signals_open = true;
    server->terminate.data = server;
    server->interrupt.data = server;
    if (uv_signal_start(&server->terminate, on_signal, SIGTERM) != 0 ||
        uv_signal_start(&server->interrupt, on_signal, SIGINT) != 0)
        return error_set(error, STATUS_INTERNAL, "signal", "cannot watch for signals");
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
    server->service.registry = server->registry;
    server->service.online = server->online;
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

static void announce(const struct server *server)
{
    const char *host = server->options->host;
    bool is_v6 = strchr(host, ':') != NULL;
    unsigned port = http_server_port(server->http);
    log_event(LOG_INFO, "ready", "host=%s port=%u threads=%u data=\"%s\" features=%u", host, port,
              server->options->threads, server->data_dir.path,
              catalog_current(&server->catalog)->feature_count);
    printf("featured %s ready on http://%s%s%s:%u\n", FEATURED_VERSION, is_v6 ? "[" : "", host,
           is_v6 ? "]" : "", port);
    fflush(stdout);
}

static status start(struct server *server, struct error *error)
{
    hash_seed_init();
    epoch_init(&server->epoch);
    store_clock_init(&server->clock, clock_wall_us);
    TRY(init_loops(server, error));
    TRY(open_stores(server, error));
    TRY(watch_signals(server, error));
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
    if (server->online)
        server->online->driver->close(server->online);
    if (server->registry)
        server->registry->driver->close(server->registry);
    for (unsigned i = 0; i < server->loops_ready; i++)
        loop_fini(&server->loops[i]);
    memory_free(server->loops);
    data_dir_close(&server->data_dir);
}

/* A start that failed half-way: let what was opened close itself. */
static void abandon(struct server *server)
{
    if (server->signals_open)
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
    server->data_dir.lock_fd = -1;
    status started = start(server, error);
    if (status_is_ok(started)) {
        announce(server);
        pthread_setname_np(pthread_self(), "loop-0");
        loop_run(&server->loops[0]);
    } else {
        abandon(server);
    }
    finish(server);
    if (status_is_ok(started))
        log_event(LOG_INFO, "stopped", "%s", "");
    memory_free(server);
    return started;
}

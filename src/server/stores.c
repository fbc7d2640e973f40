#include "server/stores.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "online/engine/engine.h"
#include "online/redis/online_redis.h"
#include "registry/postgres/registry_postgres.h"
#include "registry/sqlite/registry_sqlite.h"
#include "server/data_registry.h"
#include "server/shared_statistics.h"

#define WATCH_MS 1000
#define AWAITED_TOLD_NS INT64_C(10000000000)
#define SHOWN_BYTES_MAX (REDIS_SEEDS_MAX * (REDIS_HOST_MAX + 16))

bool stores_are_embedded(const struct stores *stores)
{
    return stores->options.server->redis_url == NULL;
}

/* On the first loop. */
static void run_opened(struct loop_task *task)
{
    struct stores *stores = CONTAINER_OF(task, struct stores, opened_task);
    /* Not before: a URL that was mistaken must not keep the next start from going without it. */
    if (status_is_ok(stores->opened) && stores->has_directory && !stores_are_embedded(stores))
        stores->opened =
            data_values_note_redis(stores->data_dir.path, stores->shown, &stores->opened_error);
    stores->options.opened(stores->options.user, stores->opened, &stores->opened_error);
}

/* On a thread of the store; the first loop may not even run yet. */
static void opened(void *user, status result, const struct error *error)
{
    struct stores *stores = user;
    stores->opened = result;
    if (!status_is_ok(result))
        stores->opened_error = *error;
    loop_post(&stores->options.loops[0], &stores->opened_task);
}

static void merge_statistics(void *user, struct redis_statistics_request *request)
{
    struct stores *stores = user;
    shared_statistics_merge(stores->registry, request);
}

static status open_own_registry(struct stores *stores, struct error *error)
{
    const struct stores_options *options = &stores->options;
    char path[PATH_MAX];
    TRY(data_registry_use_own(stores->data_dir.path, error));
    data_dir_file(&stores->data_dir, DATA_DIR_REGISTRY, path);
    snprintf(stores->identity, sizeof(stores->identity), "%016" PRIx64, stores->data_dir.identity);
    return registry_sqlite_open(path, options->epoch, options->clock, options->catalog,
                                &stores->registry, error);
}

static status open_shared_registry(struct stores *stores, struct error *error)
{
    const struct stores_options *options = &stores->options;
    _Static_assert(STORES_IDENTITY_MAX >= POSTGRES_IDENTITY_MAX, "room for either identity");
    TRY(registry_postgres_open(options->server->database_url, options->epoch, options->clock,
                               options->catalog, stores->identity, &stores->registry, error));
    if (!stores_are_embedded(stores))
        return OK;
    return data_registry_use_shared(stores->data_dir.path, stores->identity, error);
}

static status open_engine(struct stores *stores, struct error *error)
{
    const struct stores_options *options = &stores->options;
    const struct server_options *server = options->server;
    const struct engine_options engine = {
        .epoch = options->epoch,
        .clock = options->clock,
        .catalog = options->catalog,
        .max_memory_bytes = server->max_memory_bytes,
        .directory = stores->data_dir.path,
        .files = file_system_real(),
        .identity = stores->data_dir.identity,
        .fsync = server->fsync,
        .fsync_interval_ms = server->fsync_interval_ms,
        .segment_bytes = server->log_segment_bytes,
        .snapshot_interval_ms = server->snapshot_interval_ms,
        .snapshot_log_bytes = server->snapshot_log_bytes,
        .log_retention_ms = server->log_retention_ms,
        .recover_truncate = server->recover_truncate,
        .recovered = opened,
        .user = stores,
    };
    return engine_open(&engine, &stores->online, error);
}

static status open_redis(struct stores *stores, struct error *error)
{
    const struct stores_options *options = &stores->options;
    const struct redis_store_options redis = {
        .url = options->server->redis_url,
        .read_from_replica = options->server->redis_read_from_replica,
        .timeout_ms = options->server->redis_timeout_ms,
        .max_pending = options->server->redis_max_pending,
        .loops = options->loops,
        .loop_count = options->loop_count,
        .clock = options->clock,
        .catalog = options->catalog,
        .registry_identity = str_from_cstr(stores->identity),
        .statistics = merge_statistics,
        .opened = opened,
        .user = stores,
    };
    return redis_store_open(&redis, &stores->online, error);
}

/* Where the values are, for people: no password. */
static void show_url(const struct redis_url *url, char *out, size_t size)
{
    static const char *const SCHEMES[2][2] = {{"redis", "rediss"},
                                              {"redis-cluster", "rediss-cluster"}};
    struct buffer text;
    buffer_init(&text, SHOWN_BYTES_MAX);
    if (url->socket_path[0]) {
        buffer_append_format(&text, "unix://%s", url->socket_path);
    } else {
        buffer_append_format(&text, "%s://", SCHEMES[url->is_cluster][url->is_tls]);
        for (uint32_t i = 0; i < url->seed_count; i++) {
            const struct redis_address *seed = &url->seeds[i];
            bool is_v6 = strchr(seed->host, ':') != NULL;
            buffer_append_format(&text, "%s%s%s%s:%u", i ? "," : "", is_v6 ? "[" : "", seed->host,
                                 is_v6 ? "]" : "", seed->port);
        }
    }
    if (url->database)
        buffer_append_format(&text, "%s%u", url->socket_path[0] ? "?db=" : "/", url->database);
    snprintf(out, size, "%.*s", STR_ARG(buffer_str(&text)));
    buffer_fini(&text);
}

/* Values that another start has left there are not served now: that must not pass unnoticed. */
static void mention_left_values(const char *path)
{
    struct error ignored;
    bool found;
    if (status_is_ok(data_values_find(path, &found, &ignored)) && found)
        log_event(LOG_WARN, "values_not_served",
                  "data=\"%s\" reason=\"values are in Redis: --redis-url\"", path);
}

static status open_directory(struct stores *stores, struct error *error)
{
    const struct server_options *server = stores->options.server;
    bool is_embedded = stores_are_embedded(stores);
    if (!is_embedded && server->database_url) {
        mention_left_values(server->data_dir);
        return OK;
    }
    TRY(data_dir_open(&stores->data_dir, server->data_dir, error));
    stores->has_directory = true;
    return is_embedded ? data_values_use_embedded(stores->data_dir.path, error)
                       : data_values_use_redis(stores->data_dir.path, error);
}

status stores_open(struct stores *stores, const struct stores_options *options, struct error *error)
{
    const struct server_options *server = options->server;
    stores->options = *options;
    stores->opened_task.run = run_opened;
    if (server->redis_url)
        show_url(server->redis_url, stores->shown, sizeof(stores->shown));
    TRY(open_directory(stores, error));
    if (server->database_url)
        TRY(open_shared_registry(stores, error));
    else
        TRY(open_own_registry(stores, error));
    return server->redis_url ? open_redis(stores, error) : open_engine(stores, error);
}

/* A line when it goes away, every now and then while it is awaited, and when it is back. */
static void watch(uv_timer_t *timer)
{
    struct stores *stores = timer->data;
    struct online_store *online = stores->online;
    struct error reason;
    int64_t now_ns = clock_monotonic_ns();
    loop_enter(&stores->options.loops[0]);
    error_clear(&reason);
    bool is_away = !status_is_ok(online->driver->check(online, &reason));
    if (is_away && (!stores->is_away || now_ns - stores->told_ns >= AWAITED_TOLD_NS)) {
        log_event(LOG_WARN, stores->is_away ? "values_awaited" : "values_away", "reason=\"%s\"",
                  reason.detail);
        stores->told_ns = now_ns;
    } else if (!is_away && stores->is_away && stores->was_reached) {
        log_event(LOG_INFO, "values_back", "values=\"%s\"", stores->shown);
    }
    stores->is_away = is_away;
    stores->was_reached = stores->was_reached || !is_away;
}

static void run_start(struct loop_task *task)
{
    struct stores *stores = CONTAINER_OF(task, struct stores, start_task);
    uv_loop_t *uv = &stores->options.loops[0].uv;
    log_event(LOG_INFO, "durability",
              "values=\"%s\" kept=\"as that Redis is configured to (appendonly, save, replicas)\"",
              stores->shown);
    stores->running = true;
    redis_store_start(stores->online);
    stores->watch.data = stores;
    ASSERT(uv_timer_init(uv, &stores->watch) == 0);
    ASSERT(uv_timer_start(&stores->watch, watch, WATCH_MS, WATCH_MS) == 0);
}

void stores_start(struct stores *stores)
{
    if (stores_are_embedded(stores))
        return;
    stores->start_task.run = run_start;
    loop_post(&stores->options.loops[0], &stores->start_task);
}

static void watch_closed(uv_handle_t *handle)
{
    struct stores *stores = handle->data;
    struct online_store *online = stores->online;
    online->driver->drain(online, stores->drained, stores->drained_user);
}

void stores_drain(struct stores *stores, void (*drained)(void *user), void *user)
{
    stores->drained = drained;
    stores->drained_user = user;
    if (stores->running)
        uv_close((uv_handle_t *)&stores->watch, watch_closed);
    else
        drained(user);
}

void stores_close(struct stores *stores)
{
    if (stores->online)
        stores->online->driver->close(stores->online);
    if (stores->registry)
        stores->registry->driver->close(stores->registry);
    if (stores->has_directory)
        data_dir_close(&stores->data_dir);
}

bool stores_progress(struct stores *stores, unsigned *permille)
{
    return stores_are_embedded(stores) && engine_progress(stores->online, permille);
}

void stores_snapshot(struct stores *stores)
{
    if (stores_are_embedded(stores))
        engine_snapshot(stores->online);
}

static void log_recovered(const struct online_metrics *metrics)
{
    const struct online_durability *facts = &metrics->durability;
    log_event(LOG_INFO, "recovered",
              "rows=%" PRIu64 " snapshot_rows=%" PRIu64 " records=%" PRIu64
              " seconds=%.3f cut_bytes=%" PRIu64 " lsn=%" PRIu64,
              metrics->entities, facts->recovery_rows, facts->recovery_records,
              (double)facts->recovery_ns / 1e9, facts->recovery_cut_bytes, metrics->lsn);
}

void stores_log_opened(struct stores *stores)
{
    struct online_metrics metrics;
    stores->online->driver->metrics(stores->online, &metrics);
    if (stores_are_embedded(stores))
        log_recovered(&metrics);
    else
        log_event(LOG_INFO, "store_reached", "values=\"%s\" cluster=%s nodes=%" PRIu64,
                  stores->shown, metrics.remote.is_cluster ? "true" : "false",
                  metrics.remote.nodes);
}

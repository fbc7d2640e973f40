/* GET /metrics: Prometheus' text format, version 0.0.4. */
#include <stdio.h>
#include <unistd.h>

#include "api/rest/request.h"

static const char *const METHOD_NAMES[] = {
    [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

static void append_figure(struct buffer *out, const char *name, const char *type, const char *help,
                          uint64_t value)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                         (unsigned long long)value);
}

static void append_seconds(struct buffer *out, const char *name, const char *type, const char *help,
                           double seconds)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %.9f\n", name, help, name, type, name,
                         seconds);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void append_service(struct buffer *out, const struct api *api)
{
    uint64_t entities = 0;
    uint64_t values = 0;
    uint64_t unregistered = 0;
    for (unsigned i = 0; i < api->loop_count; i++) {
        const struct service_counters *counters = &api->service->counters[i];
        entities += load(&counters->entities_read);
        values += load(&counters->values_read);
        unregistered += load(&counters->names_unregistered);
    }
    append_figure(out, "featured_entities_read_total", "counter", "Entities read.", entities);
    append_figure(out, "featured_values_read_total", "counter", "Cells read (entities × features).",
                  values);
    append_figure(out, "featured_names_unregistered_total", "counter",
                  "Feature names asked for that are not registered.", unregistered);
}

static void append_log(struct buffer *out, const struct online_durability *facts)
{
    append_figure(out, "featured_log_closed", "gauge",
                  "1 after a failed sync or write: nothing is written until a restart.",
                  facts->log_closed);
    append_figure(out, "featured_log_segments", "gauge", "Files of the log.", facts->log_segments);
    append_figure(out, "featured_log_segment_bytes", "gauge",
                  "What they take on disk, preallocated space included.", facts->log_segment_bytes);
    append_figure(out, "featured_log_written_bytes_total", "counter", "Bytes written to the log.",
                  facts->log_bytes_written);
    append_figure(out, "featured_log_groups_total", "counter",
                  "Groups of requests written, each by one write.", facts->log_groups);
    append_figure(out, "featured_log_failures_total", "counter",
                  "Groups that could not be written and were answered 503.", facts->log_failures);
    append_figure(out, "featured_log_syncs_total", "counter", "Syncs (fsync) of the log.",
                  facts->log_syncs);
    append_seconds(out, "featured_log_sync_seconds_total", "counter", "Time they took together.",
                   (double)facts->log_sync_ns / 1e9);
    append_figure(out, "featured_log_written_lsn", "counter", "Last log sequence number written.",
                  facts->log_written_lsn);
    append_figure(out, "featured_log_synced_lsn", "counter",
                  "Last log sequence number that a loss of power cannot take.",
                  facts->log_synced_lsn);
}

static void append_snapshots(struct buffer *out, const struct online_durability *facts)
{
    append_figure(out, "featured_snapshots_total", "counter", "Snapshots made.", facts->snapshots);
    append_figure(out, "featured_snapshot_failures_total", "counter",
                  "Snapshots that could not be made; they are tried again.",
                  facts->snapshot_failures);
    append_figure(out, "featured_snapshot_running", "gauge", "1 while one is being written.",
                  facts->snapshot_running);
    append_figure(out, "featured_snapshot_written_bytes_total", "counter",
                  "Bytes written to snapshots.", facts->snapshot_bytes_written);
    append_figure(out, "featured_snapshot_bytes", "gauge", "Size of the last one.",
                  facts->snapshot_bytes);
    append_figure(out, "featured_snapshot_rows", "gauge", "Rows in the last one.",
                  facts->snapshot_rows);
    append_figure(out, "featured_snapshot_lsn", "counter",
                  "The last one holds everything up to this log sequence number.",
                  facts->snapshot_lsn);
    append_seconds(out, "featured_snapshot_started_time_seconds", "gauge",
                   "When the last one was begun; 0: none by this process.",
                   (double)facts->snapshot_started_us / 1e6);
    append_seconds(out, "featured_snapshot_duration_seconds", "gauge", "How long it took.",
                   (double)facts->snapshot_duration_ns / 1e9);
    append_figure(out, "featured_log_bytes_since_snapshot", "gauge",
                  "What the next start reads from the log.", facts->log_bytes_since_snapshot);
}

static void append_recovery(struct buffer *out, const struct online_durability *facts)
{
    append_figure(out, "featured_recovering", "gauge",
                  "1 while the data directory is read; requests are answered 503.",
                  facts->recovering);
    append_seconds(out, "featured_recovery_seconds", "gauge", "How long it took at the start.",
                   (double)facts->recovery_ns / 1e9);
    append_figure(out, "featured_recovery_rows", "gauge", "Rows read from the snapshot then.",
                  facts->recovery_rows);
    append_figure(out, "featured_recovery_records", "gauge", "Records read from the log then.",
                  facts->recovery_records);
    append_figure(out, "featured_recovery_cut_bytes", "gauge",
                  "Bytes cut off the end of the log then.", facts->recovery_cut_bytes);
}

static void append_redis_commands(struct buffer *out, const struct online_remote *remote)
{
    append_figure(out, "featured_redis_commands_total", "counter", "Commands sent to Redis.",
                  remote->commands);
    append_figure(out, "featured_redis_batches_total", "counter",
                  "Writes to its sockets: commands go together.", remote->batches);
    append_figure(out, "featured_redis_sent_bytes_total", "counter", "Bytes sent.",
                  remote->bytes_sent);
    append_figure(out, "featured_redis_received_bytes_total", "counter", "Bytes received.",
                  remote->bytes_received);
    append_figure(out, "featured_redis_pending", "gauge", "Commands that wait for an answer.",
                  remote->pending);
    append_figure(out, "featured_redis_refused_total", "counter",
                  "Commands never sent, answered 503: Redis away, or too many waiting.",
                  remote->refused);
    append_figure(out, "featured_redis_lost_total", "counter",
                  "Commands sent that got no answer, answered 503.", remote->lost);
    append_figure(out, "featured_redis_errors_total", "counter", "Commands answered by an error.",
                  remote->errors);
    append_figure(out, "featured_redis_script_loads_total", "counter",
                  "Scripts loaded, also again after a restart of Redis.", remote->script_loads);
}

static void append_redis_links(struct buffer *out, const struct online_remote *remote)
{
    append_figure(out, "featured_redis_links", "gauge", "Connections wanted.", remote->links);
    append_figure(out, "featured_redis_links_ready", "gauge", "Connections that can be used.",
                  remote->links_ready);
    append_figure(out, "featured_redis_connects_total", "counter", "Connections made.",
                  remote->connects);
    append_figure(out, "featured_redis_connect_failures_total", "counter",
                  "Connections that could not be made.", remote->connect_failures);
    append_figure(out, "featured_redis_timeouts_total", "counter",
                  "Connections ended because an answer took longer than --redis-timeout.",
                  remote->timeouts);
    append_seconds(out, "featured_redis_clock_offset_seconds", "gauge",
                   "The clock of Redis against this machine's, when last compared.",
                   (double)remote->clock_offset_us / 1e6);
}

static void append_redis_cluster(struct buffer *out, const struct online_remote *remote)
{
    append_figure(out, "featured_redis_cluster", "gauge", "1 if it is a cluster.",
                  remote->is_cluster);
    append_figure(out, "featured_redis_nodes", "gauge", "Nodes known.", remote->nodes);
    append_figure(out, "featured_redis_moved_total", "counter",
                  "Commands redirected to the node that has the slot now.", remote->moved);
    append_figure(out, "featured_redis_asked_total", "counter",
                  "Commands redirected while a slot moves.", remote->asked);
    append_figure(out, "featured_redis_retried_total", "counter",
                  "Commands sent again after TRYAGAIN, CLUSTERDOWN, LOADING or READONLY.",
                  remote->retried);
    append_figure(out, "featured_redis_refreshes_total", "counter",
                  "Times the slots were learnt anew.", remote->refreshes);
}

static void append_redis(struct buffer *out, const struct online_remote *remote)
{
    append_redis_commands(out, remote);
    append_redis_links(out, remote);
    append_redis_cluster(out, remote);
    append_figure(out, "featured_redis_rows_damaged_total", "counter",
                  "Rows whose event times could not be understood.", remote->rows_damaged);
    append_figure(out, "featured_redis_rows_tidied_total", "counter",
                  "Rows mended after a feature was deleted or its TTL changed.",
                  remote->rows_tidied);
    append_figure(out, "featured_redis_statistics_failures_total", "counter",
                  "Merges of statistics into the registry that have to be tried again.",
                  remote->statistics_failures);
}

/* What is held in this process. */
static void append_embedded(struct buffer *out, const struct online_metrics *metrics)
{
    append_figure(out, "featured_online_entities", "gauge", "Entity rows held.", metrics->entities);
    append_figure(out, "featured_online_memory_bytes", "gauge",
                  "Memory of the online store, as --max-memory counts it.", metrics->memory_bytes);
    append_figure(out, "featured_online_memory_max_bytes", "gauge", "What --max-memory allows.",
                  metrics->memory_max_bytes);
    append_figure(out, "featured_values_expired_total", "counter",
                  "Values removed after their TTL.", metrics->values_expired);
    append_figure(out, "featured_lsn", "counter", "Last log sequence number published.",
                  metrics->lsn);
    append_figure(out, "featured_writes_queued", "gauge", "Requests that wait for the writer.",
                  metrics->writes_queued);
    if (metrics->durability.enabled) {
        append_log(out, &metrics->durability);
        append_snapshots(out, &metrics->durability);
        append_recovery(out, &metrics->durability);
    }
}

static void append_online(struct buffer *out, const struct api *api)
{
    struct online_metrics metrics;
    struct online_store *online = api->service->online;
    online->driver->metrics(online, &metrics);
    append_figure(out, "featured_online_up", "gauge", "1 while values can be read.",
                  status_is_ok(service_check_values(api->service, NULL)) ? 1 : 0);
    append_figure(out, "featured_values_written_total", "counter", "Values that became the newest.",
                  metrics.values_written);
    append_figure(out, "featured_values_late_total", "counter",
                  "Values that arrived after a newer one.", metrics.values_late);
    append_figure(out, "featured_values_erased_total", "counter", "Values erased on request.",
                  metrics.values_erased);
    if (metrics.remote.enabled)
        append_redis(out, &metrics.remote);
    else
        append_embedded(out, &metrics);
}

static void append_catalog(struct buffer *out, struct service *service)
{
    const struct catalog *catalog = service_catalog(service);
    append_figure(out, "featured_registry_up", "gauge",
                  "1 while definitions can be changed and the changes of others are seen.",
                  status_is_ok(service_check_definitions(service, NULL)) ? 1 : 0);
    append_figure(out, "featured_catalog_revision", "counter", "Revision of the catalog image.",
                  catalog->revision);
    append_figure(out, "featured_features", "gauge", "Features registered.",
                  catalog->feature_count);
    append_figure(out, "featured_feature_services", "gauge", "Feature services registered.",
                  catalog->service_count);
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void append_process(struct buffer *out, const struct api *api)
{
    append_figure(out, "featured_start_time_seconds", "gauge", "When the process started.",
                  (uint64_t)(api->started_at_us / 1000000));
    append_figure(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                  resident_bytes());
    buffer_append_str(out, STR("# HELP featured_build_info The running version.\n"
                               "# TYPE featured_build_info gauge\n"));
    buffer_append_format(out, "featured_build_info{version=\"%.*s\"} 1\n", STR_ARG(api->version));
}

static void append_connections(struct buffer *out, const struct api *api)
{
    struct http_server_metrics metrics;
    http_server_metrics_read(api->http, &metrics);
    append_figure(out, "featured_http_connections", "gauge", "Open connections.",
                  metrics.connections_open);
    append_figure(out, "featured_http_connections_total", "counter", "Connections accepted.",
                  metrics.connections_accepted);
    append_figure(out, "featured_http_timeouts_total", "counter",
                  "Connections closed by a time-out.", metrics.connections_timed_out);
    append_figure(out, "featured_http_received_bytes_total", "counter", "Bytes received.",
                  metrics.bytes_received);
    append_figure(out, "featured_http_sent_bytes_total", "counter", "Bytes sent.",
                  metrics.bytes_sent);
    append_figure(out, "featured_http_malformed_total", "counter",
                  "Requests refused before a route was found.", metrics.requests_malformed);
}

/* One route, summed over the loops. */
struct route_sum {
    uint64_t responses[6];
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t sum_ns;
    uint64_t total;
};

static void sum_route(const struct api *api, size_t route, struct route_sum *sum)
{
    *sum = (struct route_sum){0};
    for (unsigned i = 0; i < api->loop_count; i++) {
        const struct http_metrics_route *one = http_server_route_metrics(api->http, i, route);
        for (unsigned c = 0; c < ARRAY_LEN(sum->responses); c++)
            sum->responses[c] += load(&one->responses[c]);
        for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
            sum->counts[b] += load(&one->duration.counts[b]);
            sum->total += load(&one->duration.counts[b]);
        }
        sum->sum_ns += load(&one->duration.sum_ns);
    }
}

/* One bucket per power of two is fine enough for a dashboard; ours are four times finer. */
static void append_buckets(struct buffer *out, const char *labels, const struct route_sum *sum)
{
    uint64_t below = 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS - 1; b++) {
        below += sum->counts[b];
        if (b % 4 == 3)
            buffer_append_format(out, "featured_http_request_seconds_bucket{%s,le=\"%.9g\"} %llu\n",
                                 labels, (double)histogram_bound_ns(b) / 1e9,
                                 (unsigned long long)below);
    }
    buffer_append_format(out,
                         "featured_http_request_seconds_bucket{%s,le=\"+Inf\"} %llu\n"
                         "featured_http_request_seconds_sum{%s} %.9f\n"
                         "featured_http_request_seconds_count{%s} %llu\n",
                         labels, (unsigned long long)sum->total, labels, (double)sum->sum_ns / 1e9,
                         labels, (unsigned long long)sum->total);
}

static void append_routes(struct buffer *out, const struct api *api)
{
    struct route_sum sum;
    buffer_append_str(out, STR("# HELP featured_http_responses_total Answers by route and class.\n"
                               "# TYPE featured_http_responses_total counter\n"));
    for (size_t r = 0; r < api_route_count; r++) {
        sum_route(api, r, &sum);
        for (unsigned c = 2; c < ARRAY_LEN(sum.responses); c++) {
            if (sum.responses[c])
                buffer_append_format(
                    out,
                    "featured_http_responses_total{method=\"%s\",route=\"%s\",class=\"%uxx\"} "
                    "%llu\n",
                    METHOD_NAMES[api_routes[r].method], api_routes[r].path, c,
                    (unsigned long long)sum.responses[c]);
        }
    }
    buffer_append_str(out, STR("# HELP featured_http_request_seconds From the request's last byte "
                               "to its answer.\n# TYPE featured_http_request_seconds histogram\n"));
    for (size_t r = 0; r < api_route_count; r++) {
        char labels[160];
        sum_route(api, r, &sum);
        if (sum.total == 0)
            continue;
        snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\"",
                 METHOD_NAMES[api_routes[r].method], api_routes[r].path);
        append_buckets(out, labels, &sum);
    }
}

void api_metrics(struct http_exchange *exchange)
{
    const struct api *api = api_of(exchange);
    struct buffer *out =
        http_respond_begin(exchange, 200, STR("text/plain; version=0.0.4; charset=utf-8"));
    append_process(out, api);
    append_catalog(out, api->service);
    append_online(out, api);
    append_service(out, api);
    append_connections(out, api);
    append_routes(out, api);
    http_respond_end(exchange);
}

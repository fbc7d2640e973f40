#include "cli/bench_result.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json_string.h"
#include "cli/terminal.h"

#define FORMAT_VERSION 1
#define BUSY_SHARE 0.9         /* of a core: beyond, the generator has nothing left */
#define LAG_IN_THE_WAY_US 1000 /* a p99 that shows in anything but the slowest server */

const struct bench_percentile BENCH_PERCENTILE_LIST[BENCH_PERCENTILES] = {
    {0.50, "p50", "p50"},         {0.75, "p75", "p75"}, {0.90, "p90", "p90"},
    {0.95, "p95", "p95"},         {0.99, "p99", "p99"}, {0.999, "p99_9", "p99.9"},
    {0.9999, "p99_99", "p99.99"}, {1, "max", "max"},
};

bool bench_percentile_is_known(const struct hdr_histogram *histogram, double share)
{
    return histogram->count > 0 &&
           (share >= 1 || (double)histogram->count * (1 - share) >= 1 - 1e-6);
}

uint64_t bench_result_errors(const struct bench_result *result)
{
    uint64_t errors = result->broken + result->timeouts + result->unanswered;
    for (size_t i = 0; i < BENCH_HTTP_STATUS_MAX; i++)
        errors += result->statuses[i];
    return errors;
}

double bench_result_error_share(const struct bench_result *result)
{
    uint64_t errors = bench_result_errors(result);
    uint64_t total = errors;
    for (int i = 0; i < BENCH_KINDS; i++)
        total += result->answers[i];
    return total == 0 ? 0 : (double)errors / (double)total;
}

static double per_second(const struct bench_result *result, uint64_t count)
{
    return result->seconds > 0 ? (double)count / result->seconds : 0;
}

double bench_result_rate(const struct bench_result *result)
{
    return per_second(result, result->answers_in_time);
}

double bench_result_ids_rate(const struct bench_result *result)
{
    return per_second(result, result->ids_in_time);
}

const char *bench_result_bottleneck(const struct bench_result *result)
{
    if (!result->precise && result->cpu_share >= BUSY_SHARE)
        return "its busiest thread had no time left: more --threads, if there are cores for them";
    if (result->lag.p99_us >= LAG_IN_THE_WAY_US)
        return "it sent requests late: the machine is busy with other things, the server included";
    return NULL;
}

/* A file's name need not be UTF-8, and a text may have been cut in the middle of a character. */
static void append_text(struct buffer *out, const char *key, const char *value)
{
    struct buffer safe;
    buffer_init(&safe, BENCH_TEXT_MAX * JSON_ESCAPE_MAX);
    terminal_append_safe(&safe, str_from_cstr(value));
    buffer_append_format(out, "\"%s\":", key);
    json_append_string(out, buffer_str(&safe));
    out->failed |= safe.failed;
    buffer_fini(&safe);
}

static void append_latency(struct buffer *out, const struct hdr_histogram *latency)
{
    buffer_append_format(out, "{\"count\":%" PRIu64, latency->count);
    if (latency->count > 0)
        buffer_append_format(out, ",\"min\":%.3f,\"mean\":%.3f", (double)latency->min_ns / 1000,
                             latency->sum_ns / (double)latency->count / 1000);
    for (size_t i = 0; i < BENCH_PERCENTILES; i++) {
        const struct bench_percentile *percentile = &BENCH_PERCENTILE_LIST[i];
        buffer_append_format(out, ",\"%s\":", percentile->key);
        if (bench_percentile_is_known(latency, percentile->share))
            buffer_append_format(
                out, "%.3f", (double)hdr_histogram_quantile_ns(latency, percentile->share) / 1000);
        else
            buffer_append_str(out, STR("null"));
    }
    buffer_append_char(out, '}');
}

static void append_histogram(struct buffer *out, const struct hdr_histogram *latency)
{
    bool first = true;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < HDR_BUCKETS; i++) {
        if (latency->counts[i] == 0)
            continue;
        buffer_append_format(out, "%s[%" PRIu64 ",%" PRIu64 "]", first ? "" : ",",
                             hdr_histogram_low_ns(i), latency->counts[i]);
        first = false;
    }
    buffer_append_char(out, ']');
}

static void append_asked(struct buffer *out, const struct bench_result *result)
{
    buffer_append_format(out,
                         "\"load\":{\"loop\":\"%s\",\"rate\":%.3f,\"connections\":%" PRIu64
                         ",\"threads\":%" PRIu64 ",\"warmup_seconds\":%.3f,\"precise\":%s},\n",
                         result->rate > 0 ? "open" : "closed", result->rate, result->connections,
                         result->threads, result->warmup_seconds,
                         result->precise ? "true" : "false");
    buffer_append_str(out, STR("\"workload\":{"));
    append_text(out, "mix", result->mix);
    buffer_append_format(out, ",\"batch_size\":%" PRIu64 ",\"tensors\":%s,", result->batch_size,
                         result->tensors ? "true" : "false");
    append_text(out, "entity", result->entity);
    buffer_append_char(out, ',');
    append_text(out, "features", result->features);
    buffer_append_char(out, ',');
    append_text(out, "ids", result->ids);
    buffer_append_format(out, ",\"id_count\":%" PRIu64 ",", result->id_count);
    append_text(out, "distribution", result->distribution);
    buffer_append_format(out, ",\"seed\":%" PRIu64 "},\n", result->seed);
}

static void append_errors(struct buffer *out, const struct bench_result *result)
{
    bool first = true;
    buffer_append_format(out, "\"errors\":{\"count\":%" PRIu64 ",\"share\":%.6f,\"statuses\":{",
                         bench_result_errors(result), bench_result_error_share(result));
    for (size_t i = 0; i < BENCH_HTTP_STATUS_MAX; i++) {
        if (result->statuses[i] == 0)
            continue;
        buffer_append_format(out, "%s\"%zu\":%" PRIu64, first ? "" : ",", i, result->statuses[i]);
        first = false;
    }
    buffer_append_format(
        out, "},\"broken\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"unanswered\":%" PRIu64 "},\n",
        result->broken, result->timeouts, result->unanswered);
}

static void append_generator(struct buffer *out, const struct bench_result *result)
{
    const char *reason = bench_result_bottleneck(result);
    buffer_append_format(out,
                         "\"generator\":{\"cpu_share\":%.4f,\"waited_share\":%.6f,\"late_us\":"
                         "{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"is_bottleneck\":%s},\n",
                         result->cpu_share, result->waited_share, result->lag.p50_us,
                         result->lag.p99_us, result->lag.max_us, reason ? "true" : "false");
}

void bench_result_append_json(const struct bench_result *result, struct buffer *out)
{
    char at[CLOCK_RFC3339_MAX];
    size_t at_len = clock_format_rfc3339(result->started_us, at);
    buffer_append_format(out, "{\"featured_bench\":%d,\"started_at\":\"%.*s\",", FORMAT_VERSION,
                         (int)at_len, at);
    append_text(out, "server", result->server);
    buffer_append_format(out, ",\"interrupted\":%s,\n", result->interrupted ? "true" : "false");
    append_asked(out, result);
    buffer_append_format(out,
                         "\"measured\":{\"seconds\":%.6f,\"requests_answered\":%" PRIu64
                         ",\"requests_per_second\":%.3f,\"entity_ids\":%" PRIu64
                         ",\"entity_ids_per_second\":%.3f,\"bytes_received\":%" PRIu64 "},\n",
                         result->seconds, result->answers_in_time, bench_result_rate(result),
                         result->ids_in_time, bench_result_ids_rate(result), result->bytes_in);
    append_errors(out, result);
    append_generator(out, result);
    buffer_append_str(out, STR("\"latency_us\":"));
    append_latency(out, &result->all);
    buffer_append_str(out, STR(",\n\"by_kind\":{"));
    bool first = true;
    for (int i = 0; i < BENCH_KINDS; i++) {
        if (result->latency[i].count + result->answers[i] == 0)
            continue;
        buffer_append_format(out,
                             "%s\"%s\":{\"answered\":%" PRIu64 ",\"latency_us\":", first ? "" : ",",
                             BENCH_KIND_NAMES[i], result->answers[i]);
        append_latency(out, &result->latency[i]);
        buffer_append_str(out, STR(",\"histogram_ns\":"));
        append_histogram(out, &result->latency[i]);
        buffer_append_char(out, '}');
        first = false;
    }
    buffer_append_str(out, STR("}}\n"));
}

/* Reading a result file back: all that comparing and drawing need, nothing believed unchecked. */
#include <math.h>
#include <yyjson.h>

#include "cli/bench_result.h"

static void take_text(char out[BENCH_TEXT_MAX], yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    size_t len = yyjson_get_len(value);
    const char *text = yyjson_get_str(value);
    if (text == NULL)
        len = 0;
    if (len > BENCH_TEXT_MAX - 1)
        len = BENCH_TEXT_MAX - 1;
    if (len > 0)
        memcpy(out, text, len);
    out[len] = '\0';
}

static uint64_t take_count(yyjson_val *object, const char *key)
{
    return yyjson_get_uint(yyjson_obj_get(object, key));
}

static double take_number(yyjson_val *object, const char *key)
{
    double value = yyjson_get_num(yyjson_obj_get(object, key));
    return value >= 0 && value < 1e18 ? value : 0;
}

/* [[low in ns, count], …] */
static bool take_histogram(struct hdr_histogram *out, yyjson_val *list)
{
    size_t index, count;
    yyjson_val *entry;
    size_t bucket = 0;
    if (!yyjson_is_arr(list))
        return false;
    yyjson_arr_foreach(list, index, count, entry)
    {
        yyjson_val *low = yyjson_arr_get(entry, 0);
        yyjson_val *many = yyjson_arr_get(entry, 1);
        if (!yyjson_is_uint(low) || !yyjson_is_uint(many) ||
            yyjson_get_uint(many) > UINT64_MAX / 2 - out->count)
            return false;
        while (bucket < HDR_BUCKETS && hdr_histogram_low_ns(bucket) < yyjson_get_uint(low))
            bucket++;
        if (bucket == HDR_BUCKETS || hdr_histogram_low_ns(bucket) != yyjson_get_uint(low))
            return false;
        out->counts[bucket] += yyjson_get_uint(many);
        out->count += yyjson_get_uint(many);
    }
    return true;
}

static bool take_kind(struct bench_result *result, int kind, yyjson_val *object)
{
    struct hdr_histogram *latency = &result->latency[kind];
    yyjson_val *figures = yyjson_obj_get(object, "latency_us");
    if (!take_histogram(latency, yyjson_obj_get(object, "histogram_ns")))
        return false;
    result->answers[kind] = take_count(object, "answered");
    latency->min_ns = (uint64_t)llround(take_number(figures, "min") * 1000);
    latency->max_ns = (uint64_t)llround(take_number(figures, "max") * 1000);
    latency->sum_ns = take_number(figures, "mean") * 1000 * (double)latency->count;
    hdr_histogram_merge(&result->all, latency);
    return true;
}

static bool take_kinds(struct bench_result *result, yyjson_val *kinds)
{
    for (int i = 0; i < BENCH_KINDS; i++) {
        yyjson_val *kind = yyjson_obj_get(kinds, BENCH_KIND_NAMES[i]);
        if (kind != NULL && !take_kind(result, i, kind))
            return false;
    }
    return yyjson_is_obj(kinds);
}

static void take_errors(struct bench_result *result, yyjson_val *errors)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(yyjson_obj_get(errors, "statuses"), index, count, key, value)
    {
        uint64_t http_status;
        if (str_to_uint64(str_of(yyjson_get_str(key), yyjson_get_len(key)), &http_status) &&
            http_status < BENCH_HTTP_STATUS_MAX)
            result->statuses[http_status] = yyjson_get_uint(value);
    }
    result->broken = take_count(errors, "broken");
    result->timeouts = take_count(errors, "timeouts");
    result->unanswered = take_count(errors, "unanswered");
}

static void take_asked(struct bench_result *result, yyjson_val *root)
{
    yyjson_val *load = yyjson_obj_get(root, "load");
    yyjson_val *workload = yyjson_obj_get(root, "workload");
    take_text(result->server, root, "server");
    result->rate = take_number(load, "rate");
    result->connections = take_count(load, "connections");
    result->threads = take_count(load, "threads");
    take_text(result->mix, workload, "mix");
    take_text(result->entity, workload, "entity");
    take_text(result->features, workload, "features");
    take_text(result->ids, workload, "ids");
    take_text(result->distribution, workload, "distribution");
    result->batch_size = take_count(workload, "batch_size");
    result->id_count = take_count(workload, "id_count");
    result->tensors = yyjson_get_bool(yyjson_obj_get(workload, "tensors"));
}

status bench_result_parse(struct bench_result *result, str json, const char *name,
                          struct error *error)
{
    yyjson_doc *document = yyjson_read(json.data ? json.data : "", json.len, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *measured = yyjson_obj_get(root, "measured");
    memset(result, 0, sizeof(*result));
    bool fine = yyjson_get_uint(yyjson_obj_get(root, "featured_bench")) == 1 &&
                yyjson_is_obj(measured) && take_kinds(result, yyjson_obj_get(root, "by_kind"));
    if (fine) {
        take_asked(result, root);
        take_errors(result, yyjson_obj_get(root, "errors"));
        result->seconds = take_number(measured, "seconds");
        result->answers_in_time = take_count(measured, "requests_answered");
        result->ids_in_time = take_count(measured, "entity_ids");
    }
    yyjson_doc_free(document);
    return fine ? OK
                : error_set(error, STATUS_INVALID, "file",
                            "%s is no result of this version: expected what `featured bench "
                            "--json` prints",
                            name);
}

#include "cli/bench_workload.h"

#include <inttypes.h>
#include <math.h>

#include "base/json_string.h"
#include "cli/client.h"

#define REQUEST_BYTES_MAX ((size_t)16 << 20) /* the server's default limit of a JSON body */
#define SHARE_MAX 1000000u
#define STRING_VALUES 1000u
#define ANY_DIMENSION 8u /* of an embedding whose definition leaves it open */

const char *const BENCH_KIND_NAMES[BENCH_KINDS] = {"single", "batch", "ingest"};

static bool find_kind(str name, enum bench_kind *out)
{
    for (int i = 0; i < BENCH_KINDS; i++) {
        if (str_eq(name, str_from_cstr(BENCH_KIND_NAMES[i]))) {
            *out = (enum bench_kind)i;
            return true;
        }
    }
    return false;
}

bool bench_workload_parse_mix(str text, uint32_t shares[BENCH_KINDS])
{
    uint32_t found[BENCH_KINDS] = {0};
    uint64_t total = 0;
    do {
        str part = str_split(text, ',', &text);
        str share_text;
        enum bench_kind kind;
        uint64_t share = 1;
        bool has_share = part.len > 0 && memchr(part.data, '=', part.len) != NULL;
        str name = str_split(part, '=', &share_text);
        if (!find_kind(name, &kind) || found[kind] != 0 ||
            (has_share && !str_to_uint64(share_text, &share)) || share > SHARE_MAX)
            return false;
        found[kind] = (uint32_t)share;
        total += share;
    } while (text.len > 0);
    if (total == 0)
        return false;
    memcpy(shares, found, sizeof(found));
    return true;
}

static void append_feature_names(struct buffer *out, const struct bench_workload *workload)
{
    for (size_t i = 0; i < workload->feature_count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        client_append_encoded(out, workload->features[i].name);
    }
}

static void append_headers(struct buffer *out, const struct bench_workload *workload, str host,
                           bool is_read)
{
    buffer_append_str(out, STR(" HTTP/1.1\r\nHost: "));
    buffer_append_str(out, host);
    buffer_append_str(out, STR("\r\nUser-Agent: featured-bench\r\n"));
    if (is_read && workload->tensors)
        buffer_append_str(out, STR("Accept: application/x-npy\r\n"));
}

static void prepare_single(struct bench_workload *workload, str host, str path)
{
    struct buffer *after = &workload->single_after;
    buffer_append_str(&workload->single_before, STR("GET "));
    buffer_append_str(&workload->single_before, path);
    buffer_append_str(&workload->single_before, STR("/features/online/"));
    buffer_append_str(after, STR("?feature_names="));
    append_feature_names(after, workload);
    buffer_append_str(after, STR("&entity="));
    client_append_encoded(after, workload->entity);
    append_headers(after, workload, host, true);
    buffer_append_str(after, STR("\r\n"));
}

static void prepare_batch(struct bench_workload *workload, str host, str path)
{
    struct buffer *head = &workload->batch_head;
    struct buffer *after = &workload->batch_after;
    buffer_append_str(&workload->batch_before, STR("{\"entity\":"));
    json_append_string(&workload->batch_before, workload->entity);
    buffer_append_str(&workload->batch_before, STR(",\"entity_ids\":["));
    buffer_append_str(after, STR("],\"feature_names\":["));
    for (size_t i = 0; i < workload->feature_count; i++) {
        if (i > 0)
            buffer_append_char(after, ',');
        json_append_string(after, workload->features[i].name);
    }
    buffer_append_str(after, STR("]}"));
    buffer_append_str(head, STR("POST "));
    buffer_append_str(head, path);
    buffer_append_str(head, STR("/features/online"));
    append_headers(head, workload, host, true);
    buffer_append_str(head, STR("Content-Type: application/json\r\nContent-Length: "));
}

static void prepare_ingest(struct bench_workload *workload, str host, str path)
{
    struct buffer *head = &workload->ingest_head;
    buffer_append_str(&workload->ingest_before, STR("{\"entity\":"));
    json_append_string(&workload->ingest_before, workload->entity);
    buffer_append_str(&workload->ingest_before, STR(",\"entity_id\":"));
    buffer_append_str(head, STR("POST "));
    buffer_append_str(head, path);
    buffer_append_str(head, STR("/features/ingest"));
    append_headers(head, workload, host, false);
    buffer_append_str(head, STR("Content-Type: application/json\r\nContent-Length: "));
}

static struct buffer *part(struct bench_workload *workload, size_t i)
{
    struct buffer *const parts[] = {&workload->single_before, &workload->single_after,
                                    &workload->batch_before,  &workload->batch_after,
                                    &workload->ingest_before, &workload->batch_head,
                                    &workload->ingest_head};
    return i < ARRAY_LEN(parts) ? parts[i] : NULL;
}

status bench_workload_prepare(struct bench_workload *workload, str host, str path)
{
    for (size_t i = 0; part(workload, i) != NULL; i++)
        buffer_init(part(workload, i), REQUEST_BYTES_MAX);
    if (workload->is_zipf)
        bench_zipf_init(&workload->zipf, workload->ids->count, workload->zipf_exponent);
    prepare_single(workload, host, path);
    prepare_batch(workload, host, path);
    prepare_ingest(workload, host, path);
    for (size_t i = 0; part(workload, i) != NULL; i++)
        TRY(buffer_status(part(workload, i)));
    return OK;
}

void bench_workload_fini(struct bench_workload *workload)
{
    for (size_t i = 0; part(workload, i) != NULL; i++)
        buffer_fini(part(workload, i));
}

void bench_renderer_init(struct bench_renderer *renderer, const struct bench_workload *workload,
                         uint64_t stream)
{
    struct bench_random seeds = {workload->seed + stream};
    *renderer = (struct bench_renderer){.workload = workload};
    renderer->random.state = bench_random_next(&seeds);
    for (int i = 0; i < BENCH_KINDS; i++)
        renderer->share_total += workload->shares[i];
    buffer_init(&renderer->body, REQUEST_BYTES_MAX);
}

void bench_renderer_fini(struct bench_renderer *renderer)
{
    buffer_fini(&renderer->body);
}

/* Rank 1 is the first id: the store hashes ids, so where the popular ones lie means nothing. */
static uint64_t next_id(struct bench_renderer *renderer)
{
    const struct bench_workload *workload = renderer->workload;
    if (workload->is_zipf)
        return bench_zipf_next(&workload->zipf, &renderer->random) - 1;
    return bench_random_below(&renderer->random, workload->ids->count);
}

static void append_embedding(struct buffer *out, struct bench_random *random, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        buffer_append_format(out, "%c0.%03u", i == 0 ? '[' : ',',
                             (unsigned)bench_random_below(random, 1000));
    buffer_append_char(out, ']');
}

static void append_value(struct buffer *out, struct bench_random *random,
                         const struct bench_feature *feature)
{
    switch (feature->data_type) {
    case DATA_TYPE_INT:
        buffer_append_uint64(out, bench_random_below(random, 1000));
        break;
    case DATA_TYPE_FLOAT:
        buffer_append_uint64(out, bench_random_below(random, 1000));
        buffer_append_str(out, STR(".5"));
        break;
    case DATA_TYPE_BOOLEAN:
        buffer_append_str(out, bench_random_below(random, 2) ? STR("true") : STR("false"));
        break;
    case DATA_TYPE_STRING:
        buffer_append_str(out, STR("\"bench_"));
        buffer_append_uint64(out, bench_random_below(random, STRING_VALUES));
        buffer_append_char(out, '"');
        break;
    case DATA_TYPE_TIMESTAMP:
        buffer_append_format(out, "\"2026-01-01T00:%02u:00Z\"",
                             (unsigned)bench_random_below(random, 60));
        break;
    case DATA_TYPE_EMBEDDING:
        append_embedding(out, random, feature->dimension ? feature->dimension : ANY_DIMENSION);
        break;
    case DATA_TYPE_JSON:
    case DATA_TYPE_COUNT:
        buffer_append_format(out, "{\"n\":%u}", (unsigned)bench_random_below(random, 1000));
        break;
    }
}

static void append_with_body(struct buffer *out, const struct buffer *head,
                             const struct buffer *body)
{
    buffer_append_str(out, buffer_str(head));
    buffer_append_uint64(out, body->len);
    buffer_append_str(out, STR("\r\n\r\n"));
    buffer_append_str(out, buffer_str(body));
    out->failed |= body->failed;
}

static void render_batch(struct bench_renderer *renderer, struct buffer *out)
{
    const struct bench_workload *workload = renderer->workload;
    buffer_append_str(&renderer->body, buffer_str(&workload->batch_before));
    for (uint32_t i = 0; i < workload->batch_size; i++) {
        if (i > 0)
            buffer_append_char(&renderer->body, ',');
        bench_ids_append_json(workload->ids, next_id(renderer), &renderer->body);
    }
    buffer_append_str(&renderer->body, buffer_str(&workload->batch_after));
    append_with_body(out, &workload->batch_head, &renderer->body);
}

static void render_ingest(struct bench_renderer *renderer, struct buffer *out)
{
    const struct bench_workload *workload = renderer->workload;
    struct buffer *body = &renderer->body;
    buffer_append_str(body, buffer_str(&workload->ingest_before));
    bench_ids_append_json(workload->ids, next_id(renderer), body);
    for (size_t i = 0; i < workload->feature_count; i++) {
        buffer_append_str(body, i == 0 ? STR(",\"features\":[{\"feature_name\":")
                                       : STR(",{\"feature_name\":"));
        json_append_string(body, workload->features[i].name);
        buffer_append_str(body, STR(",\"value\":"));
        append_value(body, &renderer->random, &workload->features[i]);
        buffer_append_char(body, '}');
    }
    buffer_append_str(body, STR("]}"));
    append_with_body(out, &workload->ingest_head, body);
}

void bench_renderer_render(struct bench_renderer *renderer, enum bench_kind kind,
                           struct buffer *out)
{
    buffer_reset(out, REQUEST_BYTES_MAX);
    buffer_reset(&renderer->body, REQUEST_BYTES_MAX);
    switch (kind) {
    case BENCH_BATCH:
        render_batch(renderer, out);
        break;
    case BENCH_INGEST:
        render_ingest(renderer, out);
        break;
    case BENCH_SINGLE:
    case BENCH_KINDS:
        buffer_append_str(out, buffer_str(&renderer->workload->single_before));
        bench_ids_append_path(renderer->workload->ids, next_id(renderer), out);
        buffer_append_str(out, buffer_str(&renderer->workload->single_after));
        break;
    }
}

enum bench_kind bench_renderer_next(struct bench_renderer *renderer, struct buffer *out)
{
    uint64_t at = bench_random_below(&renderer->random, renderer->share_total);
    int kind = 0;
    while (at >= renderer->workload->shares[kind])
        at -= renderer->workload->shares[kind++];
    bench_renderer_render(renderer, (enum bench_kind)kind, out);
    return (enum bench_kind)kind;
}

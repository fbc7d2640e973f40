#include "cli/ingest_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/json_string.h"
#include "cli/bulk_sender.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/redis_keys.h"
#include "cli/registered_fetch.h"
#include "cli/terminal.h"
#include "model/limits.h"

#define NAMED_MAX 5u /* keys passed over that are said one by one */
#define LINE_BYTES_MAX 8192u
#define US_PER_MS INT64_C(1000)
#define US_PER_SECOND INT64_C(1000000)

struct take_over {
    const char *label;
    struct client *client;
    struct redis_masters masters;
    struct redis_keys keys;
    struct registered registered;
    struct bulk_sender sender;
    struct progress progress;
    struct error error;
    int64_t now_us; /* of the page at hand */
    uint64_t keys_seen;
    uint64_t keys_taken;     /* sent as rows */
    uint64_t keys_unfit;     /* no "ID:FEATURE", or no such feature */
    uint64_t values_no_json; /* rejected here: the server would not even read the line */
    uint64_t keys_gone;      /* expired between two looks */
    uint64_t lives_begun;    /* no TTL there, one here */
    uint64_t lives_ended;    /* a TTL there, none here */
    uint64_t lives_cut;      /* more left there than the whole TTL here */
};

static void say(struct take_over *take_over, str key, const char *reason)
{
    struct buffer line;
    buffer_init(&line, LINE_BYTES_MAX);
    terminal_append_safe(&line, str_of(key.data, key.len < 600 ? key.len : 600));
    progress_clear(&take_over->progress);
    fprintf(stderr, "%.*s: %s\n", STR_ARG(buffer_str(&line)), reason);
    buffer_fini(&line);
}

static void pass_over(struct take_over *take_over, str key, const char *reason)
{
    if (take_over->keys_unfit++ < NAMED_MAX)
        say(take_over, key, reason);
}

static void refuse(struct take_over *take_over, str key, const char *reason)
{
    if (take_over->values_no_json++ < NAMED_MAX)
        say(take_over, key, reason);
}

/* The feature is what follows the last ':'; NULL, and said, if the key is none of ours. */
static const struct registered_feature *split_key(struct take_over *take_over, str key, str *id)
{
    const char *colon = key.len > 0 ? memrchr(key.data, ':', key.len) : NULL;
    if (colon == NULL) {
        pass_over(take_over, key, "is not named ID:FEATURE");
        return NULL;
    }
    *id = str_of(key.data, (size_t)(colon - key.data));
    str name = str_of(colon + 1, key.len - id->len - 1);
    const struct registered_feature *feature = registered_feature(&take_over->registered, name);
    if (feature == NULL)
        pass_over(take_over, key, "no feature of that name is registered");
    else if (!entity_id_is_valid(*id))
        pass_over(take_over, key, "its entity id is empty or too long");
    else if (!str_is_utf8(*id))
        pass_over(take_over, key, "its entity id is not UTF-8, which HTTP cannot carry");
    else
        return feature;
    return NULL;
}

/* Dies here when it would have died there. */
static int64_t event_time_of(struct take_over *take_over, const struct feature_definition *feature,
                             int64_t left_ms)
{
    int64_t ttl_us = feature->ttl_seconds * US_PER_SECOND;
    if (ttl_us == 0) {
        take_over->lives_ended += left_ms >= 0;
        return take_over->now_us;
    }
    if (left_ms < 0) {
        take_over->lives_begun++;
        return take_over->now_us;
    }
    if (left_ms > ttl_us / US_PER_MS) {
        take_over->lives_cut++;
        return take_over->now_us;
    }
    return take_over->now_us + left_ms * US_PER_MS - ttl_us;
}

/* One line without line feeds, numbers as they were written. False if the text is not JSON. */
static bool append_json(struct buffer *out, str text)
{
    size_t len;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text.data, text.len,
                                            YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
    char *minified = document != NULL ? yyjson_write(document, 0, &len) : NULL;
    if (minified != NULL)
        buffer_append(out, minified, len);
    free(minified);
    yyjson_doc_free(document);
    return minified != NULL;
}

static void append_row(struct take_over *take_over, str key, str value, int64_t left_ms)
{
    struct buffer *out = &take_over->sender.rows;
    char time[CLOCK_RFC3339_MAX];
    size_t before = out->len;
    str id;
    const struct registered_feature *feature = split_key(take_over, key, &id);
    if (feature == NULL)
        return;
    const struct feature_definition *definition = &feature->definition;
    buffer_append_str(out, STR("{\"entity_id\":"));
    json_append_string(out, id);
    buffer_append_str(out, STR(",\"features\":{"));
    json_append_string(out, definition->name);
    buffer_append_char(out, ':');
    if (value.len > LIMIT_TEXT_BYTES * 2 || !append_json(out, value)) {
        out->len = before;
        refuse(take_over, key, "its value is not JSON");
        return;
    }
    int64_t event_us = event_time_of(take_over, definition, left_ms);
    size_t len = clock_format_rfc3339(event_us, time);
    buffer_append_format(out, "},\"event_timestamp\":\"%.*s\"}\n", (int)len, time);
    take_over->keys_taken++;
}

/* The answers to GET and PTTL of one key. */
static status take_key(struct take_over *take_over, struct redis_master *node, str key)
{
    redisReply *value;
    redisReply *left = NULL;
    TRY(redis_master_reply(node, &value, &take_over->error));
    status result = redis_master_reply(node, &left, &take_over->error);
    take_over->keys_seen++;
    if (!status_is_ok(result))
        goto out;
    if (value->type == REDIS_REPLY_ERROR)
        result = redis_keys_refusal(node, value, &take_over->error);
    else if (value->type != REDIS_REPLY_STRING || left->type != REDIS_REPLY_INTEGER ||
             left->integer == -2)
        take_over->keys_gone++;
    else
        append_row(take_over, key, redis_reply_str(value), left->integer);
out:
    freeReplyObject(value);
    freeReplyObject(left);
    return result;
}

static status ask_for_keys(struct take_over *take_over, struct redis_master *node,
                           const redisReply *keys)
{
    for (size_t i = 0; i < keys->elements; i++) {
        const str key = redis_reply_str(keys->element[i]);
        const str get[] = {STR("GET"), key};
        const str left[] = {STR("PTTL"), key};
        TRY(redis_master_queue(node, 2, get, &take_over->error));
        TRY(redis_master_queue(node, 2, left, &take_over->error));
    }
    return OK;
}

static void show(struct take_over *take_over)
{
    if (take_over->sender.messages.len > 0) {
        progress_clear(&take_over->progress);
        fwrite(take_over->sender.messages.data, 1, take_over->sender.messages.len, stderr);
        buffer_reset(&take_over->sender.messages, SIZE_MAX);
    }
    progress_update(&take_over->progress, take_over->keys_seen,
                    take_over->sender.result.values_written);
}

static status take_page(struct take_over *take_over, struct redis_master *node,
                        const redisReply *keys)
{
    TRY(ask_for_keys(take_over, node, keys));
    take_over->now_us = clock_wall_us();
    for (size_t i = 0; i < keys->elements; i++)
        TRY(take_key(take_over, node, redis_reply_str(keys->element[i])));
    if (bulk_sender_is_full(&take_over->sender))
        TRY(bulk_sender_flush(&take_over->sender, &take_over->error));
    show(take_over);
    return OK;
}

static status take_all(struct take_over *take_over)
{
    struct redis_keys *keys = &take_over->keys;
    uint64_t count;
    redis_keys_begin(keys, &take_over->masters, "*:*", "string");
    TRY(redis_keys_count(keys, &count, &take_over->error));
    progress_start(&take_over->progress, take_over->label, count);
    take_over->progress.unit = "keys";
    take_over->progress.row_unit = "values";
    while (!redis_keys_are_done(keys) && !interrupt_asked()) {
        redisReply *page;
        bool changed;
        TRY(redis_keys_page(keys, &page, &take_over->error));
        status taken = take_page(take_over, redis_keys_master(keys), page->element[1]);
        if (status_is_ok(taken))
            taken = redis_keys_advance(keys, page, &changed, &take_over->error);
        freeReplyObject(page);
        TRY(taken);
    }
    TRY(bulk_sender_flush(&take_over->sender, &take_over->error));
    show(take_over);
    return OK;
}

static void append_count(struct buffer *out, const char *before, uint64_t count, const char *after)
{
    if (count == 0)
        return;
    buffer_append_str(out, str_from_cstr(before));
    terminal_append_count(out, count);
    buffer_append_str(out, str_from_cstr(after));
}

static void print_summary(const struct take_over *take_over)
{
    const struct ingest_result *result = &take_over->sender.result;
    double seconds = (double)take_over->progress.elapsed_ns / 1e9;
    struct buffer line;
    buffer_init(&line, LINE_BYTES_MAX);
    buffer_append_format(&line, "%s: ", take_over->label);
    terminal_append_count(&line, take_over->keys_seen);
    buffer_append_str(&line, STR(" keys seen, "));
    terminal_append_count(&line, result->values_written);
    buffer_append_str(&line, STR(" values taken over"));
    append_count(&line, ", ", result->values_late, " late: newer ones are here");
    append_count(&line, ", ", take_over->values_no_json + result->rows_rejected, " rejected");
    append_count(&line, ", ", take_over->keys_unfit, " keys passed over");
    append_count(&line, ", ", take_over->keys_gone, " expired meanwhile");
    buffer_append_format(&line, " in %.1f s\n", seconds);
    append_count(&line, "", take_over->lives_begun,
                 " values had no TTL there: they live ttl_seconds from now\n");
    append_count(&line, "", take_over->lives_ended,
                 " values had a TTL there and their feature has none: they no longer expire\n");
    append_count(
        &line, "", take_over->lives_cut,
        " values had longer to live there than their feature's ttl_seconds: cut to that\n");
    fwrite(line.data, 1, line.len, stdout);
    fflush(stdout);
    buffer_fini(&line);
}

static void print_more(const struct take_over *take_over)
{
    const struct ingest_result *result = &take_over->sender.result;
    if (take_over->keys_unfit > NAMED_MAX)
        fprintf(stderr, "… and %" PRIu64 " more keys passed over\n",
                take_over->keys_unfit - NAMED_MAX);
    if (result->rows_rejected > result->errors_said)
        fprintf(stderr, "… and %" PRIu64 " more values rejected\n",
                result->rows_rejected - result->errors_said);
}

/* The other layout is the other command's. */
static void print_hint(const struct take_over *take_over)
{
    if (take_over->keys_seen == 0)
        fprintf(stderr, "no string key there has a ':' in its name; hashes user:ID:features are "
                        "copied by `featured copy --from URL --to SERVER`\n");
}

static int report(struct take_over *take_over, status taken)
{
    progress_clear(&take_over->progress);
    if (take_over->keys_seen > 0 || status_is_ok(taken))
        print_summary(take_over);
    print_more(take_over);
    if (status_is_ok(taken) && !interrupt_asked())
        print_hint(take_over);
    if (!status_is_ok(taken))
        cli_complain(&CLI_INGEST, "%s", take_over->error.detail);
    else if (interrupt_asked())
        cli_complain(&CLI_INGEST, "interrupted; run it again to take over the rest");
    else if (take_over->values_no_json + take_over->sender.result.rows_rejected == 0)
        return CLI_OK;
    return CLI_FAILED;
}

int ingest_from_redis(const char *url, struct client *client)
{
    struct take_over take_over = {.label = "redis", .client = client};
    struct client_answer answer;
    int result = CLI_FAILED;
    error_clear(&take_over.error);
    client_answer_init(&answer);
    registered_init(&take_over.registered);
    bulk_sender_init(&take_over.sender, client);
    interrupt_watch();
    status opened =
        registered_fetch_features(&take_over.registered, client, &answer, &take_over.error);
    if (status_is_ok(opened))
        opened = redis_masters_open(url, &take_over.masters, &take_over.error);
    if (status_is_ok(opened)) {
        take_over.label = take_over.masters.name;
        result = report(&take_over, take_all(&take_over));
    } else {
        cli_complain(&CLI_INGEST, "%s", take_over.error.detail);
        if (opened.code == STATUS_INVALID)
            result = CLI_USAGE;
    }
    redis_masters_close(&take_over.masters);
    bulk_sender_fini(&take_over.sender);
    registered_fini(&take_over.registered);
    client_answer_fini(&answer);
    return result;
}

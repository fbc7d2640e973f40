#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "cli/bench_features.h"
#include "cli/bulk_sender.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/registered_fetch.h"

#define BODY_BYTES_MAX ((size_t)4096)
#define LIFE_SECONDS 3600

static const struct {
    const char *name;
    const char *data_type;
} OURS[] = {
    {"user_age", "int"},
    {"user_clicks_30d", "int"},
    {"user_purchases_7d", "int"},
    {"user_avg_session_time", "float"},
};

static status refuse_taken(const struct registered *registered, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++) {
        const struct registered_feature *there =
            registered_feature(registered, str_from_cstr(OURS[i].name));
        if (there != NULL && !str_eq(there->definition.feature_group.text, STR(BENCH_GROUP)))
            return error_set(error, STATUS_CONFLICT, "setup",
                             "a feature '%s' is registered already and not of the feature group "
                             "%s: --setup does not touch it. Leave --setup away to load the "
                             "features that are there, or use another server",
                             OURS[i].name, BENCH_GROUP);
    }
    return OK;
}

static status define(struct client *client, struct client_answer *answer, uint64_t users,
                     struct error *error)
{
    char target[128], body[512];
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++) {
        snprintf(target, sizeof(target), "/features/definitions/%s", OURS[i].name);
        int len = snprintf(body, sizeof(body),
                           "{\"name\":\"%s\",\"data_type\":\"%s\",\"entity\":\"user\","
                           "\"feature_group\":\"" BENCH_GROUP "\",\"ttl_seconds\":%d,"
                           "\"description\":\"Made by featured bench --setup\","
                           "\"tags\":{\"origin\":\"bench\",\"users\":%" PRIu64 "}}",
                           OURS[i].name, OURS[i].data_type, LIFE_SECONDS, users);
        TRY(client_request_ok(client, "PUT", target, str_of(body, (size_t)len), answer, error));
    }
    return OK;
}

static status load_users(struct client *client, uint64_t users, struct error *error)
{
    struct bulk_sender sender;
    struct progress progress;
    struct bench_random random = {users};
    status result = OK;
    bulk_sender_init(&sender, client);
    progress_start(&progress, "users", users);
    progress.unit = "users";
    progress.hides_rows = true;
    for (uint64_t i = 0; i < users && status_is_ok(result) && !interrupt_asked(); i++) {
        buffer_append_format(&sender.rows,
                             "{\"entity_id\":\"user_%" PRIu64 "\",\"features\":{\"user_age\":%u,"
                             "\"user_clicks_30d\":%u,\"user_purchases_7d\":%u,"
                             "\"user_avg_session_time\":%u.25}}\n",
                             i, 18 + (unsigned)bench_random_below(&random, 63),
                             (unsigned)bench_random_below(&random, 500),
                             (unsigned)bench_random_below(&random, 20),
                             (unsigned)bench_random_below(&random, 1800));
        if (!bulk_sender_is_full(&sender) && i + 1 < users)
            continue;
        result = bulk_sender_flush(&sender, error);
        progress_update(&progress, i + 1, i + 1);
    }
    progress_clear(&progress);
    if (status_is_ok(result) && sender.messages.len > 0)
        result = error_set(error, STATUS_INVALID, "setup", "the server refuses rows: %.*s",
                           (int)(sender.messages.len < 300 ? sender.messages.len : 300),
                           sender.messages.data);
    bulk_sender_fini(&sender);
    return result;
}

status bench_features_set_up(struct client *client, uint64_t users, struct error *error)
{
    struct registered registered;
    struct client_answer answer;
    registered_init(&registered);
    client_answer_init(&answer);
    status result = registered_fetch_features(&registered, client, &answer, error);
    if (status_is_ok(result))
        result = refuse_taken(&registered, error);
    if (status_is_ok(result))
        result = define(client, &answer, users, error);
    if (status_is_ok(result))
        result = load_users(client, users, error);
    client_answer_fini(&answer);
    registered_fini(&registered);
    return result;
}

static status delete_listed(struct client *client, str json, uint64_t *deleted, struct error *error)
{
    struct client_answer answer;
    size_t index, count;
    yyjson_val *feature;
    status result = OK;
    yyjson_doc *document = yyjson_read(json.data ? json.data : "", json.len, 0);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(document), "features");
    if (!yyjson_is_arr(list))
        result = error_set(error, STATUS_INTERNAL, "answer",
                           "the answer to GET /features cannot be read");
    client_answer_init(&answer);
    yyjson_arr_foreach(list, index, count, feature)
    {
        char target[64];
        yyjson_val *id = yyjson_obj_get(feature, "id");
        /* the filter is the server's; what is deleted is checked here */
        if (!status_is_ok(result) || !yyjson_is_uint(id) ||
            !yyjson_equals_str(yyjson_obj_get(feature, "feature_group"), BENCH_GROUP))
            continue;
        snprintf(target, sizeof(target), "/features/%" PRIu64, yyjson_get_uint(id));
        result = client_request_ok(client, "DELETE", target, (str){0}, &answer, error);
        *deleted += status_is_ok(result);
    }
    client_answer_fini(&answer);
    yyjson_doc_free(document);
    return result;
}

status bench_features_tear_down(struct client *client, uint64_t *deleted, struct error *error)
{
    struct client_answer answer;
    client_answer_init(&answer);
    *deleted = 0;
    status result = client_request_ok(client, "GET", "/features?feature_group=" BENCH_GROUP,
                                      (str){0}, &answer, error);
    if (status_is_ok(result))
        result = delete_listed(client, buffer_str(&answer.body), deleted, error);
    client_answer_fini(&answer);
    return result;
}

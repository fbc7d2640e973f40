/* POST /features/ingest and DELETE /features/online/{entity_id}: writing and erasing one entity. */
#include "base/json_string.h"
#include "codec/json_ingest.h"
#include "service/ingest.h"

#include "api/rest/request.h"

struct ingest_state {
    struct http_exchange *exchange;
    struct ingest ingest;
    struct ingest_record record;
    struct error error;
};

static void answer_ingested(struct http_exchange *exchange, const struct ingest_record *record,
                            uint64_t values_late)
{
    struct buffer *out = api_respond_json_begin(exchange);
    buffer_append_str(out, STR("{\"message\":\"Features ingested successfully\",\"entity_id\":"));
    json_append_string(out, record->entity_id);
    buffer_append_str(out, STR(",\"features\":["));
    for (uint32_t i = 0; i < record->cell_count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        json_append_string(out, record->cells[i].name);
    }
    buffer_append_str(out, STR("],\"values_late\":"));
    buffer_append_uint64(out, values_late);
    buffer_append_char(out, '}');
    http_respond_end(exchange);
}

static void ingest_done(struct ingest *ingest)
{
    struct ingest_state *state = ingest->user;
    if (status_is_ok(ingest->status))
        answer_ingested(state->exchange, &state->record, ingest->values_late);
    else
        api_fail(state->exchange, &ingest->error);
}

static status ingest_start(struct ingest_state *state)
{
    struct http_exchange *exchange = state->exchange;
    struct api *api = api_of(exchange);
    struct api_query query;
    TRY(api_query_parse(exchange, "entity", &query, &state->error));
    TRY(api_require_json(exchange, &state->error));
    struct json_ingest_options options = {
        .catalog = service_catalog(api->service),
        .entity = api_query_get(&query, STR("entity")),
        .now_us = online_now_us(api->service->online),
        .strict = query.strict,
    };
    error_loc_name(&state->error, STR("body"));
    TRY(json_decode_ingest(exchange->request.body, &options, &exchange->arena, &state->record,
                           &state->error));
    if (!status_is_ok(ingest_submit(&state->ingest, api->service, &exchange->arena, &state->record,
                                    1, exchange->loop, ingest_done, state)))
        return error_set(&state->error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "not enough memory for this request");
    return OK;
}

void api_ingest(struct http_exchange *exchange)
{
    struct ingest_state *state = api_state(exchange, sizeof(*state));
    if (state == NULL)
        return;
    state->exchange = exchange;
    if (!status_is_ok(ingest_start(state)))
        api_fail_unknown(exchange, &state->error);
}

struct erase_state {
    struct http_exchange *exchange;
    struct ingest_erase erase;
    str entity_id;
    struct error error;
};

static void erase_done(struct ingest_erase *erase)
{
    struct erase_state *state = erase->user;
    if (!status_is_ok(erase->status)) {
        api_fail(state->exchange, &erase->error);
        return;
    }
    struct buffer *out = api_respond_json_begin(state->exchange);
    buffer_append_str(out, STR("{\"message\":\"Values erased\",\"entity_id\":"));
    json_append_string(out, state->entity_id);
    buffer_append_str(out, STR(",\"values_deleted\":"));
    buffer_append_uint64(out, erase->values_deleted);
    buffer_append_char(out, '}');
    http_respond_end(state->exchange);
}

static status erase_start(struct erase_state *state)
{
    struct http_exchange *exchange = state->exchange;
    struct api_query query;
    const str *names;
    uint32_t name_count;
    TRY(api_query_parse(exchange, "entity feature_names", &query, &state->error));
    TRY(api_query_names(&query, STR("feature_names"), &exchange->arena, &names, &name_count,
                        &state->error));
    if (names && name_count == 0) {
        /* A client's empty list must not become "all". */
        error_loc_name(&state->error, STR("query"));
        error_loc_name(&state->error, STR("feature_names"));
        return error_set(&state->error, STATUS_INVALID, "too_short",
                         "Name the features to erase, or leave the parameter out to erase all");
    }
    TRY(api_path_entity_id(exchange, "entity_id", &state->entity_id, &state->error));
    return ingest_erase_submit(&state->erase, api_of(exchange)->service, &exchange->arena,
                               state->entity_id, api_query_get(&query, STR("entity")), names,
                               name_count, exchange->loop, erase_done, state, &state->error);
}

void api_erase(struct http_exchange *exchange)
{
    struct erase_state *state = api_state(exchange, sizeof(*state));
    if (state == NULL)
        return;
    state->exchange = exchange;
    if (!status_is_ok(erase_start(state)))
        api_fail_unknown(exchange, &state->error);
}

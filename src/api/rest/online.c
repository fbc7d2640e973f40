/* GET /features/online/{entity_id} and POST /features/online: what a model reads. */
#include "api/rest/vectors.h"

#include "codec/id_list.h"

/* What the client wants most; of what it wants as much, the tensor, then columns, then JSON. */
static status choose_format(struct http_exchange *exchange, struct vectors *vectors)
{
    unsigned npy = api_accepts(exchange, API_NPY, true);
    unsigned arrow = api_accepts(exchange, API_ARROW, true);
    unsigned json = api_accepts(exchange, API_JSON, false);
    if (npy == 0 && arrow == 0 && json == 0)
        return error_set(&vectors->error, STATUS_NOT_ACCEPTABLE, "not_acceptable",
                         "This route answers application/json, application/x-npy or "
                         "application/vnd.apache.arrow.stream");
    if (npy > 0 && npy >= arrow && npy >= json)
        vectors->format = VECTORS_NPY;
    else
        vectors->format = arrow > 0 && arrow >= json ? VECTORS_ARROW : VECTORS_JSON;
    return OK;
}

static status choose_dtype(const struct api_query *query, struct vectors *vectors)
{
    str dtype = api_query_get(query, STR("dtype"));
    if (dtype.len == 0 || str_eq(dtype, STR("float64"))) {
        vectors->dtype = NPY_FLOAT64;
    } else if (str_eq(dtype, STR("float32"))) {
        vectors->dtype = NPY_FLOAT32;
    } else {
        error_loc_name(&vectors->error, STR("query"));
        error_loc_name(&vectors->error, STR("dtype"));
        return error_set(&vectors->error, STATUS_INVALID, "literal_error",
                         "Input should be float64 or float32");
    }
    return OK;
}

/* What every form of reading has in its query. */
static status choose_answer(struct vectors *vectors, const struct api_query *query)
{
    TRY(choose_format(vectors->exchange, vectors));
    TRY(choose_dtype(query, vectors));
    return api_query_bool(query, STR("metadata"), &vectors->json.metadata, &vectors->error);
}

static struct vectors *vectors_create(struct http_exchange *exchange)
{
    struct vectors *vectors = arena_alloc(&exchange->arena, sizeof(*vectors));
    if (vectors == NULL)
        return api_state(exchange, sizeof(*vectors));
    vectors->exchange = exchange;
    vectors->entity_ids = NULL;
    vectors->id_count = 0;
    vectors->next = 0;
    vectors->json = (struct json_vector){.id_key = STR("{\"entity_id\":")};
    vectors->is_array = false;
    vectors->not_found_if_empty = false;
    error_clear(&vectors->error);
    retrieve_init(&vectors->retrieve, api_of(exchange)->service, &exchange->arena, exchange->loop);
    return vectors;
}

/* What is read of each entity. */
struct choice {
    const str *names; /* NULL: not by names */
    uint32_t name_count;
    bool by_service;
    str service;
    str entity; /* empty: none was named */
};

static status refuse_both(struct error *error)
{
    error_loc_name(error, STR("query"));
    error_loc_name(error, STR("feature_service"));
    return error_set(error, STATUS_INVALID, "value_error",
                     "Give feature_names or feature_service, not both");
}

static status choose_by_query(struct vectors *vectors, const struct api_query *query,
                              struct choice *out)
{
    out->by_service = api_query_has(query, STR("feature_service"));
    out->service = api_query_get(query, STR("feature_service"));
    out->entity = api_query_get(query, STR("entity"));
    TRY(api_query_names(query, STR("feature_names"), &vectors->exchange->arena, &out->names,
                        &out->name_count, &vectors->error));
    return out->by_service && out->names ? refuse_both(&vectors->error) : OK;
}

static status plan(struct vectors *vectors, const struct choice *choice)
{
    bool unique = vectors->format != VECTORS_NPY; /* a matrix has no names to be told apart by */
    if (choice->by_service)
        return retrieve_plan_service(&vectors->retrieve, choice->service, unique, &vectors->error);
    if (choice->names)
        return retrieve_plan_names(&vectors->retrieve, choice->names, choice->name_count,
                                   choice->entity, unique, &vectors->error);
    vectors->json.only_held = true;
    return retrieve_plan_all(&vectors->retrieve, choice->entity, &vectors->error);
}

static status online_get(struct http_exchange *exchange, struct vectors *vectors, bool *strict)
{
    struct api_query query;
    struct choice choice;
    struct error *error = &vectors->error;
    str *id = arena_alloc(&exchange->arena, sizeof(*id));
    if (id == NULL)
        return error_no_memory(error);
    TRY(api_query_parse(exchange, "feature_names feature_service entity metadata dtype", &query,
                        error));
    TRY(choose_answer(vectors, &query));
    TRY(api_path_entity_id(exchange, "entity_id", id, error));
    vectors->entity_ids = id;
    vectors->id_count = 1;
    *strict = query.strict;
    TRY(choose_by_query(vectors, &query, &choice));
    return plan(vectors, &choice);
}

void api_online_get(struct http_exchange *exchange)
{
    bool strict = false;
    struct vectors *vectors = vectors_create(exchange);
    if (vectors == NULL)
        return;
    if (status_is_ok(online_get(exchange, vectors, &strict)))
        vectors_answer(vectors, strict);
    else
        api_fail_unknown(exchange, &vectors->error);
}

static status refuse_query(const struct api_query *query, str name, struct error *error)
{
    if (!api_query_has(query, name))
        return OK;
    error_loc_name(error, STR("query"));
    error_loc_name(error, name);
    return error_set(error, STATUS_INVALID, "value_error",
                     "With a JSON body the features are named there, not in the query");
}

/* {"entity_ids":[…],"feature_names":[…]} */
static status batch_of_json(struct vectors *vectors, bool *strict)
{
    struct http_exchange *exchange = vectors->exchange;
    struct api_query query;
    struct json_batch_read body;
    struct error *error = &vectors->error;
    TRY(api_query_parse(exchange, "entity metadata dtype", &query, error));
    TRY(refuse_query(&query, STR("feature_names"), error));
    TRY(refuse_query(&query, STR("feature_service"), error));
    TRY(choose_answer(vectors, &query));
    TRY(json_decode_batch_read(exchange->request.body, query.strict, &exchange->arena, &body,
                               error));
    struct choice choice = {
        .names = body.names,
        .name_count = body.name_count,
        .by_service = body.names == NULL,
        .service = body.feature_service,
        .entity = body.entity.len ? body.entity : api_query_get(&query, STR("entity")),
    };
    if (!api_query_has(&query, STR("metadata")))
        vectors->json.metadata = body.metadata;
    vectors->entity_ids = body.entity_ids;
    vectors->id_count = body.id_count;
    *strict = query.strict;
    return plan(vectors, &choice);
}

static status refuse_neither(struct error *error)
{
    error_loc_name(error, STR("query"));
    error_loc_name(error, STR("feature_names"));
    return error_set(error, STATUS_INVALID, "missing",
                     "feature_names or feature_service is required, in the query");
}

/* The body is the ids and nothing else; what is asked of them is in the query. */
static status batch_of_ids(struct vectors *vectors, bool is_npy, bool *strict)
{
    struct http_exchange *exchange = vectors->exchange;
    struct api_query query;
    struct choice choice;
    struct id_list ids;
    struct error *error = &vectors->error;
    str body = exchange->request.body;
    TRY(api_query_parse(exchange, "feature_names feature_service entity metadata dtype", &query,
                        error));
    TRY(choose_answer(vectors, &query));
    TRY(choose_by_query(vectors, &query, &choice));
    if (!choice.by_service && choice.names == NULL)
        return refuse_neither(error);
    TRY(is_npy ? id_list_from_npy(body, &exchange->arena, &ids, error)
               : id_list_from_lines(body, &exchange->arena, &ids, error));
    vectors->entity_ids = ids.ids;
    vectors->id_count = ids.count;
    *strict = query.strict;
    return plan(vectors, &choice);
}

static status online_batch(struct vectors *vectors, bool *strict)
{
    str type = api_content_type(vectors->exchange);
    vectors->is_array = true;
    if (api_is_json(vectors->exchange))
        return batch_of_json(vectors, strict);
    bool is_npy = str_eq_nocase(type, API_NPY);
    if (is_npy || str_eq_nocase(type, STR("text/plain")))
        return batch_of_ids(vectors, is_npy, strict);
    return error_set(&vectors->error, STATUS_UNSUPPORTED_MEDIA_TYPE, "media_type",
                     "The body is declared as '%.*s'; send application/json, or the ids alone as "
                     "text/plain (one a line) or application/x-npy",
                     STR_ARG(type));
}

void api_online_batch(struct http_exchange *exchange)
{
    bool strict = false;
    struct vectors *vectors = vectors_create(exchange);
    if (vectors == NULL)
        return;
    if (status_is_ok(online_batch(vectors, &strict)))
        vectors_answer(vectors, strict);
    else
        api_fail_unknown(exchange, &vectors->error);
}

/* GET /features/{user_id} and POST /features/batch: everything an entity has, by default a user. */

#define DEFAULT_ENTITY STR("user")

static status user_get(struct http_exchange *exchange, struct vectors *vectors)
{
    struct api_query query;
    str *id = arena_alloc(&exchange->arena, sizeof(*id));
    struct error *error = &vectors->error;
    if (id == NULL)
        return error_no_memory(error);
    TRY(api_query_parse(exchange, "entity metadata", &query, error));
    TRY(api_query_bool(&query, STR("metadata"), &vectors->json.metadata, error));
    TRY(api_path_entity_id(exchange, "user_id", id, error));
    vectors->entity_ids = id;
    vectors->id_count = 1;
    vectors->not_found_if_empty = true;
    str entity = api_query_get(&query, STR("entity"));
    return retrieve_plan_all(&vectors->retrieve, entity.len ? entity : DEFAULT_ENTITY, error);
}

static struct vectors *user_vectors_create(struct http_exchange *exchange)
{
    struct vectors *vectors = vectors_create(exchange);
    if (vectors) {
        vectors->format = VECTORS_JSON;
        vectors->json.id_key = STR("{\"user_id\":");
        vectors->json.only_held = true;
    }
    return vectors;
}

void api_user_get(struct http_exchange *exchange)
{
    struct vectors *vectors = user_vectors_create(exchange);
    if (vectors == NULL)
        return;
    if (status_is_ok(user_get(exchange, vectors)))
        vectors_answer(vectors, false);
    else
        api_fail_unknown(exchange, &vectors->error);
}

static status user_batch(struct http_exchange *exchange, struct vectors *vectors)
{
    struct api_query query;
    struct json_user_batch body;
    struct error *error = &vectors->error;
    TRY(api_query_parse(exchange, "entity metadata", &query, error));
    TRY(api_require_json(exchange, error));
    TRY(json_decode_user_batch(exchange->request.body, query.strict, &exchange->arena, &body,
                               error));
    vectors->json.metadata = body.metadata;
    TRY(api_query_bool(&query, STR("metadata"), &vectors->json.metadata, error));
    vectors->entity_ids = body.user_ids;
    vectors->id_count = body.id_count;
    vectors->is_array = true;
    str entity = body.entity.len ? body.entity : api_query_get(&query, STR("entity"));
    return retrieve_plan_all(&vectors->retrieve, entity.len ? entity : DEFAULT_ENTITY, error);
}

void api_user_batch(struct http_exchange *exchange)
{
    struct vectors *vectors = user_vectors_create(exchange);
    if (vectors == NULL)
        return;
    if (status_is_ok(user_batch(exchange, vectors)))
        vectors_answer(vectors, false);
    else
        api_fail_unknown(exchange, &vectors->error);
}

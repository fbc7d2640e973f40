/* What handlers share: query parameters, content types, path parameters, and failing. */
#ifndef FEATURED_API_REST_REQUEST_H
#define FEATURED_API_REST_REQUEST_H

#include "api/rest/api.h"

/* A request's query, and whether it is strict. Parsed once per handler. */
struct api_query {
    struct http_query_parameter *items;
    uint32_t count;
    bool strict;
};

static inline struct api *api_of(const struct http_exchange *exchange)
{
    return exchange->context;
}

/* `known` are the parameters of this route besides strict, separated by spaces; in a strict request
 * any other is INVALID. */
MUST_CHECK status api_query_parse(struct http_exchange *exchange, const char *known,
                                  struct api_query *out, struct error *error);
/* The last one of that name; empty if absent. */
str api_query_get(const struct api_query *query, str name);
bool api_query_has(const struct api_query *query, str name);
/* true, false, 1, 0 (any case); *out keeps its value if the parameter is absent. */
MUST_CHECK status api_query_bool(const struct api_query *query, str name, bool *out,
                                 struct error *error);
/* An integer from `low` to `high`; *out keeps its value if the parameter is absent. */
MUST_CHECK status api_query_uint(const struct api_query *query, str name, uint64_t low,
                                 uint64_t high, uint64_t *out, struct error *error);
/* Comma-separated names; repeated parameters add up. *out is NULL if the parameter is absent. */
MUST_CHECK status api_query_names(const struct api_query *query, str name, struct arena *arena,
                                  const str **out, uint32_t *count, struct error *error);

/* Whether the body is declared as JSON, or as nothing. */
bool api_is_json(const struct http_exchange *exchange);
/* UNSUPPORTED_MEDIA_TYPE unless it is. */
MUST_CHECK status api_require_json(const struct http_exchange *exchange, struct error *error);
/* The media type of Content-Type, without parameters; empty if there is none. */
str api_content_type(const struct http_exchange *exchange);
/* How much the client wants that media type: 0 (not at all) to 1000; 1000 if it did not say. Wildcards
 * count unless `exactly`. */
unsigned api_accepts(const struct http_exchange *exchange, str media_type, bool exactly);
/* The id in the path, checked: INVALID with loc ["path", name]. */
MUST_CHECK status api_path_entity_id(const struct http_exchange *exchange, const char *name,
                                     str *out, struct error *error);

/* An error to fill, in the arena (it is large). Never NULL: without memory, a shared one of this
 * thread that says so. */
struct error *api_error(struct http_exchange *exchange);
/* A zeroed block of request memory for a handler's state; NULL: the request was answered 503. */
void *api_state(struct http_exchange *exchange, size_t size);
void api_fail(struct http_exchange *exchange, const struct error *error);
/* Before a name is answered as unknown: another server may have registered it a moment ago. True:
 * the registry is asked, and then the handler is called once more, from its beginning. False: it
 * has been, or nobody else changes the registry. */
MUST_CHECK bool api_look_again(struct http_exchange *exchange);
/* NOT_FOUND becomes UNAVAILABLE while nobody can know: the shared registry is away. Returns the
 * error's code. */
status api_unknown(struct http_exchange *exchange, struct error *error);
/* api_fail(); for NOT_FOUND by way of the two above. */
void api_fail_unknown(struct http_exchange *exchange, struct error *error);
/* 200 application/json. */
void api_respond_json(struct http_exchange *exchange, str body);
struct buffer *api_respond_json_begin(struct http_exchange *exchange);

#define API_JSON STR("application/json")
#define API_NPY STR("application/x-npy")
#define API_ARROW STR("application/vnd.apache.arrow.stream")

#endif

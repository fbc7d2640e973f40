/* The REST API (shared contract: spec/openapi.json): one file per resource, each with its handlers;
 * routes.c has the table. A handler decodes with codec, asks a service, encodes with codec. */
#ifndef FEATURED_API_REST_API_H
#define FEATURED_API_REST_API_H

#include "http/http.h"
#include "service/service.h"

/* What every handler finds in exchange->context. Immutable while serving, but for `http`. */
struct api {
    struct service *service;
    bool strict; /* --strict: as if every request said ?strict=true */
    str version;
    int64_t started_at_us;
    /* embedded files */
    str openapi_json;
    const struct api_asset *assets; /* what /docs needs */
    size_t asset_count;
    /* set once the server listens; for /metrics */
    const struct http_server *http;
    unsigned loop_count;
};

struct api_asset {
    str name; /* "swagger-ui-bundle.js" */
    str content_type;
    str content;
};

extern const struct http_route api_routes[];
extern const size_t api_route_count;

void api_register(struct http_exchange *exchange);          /* POST /register */
void api_features_list(struct http_exchange *exchange);     /* GET /features */
void api_definition_get(struct http_exchange *exchange);    /* GET /features/definitions/{name} */
void api_definition_put(struct http_exchange *exchange);    /* PUT /features/definitions/{name} */
void api_definition_activate(struct http_exchange *exchange);
void api_feature_delete(struct http_exchange *exchange);    /* DELETE /features/{id} */
void api_services_list(struct http_exchange *exchange);     /* GET /feature-services */
void api_service_create(struct http_exchange *exchange);    /* POST /feature-services */
void api_service_get(struct http_exchange *exchange);       /* GET /feature-services/{name} */
void api_service_put(struct http_exchange *exchange);
void api_service_delete(struct http_exchange *exchange);
void api_ingest(struct http_exchange *exchange);            /* POST /features/ingest */
void api_bulk(struct http_exchange *exchange);              /* POST /features/ingest/bulk */
void api_erase(struct http_exchange *exchange);             /* DELETE /features/online/{entity_id} */
void api_online_get(struct http_exchange *exchange);        /* GET /features/online/{entity_id} */
void api_online_batch(struct http_exchange *exchange);      /* POST /features/online */
void api_export(struct http_exchange *exchange);            /* GET /features/export */
void api_user_get(struct http_exchange *exchange);          /* GET /features/{user_id} */
void api_user_batch(struct http_exchange *exchange);        /* POST /features/batch */
void api_root(struct http_exchange *exchange);
void api_health(struct http_exchange *exchange);
void api_ready(struct http_exchange *exchange);
void api_metrics(struct http_exchange *exchange);
void api_openapi(struct http_exchange *exchange);
void api_docs(struct http_exchange *exchange);
void api_docs_asset(struct http_exchange *exchange);

#endif

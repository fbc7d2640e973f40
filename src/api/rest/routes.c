#include "api/rest/api.h"

const struct http_route api_routes[] = {
    {HTTP_GET, "/features/online/{entity_id}", api_online_get, false},
    {HTTP_POST, "/features/online", api_online_batch, false},
    {HTTP_DELETE, "/features/online/{entity_id}", api_erase, false},
    {HTTP_GET, "/features/{user_id}", api_user_get, false},
    {HTTP_GET, "/features/export", api_export, false},
    {HTTP_POST, "/features/batch", api_user_batch, false},
    {HTTP_POST, "/features/ingest", api_ingest, false},
    {HTTP_POST, "/features/ingest/bulk", api_bulk, true},
    {HTTP_POST, "/register", api_register, false},
    {HTTP_GET, "/features", api_features_list, false},
    {HTTP_DELETE, "/features/{feature_id}", api_feature_delete, false},
    {HTTP_GET, "/features/definitions/{name}", api_definition_get, false},
    {HTTP_PUT, "/features/definitions/{name}", api_definition_put, false},
    {HTTP_POST, "/features/definitions/{name}/activate", api_definition_activate, false},
    {HTTP_GET, "/feature-services", api_services_list, false},
    {HTTP_POST, "/feature-services", api_service_create, false},
    {HTTP_GET, "/feature-services/{name}", api_service_get, false},
    {HTTP_PUT, "/feature-services/{name}", api_service_put, false},
    {HTTP_DELETE, "/feature-services/{name}", api_service_delete, false},
    {HTTP_GET, "/", api_root, false},
    {HTTP_GET, "/health", api_health, false},
    {HTTP_GET, "/ready", api_ready, false},
    {HTTP_GET, "/metrics", api_metrics, false},
    {HTTP_GET, "/openapi.json", api_openapi, false},
    {HTTP_GET, "/docs", api_docs, false},
    {HTTP_GET, "/docs/{asset}", api_docs_asset, false},
};

const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

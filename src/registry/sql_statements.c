#include "registry/sql_statements.h"

#define FEATURE_COLUMNS                                                                            \
    "id, name, description, data_type, entity, feature_group, is_nullable, source, "               \
    "transformation, min_value, max_value, mean_value, std_dev, ttl_seconds, tags, created_at, "   \
    "coalesce(updated_at, created_at), active_version"

#define VERSION_COLUMNS                                                                            \
    "feature_id, id, version_number, data_type, dimension, dead_before_us, created_at"

const char *const SQL_STATEMENTS[SQL_STATEMENT_COUNT] = {
    [SQL_SAVEPOINT] = "SAVEPOINT request",
    [SQL_RELEASE] = "RELEASE SAVEPOINT request",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO SAVEPOINT request",

    [SQL_REVISION_GET] = "SELECT revision FROM catalog_revision",
    [SQL_REVISION_SET] = "UPDATE catalog_revision SET revision = $1",

    [SQL_FEATURE_BY_NAME] = "SELECT " FEATURE_COLUMNS " FROM features WHERE name = $1",
    [SQL_FEATURE_BY_ID] = "SELECT " FEATURE_COLUMNS " FROM features WHERE id = $1",
    [SQL_FEATURES_ALL] = "SELECT " FEATURE_COLUMNS " FROM features ORDER BY id",
    [SQL_FEATURE_COUNT] = "SELECT count(*) FROM features",
    [SQL_FEATURE_INSERT] =
        "INSERT INTO features (name, description, data_type, entity, feature_group, is_nullable, "
        "source, transformation, min_value, max_value, mean_value, std_dev, ttl_seconds, tags, "
        "created_at, updated_at, active_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
        "$11, $12, $13, $14, $15, $16, $17) RETURNING id",
    [SQL_FEATURE_UPDATE] =
        "UPDATE features SET description = $1, feature_group = $2, is_nullable = $3, source = $4, "
        "transformation = $5, min_value = $6, max_value = $7, mean_value = $8, std_dev = $9, "
        "ttl_seconds = $10, tags = $11, updated_at = $12 WHERE id = $13",
    [SQL_FEATURE_ACTIVATE] = "UPDATE features SET active_version = $1, data_type = $2, "
                             "updated_at = $3 WHERE id = $4",
    [SQL_FEATURE_DELETE] = "DELETE FROM features WHERE id = $1",

    [SQL_VERSIONS_BY_FEATURE] = "SELECT " VERSION_COLUMNS " FROM feature_versions "
                                "WHERE feature_id = $1 ORDER BY version_number",
    [SQL_VERSIONS_ALL] = "SELECT " VERSION_COLUMNS " FROM feature_versions "
                         "ORDER BY feature_id, version_number",
    [SQL_VERSION_INSERT] =
        "INSERT INTO feature_versions (feature_id, version_number, data_type, dimension, "
        "dead_before_us, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    [SQL_VERSION_DEAD_BEFORE] = "UPDATE feature_versions SET dead_before_us = $1 WHERE id = $2 "
                                "AND dead_before_us < $1",
    [SQL_VERSION_RESOLVE] = "SELECT v.id, v.version_number FROM features f JOIN feature_versions v "
                            "ON v.feature_id = f.id WHERE f.name = $1 AND v.version_number = "
                            "CASE WHEN CAST($2 AS BIGINT) = 0 THEN f.active_version "
                            "ELSE CAST($2 AS BIGINT) END",

    [SQL_ENTITY_INSERT] = "INSERT INTO entities (name, join_keys, created_at) VALUES ($1, $2, $3) "
                          "ON CONFLICT (name) DO NOTHING",

    [SQL_SERVICE_BY_NAME] = "SELECT id, created_at FROM feature_services WHERE name = $1",
    [SQL_SERVICES_ALL] = "SELECT id, name, description, tags, created_at, updated_at "
                         "FROM feature_services ORDER BY id",
    [SQL_SERVICE_COUNT] = "SELECT count(*) FROM feature_services",
    [SQL_SERVICE_INSERT] =
        "INSERT INTO feature_services (name, description, tags, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING id",
    [SQL_SERVICE_UPDATE] = "UPDATE feature_services SET description = $1, tags = $2, "
                           "updated_at = $3 WHERE id = $4",
    [SQL_SERVICE_DELETE] = "DELETE FROM feature_services WHERE id = $1",
    [SQL_SERVICES_OF_FEATURE] =
        "SELECT DISTINCT s.name FROM feature_versions v JOIN feature_service_features m "
        "ON m.version_id = v.id JOIN feature_services s ON s.id = m.service_id "
        "WHERE v.feature_id = $1 ORDER BY s.name",
    [SQL_SERVICE_FEATURES_ALL] = "SELECT service_id, feature, resolved, version_id "
                                 "FROM feature_service_features ORDER BY service_id, position",
    [SQL_SERVICE_FEATURES_DELETE] = "DELETE FROM feature_service_features WHERE service_id = $1",
    [SQL_SERVICE_FEATURE_INSERT] =
        "INSERT INTO feature_service_features (service_id, position, feature, resolved, "
        "version_id) VALUES ($1, $2, $3, $4, $5)",
};

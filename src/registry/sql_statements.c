#include "registry/sql_statements.h"

#define FEATURE_COLUMNS                                                                            \
    "id, name, description, data_type, entity, feature_group, is_nullable, source, "               \
    "transformation, min_value, max_value, mean_value, std_dev, ttl_seconds, tags, created_at, "   \
    "coalesce(updated_at, created_at), active_version"

#define VERSION_COLUMNS                                                                            \
    "feature_id, id, version_number, data_type, dimension, dead_before_us, created_at"

/* SQL_STATISTICS_PUT_ROWS of them; the first says of what type the columns are. */
#define STATISTICS_ROWS                                                                            \
    "(CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS DOUBLE PRECISION), "  \
    "CAST($5 AS DOUBLE PRECISION), CAST($6 AS DOUBLE PRECISION), CAST($7 AS DOUBLE PRECISION), "   \
    "CAST($8 AS BIGINT))"                                                                          \
    ", ($9, $10, $11, $12, $13, $14, $15, $16)"                                                    \
    ", ($17, $18, $19, $20, $21, $22, $23, $24)"                                                   \
    ", ($25, $26, $27, $28, $29, $30, $31, $32)"                                                   \
    ", ($33, $34, $35, $36, $37, $38, $39, $40)"                                                   \
    ", ($41, $42, $43, $44, $45, $46, $47, $48)"                                                   \
    ", ($49, $50, $51, $52, $53, $54, $55, $56)"                                                   \
    ", ($57, $58, $59, $60, $61, $62, $63, $64)"                                                   \
    ", ($65, $66, $67, $68, $69, $70, $71, $72)"                                                   \
    ", ($73, $74, $75, $76, $77, $78, $79, $80)"                                                   \
    ", ($81, $82, $83, $84, $85, $86, $87, $88)"                                                   \
    ", ($89, $90, $91, $92, $93, $94, $95, $96)"                                                   \
    ", ($97, $98, $99, $100, $101, $102, $103, $104)"                                              \
    ", ($105, $106, $107, $108, $109, $110, $111, $112)"                                           \
    ", ($113, $114, $115, $116, $117, $118, $119, $120)"                                           \
    ", ($121, $122, $123, $124, $125, $126, $127, $128)"

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

    [SQL_STATISTICS_GET] =
        "SELECT v.id, s.value_count, s.null_count, s.min_value, s.max_value, s.mean_value, s.m2, "
        "s.last_event_time_us FROM feature_versions v LEFT JOIN feature_statistics s "
        "ON s.version_id = v.id WHERE v.id BETWEEN $1 AND $2 ORDER BY v.id",
    [SQL_STATISTICS_PUT] =
        "INSERT INTO feature_statistics (version_id, value_count, null_count, min_value, "
        "max_value, mean_value, m2, last_event_time_us) SELECT column1, column2, column3, column4, "
        "column5, column6, column7, column8 FROM (VALUES " STATISTICS_ROWS ") AS counted "
        "WHERE column1 IS NOT NULL ON CONFLICT (version_id) DO UPDATE SET "
        "value_count = excluded.value_count, null_count = excluded.null_count, "
        "min_value = excluded.min_value, max_value = excluded.max_value, "
        "mean_value = excluded.mean_value, m2 = excluded.m2, "
        "last_event_time_us = excluded.last_event_time_us",
    [SQL_MERGE_GET] = "SELECT number FROM statistics_merges WHERE source = $1",
    [SQL_MERGE_PUT] = "INSERT INTO statistics_merges (source, number, merged_at) "
                      "VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE SET "
                      "number = excluded.number, merged_at = excluded.merged_at",
    [SQL_MERGES_FORGET] = "DELETE FROM statistics_merges WHERE merged_at < $1",
};

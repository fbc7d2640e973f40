/* Every statement the registry runs once its schema stands, in SQL that SQLite and PostgreSQL both
 * take: parameters are $1, $2, … in the order they first appear; columns are named, never `*`. The
 * tables themselves are each driver's own (sqlite/sqlite_schema.c,
 * postgres/postgres_schema.c). */
#ifndef FEATURED_REGISTRY_SQL_STATEMENTS_H
#define FEATURED_REGISTRY_SQL_STATEMENTS_H

enum sql_statement {
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,

    SQL_REVISION_GET,
    SQL_REVISION_SET, /* $1 revision */

    SQL_FEATURE_BY_NAME, /* $1 name → the columns of sql_rows.h */
    SQL_FEATURE_BY_ID,   /* $1 id → the same */
    SQL_FEATURES_ALL,    /* → the same, in order of id */
    SQL_FEATURE_COUNT,
    SQL_FEATURE_INSERT, /* $1 name … (sql_statements.c) → id */
    SQL_FEATURE_UPDATE,
    SQL_FEATURE_ACTIVATE, /* $1 version number, $2 data type, $3 updated_at, $4 id */
    SQL_FEATURE_DELETE,   /* $1 id */

    SQL_VERSIONS_BY_FEATURE, /* $1 feature id → the columns of sql_rows.h */
    SQL_VERSIONS_ALL,        /* → the same, in order of feature id, number */
    SQL_VERSION_INSERT,
    SQL_VERSION_DEAD_BEFORE, /* $1 dead_before_us, $2 id; never moves it back */
    SQL_VERSION_RESOLVE,     /* $1 name, $2 number or 0 (the active one) → id, number */

    SQL_ENTITY_INSERT, /* $1 name, $2 join keys, $3 created_at; known: nothing happens */

    SQL_SERVICE_BY_NAME, /* $1 name → id, created_at */
    SQL_SERVICES_ALL,    /* → id, name, description, tags, created_at, updated_at by id */
    SQL_SERVICE_COUNT,
    SQL_SERVICE_INSERT,
    SQL_SERVICE_UPDATE,
    SQL_SERVICE_DELETE,       /* $1 id */
    SQL_SERVICES_OF_FEATURE,  /* $1 feature id → name, in order */
    SQL_SERVICE_FEATURES_ALL, /* → service id, feature, resolved, version id; by id, position */
    SQL_SERVICE_FEATURES_DELETE, /* $1 service id */
    SQL_SERVICE_FEATURE_INSERT,

    /* $1 first, $2 last → the columns of sql_statistics.c of the versions there are between them,
     * in order of id; null but for the id if nothing was counted yet */
    SQL_STATISTICS_GET,
    SQL_STATISTICS_PUT, /* SQL_STATISTICS_PUT_ROWS times these columns; no row if the id is null */
    SQL_MERGE_GET,      /* $1 source → number */
    SQL_MERGE_PUT,      /* $1 source, $2 number, $3 merged_at */
    SQL_MERGES_FORGET,  /* $1 merged_at: earlier ones */

    SQL_STATEMENT_COUNT,
};

#define SQL_STATISTICS_PUT_ROWS 16
#define SQL_STATISTICS_PUT_PARAMETERS (SQL_STATISTICS_PUT_ROWS * 8)

extern const char *const SQL_STATEMENTS[SQL_STATEMENT_COUNT];

#endif

/* Private to codec: what the named columns of a bulk load (a CSV header, an Arrow schema) mean.
 * They are resolved against each catalog image that comes along. One owner. */
#ifndef FEATURED_CODEC_BULK_COLUMNS_H
#define FEATURED_CODEC_BULK_COLUMNS_H

#include "codec/bulk.h"

enum bulk_column_kind {
    BULK_COLUMN_SKIPPED,
    BULK_COLUMN_ID,
    BULK_COLUMN_TIME,
    BULK_COLUMN_FEATURE,
};

struct bulk_column {
    enum bulk_column_kind kind;
    str name;
    const struct catalog_version *version; /* features, once resolved */
};

struct bulk_columns {
    const struct bulk_options *options;
    const char *where; /* they were named: "header" */
    struct bulk_column *columns;
    uint32_t count;
    uint32_t feature_count;
    str id_name;
    str time_name;
    const struct catalog *catalog; /* that `columns` were resolved against; NULL: none yet */
    uint64_t revision;
    struct arena arena; /* the columns and their names */
};

/* Borrows both. */
void bulk_columns_init(struct bulk_columns *columns, const struct bulk_options *options,
                       const char *where);
void bulk_columns_fini(struct bulk_columns *columns);
/* Takes the names, copying them. Failures here and of bulk_columns_resolve() end the request; the
 * column is added to error->loc. */
MUST_CHECK status bulk_columns_open(struct bulk_columns *columns, const str *names, uint32_t count,
                                    struct error *error);
static inline bool bulk_columns_are_resolved(const struct bulk_columns *columns,
                                             const struct catalog *catalog)
{
    return likely(columns->catalog == catalog && columns->revision == catalog->revision);
}
MUST_CHECK status bulk_columns_resolve(struct bulk_columns *columns, const struct catalog *catalog,
                                       struct error *error);

/* An entity id, copied to the arena, and an event time, of a row. error->loc is ["line",n]; the
 * column is added. */
MUST_CHECK status bulk_columns_take_id(const struct bulk_columns *columns, str text,
                                       struct arena *arena, str *out, struct error *error);
MUST_CHECK status bulk_columns_check_time(const struct bulk_columns *columns, int64_t time_us,
                                          int64_t now_us, struct error *error);

#endif

/* Private to codec: what the columns of a CSV file mean, and its rows as typed records. The header
 * is resolved against each catalog image that comes along. One owner. */
#ifndef FEATURED_CODEC_CSV_TABLE_H
#define FEATURED_CODEC_CSV_TABLE_H

#include "codec/bulk.h"
#include "codec/csv_scanner.h"

struct csv_column;

struct csv_table {
    const struct bulk_options *options;
    struct csv_column *columns;
    uint32_t column_count;
    uint32_t feature_count;
    str id_name;
    str time_name;
    const struct catalog *catalog; /* that `columns` were resolved against; NULL: none yet */
    uint64_t revision;
    struct arena arena; /* the columns and their names */
};

void csv_table_init(struct csv_table *table, const struct bulk_options *options);
void csv_table_fini(struct csv_table *table);
/* Takes the header row. Failures here and of csv_table_resolve() end the request. */
MUST_CHECK status csv_table_open(struct csv_table *table, char *row, struct csv_scanner *fields,
                                 struct error *error);
MUST_CHECK status csv_table_resolve(struct csv_table *table, const struct catalog *catalog,
                                    struct error *error);
/* A row, resolved. error->loc is ["line",n]; the column is added. */
MUST_CHECK status csv_table_record(const struct csv_table *table, char *row,
                                   struct csv_scanner *fields, int64_t now_us, struct arena *arena,
                                   struct ingest_record *out, struct error *error);

#endif

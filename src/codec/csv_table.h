/* Private to codec: the rows of a CSV file as typed records. One owner. */
#ifndef FEATURED_CODEC_CSV_TABLE_H
#define FEATURED_CODEC_CSV_TABLE_H

#include "codec/bulk_columns.h"
#include "codec/csv_scanner.h"

/* Takes the header row; a failure ends the request. */
MUST_CHECK status csv_table_open(struct bulk_columns *columns, char *row,
                                 struct csv_scanner *fields, struct error *error);
/* A row, its columns resolved. error->loc is ["line",n]; the column is added. */
MUST_CHECK status csv_table_record(const struct bulk_columns *columns, char *row,
                                   struct csv_scanner *fields, int64_t now_us, struct arena *arena,
                                   struct ingest_record *out, struct error *error);

#endif

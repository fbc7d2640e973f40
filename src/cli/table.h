/* Rows of texts in aligned columns, two blanks between them. Borrows nothing: texts are copied. */
#ifndef FEATURED_CLI_TABLE_H
#define FEATURED_CLI_TABLE_H

#include "base/buffer.h"

#define TABLE_COLUMNS_MAX 8u

struct table {
    struct buffer text; /* of all cells, one after the other */
    struct buffer ends; /* where each ends in it, as size_t */
    unsigned column_count;
    size_t widths[TABLE_COLUMNS_MAX];
    size_t cell_columns_max; /* longer texts are cut on display; 0: never */
};

void table_init(struct table *table, unsigned column_count, size_t cell_columns_max);
void table_fini(struct table *table);
/* The next cell, row by row. Control characters are made harmless. */
void table_add(struct table *table, str text);
/* The first row is the heading. */
void table_append(struct table *table, struct buffer *out, const char *heading_style,
                  const char *plain_style);

#endif

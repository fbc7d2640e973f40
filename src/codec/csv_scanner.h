/* Private to codec: splits CSV (RFC 4180) into rows and fields, byte by byte as they arrive. Rows
 * end with LF or CRLF; fields may be quoted and then hold commas, newlines and doubled quotes.
 * Offsets count from the row's first byte. One owner. */
#ifndef FEATURED_CODEC_CSV_SCANNER_H
#define FEATURED_CODEC_CSV_SCANNER_H

#include "base/compiler.h"
#include "base/str.h"

struct csv_field {
    uint32_t start;
    uint32_t len;
    bool quoted;  /* the quotes are not part of it */
    bool doubled; /* it holds doubled quotes still */
};

struct csv_scanner {
    struct csv_field *fields;
    uint32_t capacity;
    uint32_t stored_max; /* further fields are counted only */
    uint32_t count;
    uint32_t at;       /* bytes of this row seen; in the end its length with the newline */
    uint32_t newlines; /* in quotes */
    const char *problem; /* why the row is not CSV; NULL: it is */
    /* private */
    enum { CSV_FIELD_START, CSV_UNQUOTED, CSV_QUOTED, CSV_QUOTE_SEEN, CSV_SKIPPING } state;
    struct csv_field field;
};

enum csv_scan { CSV_ROW, CSV_MORE, CSV_NO_MEMORY };

void csv_scanner_init(struct csv_scanner *scanner, uint32_t stored_max);
void csv_scanner_fini(struct csv_scanner *scanner);
/* Forgets the row; the next scan starts at the byte after it. */
void csv_scanner_next_row(struct csv_scanner *scanner);
/* `row` begins with the row's first byte and holds at least what earlier calls saw of it; less than
 * 4 GiB. `last`: nothing follows; an empty rest is not a row (CSV_MORE). */
MUST_CHECK enum csv_scan csv_scanner_scan(struct csv_scanner *scanner, str row, bool last);
/* The field's text, made single of doubled quotes in place. */
str csv_field_text(char *row, struct csv_field *field);

#endif

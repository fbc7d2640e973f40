/* How far a load is, on standard error: one line that is redrawn on a terminal, else a plain line
 * every few seconds. */
#ifndef FEATURED_CLI_PROGRESS_H
#define FEATURED_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct progress {
    const char *label;    /* of what is loaded */
    uint64_t bytes;       /* so far */
    uint64_t total_bytes; /* 0: not known */
    uint64_t rows;        /* so far */
    int64_t elapsed_ns;
    bool hides_rows;      /* bytes are all there is to count */
    const char *unit;     /* what `bytes` counts, if it is not bytes: "keys" */
    const char *row_unit; /* what `rows` counts; NULL: rows */
    const char *then;     /* shown when all bytes are through; NULL: nothing */
    /* private */
    int64_t started_ns;
    int64_t shown_ns;
    bool on_terminal;
    bool drawn;
};

/* `hides_rows`, the units and `then` may be set afterwards. */
void progress_start(struct progress *progress, const char *label, uint64_t total_bytes);
/* Shows it if it is time to. */
void progress_update(struct progress *progress, uint64_t bytes, uint64_t rows);
/* Takes the line off the terminal, so that something else can be said. */
void progress_clear(struct progress *progress);

/* "flights.csv [####      ]  45 %  151,234 rows  210,000 rows/s  0:03 left" in at most `columns`;
 * `columns` 0: the plain form, without bar. */
void progress_append(struct buffer *out, const struct progress *progress, unsigned columns);
/* "0:03", "12:34", "1:02:03" */
void progress_append_time(struct buffer *out, uint64_t seconds);
/* "12.3 MB" */
void progress_append_bytes(struct buffer *out, uint64_t bytes);

#endif

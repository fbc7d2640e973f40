/* What `featured copy` carries from one side to the other: rows of one entity id each, a page at a
 * time. Values are texts as a store in Redis keeps them (online/redis/redis_value.h). */
#ifndef FEATURED_CLI_COPY_ROW_H
#define FEATURED_CLI_COPY_ROW_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

#define COPY_TIME_UNKNOWN INT64_MIN
#define COPY_LIFE_UNKNOWN INT64_MIN
#define COPY_NEVER_ENDS INT64_MAX

struct copy_cell {
    str name; /* a feature, or the field of one of its versions in Redis */
    bool is_null;
    str text;              /* of a value that is not null */
    str json;              /* the same as JSON, if its type is known */
    int64_t event_time_us; /* COPY_TIME_UNKNOWN: the target gives it the time of its arrival */
    bool is_timeless;      /* whoever wrote it kept no time */
    int64_t end_us;        /* of its life, or COPY_NEVER_ENDS */
};

struct copy_row {
    str entity;
    str id;
    struct copy_cell *cells;
    uint32_t cell_count;
    int64_t
        key_end_us; /* when the key in Redis goes: COPY_NEVER_ENDS, COPY_LIFE_UNKNOWN elsewhere */
};

struct copy_page {
    struct arena arena;
    struct copy_row *rows;
    uint32_t row_count;
};

/* One side. Positions are texts that a later process understands. */
struct copy_end;

struct copy_end_driver {
    /* Starts over, or goes on at a position it gave (it may start over where that is of no use any
     * more). INVALID for what is none. */
    status (*seek)(struct copy_end *end, str position, struct error *error) MUST_CHECK;
    /* The next rows; *more false: these were the last. */
    status (*next)(struct copy_end *end, struct copy_page *page, bool *more,
                   struct error *error) MUST_CHECK;
    /* Where the page after the last one begins. */
    void (*position)(const struct copy_end *end, struct buffer *out);
    /* About so many rows in all; 0: not known. */
    status (*count)(struct copy_end *end, uint64_t *out, struct error *error) MUST_CHECK;
    /* Takes a row; what was taken is acknowledged by flush(). */
    status (*write)(struct copy_end *end, const struct copy_row *row,
                    struct error *error) MUST_CHECK;
    status (*flush)(struct copy_end *end, struct error *error) MUST_CHECK;
    void (*close)(struct copy_end *end);
};

/* What a target made of what it was given. */
struct copy_written {
    uint64_t values;
    uint64_t values_late;
    uint64_t rows_refused;
    struct buffer messages; /* of the first of these, a line each: the owner prints and resets it */
};

struct copy_end {
    const struct copy_end_driver *driver;
    char name[512]; /* for people; no password */
    bool is_redis;
    uint64_t keys_unfit; /* met while reading: named as a row but none that can be read */
    struct copy_written written;
};

#endif

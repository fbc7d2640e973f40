/* What a store holds, or does not, of one feature of one entity. */
#ifndef FEATURED_MODEL_CELL_H
#define FEATURED_MODEL_CELL_H

#include "model/value.h"

enum cell_state {
    CELL_NOT_FOUND,      /* never written, erased, or expired and swept */
    CELL_PRESENT,
    CELL_NULL,           /* alive, and its value is null */
    CELL_EXPIRED,        /* held, but older than its TTL allows: OUTSIDE_MAX_AGE on the wire */
    CELL_NOT_REGISTERED, /* no such feature; never from a store */
};

/* Somebody else wrote the value, and nothing of its time. */
#define CELL_EVENT_TIME_UNKNOWN INT64_MIN

struct cell {
    enum cell_state state;
    int64_t event_time_us; /* PRESENT, NULL and EXPIRED; or CELL_EVENT_TIME_UNKNOWN */
    struct value value;    /* PRESENT; borrowed. A float or string in place of its version's type
                              is possible where the time is unknown */
};

/* The cells of one column of some rows: that of row i is first[i × stride]. */
struct cell_column {
    const struct cell *first; /* NULL: there are none */
    size_t stride;
};

#endif

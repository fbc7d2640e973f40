/* Everything that the ids of one entity have, a slice of them at a time:
 *
 *   export_init → { export_next → its callback, rows } …
 *
 * Columns are all versions of all features of the entity, those not active as "name@2". The plan is
 * made once: what is registered meanwhile is not in it. Between two slices the caller may wait as
 * long as it likes; ids that are there all the time come at least once. */
#ifndef FEATURED_SERVICE_EXPORT_H
#define FEATURED_SERVICE_EXPORT_H

#include "service/retrieve.h"

#define EXPORT_CURSOR_BYTES 256u /* of any store */

struct export_reader {
    struct retrieve retrieve; /* its columns */
    struct online_scan scan;
    struct service *service;
    struct loop *loop;
    struct arena arena;       /* of the present ids */
    struct arena slice_arena; /* of the values of some of them */
    str entity_name;
    char cursor[EXPORT_CURSOR_BYTES]; /* of the ids that come next */
    size_t cursor_len;
    bool scanned_all;
    uint64_t ids_left; /* to the limit */
    const str *ids;    /* of the present scan */
    uint32_t id_count;
    uint32_t id_next; /* first of them that was not taken */
    void (*done)(struct export_reader *reader);
    void *user;
    struct error *error; /* caller's */
    /* out, in `done` */
    status status;      /* INVALID for a cursor that is none: of the first slice only */
    uint32_t row_count; /* 0: none among the keys looked at, or the end */
    bool has_ended;     /* that; cursor_len 0 then means that there is nothing more */
};

/* `reader` must be zeroed; the arena is the request's. The cursor (empty: from the beginning) and
 * the name are copied. INVALID for a cursor that is too long. Afterwards export_fini() has to be
 * called, and not while a slice is awaited. */
MUST_CHECK status export_init(struct export_reader *reader, struct service *service,
                              struct arena *arena, struct loop *loop, str entity, str cursor,
                              uint64_t limit, struct error *error);
void export_fini(struct export_reader *reader);

/* The next rows. `done` is called once, perhaps before this returns; what the rows are made of
 * holds until it returns, or, for a store that answers later, until the next call. Of the rows that
 * export_took() did not count the next call gives again. */
void export_next(struct export_reader *reader, void (*done)(struct export_reader *reader),
                 void *user);

static inline void export_took(struct export_reader *reader, uint32_t rows)
{
    reader->id_next += rows;
}

/* While they hold: row i is id export_id(i), retrieve_row(&reader->retrieve, i) and its others. */
static inline str export_id(const struct export_reader *reader, uint32_t i)
{
    return reader->retrieve.entity_ids[i];
}

#endif

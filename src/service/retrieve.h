/* Reading: which columns an answer has (the plan), then the cells of some ids at a time.
 *
 *   retrieve_init → retrieve_plan_* → { retrieve_slice → its callback } …
 *
 * All memory is the request's arena; what a store that answers later keeps of one slice may have an
 * arena of its own. The plan survives the reader's quiescent states: each slice looks its versions
 * up again if the catalog has moved on; a version dropped meanwhile reads as not registered. */
#ifndef FEATURED_SERVICE_RETRIEVE_H
#define FEATURED_SERVICE_RETRIEVE_H

#include "base/arena.h"
#include "base/error.h"
#include "model/cell.h"
#include "service/service.h"

/* Cells read in one go: about 100 µs of reading and encoding. */
#define RETRIEVE_SLICE_CELLS 2048u
/* From a store that answers later: enough to make a round trip worth while. How long texts are is
 * known once some have come: the first slice with such is short, the next are as many ids as the
 * one before lets expect to fit. */
#define RETRIEVE_LATE_SLICE_CELLS 16384u
#define RETRIEVE_LATE_SLICE_IDS (4 * ONLINE_READ_IDS_MAX)
#define RETRIEVE_LATE_SLICE_BYTES ((size_t)8 << 20)
#define RETRIEVE_LATE_FIRST_IDS 32u

struct retrieve_column {
    str name;                 /* as asked */
    uint32_t group;           /* RETRIEVE_UNREGISTERED: none */
    uint32_t place;           /* among the group's versions */
    enum data_type data_type; /* unless unregistered */
    uint32_t dimension;
};

#define RETRIEVE_UNREGISTERED UINT32_MAX

#define RETRIEVE_NO_ENTITY UINT32_MAX

/* The columns of one entity: one instant per id. */
struct retrieve_group {
    struct online_read read;
    struct online_read *more_reads; /* of slices with more ids than a read may have */
    uint32_t entity_index;          /* RETRIEVE_NO_ENTITY: nobody registered it */
    str entity_name;                /* in the arena; only for stores that answer later */
    const struct catalog_version **versions;
    uint64_t *version_ids;
    uint32_t *slots;
    uint32_t version_count;
    struct cell *cells;           /* of the present slice */
    struct online_others *others; /* the same; NULL: not asked for */
};

struct retrieve {
    struct service *service;
    struct arena *arena;
    struct arena *slice_arena; /* the caller may give another one, and reset it between slices */
    struct loop *loop;
    /* the plan */
    struct retrieve_column *columns;
    uint32_t column_count;
    struct retrieve_group *groups;
    uint32_t group_count;
    uint32_t unregistered_count;
    bool entity_unknown; /* the plan was for one that nobody registered */
    bool wants_others;   /* what others wrote belongs to the answer */
    bool is_direct;      /* the columns are the versions of the one group, in order */
    uint64_t catalog_revision;
    /* the present slice */
    const str *entity_ids;
    uint32_t id_count;
    uint32_t reads_pending;
    void (*done)(struct retrieve *retrieve);
    void *user;
    status status; /* of the slice */
    struct error *error;
    uint32_t cells_for_ids; /* ids that the groups' cells have room for */
    struct cell *row;       /* scratch of column_count cells, unless direct */
    uint32_t *by_name;      /* columns in the order of their names, once others were looked at */
};

void retrieve_init(struct retrieve *retrieve, struct service *service, struct arena *arena,
                   struct loop *loop);

/* The columns are these names ("a", "a@2"), in this order. With `unique` a name asked twice is one
 * column. `entity` not empty: only its features count as registered. */
MUST_CHECK status retrieve_plan_names(struct retrieve *retrieve, const str *names, uint32_t count,
                                      str entity, bool unique, struct error *error);
/* The input vector of a model, `unique` as above; NOT_FOUND if there is no such service. */
MUST_CHECK status retrieve_plan_service(struct retrieve *retrieve, str name, bool unique,
                                        struct error *error);
/* Every feature of the entity, or of all entities if `entity` is empty (an unknown one has none),
 * and what others wrote there, where the store keeps such things. */
MUST_CHECK status retrieve_plan_all(struct retrieve *retrieve, str entity, struct error *error);
/* Every version of every feature of the entity, those not active as "name@2"; and what others
 * wrote. */
MUST_CHECK status retrieve_plan_versions(struct retrieve *retrieve, str entity,
                                         struct error *error);

/* The plan has names that the catalog does not know. An entity that others fill need not be known.
 */
static inline bool retrieve_has_unknown(const struct retrieve *retrieve)
{
    return retrieve->unregistered_count > 0 ||
           (retrieve->entity_unknown && !retrieve->wants_others);
}

/* Whether a slice's callback comes later, as a rule, and its cells hold as long as its arena. */
static inline bool retrieve_is_late(const struct retrieve *retrieve)
{
    return retrieve->service->online->driver->answers_later;
}

/* For the metrics, once the plan is the one that is answered by. */
void retrieve_count_unregistered(const struct retrieve *retrieve);

/* NOT_FOUND naming every column that is not registered; OK if all are. */
MUST_CHECK status retrieve_require_registered(const struct retrieve *retrieve, struct error *error);

/* Some values of it may be of any length. */
bool retrieve_has_bytes(const struct retrieve *retrieve);

/* How many ids the next slice may have, at least 1; before the arena of the one before is reset. */
uint32_t retrieve_slice_ids(const struct retrieve *retrieve);

/* Reads the ids; calls `done` once, perhaps before it returns. The cells hold until `done` returns,
 * or as retrieve_is_late() says. */
void retrieve_slice(struct retrieve *retrieve, const str *entity_ids, uint32_t id_count,
                    void (*done)(struct retrieve *retrieve), void *user, struct error *error);

/* While they hold: the cells of the i-th id of the slice, one per column; until the next call. */
const struct cell *retrieve_row(struct retrieve *retrieve, uint32_t i);
/* The same by column, of all ids of the slice; none if it is not registered, or not any more. */
static inline struct cell_column retrieve_column_cells(const struct retrieve *retrieve,
                                                       uint32_t column)
{
    const struct retrieve_column *at = &retrieve->columns[column];
    if (at->group == RETRIEVE_UNREGISTERED)
        return (struct cell_column){0};
    const struct retrieve_group *group = &retrieve->groups[at->group];
    return (struct cell_column){group->cells + at->place, group->version_count};
}
/* What others wrote about the i-th id. A column that is held (in `row`, the i-th) hides another
 * value of its name. OUT_OF_MEMORY. */
MUST_CHECK status retrieve_others(struct retrieve *retrieve, uint32_t i, const struct cell *row,
                                  struct online_others *out);
/* How many there are about all ids of the slice, hidden ones too. */
uint64_t retrieve_count_others(const struct retrieve *retrieve);

#endif

/* Reading: which columns an answer has (the plan), then the cells of some ids at a time.
 *
 *   retrieve_init → retrieve_plan_* → { retrieve_slice → its callback } …
 *
 * All memory is the request's arena. The plan survives the reader's quiescent states: each slice
 * looks its versions up again if the catalog has moved on; a version dropped meanwhile reads as not
 * registered. */
#ifndef FEATURED_SERVICE_RETRIEVE_H
#define FEATURED_SERVICE_RETRIEVE_H

#include "base/arena.h"
#include "base/error.h"
#include "model/cell.h"
#include "service/service.h"

/* Cells read in one go: about 100 µs of reading and encoding. */
#define RETRIEVE_SLICE_CELLS 2048u

struct retrieve_column {
    str name;        /* as asked */
    uint32_t group;  /* RETRIEVE_UNREGISTERED: none */
    uint32_t place;  /* among the group's versions */
    enum data_type data_type; /* unless unregistered */
    uint32_t dimension;
};

#define RETRIEVE_UNREGISTERED UINT32_MAX

/* The columns of one entity: one store read, one instant per id. */
struct retrieve_group {
    struct online_read read;
    uint32_t entity_index;
    const struct catalog_version **versions;
    uint64_t *version_ids;
    uint32_t *slots;
    uint32_t version_count;
    struct cell *cells; /* of the present slice */
};

struct retrieve {
    struct service *service;
    struct arena *arena;
    struct loop *loop;
    /* the plan */
    struct retrieve_column *columns;
    uint32_t column_count;
    struct retrieve_group *groups;
    uint32_t group_count;
    uint32_t unregistered_count;
    bool entity_unknown; /* the plan was for one that nobody registered */
    bool is_direct; /* the columns are the versions of the one group, in order */
    uint64_t catalog_revision;
    /* the present slice */
    const str *entity_ids;
    uint32_t id_count;
    uint32_t groups_pending;
    void (*done)(struct retrieve *retrieve);
    void *user;
    status status; /* of the slice */
    struct error *error;
    uint32_t cells_for_ids;    /* ids that the groups' cells have room for */
    struct cell *row;          /* scratch of column_count cells, unless direct */
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
/* Every feature of the entity, or of all entities if `entity` is empty (an unknown one has none). */
MUST_CHECK status retrieve_plan_all(struct retrieve *retrieve, str entity, struct error *error);

/* The plan has names that the catalog does not know. */
static inline bool retrieve_has_unknown(const struct retrieve *retrieve)
{
    return retrieve->unregistered_count > 0 || retrieve->entity_unknown;
}

/* For the metrics, once the plan is the one that is answered by. */
void retrieve_count_unregistered(const struct retrieve *retrieve);

/* NOT_FOUND naming every column that is not registered; OK if all are. */
MUST_CHECK status retrieve_require_registered(const struct retrieve *retrieve,
                                              struct error *error);

/* How many ids a slice may have: 1 … ONLINE_READ_IDS_MAX. */
uint32_t retrieve_slice_ids(const struct retrieve *retrieve);

/* Reads the ids; calls `done` once, perhaps before it returns. The cells hold until `done` returns. */
void retrieve_slice(struct retrieve *retrieve, const str *entity_ids, uint32_t id_count,
                    void (*done)(struct retrieve *retrieve), void *user, struct error *error);

/* In `done`: the cells of the i-th id of the slice, one per column. */
const struct cell *retrieve_row(struct retrieve *retrieve, uint32_t i);

#endif

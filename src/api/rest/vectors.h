/* Answers made of feature vectors: one object, an array of them, a tensor, or columns. Small ones
 * are written at once; large ones go out slice by slice, so that neither the loop nor memory is
 * held up. A store that answers later is read before the answer begins, so that it may still become
 * an error; if it fails once a part has left, the connection ends. */
#ifndef FEATURED_API_REST_VECTORS_H
#define FEATURED_API_REST_VECTORS_H

#include "codec/arrow_write.h"
#include "codec/json_read.h"
#include "codec/npy.h"
#include "service/retrieve.h"

#include "api/rest/others.h"
#include "api/rest/request.h"

enum vectors_format { VECTORS_JSON, VECTORS_NPY, VECTORS_ARROW };

struct vectors {
    struct http_exchange *exchange;
    struct retrieve retrieve; /* planned by the handler */
    const str *entity_ids;
    uint32_t id_count;
    uint32_t next; /* first id not written yet */
    enum vectors_format format;
    enum npy_dtype dtype;
    struct json_vector json; /* id_key, only_held and metadata are the handler's */
    bool is_array;           /* a batch, even of one */
    bool not_found_if_empty; /* one id: 404 "User … not found" if nothing of it is held */
    /* the present slice */
    bool is_reading;
    uint32_t slice_next;         /* first of its rows not written yet */
    uint32_t slice_count;        /* rows that it has */
    struct arena slice_arena;    /* batches from a store that answers later: what they hold of it */
    struct others others;        /* JSON: of the present row */
    struct cell_column *columns; /* else: the rows of the slice that are not written yet */
    uint32_t *npy_widths;        /* of the columns */
    size_t npy_row_numbers;      /* their sum */
    struct arrow_column *arrow_columns;
    struct error error;
};

/* Answers the exchange: the header X-Featured-Unregistered, NOT_FOUND if `strict` and some column
 * is not registered, 406 for tensors with columns that are no numbers, then the rows. */
void vectors_answer(struct vectors *vectors, bool strict);

#endif

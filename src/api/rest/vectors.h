/* Answers made of feature vectors: one object, an array of them, or a tensor. Small ones are written
 * at once; large ones go out slice by slice, so that neither the loop nor memory is held up. */
#ifndef FEATURED_API_REST_VECTORS_H
#define FEATURED_API_REST_VECTORS_H

#include "codec/json_read.h"
#include "codec/npy.h"
#include "service/retrieve.h"

#include "api/rest/request.h"

enum vectors_format { VECTORS_JSON, VECTORS_NPY };

struct vectors {
    struct http_exchange *exchange;
    struct retrieve retrieve; /* planned by the handler */
    const str *entity_ids;
    uint32_t id_count;
    uint32_t next; /* first id not read yet */
    enum vectors_format format;
    enum npy_dtype dtype;
    struct json_vector json; /* id_key, only_held, metadata by the handler; keys by vectors_answer() */
    bool is_array;           /* a batch, even of one */
    bool not_found_if_empty; /* one id: 404 "User … not found" if nothing of it is held */
    struct buffer *out;      /* where the slice's rows go */
    struct error error;
};

/* Answers the exchange: the header X-Featured-Unregistered, NOT_FOUND if `strict` and some column is
 * not registered, 406 for tensors with columns that are no numbers, then the rows. */
void vectors_answer(struct vectors *vectors, bool strict);

#endif

/* What others wrote into a row, in the codec's form: the two rooms do not know each other. */
#ifndef FEATURED_API_REST_OTHERS_H
#define FEATURED_API_REST_OTHERS_H

#include "codec/json_read.h"
#include "service/retrieve.h"

/* Zeroed before the first row; its memory is the request's arena. */
struct others {
    struct json_other *items;
    uint32_t count;
    uint32_t room;
};

/* Those of the i-th id of the slice, whose cells are `row`, in place of the ones before.
 * OUT_OF_MEMORY. */
MUST_CHECK status others_take(struct others *others, struct retrieve *retrieve, uint32_t i,
                              const struct cell *row);

#endif

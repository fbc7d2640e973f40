/* Values and ids that follow from numbers: every type, short, long, and longer than a log segment.
 */
#ifndef FEATURED_TESTS_DURABLE_VALUES_H
#define FEATURED_TESTS_DURABLE_VALUES_H

#include "model/value.h"

#define VALUES_ID_BYTES 600
#define VALUES_TEXT_BYTES 6000

struct values_text {
    _Alignas(16) char bytes[VALUES_TEXT_BYTES];
};

/* Its text or embedding lies in `text`. */
struct value values_of(enum data_type type, uint64_t number, bool is_null,
                       struct values_text *text);
bool values_is_null(uint64_t number, uint32_t feature);
/* Of WORLD_IDS; one of them is as long as an id may be. */
void values_id(uint32_t id, char out[VALUES_ID_BYTES]);

#endif

/* Feature vectors as an Arrow stream: a record batch for each piece of the answer. */
#ifndef FEATURED_API_REST_VECTORS_ARROW_H
#define FEATURED_API_REST_VECTORS_ARROW_H

#include "api/rest/vectors.h"

/* Once, before the answer begins. */
MUST_CHECK status vectors_arrow_prepare(struct vectors *vectors);
/* How many ids the next slice may have. */
uint32_t vectors_arrow_slice_ids(const struct vectors *vectors);
void vectors_arrow_append_schema(const struct vectors *vectors, struct buffer *out);
/* As many rows of the slice as fit into a piece, at least one; how many. */
uint32_t vectors_arrow_append_rows(struct vectors *vectors, struct buffer *out);

#endif

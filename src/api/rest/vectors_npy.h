/* Feature vectors as a tensor. */
#ifndef FEATURED_API_REST_VECTORS_NPY_H
#define FEATURED_API_REST_VECTORS_NPY_H

#include "api/rest/vectors.h"

/* Once, before the answer begins: NOT_ACCEPTABLE if some column is no number, and the header
 * X-Feature-Names. */
MUST_CHECK status vectors_npy_prepare(struct vectors *vectors);
void vectors_npy_append_head(const struct vectors *vectors, struct buffer *out);
/* As many rows of the slice as make a piece, at least one; how many. */
uint32_t vectors_npy_append_rows(struct vectors *vectors, struct buffer *out);

#endif

/* What a bulk reader makes of an input, as text. */
#ifndef FEATURED_TESTS_CODEC_FIXTURE_BULK_H
#define FEATURED_TESTS_CODEC_FIXTURE_BULK_H

#include "base/buffer.h"
#include "codec/bulk.h"

/* Reads a whole input that arrives in pieces of `first`, then `step` bytes. A line for each row
 * (`3 u1 i=5@1000000 s="x"`, `4 bad 422 line.4.i int_type`), then `end` or `fatal …`. */
void fixture_read_bulk(const struct catalog *catalog, const struct bulk_options *options, str text,
                       size_t first, size_t step, struct buffer *out);

#endif

/* Lists of entity ids as a program sends them that has no JSON to spare: lines of text, or a NumPy
 * array. Ids are checked; they are views of the body wherever they stand there as they are. */
#ifndef FEATURED_CODEC_ID_LIST_H
#define FEATURED_CODEC_ID_LIST_H

#include "base/arena.h"
#include "base/error.h"

/* At most LIMIT_READ_IDS. */
struct id_list {
    const str *ids;
    uint32_t count;
};

/* Errors: MALFORMED (no UTF-8, no .npy file), or INVALID with the loc body.entity_ids and, for one
 * of them, its index. */

/* One id a line, ended by LF or CRLF; the last one need not be. A BOM is skipped. An empty line is
 * an id of no bytes, hence INVALID. */
MUST_CHECK status id_list_from_lines(str body, struct arena *arena, struct id_list *out,
                                     struct error *error);
/* A .npy file of one dimension, of bytes of fixed width (|S8; UTF-8, padded with NUL) or of text
 * (<U8). */
MUST_CHECK status id_list_from_npy(str body, struct arena *arena, struct id_list *out,
                                   struct error *error);

/* What an entity id must be: 1 to LIMIT_ENTITY_ID_BYTES bytes. INVALID with loc, `name` and the
 * index added. */
MUST_CHECK status id_list_check(const str *ids, uint32_t count, const char *name,
                                struct error *error);

#endif

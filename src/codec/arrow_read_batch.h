/* Private to codec: the columns of an Arrow record batch or dictionary as views of its body. Their
 * buffers are checked to hold what the length of the batch asks for; offsets, views and indices are
 * checked when a row is looked at, so that a large batch costs nothing before its first row. */
#ifndef FEATURED_CODEC_ARROW_READ_BATCH_H
#define FEATURED_CODEC_ARROW_READ_BATCH_H

#include "codec/arrow_read_schema.h"

/* Rows × columns of one batch: columns of nulls have no bytes that would bound them. */
#define ARROW_CELLS_MAX (UINT64_C(1) << 28)

struct arrow_array {
    const struct arrow_field *field;
    struct arrow_width width; /* of values, or of indices into `dictionary` */
    bool is_of_indices;
    uint64_t length;
    const char *validity; /* a bit each; NULL: none is null */
    const char *values;   /* or indices, bits, offsets, views */
    str text;             /* what offsets lead into */
    const str *blocks;    /* what views lead into */
    uint32_t block_count;
    const struct arrow_array *items;      /* of lists */
    const struct arrow_array *dictionary; /* NULL: it did not come */
};

/* Of one message. Views of its body, and so no longer. */
struct arrow_batch {
    struct arrow_array *arrays; /* one for each field of the schema; those not wanted are empty */
    uint64_t length;
    str *blocks;
    uint32_t block_capacity;
};

void arrow_batch_fini(struct arrow_batch *batch);
/* A message of type ARROW_RECORD_BATCH, in the wanted fields. Dictionaries are left to the caller.
 */
MUST_CHECK status arrow_batch_read(struct arrow_batch *batch, const struct arrow_schema *schema,
                                   const struct arrow_message *message, struct error *error);
/* The values of a dictionary of strings: the record batch in a message of type
 * ARROW_DICTIONARY_BATCH, as that of `field`. One array. */
MUST_CHECK status arrow_batch_read_dictionary(struct arrow_batch *batch,
                                              const struct arrow_field *field,
                                              const struct arrow_message *message,
                                              struct error *error);

#endif

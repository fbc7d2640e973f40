/* Where the messages of an Arrow stream or file begin and end, as its bytes go by, so that it can
 * be sent in parts: what comes before the record batches (the schema, and dictionaries) begins each
 * part. What is no Arrow goes by as it is: the server says what is wrong with it. */
#ifndef FEATURED_CLI_INGEST_ARROW_H
#define FEATURED_CLI_INGEST_ARROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct ingest_arrow {
    struct buffer head; /* of the message at hand, without its body */
    size_t head_given;
    uint64_t body_left;
    uint64_t rows; /* of the message at hand */
    bool has_head; /* it is whole */
    bool is_batch;
    bool began;
    bool is_file;
    bool has_ended; /* a footer follows */
    bool is_raw;
};

void ingest_arrow_init(struct ingest_arrow *arrow);
void ingest_arrow_fini(struct ingest_arrow *arrow);
/* How many of the next bytes of the file belong to the head; 0 if it is whole. */
size_t ingest_arrow_head_wants(const struct ingest_arrow *arrow);
/* Takes so many bytes, or fewer. */
void ingest_arrow_take_head(struct ingest_arrow *arrow, str bytes);
/* Of a head that is whole and a body. */
void ingest_arrow_end_message(struct ingest_arrow *arrow);
/* A message has been seen and none of it was given. */
static inline bool ingest_arrow_is_waiting(const struct ingest_arrow *arrow)
{
    return arrow->has_head && arrow->head_given == 0;
}

static inline bool ingest_arrow_is_between(const struct ingest_arrow *arrow)
{
    return arrow->head.len == 0;
}

#endif

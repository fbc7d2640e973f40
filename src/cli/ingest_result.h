/* What POST /features/ingest/bulk answered, summed over the parts of a load. */
#ifndef FEATURED_CLI_INGEST_RESULT_H
#define FEATURED_CLI_INGEST_RESULT_H

#include "cli/client.h"
#include "cli/ingest_source.h"

struct ingest_result {
    uint64_t rows_accepted;
    uint64_t rows_rejected;
    uint64_t values_written;
    uint64_t values_late;
    uint64_t errors_said; /* rejected rows that were named in `messages` */
    bool stopped;         /* the server ended the load at a bad row */
};

/* Adds one answer; appends "FILE:LINE: message\n" for each row it names. Whatever else than a bulk
 * answer it is becomes an error with what the server said. */
MUST_CHECK status ingest_result_add(struct ingest_result *result,
                                    const struct client_answer *answer,
                                    const struct ingest_source *source, struct buffer *messages,
                                    struct error *error);

#endif

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

/* Names the row of line `line` of the body, as messages begin: "FILE:LINE". */
typedef void ingest_name_fn(struct buffer *out, const void *context, uint64_t line);

/* Adds one answer; appends "FILE:LINE: message\n" for each row it names. Whatever else than a bulk
 * answer it is becomes an error with what the server said. */
MUST_CHECK status ingest_result_add(struct ingest_result *result,
                                    const struct client_answer *answer,
                                    const struct ingest_source *source, struct buffer *messages,
                                    struct error *error);
/* The same for rows that are no lines of a file. */
MUST_CHECK status ingest_result_add_named(struct ingest_result *result,
                                          const struct client_answer *answer, ingest_name_fn *name,
                                          const void *context, struct buffer *messages,
                                          struct error *error);

#endif

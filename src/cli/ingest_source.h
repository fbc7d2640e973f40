/* A file of rows (or standard input) as a sequence of parts, cut between rows, each of which is a
 * whole body for POST /features/ingest/bulk: the header of a CSV file begins each of its parts, as
 * do schema and dictionaries of an Arrow stream, which is cut between record batches and whose
 * lines are its rows. Holds one buffer and the header, however large the file is. */
#ifndef FEATURED_CLI_INGEST_SOURCE_H
#define FEATURED_CLI_INGEST_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/ingest_arrow.h"

enum ingest_format { INGEST_NDJSON, INGEST_CSV, INGEST_ARROW };

#define INGEST_READ_BYTES ((size_t)256 << 10)
#define INGEST_IDLE_MS 1000 /* a part of a pipe ends when nothing came for so long */
#define INGEST_HEADER_BYTES_MAX ((size_t)16 << 20) /* the server takes no longer row */

struct ingest_source {
    const char *name; /* for messages */
    enum ingest_format format;
    uint64_t part_bytes;  /* a part ends with the row that reaches this */
    uint64_t total_bytes; /* of a regular file; 0: not known */
    /* so far, over all parts */
    uint64_t bytes;
    uint64_t rows;
    /* private */
    int fd;
    bool is_file; /* and no pipe, which can be silent for long */
    char *data;
    size_t at;
    size_t len;
    bool at_end;
    int read_errno; /* 0, or why reading failed */
    struct buffer header;
    bool header_done;
    uint64_t header_lines;
    size_t header_at; /* of the header's copy at the start of a later part */
    uint64_t part_given;
    bool part_over;
    uint64_t line;      /* of the next byte, from 1 */
    uint64_t part_line; /* the file's line at which this part's rows begin */
    bool started;
    bool first_part;
    bool in_quotes;
    bool after_quote;
    bool field_starts;
    bool row_empty;
    struct ingest_arrow arrow;
    bool part_has_batch;
};

/* `path` "-" is standard input. */
MUST_CHECK status ingest_source_open(struct ingest_source *source, const char *path,
                                     enum ingest_format format, uint64_t part_bytes,
                                     struct error *error);
void ingest_source_close(struct ingest_source *source);

/* Goes to the next part; false if there is none. Also to be called before the first. */
bool ingest_source_next_part(struct ingest_source *source);
/* The next bytes of the part: how many, 0 at its end, -1 if reading failed (errno says why). */
ssize_t ingest_source_read(struct ingest_source *source, char *to, size_t room);
/* The line of the file that is line `line` of the current part. */
uint64_t ingest_source_line(const struct ingest_source *source, uint64_t line);

#endif

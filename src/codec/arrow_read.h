/* Private to codec: the rows of an Arrow IPC stream as typed records, straight from its columns.
 * Also takes a file of Arrow (Feather V2), which is such a stream between a magic word and a
 * footer. Rows count from 1 over the whole stream. Holds the dictionaries; the record batch at hand
 * stays in the input. One owner. */
#ifndef FEATURED_CODEC_ARROW_READ_H
#define FEATURED_CODEC_ARROW_READ_H

#include "base/hash_map.h"
#include "codec/arrow_read_batch.h"
#include "codec/bulk_columns.h"

#define ARROW_DICTIONARIES_BYTES (64u << 20) /* all that are held at a time */

struct arrow_dictionary;

struct arrow_reader {
    struct bulk_columns columns;
    struct arrow_schema schema;
    struct arrow_batch batch;
    uint64_t batch_row;    /* the next row of it */
    uint64_t row;          /* that was given last */
    uint64_t message;      /* the number of the one at hand */
    struct hash_map by_id; /* dictionaries */
    struct arrow_dictionary *dictionaries;
    uint64_t dictionary_bytes;
    bool began;
    bool is_file;
    bool has_schema;
    bool has_ended; /* by its own mark */
};

void arrow_reader_init(struct arrow_reader *reader, const struct bulk_options *options);
void arrow_reader_fini(struct arrow_reader *reader);
/* As bulk_reader_next(). `input` begins after what was taken before and must stay where it is until
 * BULK_NEED_MORE; *taken grows by what is done with. */
enum bulk_next arrow_reader_next(struct arrow_reader *reader, str input, bool last, size_t *taken,
                                 const struct catalog *catalog, int64_t now_us, struct arena *arena,
                                 struct ingest_record *out, uint64_t *line, struct error *error);

#endif

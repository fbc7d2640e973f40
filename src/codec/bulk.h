/* NDJSON, CSV and Arrow IPC streams as they arrive: bytes in by pieces, typed records out one by
 * one. Holds at most one incomplete row (BULK_ROW_BYTES), of Arrow one incomplete message and the
 * dictionaries (codec/arrow_read_message.h). One owner. The catalog may be a newer image at every
 * call. */
#ifndef FEATURED_CODEC_BULK_H
#define FEATURED_CODEC_BULK_H

#include "base/arena.h"
#include "base/error.h"
#include "model/ingest.h"

#define BULK_ROW_BYTES (16u << 20) /* a longer row ends the request: it cannot be skipped safely   \
                                    */
#define BULK_COLUMNS_MAX 10000u

enum bulk_format { BULK_NDJSON, BULK_CSV, BULK_ARROW };

struct bulk_options {
    enum bulk_format format;
    str entity; /* ?entity=; may be empty */
    /* CSV and Arrow */
    str id_column;        /* empty: entity_id */
    str timestamp_column; /* empty: event_timestamp, if there is such a column */
    const str *columns;   /* ?columns=: take only these; NULL: all, unknown ones are an error */
    uint32_t column_count;
    bool strict;
};

enum bulk_next {
    BULK_RECORD,    /* *out and *line are set */
    BULK_BAD,       /* a bad row: *line and *error are set; the next may be good */
    BULK_NEED_MORE, /* feed more */
    BULK_END,       /* after the last piece: all rows were given */
    BULK_FATAL, /* *error is set (CSV header, Arrow schema, row too long…); nothing more comes */
};

struct bulk_reader;

/* Copies the options. NULL without memory. */
struct bulk_reader *bulk_reader_create(const struct bulk_options *options);
void bulk_reader_destroy(struct bulk_reader *reader);
/* Gives the next bytes; `last` with the final (maybe empty) piece. Only after BULK_NEED_MORE or at
 * the start. The reader keeps what it needs of them. False without memory. */
MUST_CHECK bool bulk_reader_feed(struct bulk_reader *reader, str piece, bool last);
/* The record's texts are in the arena; the names of its features too, or live as long as the
 * reader. With BAD and FATAL *error is set whole, its loc (["line",7,…]) included. A row that fails
 * for lack of memory is FATAL (OUT_OF_MEMORY). Empty lines are skipped. Lines count from 1; a CSV
 * row's line is where it begins; the line of an Arrow row is its number. */
enum bulk_next bulk_reader_next(struct bulk_reader *reader, const struct catalog *catalog,
                                int64_t now_us, struct arena *arena, struct ingest_record *out,
                                uint64_t *line, struct error *error);

#endif

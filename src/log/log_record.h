/* The payloads of records other than rows. Encoders append to a buffer whose owner asks for failure;
 * decoders check everything and return false on damage. Decoded texts borrow from the payload. */
#ifndef FEATURED_LOG_LOG_RECORD_H
#define FEATURED_LOG_LOG_RECORD_H

#include "base/buffer.h"
#include "log/log_format.h"
#include "log/log_row.h"
#include "model/catalog.h"
#include "model/statistics.h"

/* A record as it stands in a file. */
struct log_record {
    enum log_record_type type;
    uint64_t lsn;
    str payload;     /* until the reader goes on */
    uint64_t offset; /* of its header in the file */
};

struct log_group {
    uint64_t identity;
    uint64_t synced_lsn;
    int64_t clock_us;
};

struct log_schema {
    uint64_t version_id;
    enum data_type data_type;
    uint32_t dimension; /* 0: any */
    uint32_t number;    /* of the version within its feature */
    str feature;
    str entity;
};

/* What a LOG_ERASE record erases in one entity. Version id 0 as the only one: every version of that
 * entity. */
struct log_erase {
    str entity;
    str entity_id;
    int64_t erased_until_us; /* values with event time up to it are gone */
    uint32_t version_count;
    str version_ids; /* encoded; for log_erase_next_version() */
};

struct log_statistics {
    uint64_t version_id;
    struct statistics statistics;
};

struct log_snapshot_end {
    uint64_t end_lsn; /* the newest change that its rows may hold; the log was synced up to it */
    uint64_t row_count;
    int64_t clock_us;
};

/* A whole record: header, CRC, payload. Begin, append the payload to `out`, end. */
size_t log_record_begin(struct buffer *out, enum log_record_type type, uint64_t lsn);
void log_record_end(struct buffer *out, size_t begin, uint64_t identity);

void log_group_encode(struct buffer *out, const struct log_group *group);
MUST_CHECK bool log_group_decode(str payload, struct log_group *out);
/* Borrows the names from the image. */
struct log_schema log_schema_of(const struct catalog_version *version);
void log_schema_encode(struct buffer *out, const struct log_schema *schema);
MUST_CHECK bool log_schema_decode(str payload, struct log_schema *out);
/* A LOG_ERASE record's payload is one or more of these, each: begin, its version ids, end with what
 * begin returned. */
size_t log_erase_begin(struct buffer *out, str entity, str entity_id, int64_t erased_until_us,
                       uint32_t version_count);
void log_erase_version(struct buffer *out, uint64_t version_id);
void log_erase_end(struct buffer *out, size_t begin);
/* Takes the next from the front of *payload, as log_row_next() does. (No record's payload is empty:
 * the first of a record is there, or damaged.) */
MUST_CHECK enum log_next log_erase_next(str *payload, struct log_erase *out);
/* The next version id; false after the last (they were checked to be all there). */
bool log_erase_next_version(struct log_erase *erase, uint64_t *version_id);
void log_statistics_encode(struct buffer *out, const struct log_statistics *statistics);
/* Takes one from the front of *payload; false at the end. A payload is a whole number of them: what
 * is then left in *payload is damage. */
MUST_CHECK bool log_statistics_next(str *payload, struct log_statistics *out);
/* A LOG_SNAPSHOT_ROWS record's payload is this, then rows (log_row.h). */
void log_snapshot_rows_begin(struct buffer *out, str entity);
/* Takes the entity's name from the front of *payload; what is left are rows. */
MUST_CHECK bool log_snapshot_rows_decode(str *payload, str *entity);
void log_snapshot_end_encode(struct buffer *out, const struct log_snapshot_end *end);
MUST_CHECK bool log_snapshot_end_decode(str payload, struct log_snapshot_end *out);

#endif

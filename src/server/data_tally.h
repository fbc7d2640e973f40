/* Decodes the records of snapshots and log segments to their last cell, and counts what they hold:
 * the middle of featured check. Each file must be readable by itself: a value whose schema is not
 * in its file is damage, as is one whose type is not its schema's. */
#ifndef FEATURED_SERVER_DATA_TALLY_H
#define FEATURED_SERVER_DATA_TALLY_H

#include "base/hash_map.h"
#include "log/log_row.h"
#include "server/data_check.h"

struct data_tally {
    struct data_check *check;
    const struct catalog *catalog; /* NULL: not readable, then values are not compared with it */
    struct hash_map schemas;       /* by the eight bytes of the version id */
    struct hash_map entities;
    uint64_t after_lsn; /* records of segments up to it are counted for their file only */
    /* of the file being read */
    struct data_check_file *file;
    struct log_snapshot_end end;
    bool ended; /* its snapshot end was read */
    char reason[200];
};

void data_tally_init(struct data_tally *tally, struct data_check *check,
                     const struct catalog *catalog);
void data_tally_fini(struct data_tally *tally);
/* The next file. */
void data_tally_begin(struct data_tally *tally, struct data_check_file *file);
/* MALFORMED: what is wrong is in `reason`. OUT_OF_MEMORY. */
MUST_CHECK status data_tally_record(struct data_tally *tally, const struct log_record *record);

#endif

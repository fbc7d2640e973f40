/* Verifies a data directory without changing it: the format, the registry, and of every snapshot
 * and log segment every record, row and value. A server may be using it meanwhile: an unfinished
 * group at the end of the log is normal then. For `featured check` and `featured backup`. One
 * thread. */
#ifndef FEATURED_SERVER_DATA_CHECK_H
#define FEATURED_SERVER_DATA_CHECK_H

#include "base/arena.h"
#include "base/buffer.h"
#include "log/log_scan.h"
#include "model/catalog.h"
#include "server/data_dir.h"
#include "server/data_values.h"

enum data_check_state {
    DATA_CHECK_WHOLE,
    DATA_CHECK_TORN,       /* its end is not whole, and was never promised to be */
    DATA_CHECK_UNFINISHED, /* being written, or left by who did not finish */
    DATA_CHECK_DAMAGED,
};

struct data_check_file {
    char name[64]; /* "log/00000000000000000001.log" */
    bool is_snapshot;
    enum data_check_state state;
    uint64_t size_bytes;
    uint64_t used_bytes; /* up to the end of its last whole record */
    uint64_t first_lsn;  /* a snapshot's start */
    uint64_t last_lsn;   /* 0: no record; a snapshot's end */
    uint64_t records;    /* writes and erasures; of a segment */
    uint64_t rows;
    uint64_t values;
};

struct data_check_entity {
    struct data_check_entity *next;
    str name;
    uint64_t snapshot_rows; /* in the newest snapshot */
    uint64_t log_rows;      /* in the log after it */
    uint64_t log_erasures;
    int64_t newest_event_us; /* INT64_MIN: none */
};

struct data_check {
    uint64_t identity;
    bool in_use;
    char holder[DATA_DIR_HOLDER_MAX];
    /* the registry */
    bool has_shared_registry;        /* in PostgreSQL: not looked at */
    char redis[DATA_VALUES_URL_MAX]; /* where the values are, not looked at; "": here */
    bool has_catalog;
    uint64_t revision;
    uint32_t features;
    uint32_t versions;
    uint32_t services;
    /* the values */
    struct data_check_file *files; /* snapshots, then segments, each in order of LSN */
    uint32_t file_count;
    struct data_check_entity *entities; /* in order of name */
    uint64_t rows;                      /* read so far, of all files */
    uint64_t unregistered_values;       /* of versions the registry no longer has: not loaded */
    uint64_t snapshot_lsn;              /* of the newest whole one; 0: none */
    uint64_t log_records;               /* after it */
    uint64_t log_bytes;                 /* of all segments, without preallocated space */
    uint64_t last_lsn;
    uint64_t torn_bytes;
    char torn_path[FILE_PATH_MAX]; /* if torn_bytes > 0 */
    uint64_t torn_offset;
    /* what is wrong: sentences, each ended by a line feed */
    struct buffer problems;
    uint32_t problem_count;
    /* private */
    struct arena arena;
};

struct data_check_options {
    const char *path;
    void (*progress)(void *user, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows);
    void *user;
};

/* OK: it was read to its end, and problem_count says whether it is whole. NOT_FOUND: there is no
 * such directory. OUT_OF_MEMORY. data_check_fini() in every case. */
MUST_CHECK status data_check_run(const struct data_check_options *options, struct data_check *out,
                                 struct error *error);
void data_check_fini(struct data_check *check);

#endif

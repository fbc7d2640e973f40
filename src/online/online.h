/* The online store port: the newest value of every feature of every entity.
 *
 * Requests are owned by the caller until their `done` was called, on the loop they name, exactly
 * once; what they point to must live as long. A read may complete before online_read() returns (the
 * embedded store always does). Reads run on event loops while online in the epoch. */
#ifndef FEATURED_ONLINE_ONLINE_H
#define FEATURED_ONLINE_ONLINE_H

#include "base/arena.h"
#include "base/error.h"
#include "model/catalog.h"
#include "model/cell.h"
#include "model/statistics.h"
#include "runtime/loop.h"

/* A value that somebody else wrote into a row, under no version of ours. */
struct online_other {
    str name;
    struct value value; /* float or string */
};

struct online_others {
    const struct online_other *items;
    uint32_t count;
};

/* One entity kind, some ids, some of its versions. The cells of one id are one instant. */
struct online_read {
    str entity_name;
    const struct catalog_entity *entity; /* NULL: nobody registered it; then there are no versions */
    const str *entity_ids;
    uint32_t id_count; /* at most ONLINE_READ_IDS_MAX: callers slice larger batches */
    const struct catalog_version *const *versions; /* of that entity; an image that is still current
                                                      for the epoch of the call */
    uint32_t version_count;
    struct cell *cells; /* out: cells[id × version_count + version]; caller's
                           memory; values hold until the loop's next quiescent state,
                           or for stores that answer later until the request's arena is reset */
    struct arena *arena; /* the request's: what a store that answers later has to keep */
    struct online_others *others; /* out, id_count of them, or NULL: not asked for. Only for drivers
                                     that keep any (keeps_others) */
    struct loop *loop;
    void (*done)(struct online_read *read);
    void *user;
    status status; /* out */
    struct error *error; /* caller's, may be NULL; out unless OK */
};

#define ONLINE_READ_IDS_MAX 256

#define ONLINE_EVENT_TIME_NOW INT64_MIN /* the writer gives it the time of its arrival */

struct online_write_cell {
    uint64_t version_id;
    uint32_t slot;
    struct value value;
    int64_t event_time_us; /* or ONLINE_EVENT_TIME_NOW */
};

/* New values of one entity id: becomes visible as one instant. A version named twice: applied in
 * order by the rule of newest-wins. */
struct online_write_row {
    uint32_t entity_index;
    str entity_id;
    struct online_write_cell *cells;
    uint32_t cell_count;
    bool ends_record; /* rows up to and including this one are all or nothing together */
};

struct online_write {
    struct loop_task task; /* private; first */
    struct loop *loop;
    void (*done)(struct online_write *write);
    void *user;
    struct online_write_row *rows;
    uint32_t row_count;
    /* out: records are applied in order up to the first that cannot be */
    uint32_t records_applied;
    uint64_t values_written; /* of them, late ones not counted */
    uint64_t values_late;
    status status;      /* of the record number records_applied, or OK */
    struct error error; /* NOT_FOUND: a version was dropped meanwhile; STORE_FULL, OUT_OF_MEMORY */
};

/* Removes the values of one id with event time up to now; they do not return (promise 7). */
struct online_erase_target {
    uint32_t entity_index;
    uint64_t version_id; /* 0: every version of that entity */
    uint32_t slot;
};

struct online_erase {
    struct loop_task task; /* private; first */
    struct loop *loop;
    void (*done)(struct online_erase *erase);
    void *user;
    str entity_id;
    const struct online_erase_target *targets;
    uint32_t target_count;
    uint64_t values_deleted; /* out: values alive until now */
    status status;
    struct error error;
};

/* The ids of one entity, some at a time and in no order. An id that is there from the first call to the
 * last comes at least once. */
struct online_scan {
    struct loop *loop;
    void (*done)(struct online_scan *scan);
    void *user;
    struct arena *arena; /* caller's: for the ids and the cursor */
    str entity_name;
    const struct catalog_entity *entity; /* NULL: nobody registered it */
    str cursor;     /* empty: from the beginning; else next_cursor of the call before */
    uint32_t limit; /* about so many ids; none at all is possible before the end */
    const str *entity_ids; /* out */
    uint32_t id_count;
    str next_cursor; /* out: empty: that was all */
    status status;   /* out: INVALID for a cursor that is none */
    struct error error;
};

/* A copy of the live statistics, taken in LSN order with the writes. */
struct online_statistics {
    struct loop_task task; /* private; first */
    struct loop *loop;
    void (*done)(struct online_statistics *request);
    void *user;
    const uint64_t *version_ids;
    uint32_t count;
    struct statistics *out; /* count of them; a version never written has count 0 */
    status status; /* out */
    struct error error;
};

/* How the store keeps what it holds beyond the process. */
struct online_durability {
    bool enabled; /* the rest is 0 otherwise */
    bool log_closed; /* nothing can be written until a restart */
    uint64_t log_segments;
    uint64_t log_segment_bytes; /* on disk, preallocated space included */
    uint64_t log_bytes_written; /* by this process */
    uint64_t log_groups;
    uint64_t log_syncs;
    uint64_t log_sync_ns; /* all of them together */
    uint64_t log_failures; /* times that it could not be written */
    uint64_t log_written_lsn;
    uint64_t log_synced_lsn;
    uint64_t log_bytes_since_snapshot;
    bool snapshot_running;
    uint64_t snapshots; /* made by this process */
    uint64_t snapshot_failures;
    uint64_t snapshot_bytes; /* of the last one, of an earlier process too */
    uint64_t snapshot_bytes_written; /* all of this process */
    uint64_t snapshot_rows; /* of the last one of this process */
    int64_t snapshot_started_us; /* the same; 0: none yet */
    int64_t snapshot_duration_ns; /* the same */
    uint64_t snapshot_lsn; /* the last one holds everything up to this */
    bool recovering;
    uint64_t recovery_ns;
    uint64_t recovery_rows;
    uint64_t recovery_records;
    uint64_t recovery_cut_bytes;
};

/* A store beyond the process: its connections, and what became of commands. */
struct online_remote {
    bool enabled; /* the rest is 0 otherwise */
    bool is_cluster;
    uint64_t commands;
    uint64_t batches; /* writes to sockets: commands / batches is the pipelining */
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t refused; /* never sent: away, breaker open, too much waiting */
    uint64_t lost;    /* sent, not answered */
    uint64_t timeouts;
    uint64_t errors; /* error replies */
    uint64_t connects;
    uint64_t connect_failures;
    uint64_t moved;
    uint64_t asked;
    uint64_t retried;
    uint64_t refreshes;
    uint64_t nodes;       /* now */
    uint64_t links;       /* now */
    uint64_t links_ready; /* now */
    uint64_t pending;     /* now */
    uint64_t rows_damaged;  /* rows read whose event times could not be understood */
    uint64_t script_loads;
    uint64_t rows_tidied;   /* of dropped features or with another TTL, by the paced scan */
    uint64_t statistics_failures; /* merges that have to be tried again */
    int64_t clock_offset_us; /* of the store's clock against ours, when last looked */
};

/* Figures for /metrics, readable by any thread. */
struct online_metrics {
    uint64_t entities;         /* rows held, all entities */
    uint64_t memory_bytes;     /* what --max-memory is compared with */
    uint64_t memory_max_bytes;
    uint64_t values_written;
    uint64_t values_late;
    uint64_t values_expired;   /* removed by the sweeper */
    uint64_t values_erased;
    uint64_t lsn;              /* last one published */
    uint64_t writes_queued;    /* requests waiting for the writer */
    struct online_durability durability;
    struct online_remote remote;
};

struct online_store {
    const struct online_driver *driver;
};

struct online_driver {
    const char *name;  /* "embedded", "redis" */
    bool keeps_others; /* rows may hold what others wrote */
    bool answers_later; /* reads mostly complete in a later iteration, and cells, others and what
                           they point to are always in the read's arena */
    void (*read)(struct online_store *store, struct online_read *read);
    void (*write)(struct online_store *store, struct online_write *write);
    void (*erase)(struct online_store *store, struct online_erase *erase);
    void (*scan)(struct online_store *store, struct online_scan *scan);
    void (*statistics)(struct online_store *store, struct online_statistics *request);
    void (*metrics)(struct online_store *store, struct online_metrics *out);
    /* The store's clock: never steps back; what TTL is measured by. Any thread. */
    int64_t (*now_us)(struct online_store *store);
    status (*check)(struct online_store *store, struct error *error) MUST_CHECK;
    /* OK, or why nothing can be written although reading goes on. Any thread. */
    status (*check_ingestion)(struct online_store *store, struct error *error) MUST_CHECK;
    /* Ends what the store has on the loops: called on the first one, when no request is under way;
     * `drained` there too. NULL: nothing to end. */
    void (*drain)(struct online_store *store, void (*drained)(void *user), void *user);
    void (*close)(struct online_store *store); /* ends its threads, frees */
};

static inline void online_read(struct online_store *store, struct online_read *read)
{
    store->driver->read(store, read);
}

static inline void online_write(struct online_store *store, struct online_write *write)
{
    store->driver->write(store, write);
}

static inline void online_erase(struct online_store *store, struct online_erase *erase)
{
    store->driver->erase(store, erase);
}

static inline void online_scan(struct online_store *store, struct online_scan *scan)
{
    store->driver->scan(store, scan);
}

static inline int64_t online_now_us(struct online_store *store)
{
    return store->driver->now_us(store);
}

#endif

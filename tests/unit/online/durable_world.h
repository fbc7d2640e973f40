/* What the proofs of durability share: an engine over the simulated file system, random requests,
 * and beside it a plain list of everything that was asked for, with how it was answered. The engine
 * may be ended and opened again any number of times over what a power loss, a kill or a fault left;
 * each time the catalog is built anew, with other slots, as a process does at its start.
 *
 * The test's thread is the loop's. */
#ifndef FEATURED_TESTS_DURABLE_WORLD_H
#define FEATURED_TESTS_DURABLE_WORLD_H

#include <semaphore.h>

#include "engine_fixture.h"
#include "online/engine/engine.h"
#include "sim_files.h"

#define WORLD_DIRECTORY "data"
#define WORLD_LOG WORLD_DIRECTORY "/log"
#define WORLD_IDS 12
#define WORLD_FEATURES_MAX 24
#define WORLD_EVERYWHERE (FIXTURE_ALL - 1) /* an erasure of all features of both entities */
#define WORLD_IDENTITY UINT64_C(0x1d2c3b4a59687706)

struct world_feature {
    uint64_t version_id; /* the feature's id is the same number */
    char name[16];
    const char *entity;
    enum data_type type;
    int64_t ttl_seconds;
    uint32_t born_at; /* event number */
    bool is_dropped;
};

/* One value that was written. */
struct world_cell {
    uint32_t id;
    uint32_t feature;
    int64_t event_time_us;
    bool is_time_given; /* by the writer */
    bool is_null;
    uint64_t number; /* of its event; the value follows from it, so a torn record shows */
};

enum world_outcome {
    WORLD_ACKNOWLEDGED,
    WORLD_FAILED,  /* answered with a failure that promises that nothing of it is kept */
    WORLD_UNKNOWN, /* answered "outcome unknown", or never */
};

/* A record (its rows all or nothing) or an erasure, in order of LSN. */
struct world_event {
    bool is_erasure;
    enum world_outcome outcome;
    uint64_t lsn;      /* its own; an erasure that changed nothing has that of the one before */
    uint64_t sequence; /* of the file system when it was acknowledged */
    uint32_t first_cell, cell_count;
    uint32_t id;      /* erasures */
    uint32_t feature; /* or FIXTURE_ALL: of the entity of feature 0; or WORLD_EVERYWHERE */
    int64_t erased_until_us;
};

/* The process: everything in it is gone with a crash. */
struct world_process {
    struct epoch epoch;
    struct store_clock clock;
    struct loop loop;
    struct catalog_ref catalog;
    struct online_store *store;
    sem_t recovered;
    status recovery;
    struct error error;
    uint32_t waiting;
};

struct world {
    struct random random;
    const char *label; /* printed with the seed of what failed */
    uint64_t seed;
    uint32_t generation;
    struct sim_files *sim;
    struct engine_options options; /* what a test sets before it opens; the rest is filled in */
    uint64_t memory_fails_at;      /* of the engine's allocations, from its opening on; 0: none */
    int64_t latest_us;             /* the store's clock at its highest, as far as was looked */
    struct world_process *process; /* NULL: closed */
    struct world_feature features[WORLD_FEATURES_MAX];
    uint32_t feature_count;
    struct world_event *events;
    uint32_t event_count, event_capacity;
    struct world_cell *cells;
    uint32_t cell_count, cell_capacity;
    uint64_t next_number;
    uint64_t answers_failed; /* requests not answered OK */
    struct error last_error; /* of the last of them */
    bool has_unknown;        /* this process has given an unknown outcome: it takes nothing more */
    bool is_closed;          /* and that before this batch */
};

/* With the usual features, an empty data directory, and options for a small log. */
struct world *world_create(const char *label, uint64_t seed);
void world_destroy(struct world *world);
uint64_t world_below(struct world *world, uint64_t bound);

/* Opens and waits until it has recovered, or has not: the status says, `last_error` why. The
 * process must be closed in both cases (it may be NULL: there was no memory for a store). */
status world_open(struct world *world);
/* As SIGTERM does it. */
void world_close(struct world *world);
/* Closes what is open; the next open finds `image`. */
void world_replace_files(struct world *world, struct sim_files *image);

/* A random batch of at most `requests` writes, sent at once and awaited, possibly with an erasure
 * as the last of it. */
void world_write(struct world *world, uint32_t requests);
/* One record of one value now, of `feature`; how it was answered. */
enum world_outcome world_put(struct world *world, uint32_t id, uint32_t feature);
/* The last LSN that the store has published. */
uint64_t world_lsn(const struct world *world);
/* An erasure of one feature, of everything that id has in the entity of feature 0 (FIXTURE_ALL), or
 * of everything that it has (WORLD_EVERYWHERE). */
enum world_outcome world_erase(struct world *world, uint32_t id, uint32_t feature);

/* At the next open: feature `number` is gone, a new one of its kind is there. */
void world_replace_feature(struct world *world, uint32_t number);

/* Prints which run this is, and what is wrong, and fails the test. */
void world_fail(const struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

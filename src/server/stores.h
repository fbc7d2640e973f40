/* The stores that the options ask for: the registry in the data directory or in PostgreSQL, the
 * values in this process (then with its log in the data directory) or in Redis; bound to each
 * other, as the values of one registry mean nothing in another. With both elsewhere there is no
 * data directory. All calls are the first loop's thread's, but for those that say so. */
#ifndef FEATURED_SERVER_STORES_H
#define FEATURED_SERVER_STORES_H

#include "online/online.h"
#include "registry/registry.h"
#include "runtime/store_clock.h"
#include "server/data_dir.h"
#include "server/data_values.h"
#include "server/server.h"

#define STORES_IDENTITY_MAX 64

/* What pointers lead to outlives the stores. */
struct stores_options {
    const struct server_options *server;
    struct epoch *epoch;
    struct store_clock *clock;
    struct catalog_ref *catalog;
    struct loop *loops;
    unsigned loop_count;
    /* Once, on the first loop: values can be served, or why they never will be. */
    void (*opened)(void *user, status result, const struct error *error);
    void *user;
};

struct stores {
    struct registry *registry;
    struct online_store *online;
    /* private */
    struct stores_options options;
    struct data_dir data_dir; /* path "": none */
    bool has_directory;
    char identity[STORES_IDENTITY_MAX]; /* of the registry */
    char shown[DATA_VALUES_URL_MAX];    /* the URL of Redis without a password; "": none */
    bool running;                       /* Redis is being talked to */
    struct loop_task start_task;
    uv_timer_t watch; /* of Redis, while running */
    bool was_reached;
    bool is_away;
    int64_t told_ns; /* when the log was last told that it is awaited */
    void (*drained)(void *user);
    void *drained_user;
    struct loop_task opened_task;
    status opened;
    struct error opened_error;
};

/* Before the loops run, on a zeroed struct. */
MUST_CHECK status stores_open(struct stores *stores, const struct stores_options *options,
                              struct error *error);
/* Once nothing else can fail: lets the online store connect as soon as the first loop runs. */
void stores_start(struct stores *stores);
/* When no request is under way: ends what the stores have on the loops, then calls `drained`. */
void stores_drain(struct stores *stores, void (*drained)(void *user), void *user);
/* When no loop runs any more; also after a failure, and of a zeroed struct. */
void stores_close(struct stores *stores);

/* Values are in this process. Any thread. */
bool stores_are_embedded(const struct stores *stores);
/* Whether the data directory is being read, and how far it is. */
bool stores_progress(struct stores *stores, unsigned *permille);
/* Asks for a snapshot, where there are any. */
void stores_snapshot(struct stores *stores);
/* Says in the log what came of opening. */
void stores_log_opened(struct stores *stores);

#endif

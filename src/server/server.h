/* The process: opens the stores, wires the rooms together, serves until SIGTERM or SIGINT, and ends
 * cleanly. */
#ifndef FEATURED_SERVER_SERVER_H
#define FEATURED_SERVER_SERVER_H

#include "base/error.h"
#include "http/http_limits.h"
#include "log/log_writer.h"
#include "online/redis/redis_url.h"

#define SERVER_THREADS_MAX 128u

struct server_options {
    const char *host;
    uint16_t port;                     /* 0: a free one */
    const char *data_dir;              /* not touched with both a database_url and a redis_url */
    const char *database_url;          /* of the shared registry; NULL: one in the data directory */
    const struct redis_url *redis_url; /* where values are; NULL: in this process */
    bool redis_read_from_replica;
    int64_t redis_timeout_ms;
    uint32_t redis_max_pending; /* commands without an answer, per event loop */
    const char *ignored; /* settings that were given and mean nothing here, or NULL: for the log */
    unsigned threads;    /* event loops, 1 … SERVER_THREADS_MAX */
    uint64_t max_memory_bytes;
    enum log_fsync fsync;
    int64_t fsync_interval_ms;
    int64_t snapshot_interval_ms; /* 0: not by time */
    uint64_t snapshot_log_bytes;
    uint64_t log_segment_bytes;
    int64_t log_retention_ms;
    bool recover_truncate;
    struct http_limits limits;
    int64_t drain_timeout_ms;
    const char *cors_origin; /* NULL: off */
    bool strict;
};

/* Returns when the server has ended: OK after a signal, else what kept it from starting, recovering
 * or ever using its Redis. Listens while it recovers or waits for Redis (/ready says so); once
 * ready, prints "featured VERSION ready on http://HOST:PORT" on standard output. */
MUST_CHECK status server_run(const struct server_options *options, struct error *error);

#endif

/* Of bench_loop.c and bench_connection.c only. */
#ifndef FEATURED_CLI_BENCH_LOOP_PRIVATE_H
#define FEATURED_CLI_BENCH_LOOP_PRIVATE_H

#include "cli/bench_loop.h"
#include "http/llhttp_prefixed.h"

#define BENCH_RECEIVE_BYTES ((size_t)256 << 10)
#define BENCH_RETRY_NS INT64_C(50000000) /* until a connection that failed is tried again */

enum bench_state {
    BENCH_DOWN,       /* no socket; again at retry_ns */
    BENCH_CONNECTING, /* until writable */
    BENCH_IDLE,
    BENCH_BUSY, /* a request is on its way */
};

struct bench_engine;

struct bench_connection {
    struct bench_engine *engine;
    int fd;
    enum bench_state state;
    enum bench_kind kind;
    bool answered;
    bool wants_write;
    bool keeps_alive;
    bool in_ring;     /* of idle ones */
    int64_t began_ns; /* where the latency of the request counts from */
    int64_t sent_ns;
    int64_t idle_ns; /* free since */
    int64_t retry_ns;
    llhttp_t parser;
    struct buffer unsent;
};

/* What bench_loop_run() keeps on the heap. */
struct bench_engine {
    struct bench_loop *loop;
    int epoll;
    struct bench_connection *connections;
    struct bench_connection **idle; /* a ring: who has been free the longest goes first */
    uint32_t idle_first;
    uint32_t idle_count;
    llhttp_settings_t parser_settings;
    struct bench_renderer renderer;
    struct buffer next; /* rendered ahead, so that sending costs only the sending */
    enum bench_kind next_kind;
    uint64_t due_index; /* open loop: of the request in `next` */
    uint32_t busy;
    bool draining; /* nothing new is due */
    bool stopped;
    int64_t give_up_ns;
    int64_t cpu_begin_ns;
    char receive[BENCH_RECEIVE_BYTES];
};

/* A connection that is BENCH_IDLE, BENCH_CONNECTING or, on failure, BENCH_DOWN afterwards. */
void bench_connection_open(struct bench_connection *connection, int64_t now_ns);
void bench_connection_close(struct bench_connection *connection, int64_t retry_ns);
/* Sends engine->next. */
void bench_connection_send(struct bench_connection *connection, int64_t began_ns, int64_t now_ns);
void bench_connection_ready(struct bench_connection *connection, uint32_t events);
/* The request in flight ends without an answer after the timeout. */
void bench_connection_time_out(struct bench_connection *connection, int64_t now_ns);

/* Of bench_loop.c: counts, and hands the free connection its next request. */
bool bench_engine_counts(const struct bench_engine *engine, int64_t began_ns);
void bench_engine_answered(struct bench_connection *connection, unsigned http_status,
                           int64_t now_ns);
void bench_engine_broken(struct bench_connection *connection);
void bench_engine_free(struct bench_connection *connection, int64_t now_ns);

#endif

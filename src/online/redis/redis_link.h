/* One connection to one node, of one event loop, that makes itself again.
 *
 * hiredis parses what comes; sockets, order and time are our own (docs/decisions/0006). With RESP3, which is
 * used where the server speaks it, HGETALL answers REDIS_REPLY_MAP: elements in the same order as RESP2's
 * ARRAY.
 *
 *   CONNECTING → READY → (lost, or a command timed out) → BACKOFF → CONNECTING …
 *
 * CONNECTING covers name, TCP or Unix socket, TLS, HELLO 3 (or AUTH where the server is older), SELECT,
 * READONLY and the first PING: a server that accepts but does not answer (stopped, half open) never gets
 * READY. The first time commands wait, bounded, for the connection; in BACKOFF, and in CONNECTING after
 * a failure, they are refused at once: that is the circuit breaker. BACKOFF grows from 50 ms to 5 s,
 * each with jitter of half of it.
 *
 * What is sent within one iteration of the loop leaves in one write. If commands were answered since the last one,
 * others are waited for, a few iterations as long as each brings some: who was answered may ask again at once,
 * and writes cost both sides more than commands. Commands are answered in order.
 * The oldest one unanswered for `timeout_ms` ends the connection. Then all that may have reached the server
 * whole are LOST; those whose last byte was not sent are REFUSED. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_LINK_H
#define FEATURED_ONLINE_REDIS_REDIS_LINK_H

#include "online/redis/redis_command.h"
#include "online/redis/redis_url.h"
#include "runtime/loop.h"

enum redis_link_state { REDIS_LINK_CONNECTING, REDIS_LINK_READY, REDIS_LINK_BACKOFF };

struct redis_counters;
struct redis_link;

struct redis_link_options {
    struct loop *loop;
    const struct redis_url *url;    /* user, password, database, TLS; socket path */
    struct redis_address address;   /* of this node, unless a Unix socket */
    void *tls;                      /* redis_link_tls_create(), NULL without TLS; shared by links */
    bool read_only;                 /* a replica: READONLY */
    int64_t timeout_ms;             /* connecting, and each command */
    uint32_t max_pending;           /* commands sent or waiting; beyond: refused */
    uint64_t max_pending_bytes;     /* of them */
    struct redis_counters *counters; /* of the loop */
    /* On each change of state; not during redis_link_create(). May be NULL. */
    void (*changed)(void *user, struct redis_link *link, enum redis_link_state state);
    void *user;
};

MUST_CHECK status redis_link_tls_create(const struct redis_url *url, void **out,
                                        struct error *error);
void redis_link_tls_destroy(void *tls);

/* Begins to connect at once. NULL: no memory. */
struct redis_link *redis_link_create(const struct redis_link_options *options);
/* At any time, once: also from within `done` and `changed`, of this link too. What is unanswered is answered LOST or REFUSED, in this call; then `closed` is called, when the
 * handles are, and the link is gone. */
void redis_link_close(struct redis_link *link, void (*closed)(void *user), void *user);
/* `done` may be called before it returns (REFUSED). */
void redis_link_send(struct redis_link *link, struct redis_command *command);
/* The same two bytes strings in a row, the second's answer to the command, the first's dropped: ASKING. */
void redis_link_send_after(struct redis_link *link, str first, struct redis_command *command);
enum redis_link_state redis_link_state(const struct redis_link *link);
/* Why it is not READY (or last was not): borrowed, until the state changes. `type` says of what kind:
 *   store_connecting   no attempt has ended yet
 *   store_away         not reached, silent, or still loading: passes by itself
 *   store_credentials  user or password refused, or without the permissions needed
 *   store_tls          certificate or protocol
 *   store_protocol     what answers there is no Redis, or not the kind that was meant
 * The last three are tried again only after the longest delay. */
const struct error *redis_link_failure(const struct redis_link *link);
/* The server said that it is part of a cluster ("mode" of HELLO, else INFO). Once READY. */
bool redis_link_is_cluster(const struct redis_link *link);
uint32_t redis_link_pending(const struct redis_link *link);

#endif

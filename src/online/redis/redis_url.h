/* Where a Redis or Valkey is, as one URL:
 *
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]      a server; a cluster is found by itself
 *   rediss://…                                            the same over TLS
 *   redis-cluster://HOST[:PORT][,HOST[:PORT]…]            a cluster, by some of its nodes
 *   rediss-cluster://…                                    the same over TLS
 *   unix://[[USER]:PASSWORD@]/PATH/TO/SOCKET[?db=DATABASE]
 *
 * TLS takes ?cacert=FILE, ?cert=FILE&key=FILE and ?verify=none. User and password are percent-decoded.
 * IPv6 addresses stand in brackets. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_URL_H
#define FEATURED_ONLINE_REDIS_REDIS_URL_H

#include <stdint.h>

#include "base/error.h"

#define REDIS_SEEDS_MAX 16u
#define REDIS_HOST_MAX 256u  /* with the terminating zero */
#define REDIS_TEXT_MAX 1024u /* of user, password and each path, with the zero */

struct redis_address {
    char host[REDIS_HOST_MAX]; /* name or address; empty for a Unix socket */
    uint16_t port;
};

struct redis_url {
    struct redis_address seeds[REDIS_SEEDS_MAX];
    uint32_t seed_count;
    char socket_path[REDIS_TEXT_MAX]; /* unix://; then there is no seed */
    char user[REDIS_TEXT_MAX];        /* empty: the default user */
    char password[REDIS_TEXT_MAX];    /* empty: none */
    uint32_t database;                /* 0 in a cluster */
    bool is_cluster;                  /* said so; false: what the server says */
    bool is_tls;
    bool verify; /* of TLS: the server's certificate and name */
    char ca_file[REDIS_TEXT_MAX]; /* empty: the system's */
    char cert_file[REDIS_TEXT_MAX];
    char key_file[REDIS_TEXT_MAX];
};

/* INVALID with what is wrong and what would be right; never with the password in it. */
MUST_CHECK status redis_url_parse(str text, struct redis_url *out, struct error *error);

#endif

/* TLS of a connection, by OpenSSL over a non-blocking socket. A context is shared by all loops, a
 * session belongs to one connection. Errors are in words for who runs the server. OpenSSL writes
 * without MSG_NOSIGNAL: the process ignores SIGPIPE. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_TLS_H
#define FEATURED_ONLINE_REDIS_REDIS_TLS_H

#include <stdbool.h>

#include "base/error.h"

/* What a step on a non-blocking socket came to. */
enum redis_io {
    REDIS_IO_DONE,
    REDIS_IO_WANT_READ,  /* nothing now: again when readable */
    REDIS_IO_WANT_WRITE, /* again when writable */
    REDIS_IO_FAILED,     /* or ended by the peer: `error` says which */
};

struct redis_tls_session;

/* `tls` is of redis_link_tls_create(). The certificate has to be for `host`, a name or an address,
 * unless the URL said not to verify. */
MUST_CHECK status redis_tls_start(void *tls, int fd, const char *host,
                                  struct redis_tls_session **out, struct error *error);
void redis_tls_end(struct redis_tls_session *session);
/* For hiredis' blocking connections: what redisInitiateSSL() takes, and owns if it succeeds (else
 * SSL_free()), made as above. NULL: no memory. */
struct ssl_st *redis_tls_ssl(void *tls, const char *host);
enum redis_io redis_tls_handshake(struct redis_tls_session *session, struct error *error);
enum redis_io redis_tls_read(struct redis_tls_session *session, char *out, size_t capacity,
                             size_t *len, struct error *error);
/* Bytes are only counted as written in whole records: what is not counted was not received. */
enum redis_io redis_tls_write(struct redis_tls_session *session, const char *data, size_t len,
                              size_t *written, struct error *error);

#endif

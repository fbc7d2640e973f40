/* A non-blocking stream socket of an event loop: TCP or Unix, plain or TLS. It is the loop's
 * thread's. Its user is told through the callbacks, never from within a call of the user's. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_SOCKET_H
#define FEATURED_ONLINE_REDIS_REDIS_SOCKET_H

#include <sys/socket.h>

#include "online/redis/redis_tls.h"
#include "runtime/loop.h"

struct redis_socket;

struct redis_socket_callbacks {
    void (*opened)(void *user);   /* connected, with TLS if there is to be any */
    void (*readable)(void *user); /* only after `opened` */
    void (*writable)(void *user); /* once after each write that was cut short */
    void (*failed)(void *user, const struct error *error); /* while opening; then close it */
};

struct redis_socket_options {
    struct loop *loop;
    const struct sockaddr *address;
    socklen_t address_len;
    void *tls;        /* redis_link_tls_create(), or NULL */
    const char *host; /* what the certificate is for; lives as long as the socket */
    const struct redis_socket_callbacks *callbacks;
    void *user;
};

MUST_CHECK status redis_socket_open(const struct redis_socket_options *options,
                                    struct redis_socket **out, struct error *error);
/* No callback comes any more, but `closed` once its handle is gone. */
void redis_socket_close(struct redis_socket *socket, void (*closed)(void *user));
/* Connected, but the peer has not agreed on TLS yet. */
bool redis_socket_awaits_tls(const struct redis_socket *socket);
/* DONE: *len bytes, at least one. */
enum redis_io redis_socket_read(struct redis_socket *socket, char *out, size_t capacity,
                                size_t *len, struct error *error);
/* DONE: all of it. Else *written bytes of it have gone, and unless it FAILED `writable` will come.
 */
enum redis_io redis_socket_write(struct redis_socket *socket, const char *data, size_t len,
                                 size_t *written, struct error *error);

#endif

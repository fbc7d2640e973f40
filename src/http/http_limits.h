/* Limits of the HTTP layer: the defaults of the flags, and the fixed ones, each with its reason. */
#ifndef FEATURED_HTTP_HTTP_LIMITS_H
#define FEATURED_HTTP_HTTP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct http_limits {
    size_t header_bytes;      /* request line and headers together: 431 */
    size_t target_bytes;      /* path and query: 414 */
    size_t body_bytes;        /* of a request held whole: 413 */
    uint64_t bulk_body_bytes; /* of a streamed request: 413 */
    int64_t idle_timeout_ms;  /* between requests: the connection is closed */
    int64_t read_timeout_ms;  /* from the first byte of a request to its last: 408; while a streamed
                                 body makes progress it starts again */
    int64_t write_timeout_ms; /* a client that takes nothing of its answer for so long is cut off */
    uint32_t connections;     /* at once, all loops: further ones wait in the listen queue */
};

#define HTTP_LIMITS_DEFAULT                                                                        \
    ((struct http_limits){                                                                         \
        .header_bytes = 16u << 10,                                                                 \
        .target_bytes = 8u << 10,                                                                  \
        .body_bytes = 16u << 20,                                                                   \
        .bulk_body_bytes = 1ull << 30,                                                             \
        .idle_timeout_ms = 75000,                                                                  \
        .read_timeout_ms = 30000,                                                                  \
        .write_timeout_ms = 30000,                                                                 \
        .connections = 10000,                                                                      \
    })

#define HTTP_HEADERS_MAX 100        /* header lines of a request: 431 */
#define HTTP_REQUEST_ID_MAX 128     /* a longer X-Request-Id is replaced by ours */
#define HTTP_RESPONSE_HEADERS_MAX 8 /* set by handlers */
#define HTTP_OUT_HIGH_BYTES                                                                        \
    (256u << 10) /* a streamed answer waits while more than this is unsent */
#define HTTP_ARENA_BYTES ((size_t)512 << 20) /* ceiling of a request's arena */

#endif

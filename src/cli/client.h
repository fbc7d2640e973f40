/* HTTP to a running server, one request at a time on one kept connection. One owner, one thread. */
#ifndef FEATURED_CLI_CLIENT_H
#define FEATURED_CLI_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

#define CLIENT_ANSWER_BYTES_MAX                                                                    \
    ((size_t)256 << 20) /* 10,000 definitions with all their texts fit */

struct client;

struct client_answer {
    long http_status;
    struct buffer body;
};

/* The next bytes of an upload: up to `room` into `to`, 0 at the end, -1 to give up. */
typedef ssize_t client_read_fn(void *context, char *to, size_t room);
/* Called at least once a second during an upload. */
typedef void client_tick_fn(void *context);

struct client_upload {
    client_read_fn *read;
    client_tick_fn *tick; /* NULL: none */
    void *context;
};

/* `server` is "http://host:port", also without "http://". INVALID if it is no such address. */
MUST_CHECK status client_create(const char *server, struct client **out, struct error *error);
void client_destroy(struct client *client);
/* Instead of the two minutes that a request may take; not of uploads. */
void client_set_timeout(struct client *client, int64_t timeout_ms);
/* The server's address as it is used, without a slash at the end. */
const char *client_server(const struct client *client);

void client_answer_init(struct client_answer *answer);
void client_answer_fini(struct client_answer *answer);

/* `target` is path and query, encoded (NULL, when it could not be built, is OUT_OF_MEMORY); `body`
 * is JSON, empty for none. OK if an answer came, whatever its status; else UNAVAILABLE or IO with a
 * detail that says what to do. */
MUST_CHECK status client_request(struct client *client, const char *method, const char *target,
                                 str body, struct client_answer *answer, struct error *error);
/* POST of a body of unknown length, streamed. */
MUST_CHECK status client_upload(struct client *client, const char *target, const char *content_type,
                                const struct client_upload *upload, struct client_answer *answer,
                                struct error *error);

/* As client_request(), and an answer other than 2xx is an error with what the server said. */
MUST_CHECK status client_request_ok(struct client *client, const char *method, const char *target,
                                    str body, struct client_answer *answer, struct error *error);
/* What the server said in an answer that is not 2xx: the `detail` of its problem, made one text. */
status client_answer_error(const struct client_answer *answer, struct error *error);

/* Percent-encodes all but RFC 3986's unreserved characters. */
void client_append_encoded(struct buffer *out, str text);

#endif

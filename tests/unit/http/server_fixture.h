/* A server on two loops with routes of every kind, and a blocking client, for the tests of http/.
 */
#ifndef FEATURED_TESTS_HTTP_SERVER_FIXTURE_H
#define FEATURED_TESTS_HTTP_SERVER_FIXTURE_H

#include <semaphore.h>

#include "http/http.h"

#define FIXTURE_LOOPS 2
#define FIXTURE_STREAM_PIECES 1000
#define FIXTURE_PIECE_BYTES 20000

struct fixture {
    struct epoch epoch;
    struct loop loops[FIXTURE_LOOPS];
    pthread_t threads[FIXTURE_LOOPS];
    struct http_server *server;
    struct http_server_options options;
    sem_t drained;
    /* what the handlers saw */
    sem_t held; /* GET /held was called */
    struct http_exchange *_Atomic held_exchange;
    sem_t released; /* and answered */
    sem_t body_gone;
    sem_t body_failed; /* POST /counted will answer once it may */
    _Atomic bool may_answer;
    sem_t stream_finished;
    _Atomic unsigned stream_pieces;
    _Atomic bool upload_started;
    _Atomic bool upload_paused;
};

/* Limits to change before start are in fixture->options. */
void fixture_init(struct fixture *fixture);
void fixture_start(struct fixture *fixture);
/* Drains, stops, and frees all. */
void fixture_stop(struct fixture *fixture);
/* Answers the exchange that GET /held keeps. */
void fixture_release(struct fixture *fixture);
/* Awaits the wait of GET /waiting/{end}, lets the stream go on, if so wished once its client is gone. */
void fixture_resume(struct fixture *fixture, bool once_gone);

int client_connect(const struct fixture *fixture);
void client_send(int fd, const char *bytes, size_t len);
void client_say(int fd, const char *text);
/* Reads until `until` was seen (it is the end of the result) or the connection's end; terminated,
 * to be freed. */
char *client_read(int fd, const char *until);
/* Sends, says that no more comes, and reads to the end. */
char *client_ask(const struct fixture *fixture, const char *text);

#endif

/* The REST routes on a real server over the engine, straight or behind a store that answers later,
 * and a blocking client. The test's thread owns the engine's fixture, another one the server's
 * loop. */
#ifndef FEATURED_TESTS_API_FIXTURE_H
#define FEATURED_TESTS_API_FIXTURE_H

#include "engine_fixture.h"
#include "late_store.h"

#include <semaphore.h>

#include "api/rest/api.h"

struct api_fixture {
    struct fixture *engine;
    struct late_store late;
    struct service *service;
    struct registry_driver registry_driver;
    struct registry registry;
    struct api api;
    struct loop loop;
    pthread_t thread;
    struct http_server *server;
    sem_t drained;
};

struct api_fixture *api_fixture_open(bool late);
/* Waits for everything that is under way. */
void api_fixture_close(struct api_fixture *f);

int api_connect(const struct api_fixture *f);
void api_send(int fd, const char *bytes, size_t len);
/* Up to the connection's end; terminated, to be freed. */
char *api_receive(int fd, size_t *len);

struct answer {
    int status;
    bool whole; /* as its length or last chunk says */
    char *head; /* terminated; to be freed */
    char *body; /* without chunks; points into head */
    size_t body_len;
};

struct answer api_ask(const struct api_fixture *f, const char *method, const char *target,
                      const char *headers, str body);
void answer_free(struct answer *answer);

#endif

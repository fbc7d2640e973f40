/* Defining: features and feature services, answered on the caller's loop once the new catalog image
 * is published. And describing: the statistics that go with definitions. */
#ifndef FEATURED_SERVICE_DEFINE_H
#define FEATURED_SERVICE_DEFINE_H

#include "base/arena.h"
#include "service/service.h"

/* Sends a change (see registry.h for what each operation needs). The request and all it points to
 * must live until `done`, which is called on the loop, once. */
void define_submit(struct service *service, struct registry_request *request, struct loop *loop,
                   void (*done)(struct registry_request *request), void *user);

/* Live statistics of some features' active versions, taken together. The features may be gone when
 * they come: look them up again by id. */
struct describe {
    struct online_statistics request; /* private */
    void (*done)(struct describe *describe);
    void *user;
    int64_t *feature_ids;
    struct statistics *statistics; /* one per feature id; out */
    uint32_t count;
};

/* The caller has set feature_ids and count (arena memory). NOT_FOUND never: an id that is gone has
 * empty statistics. OUT_OF_MEMORY: `done` is not called. */
MUST_CHECK status describe_submit(struct describe *describe, struct service *service,
                                  struct arena *arena, struct loop *loop,
                                  void (*done)(struct describe *describe), void *user);

#endif

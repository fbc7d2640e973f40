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

/* Live statistics of some feature versions, taken together. Versions may be gone by the time they come:
 * look them up again. */
struct describe {
    struct online_statistics request; /* private */
    void (*done)(struct describe *describe);
    void *user;
    const uint64_t *version_ids;   /* the caller's, arena memory */
    uint32_t count;
    /* out, in `done` */
    struct statistics *statistics; /* one per version id, if status is OK */
    status status;
    struct error error;
};

/* The caller has set version_ids and count. An id that is not known has empty statistics.
 * OUT_OF_MEMORY: `done` is not called. */
MUST_CHECK status describe_submit(struct describe *describe, struct service *service,
                                  struct arena *arena, struct loop *loop,
                                  void (*done)(struct describe *describe), void *user);

#endif

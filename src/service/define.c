#include "service/define.h"

void define_submit(struct service *service, struct registry_request *request, struct loop *loop,
                   void (*done)(struct registry_request *request), void *user)
{
    request->loop = loop;
    request->done = done;
    request->user = user;
    registry_submit(service->registry, request);
}

static void statistics_done(struct online_statistics *request)
{
    struct describe *describe = request->user;
    describe->status = request->status;
    describe->error = request->error;
    describe->done(describe);
}

status describe_submit(struct describe *describe, struct service *service, struct arena *arena,
                       struct loop *loop, void (*done)(struct describe *describe), void *user)
{
    describe->statistics =
        arena_alloc_array(arena, describe->count, sizeof(*describe->statistics));
    if (describe->statistics == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    describe->done = done;
    describe->user = user;
    describe->request = (struct online_statistics){.loop = loop,
                                                   .done = statistics_done,
                                                   .user = describe,
                                                   .version_ids = describe->version_ids,
                                                   .count = describe->count,
                                                   .out = describe->statistics};
    service->online->driver->statistics(service->online, &describe->request);
    return OK;
}

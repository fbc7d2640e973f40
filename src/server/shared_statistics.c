#include "server/shared_statistics.h"

#include "base/memory.h"

/* The request as the registry takes it; lives until the answer. */
struct merge {
    struct registry_request request;
    struct registry_statistics statistics;
    struct redis_statistics_request *asked;
    struct registry_statistics_delta deltas[];
};

static void merged(struct registry_request *request)
{
    struct merge *merge = request->user;
    struct redis_statistics_request *asked = merge->asked;
    asked->status = request->status;
    asked->error = request->error;
    asked->sink = NULL;
    memory_free(merge);
    asked->done(asked);
}

static void refuse(struct redis_statistics_request *asked)
{
    error_clear(&asked->error);
    asked->status = error_set(&asked->error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                              "no memory to merge statistics");
    asked->done(asked);
}

void shared_statistics_merge(struct registry *registry, struct redis_statistics_request *asked)
{
    struct merge *merge =
        memory_alloc_zero(sizeof(*merge) + (size_t)asked->delta_count * sizeof(merge->deltas[0]));
    if (merge == NULL) {
        refuse(asked);
        return;
    }
    for (uint32_t i = 0; i < asked->delta_count; i++)
        merge->deltas[i] = (struct registry_statistics_delta){
            .version_id = asked->deltas[i].version_id, .delta = asked->deltas[i].delta};
    merge->statistics = (struct registry_statistics){
        .deltas = merge->deltas,
        .delta_count = asked->delta_count,
        .source = asked->source,
        .number = asked->number,
        .version_ids = asked->version_ids,
        .count = asked->count,
        .out = asked->out,
    };
    merge->request = (struct registry_request){
        .operation = REGISTRY_STATISTICS,
        .loop = asked->loop,
        .done = merged,
        .user = merge,
        .statistics = &merge->statistics,
    };
    merge->asked = asked;
    asked->sink = merge;
    registry_submit(registry, &merge->request);
}

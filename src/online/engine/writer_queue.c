/* What waits for the writer, and the answers. */
#include "base/assert.h"
#include "online/engine/writer_state.h"

/* What may wait at once: while a sync stalls, requests must not fill the memory. */
#define WAITING_BYTES_MAX (UINT64_C(256) << 20)
#define WAITING_SHARE 4u /* of max_memory_bytes, if that is less */

static void answer_write(struct loop_task *task)
{
    struct online_write *write = CONTAINER_OF(task, struct online_write, task);
    write->done(write);
}

static void answer_erase(struct loop_task *task)
{
    struct online_erase *erase = CONTAINER_OF(task, struct online_erase, task);
    erase->done(erase);
}

static void answer_statistics(struct loop_task *task)
{
    struct online_statistics *request = CONTAINER_OF(task, struct online_statistics, task);
    request->done(request);
}

static void answer_sweep(struct loop_task *task)
{
    struct sweep_request *request = CONTAINER_OF(task, struct sweep_request, task);
    request->done(request);
}

static void answer_snapshot(struct loop_task *task)
{
    struct snapshot_request *request = CONTAINER_OF(task, struct snapshot_request, task);
    request->done(request);
}

enum item_kind writer_kind_of(const struct loop_task *task)
{
    if (task->run == answer_write)
        return ITEM_RECORD;
    if (task->run == answer_erase)
        return ITEM_ERASE;
    if (task->run == answer_statistics)
        return ITEM_STATISTICS;
    if (task->run == answer_sweep)
        return ITEM_SWEEP;
    ASSERT(task->run == answer_snapshot);
    return ITEM_SNAPSHOT;
}

uint64_t writer_write_bytes(const struct online_write *write)
{
    uint64_t bytes = sizeof(*write) + write->row_count * sizeof(*write->rows);
    for (uint32_t i = 0; i < write->row_count; i++) {
        const struct online_write_row *row = &write->rows[i];
        bytes += row->entity_id.len + row->cell_count * sizeof(*row->cells);
        for (uint32_t k = 0; k < row->cell_count; k++)
            bytes += value_bytes(&row->cells[k].value);
    }
    return bytes;
}

static void submit(struct writer *writer, struct loop_task *task)
{
    counter_add(&writer->engine->counters.queued_requests, 1);
    queue_push(&writer->queue, &task->node);
}

/* Counts the request among what waits; a lone one always may. */
static status count_waiting(struct engine *engine, const struct online_write *write,
                            struct error *error)
{
    uint64_t bytes = writer_write_bytes(write);
    uint64_t limit = engine->max_memory_bytes / WAITING_SHARE;
    if (limit > WAITING_BYTES_MAX)
        limit = WAITING_BYTES_MAX;
    uint64_t before = atomic_fetch_add_explicit(&engine->counters.queued_bytes, bytes,
                                                memory_order_relaxed);
    if (before == 0 || before + bytes <= limit)
        return OK;
    atomic_fetch_sub_explicit(&engine->counters.queued_bytes, bytes, memory_order_relaxed);
    return error_set(error, STATUS_BUSY, "busy",
                     "%llu bytes already wait to be written, at most %llu may: the disk is slower "
                     "than what comes in; try again",
                     (unsigned long long)before, (unsigned long long)limit);
}

void writer_submit_write(struct writer *writer, struct online_write *write)
{
    write->task.run = answer_write;
    write->records_applied = 0;
    write->values_written = 0;
    write->values_late = 0;
    write->status = engine_check_ready(writer->engine, &write->error);
    if (status_is_ok(write->status))
        write->status = count_waiting(writer->engine, write, &write->error);
    if (status_is_ok(write->status))
        submit(writer, &write->task);
    else
        loop_post(write->loop, &write->task);
}

void writer_submit_erase(struct writer *writer, struct online_erase *erase)
{
    erase->task.run = answer_erase;
    erase->values_deleted = 0;
    erase->status = engine_check_ready(writer->engine, &erase->error);
    if (status_is_ok(erase->status))
        submit(writer, &erase->task);
    else
        loop_post(erase->loop, &erase->task);
}

void writer_submit_statistics(struct writer *writer, struct online_statistics *request)
{
    request->task.run = answer_statistics;
    request->status = engine_check_ready(writer->engine, &request->error);
    if (status_is_ok(request->status))
        submit(writer, &request->task);
    else
        loop_post(request->loop, &request->task);
}

void writer_submit_sweep(struct writer *writer, struct sweep_request *request)
{
    request->task.run = answer_sweep;
    submit(writer, &request->task);
}

void writer_submit_snapshot(struct writer *writer, struct snapshot_request *request)
{
    request->task.run = answer_snapshot;
    submit(writer, &request->task);
}

void writer_acknowledge(struct writer *writer, struct loop_task *task)
{
    struct engine_counters *counters = &writer->engine->counters;
    atomic_fetch_sub_explicit(&counters->queued_requests, 1, memory_order_relaxed);
    switch (writer_kind_of(task)) {
    case ITEM_RECORD: {
        struct online_write *write = CONTAINER_OF(task, struct online_write, task);
        atomic_fetch_sub_explicit(&counters->queued_bytes, writer_write_bytes(write),
                                  memory_order_relaxed);
        loop_post(write->loop, task);
        break;
    }
    case ITEM_ERASE:
        loop_post(CONTAINER_OF(task, struct online_erase, task)->loop, task);
        break;
    case ITEM_STATISTICS:
        loop_post(CONTAINER_OF(task, struct online_statistics, task)->loop, task);
        break;
    case ITEM_SWEEP:
    case ITEM_SNAPSHOT:
        task->run(task);
        break;
    }
}

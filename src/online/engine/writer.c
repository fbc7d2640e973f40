#include "online/engine/writer.h"

#include <pthread.h>
#include <time.h>

#include "base/assert.h"
#include "base/memory.h"
#include "online/engine/prepare.h"
#include "online/engine/sweeper.h"

#define GROUP_ROWS_MAX 2048u  /* about a millisecond of preparing; a longer record stays whole */
#define GROUP_ITEMS_MAX 2048u
/* While rows wait for a reader to let go of them. */
#define RECLAIM_FIRST_NS INT64_C(1000000)
#define RECLAIM_LAST_NS INT64_C(64000000)
/* How long a write into a full store waits for retired rows: readers let go within a callback. */
#define FULL_TRIES_MAX 50u
#define FULL_WAIT_NS 100000

enum item_kind { ITEM_RECORD, ITEM_ERASE, ITEM_STATISTICS, ITEM_SWEEP };

/* One step of the group, in order of LSN. */
struct item {
    enum item_kind kind;
    struct loop_task *task;
    uint64_t lsn; /* records and erasures */
    uint32_t first_row;
    uint32_t end_row;
    struct edit_counts counts;
};

struct writer {
    struct engine *engine;
    struct epoch_reader *reader;
    struct queue queue;
    pthread_t thread;
    _Atomic bool stopping;
    struct prepare prepare;
    struct queue_node *taken; /* from the queue, in order; the first may be begun */
    uint32_t next_row;        /* of a write request that is begun */
    uint32_t full_tries;
    uint64_t lsn; /* last one given */
    uint64_t entities;
    bool group_is_over; /* a record waits for memory that this group will give back */
    uint32_t item_count;
    struct item items[GROUP_ITEMS_MAX];
    struct queue_node *answered; /* handled in this group, to be acknowledged, in order */
    struct queue_node **answered_last;
};

/* A task is told by what it will run. */
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

/* About what the request occupies while it waits. */
static uint64_t write_bytes(const struct online_write *write)
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

static void submit(struct writer *writer, struct loop_task *task, void (*run)(struct loop_task *))
{
    task->run = run;
    counter_add(&writer->engine->counters.queued_requests, 1);
    queue_push(&writer->queue, &task->node);
}

void writer_submit_write(struct writer *writer, struct online_write *write)
{
    write->records_applied = 0;
    write->values_written = 0;
    write->values_late = 0;
    write->status = OK;
    counter_add(&writer->engine->counters.queued_bytes, write_bytes(write));
    submit(writer, &write->task, answer_write);
}

void writer_submit_erase(struct writer *writer, struct online_erase *erase)
{
    erase->values_deleted = 0;
    erase->status = OK;
    submit(writer, &erase->task, answer_erase);
}

void writer_submit_statistics(struct writer *writer, struct online_statistics *request)
{
    request->status = OK;
    submit(writer, &request->task, answer_statistics);
}

void writer_submit_sweep(struct writer *writer, struct sweep_request *request)
{
    submit(writer, &request->task, answer_sweep);
}

static struct item *add_item(struct writer *writer, enum item_kind kind, struct loop_task *task)
{
    ASSERT(writer->item_count < GROUP_ITEMS_MAX);
    struct item *item = &writer->items[writer->item_count++];
    *item = (struct item){.kind = kind, .task = task};
    return item;
}

/* The first of the taken requests is handled: it is answered with the group. */
static void finish_request(struct writer *writer)
{
    struct queue_node *node = writer->taken;
    writer->taken = node->next;
    writer->next_row = 0;
    writer->prepare.request_bytes = 0;
    node->next = NULL;
    *writer->answered_last = node;
    writer->answered_last = &node->next;
}

/* Whether a failure may go away once retired rows, or those of this group, are freed. Then the group
 * ends here and the same step is tried again in the next one. */
static bool may_retry(struct writer *writer, status result)
{
    if (result.code != STATUS_STORE_FULL)
        return false;
    sweeper_hurry(writer->engine->sweeper);
    if (writer->full_tries >= FULL_TRIES_MAX ||
        (writer->prepare.limbo.count == 0 && writer->item_count == 0))
        return false;
    writer->full_tries++;
    writer->group_is_over = true;
    return true;
}

static void prepare_next_record(struct writer *writer, struct online_write *write)
{
    uint32_t first = writer->next_row;
    if (first == 0)
        writer->prepare.request_bytes = write_bytes(write);
    uint32_t end = first;
    while (end < write->row_count && !write->rows[end++].ends_record)
        ;
    if (first == end) {
        finish_request(writer);
        return;
    }
    struct edit_counts counts;
    status result =
        prepare_record(&writer->prepare, write, first, end, &counts, &write->error);
    if (!status_is_ok(result)) {
        if (may_retry(writer, result))
            return;
        write->status = result;
        finish_request(writer);
        return;
    }
    struct item *item = add_item(writer, ITEM_RECORD, &write->task);
    item->lsn = ++writer->lsn;
    item->first_row = first;
    item->end_row = end;
    item->counts = counts;
    writer->next_row = end;
    if (end == write->row_count)
        finish_request(writer);
}

static void prepare_next_erase(struct writer *writer, struct online_erase *erase)
{
    struct edit_counts counts;
    status result = prepare_erase(&writer->prepare, erase, &counts, &erase->error);
    if (status_is_ok(result)) {
        struct item *item = add_item(writer, ITEM_ERASE, &erase->task);
        item->lsn = ++writer->lsn;
        item->counts = counts;
    } else if (may_retry(writer, result)) {
        return;
    }
    erase->status = result;
    finish_request(writer);
}

static void prepare_next(struct writer *writer)
{
    struct loop_task *task = CONTAINER_OF(writer->taken, struct loop_task, node);
    if (task->run == answer_write) {
        prepare_next_record(writer, CONTAINER_OF(task, struct online_write, task));
    } else if (task->run == answer_erase) {
        prepare_next_erase(writer, CONTAINER_OF(task, struct online_erase, task));
    } else if (task->run == answer_statistics) {
        add_item(writer, ITEM_STATISTICS, task);
        finish_request(writer);
    } else {
        ASSERT(task->run == answer_sweep);
        struct item *item = add_item(writer, ITEM_SWEEP, task);
        prepare_sweep(&writer->prepare, CONTAINER_OF(task, struct sweep_request, task),
                      &item->counts);
        finish_request(writer);
    }
}

static void prepare_group(struct writer *writer)
{
    writer->group_is_over = false;
    while (writer->taken != NULL && !writer->group_is_over &&
           writer->item_count < GROUP_ITEMS_MAX &&
           writer->prepare.group.row_count < GROUP_ROWS_MAX)
        prepare_next(writer);
}

static void publish_record(struct writer *writer, const struct item *item)
{
    struct online_write *write = CONTAINER_OF(item->task, struct online_write, task);
    for (uint32_t i = item->first_row; i < item->end_row; i++)
        for (uint32_t k = 0; k < write->rows[i].cell_count; k++) {
            const struct online_write_cell *cell = &write->rows[i].cells[k];
            statistics_add(statistics_store_find(&writer->prepare.statistics, cell->version_id),
                           &cell->value, cell->event_time_us);
        }
    write->records_applied++;
    write->values_written += item->counts.written;
    write->values_late += item->counts.late;
    counter_add(&writer->engine->counters.values_written, item->counts.written);
    counter_add(&writer->engine->counters.values_late, item->counts.late);
}

static void copy_statistics(const struct writer *writer, struct online_statistics *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        const struct statistics *held =
            statistics_store_find(&writer->prepare.statistics, request->version_ids[i]);
        if (held != NULL)
            request->out[i] = *held;
        else
            statistics_init(&request->out[i]);
    }
}

static void publish_item(struct writer *writer, const struct item *item)
{
    struct engine_counters *counters = &writer->engine->counters;
    switch (item->kind) {
    case ITEM_RECORD:
        publish_record(writer, item);
        break;
    case ITEM_ERASE:
        CONTAINER_OF(item->task, struct online_erase, task)->values_deleted = item->counts.erased;
        counter_add(&counters->values_erased, item->counts.erased);
        break;
    case ITEM_STATISTICS:
        copy_statistics(writer, CONTAINER_OF(item->task, struct online_statistics, task));
        break;
    case ITEM_SWEEP:
        counter_add(&counters->values_expired, item->counts.expired);
        break;
    }
}

static void publish_counters(struct writer *writer)
{
    struct engine_counters *counters = &writer->engine->counters;
    atomic_store_explicit(&counters->memory_bytes, writer->prepare.memory_bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->entities, writer->entities, memory_order_relaxed);
    atomic_store_explicit(&counters->lsn, writer->lsn, memory_order_relaxed);
}

static void publish_group(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->item_count; i++)
        publish_item(writer, &writer->items[i]);
    writer->item_count = 0;
    writer->entities += (uint64_t)group_publish(&writer->prepare.group);
    publish_counters(writer);
}

static void acknowledge(struct writer *writer, struct loop_task *task)
{
    struct engine_counters *counters = &writer->engine->counters;
    atomic_fetch_sub_explicit(&counters->queued_requests, 1, memory_order_relaxed);
    if (task->run == answer_write) {
        struct online_write *write = CONTAINER_OF(task, struct online_write, task);
        atomic_fetch_sub_explicit(&counters->queued_bytes, write_bytes(write),
                                  memory_order_relaxed);
        loop_post(write->loop, task);
    } else if (task->run == answer_erase) {
        loop_post(CONTAINER_OF(task, struct online_erase, task)->loop, task);
    } else if (task->run == answer_statistics) {
        loop_post(CONTAINER_OF(task, struct online_statistics, task)->loop, task);
    } else {
        task->run(task);
    }
}

static void acknowledge_group(struct writer *writer)
{
    struct queue_node *node = writer->answered;
    writer->answered = NULL;
    writer->answered_last = &writer->answered;
    while (node != NULL) {
        struct queue_node *next = node->next; /* the request is its owner's again */
        acknowledge(writer, CONTAINER_OF(node, struct loop_task, node));
        node = next;
    }
}

/* The log's place is between preparing and publishing: there the group has its LSNs and can still
 * be given up, and nobody has seen it. */
static void process_group(struct writer *writer)
{
    epoch_online(writer->engine->epoch, writer->reader);
    prepare_group(writer);
    bool progressed = writer->item_count > 0;
    publish_group(writer);
    epoch_offline(writer->reader);
    bool answers = writer->answered != NULL;
    acknowledge_group(writer);
    size_t retired = epoch_reclaim(&writer->prepare.limbo);
    publish_counters(writer);
    if (answers || progressed)
        writer->full_tries = 0;
    else if (writer->group_is_over && retired > 0)
        nanosleep(&(struct timespec){.tv_nsec = FULL_WAIT_NS}, NULL);
}

static int64_t reclaim_wait(int64_t wait_ns)
{
    return wait_ns * 2 < RECLAIM_LAST_NS ? wait_ns * 2 : RECLAIM_LAST_NS;
}

static void *run(void *argument)
{
    struct writer *writer = argument;
    int64_t wait_ns = RECLAIM_FIRST_NS;
    while (true) {
        bool stopping = atomic_load(&writer->stopping);
        bool idle = writer->prepare.limbo.count == 0;
        writer->taken = stopping ? queue_take_all(&writer->queue)
                                 : queue_wait_all(&writer->queue, idle ? INT64_MAX : wait_ns);
        if (writer->taken == NULL && stopping)
            return NULL;
        wait_ns = writer->taken != NULL ? RECLAIM_FIRST_NS : reclaim_wait(wait_ns);
        if (writer->taken == NULL) {
            epoch_reclaim(&writer->prepare.limbo);
            publish_counters(writer);
        }
        while (writer->taken != NULL)
            process_group(writer);
    }
}

static void init(struct writer *writer, struct engine *engine)
{
    writer->engine = engine;
    writer->answered_last = &writer->answered;
    queue_init(&writer->queue);
    struct prepare *prepare = &writer->prepare;
    prepare->engine = engine;
    epoch_limbo_init(&prepare->limbo, engine->epoch);
    group_init(&prepare->group, &prepare->limbo, &prepare->memory_bytes);
    statistics_store_init(&prepare->statistics);
}

static void fini(struct writer *writer)
{
    struct prepare *prepare = &writer->prepare;
    for (uint32_t i = 0; i < LIMIT_ENTITIES; i++)
        table_destroy(engine_table(writer->engine, i), &prepare->memory_bytes);
    group_fini(&prepare->group);
    epoch_limbo_fini(&prepare->limbo);
    statistics_store_fini(&prepare->statistics);
    ASSERT(prepare->memory_bytes == 0);
    queue_fini(&writer->queue);
    if (writer->reader != NULL)
        epoch_unregister(writer->reader);
    memory_free(writer);
}

status writer_start(struct engine *engine, struct error *error)
{
    struct writer *writer = memory_alloc_zero(sizeof(*writer));
    if (writer == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the online store");
    init(writer, engine);
    status result = OK;
    writer->reader = epoch_register(engine->epoch);
    if (writer->reader == NULL)
        result = status_of(STATUS_TOO_MANY);
    engine->writer = writer;
    if (status_is_ok(result) && pthread_create(&writer->thread, NULL, run, writer) != 0)
        result = status_of(STATUS_UNAVAILABLE);
    if (!status_is_ok(result)) {
        engine->writer = NULL;
        fini(writer);
        return error_set(error, result.code, "online_store",
                         "the online store's writer cannot be started: %s",
                         status_name(result.code));
    }
    pthread_setname_np(writer->thread, "writer");
    return OK;
}

void writer_stop(struct writer *writer)
{
    atomic_store(&writer->stopping, true);
    queue_interrupt(&writer->queue);
    pthread_join(writer->thread, NULL);
}

void writer_destroy(struct writer *writer)
{
    if (writer != NULL)
        fini(writer);
}

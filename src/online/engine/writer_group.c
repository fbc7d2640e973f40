/* One group of requests: prepared, logged, published, acknowledged. */
#include <sched.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "online/engine/journal.h"
#include "online/engine/sweeper.h"
#include "online/engine/writer_state.h"

/* How long a write into a full store waits for retired rows: readers let go within a callback. */
#define FULL_TRIES_MAX 50u
#define FULL_WAIT_NS 100000
/* A bulk request asks for the place of a row this many rows ahead: about a memory access. */
#define PREFETCH_ROWS 4u
/* After so many steps, some 100 µs, whoever waits for this core has it: a read need not wait for a
 * large bulk request. */
#define STEPS_UNTIL_YIELD 64u
#define COMMIT_MEAN_OF 8 /* commits, about, for `commit_ns` */

static void add_item(struct writer *writer, const struct item *item)
{
    ASSERT(writer->item_count < GROUP_ITEMS_MAX);
    writer->items[writer->item_count++] = *item;
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

/* Whether a failure may go away once retired rows, or those of this group, are freed. Then the
 * group ends here and the same step is tried again in the next one. */
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

static bool has_cells(const struct online_write *write, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        if (write->rows[i].cell_count > 0)
            return true;
    return false;
}

/* Without a log an LSN is only counted. */
static status log_record(struct writer *writer, struct online_write *write, const struct item *item)
{
    const struct prepare *prepare = &writer->prepare;
    struct log_writer *log = writer->engine->log;
    if (log != NULL)
        return journal_write(log, prepare->catalog, write, item->first_row, item->end_row,
                             prepare->now_us, &writer->lsn, &write->error);
    writer->lsn++;
    return OK;
}

static status log_erase(struct writer *writer, struct online_erase *erase)
{
    const struct prepare *prepare = &writer->prepare;
    struct log_writer *log = writer->engine->log;
    if (log != NULL)
        return journal_erase(log, prepare->catalog, erase, prepare->now_us, &writer->lsn,
                             &erase->error);
    writer->lsn++;
    return OK;
}

/* After staging and a failure to log: nothing has happened. */
static status undo(struct writer *writer, status result)
{
    if (result.code == STATUS_UNAVAILABLE)
        counter_add(&writer->engine->counters.log_failures, 1);
    prepare_undo(&writer->prepare);
    return result;
}

/* Stages the record and logs it; kept only if both work. */
static status take_record(struct writer *writer, struct online_write *write, struct item *item)
{
    uint32_t first = item->first_row;
    uint32_t end = item->end_row;
    struct prepare *prepare = &writer->prepare;
    TRY(prepare_record(prepare, write, first, end, &item->counts, &write->error));
    if (has_cells(write, first, end)) {
        status result = log_record(writer, write, item);
        if (!status_is_ok(result))
            return undo(writer, result);
        item->lsn = writer->lsn;
    }
    prepare_keep_record(prepare);
    return OK;
}

static uint32_t end_of_record(const struct online_write *write, uint32_t first)
{
    uint32_t end = first;
    while (end < write->row_count && !write->rows[end++].ends_record)
        ;
    return end;
}

static void prepare_next_record(struct writer *writer, struct online_write *write)
{
    uint32_t first = writer->next_row;
    uint32_t end = end_of_record(write, first);
    if (first == 0)
        writer->prepare.request_bytes = writer_write_bytes(write);
    if (first == end) {
        finish_request(writer);
        return;
    }
    if (end + PREFETCH_ROWS < write->row_count)
        prepare_expect(&writer->prepare, &write->rows[end + PREFETCH_ROWS]);
    struct item item = {
        .kind = ITEM_RECORD, .task = &write->task, .first_row = first, .end_row = end};
    status result = take_record(writer, write, &item);
    if (!status_is_ok(result)) {
        if (may_retry(writer, result))
            return;
        write->status = result;
        finish_request(writer);
        return;
    }
    add_item(writer, &item);
    writer->next_row = end;
    if (end == write->row_count)
        finish_request(writer);
}

/* The same for an erasure. */
static status take_erase(struct writer *writer, struct online_erase *erase, struct item *item)
{
    struct prepare *prepare = &writer->prepare;
    TRY(prepare_erase(prepare, erase, &item->counts, &erase->error));
    if (item->counts.changed) {
        status result = log_erase(writer, erase);
        if (!status_is_ok(result))
            return undo(writer, result);
        item->lsn = writer->lsn;
    }
    prepare_keep_erase(prepare);
    return OK;
}

static void prepare_next_erase(struct writer *writer, struct online_erase *erase)
{
    struct item item = {.kind = ITEM_ERASE, .task = &erase->task};
    status result = take_erase(writer, erase, &item);
    if (status_is_ok(result))
        add_item(writer, &item);
    else if (may_retry(writer, result))
        return;
    erase->status = result;
    finish_request(writer);
}

static void prepare_next(struct writer *writer)
{
    struct loop_task *task = CONTAINER_OF(writer->taken, struct loop_task, node);
    enum item_kind kind = writer_kind_of(task);
    prepare_begin_step(&writer->prepare);
    if (kind == ITEM_RECORD) {
        prepare_next_record(writer, CONTAINER_OF(task, struct online_write, task));
    } else if (kind == ITEM_ERASE) {
        prepare_next_erase(writer, CONTAINER_OF(task, struct online_erase, task));
    } else {
        struct item item = {.kind = kind, .task = task};
        if (kind == ITEM_SWEEP)
            prepare_sweep(&writer->prepare, CONTAINER_OF(task, struct sweep_request, task),
                          &item.counts);
        add_item(writer, &item);
        finish_request(writer);
    }
}

static bool has_room(const struct writer *writer)
{
    const struct log_writer *log = writer->engine->log;
    return writer->item_count < GROUP_ITEMS_MAX &&
           writer->prepare.group.row_count < GROUP_ROWS_MAX &&
           (log == NULL || log_writer_group_bytes(log) < GROUP_BYTES_MAX);
}

static void prepare_group(struct writer *writer)
{
    writer->group_is_over = false;
    prepare_begin_group(&writer->prepare);
    epoch_online(writer->engine->epoch, writer->reader);
    uint32_t steps = 0;
    while (writer->taken != NULL && !writer->group_is_over && has_room(writer)) {
        prepare_next(writer);
        if (++steps % STEPS_UNTIL_YIELD == 0)
            sched_yield();
    }
    epoch_offline(writer->reader);
}

static void fail_request(struct loop_task *task, status result, const struct error *error)
{
    if (writer_kind_of(task) == ITEM_RECORD) {
        struct online_write *write = CONTAINER_OF(task, struct online_write, task);
        write->status = result;
        write->error = *error;
    } else {
        struct online_erase *erase = CONTAINER_OF(task, struct online_erase, task);
        erase->status = result;
        erase->error = *error;
    }
}

/* What did not reach the log never happened. Sweeps need no log: they are decided anew. */
static void abandon_group(struct writer *writer, status result, const struct error *error)
{
    bool begun_failed = false;
    uint32_t kept = 0;
    group_abandon(&writer->prepare.group);
    writer->lsn = writer->published_lsn;
    epoch_online(writer->engine->epoch, writer->reader);
    prepare_begin_step(&writer->prepare);
    for (uint32_t i = 0; i < writer->item_count; i++) {
        struct item item = writer->items[i];
        if (item.kind == ITEM_RECORD || item.kind == ITEM_ERASE) {
            fail_request(item.task, result, error);
            begun_failed |= &item.task->node == writer->taken;
            continue;
        }
        item.counts = (struct edit_counts){0};
        if (item.kind == ITEM_SWEEP)
            prepare_sweep(&writer->prepare, CONTAINER_OF(item.task, struct sweep_request, task),
                          &item.counts);
        writer->items[kept++] = item;
    }
    epoch_offline(writer->reader);
    writer->item_count = kept;
    if (begun_failed)
        finish_request(writer);
}

static void commit_group(struct writer *writer)
{
    struct log_writer *log = writer->engine->log;
    if (log == NULL || log_writer_group_bytes(log) == 0)
        return;
    writer->prepare.log_bytes = log_writer_group_bytes(log);
    struct error error = {0};
    int64_t begin_ns = clock_monotonic_ns();
    status result = log_writer_commit(log, writer->lsn, &error);
    writer->committed_at_ns = clock_monotonic_ns();
    if (!status_is_ok(result)) {
        counter_add(&writer->engine->counters.log_failures, 1);
        abandon_group(writer, result, &error);
        return;
    }
    writer->commit_ns += (writer->committed_at_ns - begin_ns - writer->commit_ns) / COMMIT_MEAN_OF;
    writer->wants_mark = true;
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

static void fill_snapshot(const struct writer *writer, struct snapshot_request *request)
{
    request->start_lsn = writer->published_lsn;
    request->clock_us = store_clock_now_us(writer->engine->clock);
    request->statistics =
        statistics_store_copy(&writer->prepare.statistics, &request->statistics_count);
    request->status = request->statistics != NULL ? OK : status_of(STATUS_OUT_OF_MEMORY);
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
    case ITEM_SNAPSHOT:
        fill_snapshot(writer, CONTAINER_OF(item->task, struct snapshot_request, task));
        break;
    }
    if (item->lsn != 0)
        writer->published_lsn = item->lsn;
}

void writer_publish_counters(struct writer *writer)
{
    struct engine_counters *counters = &writer->engine->counters;
    atomic_store_explicit(&counters->memory_bytes, prepare_memory_bytes(&writer->prepare),
                          memory_order_relaxed);
    atomic_store_explicit(&counters->entities, writer->entities, memory_order_relaxed);
    atomic_store_explicit(&counters->lsn, writer->published_lsn, memory_order_relaxed);
}

/* A snapshot is answered only after the rows of the whole group are visible, so that the walk finds
 * everything up to its start; what it finds beyond is replayed in the same order. */
static void publish_group(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->item_count; i++)
        publish_item(writer, &writer->items[i]);
    writer->item_count = 0;
    writer->entities += (uint64_t)group_publish(&writer->prepare.group);
    writer_publish_counters(writer);
}

static void acknowledge_group(struct writer *writer)
{
    struct queue_node *node = writer->answered;
    writer->in_flight = counter_get(&writer->engine->counters.queued_requests);
    writer->answered = NULL;
    writer->answered_last = &writer->answered;
    while (node != NULL) {
        struct queue_node *next = node->next; /* the request is its owner's again */
        writer_acknowledge(writer, CONTAINER_OF(node, struct loop_task, node));
        node = next;
    }
}

void writer_process_group(struct writer *writer)
{
    prepare_group(writer);
    bool progressed = writer->item_count > 0;
    commit_group(writer);
    publish_group(writer);
    bool answers = writer->answered != NULL;
    acknowledge_group(writer);
    size_t retired = epoch_reclaim(&writer->prepare.limbo);
    writer_publish_counters(writer);
    if (answers || progressed)
        writer->full_tries = 0;
    else if (writer->group_is_over && retired > 0)
        nanosleep(&(struct timespec){.tv_nsec = FULL_WAIT_NS}, NULL);
}

/* The inside of the writer: its thread (writer.c), one group (writer_group.c) and what waits for it
 * and is answered (writer_queue.c). */
#ifndef FEATURED_ONLINE_ENGINE_WRITER_STATE_H
#define FEATURED_ONLINE_ENGINE_WRITER_STATE_H

#include <pthread.h>

#include "online/engine/prepare.h"
#include "online/engine/writer.h"

#define GROUP_ROWS_MAX 2048u /* about a millisecond of preparing; a longer record stays whole */
#define GROUP_ITEMS_MAX 2048u
#define GROUP_BYTES_MAX ((size_t)4 << 20) /* in the log; the same */

enum item_kind { ITEM_RECORD, ITEM_ERASE, ITEM_STATISTICS, ITEM_SWEEP, ITEM_SNAPSHOT };

/* One step of the group, in order of LSN. */
struct item {
    enum item_kind kind;
    struct loop_task *task;
    uint64_t lsn; /* records and erasures; 0: there was nothing to do */
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
    uint64_t lsn;           /* last one given */
    uint64_t published_lsn; /* last one that everybody sees */
    uint64_t entities;
    bool group_is_over; /* a record waits for memory that this group will give back */
    uint32_t item_count;
    struct item items[GROUP_ITEMS_MAX];
    struct queue_node *answered; /* handled in this group, to be acknowledged, in order */
    struct queue_node **answered_last;
    /* What the log takes, for gathering (writer.c). */
    uint64_t in_flight; /* requests, when the last group was about to be acknowledged */
    int64_t commit_ns;  /* of late */
    int64_t committed_at_ns;
    bool wants_mark; /* something was logged after the last mark */
    char log_directory[FILE_PATH_MAX];
};

/* What a task is told by is what it will run. */
enum item_kind writer_kind_of(const struct loop_task *task);
/* About what the request occupies while it waits. */
uint64_t writer_write_bytes(const struct online_write *write);
/* Hands the request back to its owner. */
void writer_acknowledge(struct writer *writer, struct loop_task *task);

/* Prepares, logs, publishes and acknowledges the next of what was taken. */
void writer_process_group(struct writer *writer);
void writer_publish_counters(struct writer *writer);

#endif

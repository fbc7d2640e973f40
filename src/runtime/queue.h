/* A queue between threads: many push, one takes all at once. The nodes are intrusive and belong to
 * the receiver from push until it hands them on. First in, first out per pusher. */
#ifndef FEATURED_RUNTIME_QUEUE_H
#define FEATURED_RUNTIME_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct queue_node {
    struct queue_node *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* on the monotonic clock */
    struct queue_node *first;
    struct queue_node **last;
    bool interrupted;
};

void queue_init(struct queue *queue);
void queue_fini(struct queue *queue);
/* True if it was empty before: the receiver may need waking by other means (uv_async). */
bool queue_push(struct queue *queue, struct queue_node *node);
/* All that is there, as a list in order, NULL if none. Does not wait. */
struct queue_node *queue_take_all(struct queue *queue);
/* Waits for a node, an interrupt or `timeout_ns` (INT64_MAX: no limit), then as above. */
struct queue_node *queue_wait_all(struct queue *queue, int64_t timeout_ns);
/* Makes the present or next queue_wait_all() return. */
void queue_interrupt(struct queue *queue);

#endif

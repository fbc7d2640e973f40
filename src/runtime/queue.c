#include "runtime/queue.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

#define NS_PER_SECOND INT64_C(1000000000)

void queue_init(struct queue *queue)
{
    pthread_condattr_t attributes;
    ASSERT(pthread_mutex_init(&queue->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&queue->wakeup, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    queue->first = NULL;
    queue->last = &queue->first;
    queue->interrupted = false;
}

void queue_fini(struct queue *queue)
{
    pthread_cond_destroy(&queue->wakeup);
    pthread_mutex_destroy(&queue->lock);
}

bool queue_push(struct queue *queue, struct queue_node *node)
{
    node->next = NULL;
    pthread_mutex_lock(&queue->lock);
    bool was_empty = queue->first == NULL;
    *queue->last = node;
    queue->last = &node->next;
    pthread_mutex_unlock(&queue->lock);
    if (was_empty)
        pthread_cond_signal(&queue->wakeup);
    return was_empty;
}

static struct queue_node *take_all_locked(struct queue *queue)
{
    struct queue_node *first = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    return first;
}

struct queue_node *queue_take_all(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_node *first = take_all_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return first;
}

struct queue_node *queue_wait_all(struct queue *queue, int64_t timeout_ns)
{
    int64_t deadline_ns;
    bool limited = !__builtin_add_overflow(clock_monotonic_ns(), timeout_ns, &deadline_ns);
    struct timespec deadline = {.tv_sec = limited ? deadline_ns / NS_PER_SECOND : 0,
                                .tv_nsec = limited ? deadline_ns % NS_PER_SECOND : 0};
    pthread_mutex_lock(&queue->lock);
    int result = 0;
    while (queue->first == NULL && !queue->interrupted && result != ETIMEDOUT) {
        if (limited)
            result = pthread_cond_timedwait(&queue->wakeup, &queue->lock, &deadline);
        else
            result = pthread_cond_wait(&queue->wakeup, &queue->lock);
    }
    queue->interrupted = false;
    struct queue_node *first = take_all_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return first;
}

void queue_interrupt(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->interrupted = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_signal(&queue->wakeup);
}

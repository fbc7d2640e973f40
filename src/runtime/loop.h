/* An event loop: a libuv loop, its epoch reader, and a door through which other threads post work.
 * All functions but loop_post() and loop_stop() are for the loop's own thread. */
#ifndef FEATURED_RUNTIME_LOOP_H
#define FEATURED_RUNTIME_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/compiler.h"
#include "base/status.h"
#include "runtime/epoch.h"
#include "runtime/queue.h"

/* A piece of work for a loop. Whoever embeds it owns it; it is the loop's between loop_post() (or
 * loop_defer()) and the call of `run`. */
struct loop_task {
    struct queue_node node;
    void (*run)(struct loop_task *task);
};

struct loop {
    uv_loop_t uv;
    struct epoch *epoch;
    struct epoch_reader *reader;
    unsigned index; /* 0 … number of loops - 1 */
    /* private */
    struct queue posted;
    struct queue_node *deferred_first;
    struct queue_node **deferred_last;
    struct queue_node *before_poll_first;
    struct queue_node **before_poll_last;
    uv_async_t wakeup;
    uv_prepare_t prepare;
    uv_idle_t run_deferred;
    bool running_deferred;
    pthread_t owner;
    _Atomic bool stopping;
};

MUST_CHECK status loop_init(struct loop *loop, struct epoch *epoch, unsigned index);
/* Every handle the users opened must be closed by then. */
void loop_fini(struct loop *loop);
/* Runs on the calling thread until loop_stop(); offline from the epoch whenever it sleeps. */
void loop_run(struct loop *loop);
/* Any thread. The loop returns from loop_run() after the present iteration. */
void loop_stop(struct loop *loop);
/* Any thread. `task->run` is called on the loop's thread, online. Never blocks, never fails. */
void loop_post(struct loop *loop, struct loop_task *task);
/* Own thread: runs the task in the next iteration, after the others had a turn. */
void loop_defer(struct loop *loop, struct loop_task *task);

/* Own thread: runs the task when every callback of this iteration has run, before the loop polls. */
void loop_before_poll(struct loop *loop, struct loop_task *task);

/* To be called first in every libuv callback that may follow shared pointers (I/O, timers): libuv
 * runs I/O callbacks inside poll. Cheap when already online. */
static inline void loop_enter(struct loop *loop)
{
    if (!epoch_is_online(loop->reader))
        epoch_online(loop->epoch, loop->reader);
}

static inline bool loop_is_current(const struct loop *loop)
{
    return pthread_equal(loop->owner, pthread_self()) != 0;
}

#endif

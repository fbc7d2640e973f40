#include "runtime/loop.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/assert.h"

/* Tasks of one list; a task may be posted or deferred again, or freed, by its own run. */
static void run_tasks(struct queue_node *node)
{
    while (node) {
        struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
        node = node->next;
        task->run(task);
    }
}

static void on_wakeup(uv_async_t *wakeup)
{
    struct loop *loop = CONTAINER_OF(wakeup, struct loop, wakeup);
    loop_enter(loop);
    run_tasks(queue_take_all(&loop->posted));
    if (atomic_load(&loop->stopping))
        uv_stop(&loop->uv);
}

static void on_run_deferred(uv_idle_t *idle)
{
    struct loop *loop = CONTAINER_OF(idle, struct loop, run_deferred);
    struct queue_node *first = loop->deferred_first;
    loop_enter(loop);
    loop->deferred_first = NULL;
    loop->deferred_last = &loop->deferred_first;
    run_tasks(first);
    if (loop->deferred_first == NULL) {
        uv_idle_stop(idle);
        loop->running_deferred = false;
    }
}

static void run_before_poll(struct loop *loop)
{
    while (loop->before_poll_first) {
        struct queue_node *first = loop->before_poll_first;
        loop->before_poll_first = NULL;
        loop->before_poll_last = &loop->before_poll_first;
        loop_enter(loop);
        run_tasks(first);
    }
}

/* Poll may sleep, and no shared pointer outlives a callback: the callbacks that poll runs enter
 * again. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = CONTAINER_OF(prepare, struct loop, prepare);
    run_before_poll(loop);
    epoch_offline(loop->reader);
}

static status status_of_uv(int result)
{
    return result == 0 ? OK : status_of(result == UV_ENOMEM ? STATUS_OUT_OF_MEMORY : STATUS_IO);
}

status loop_init(struct loop *loop, struct epoch *epoch, unsigned index)
{
    struct epoch_reader *reader = epoch_register(epoch);
    if (reader == NULL)
        return status_of(STATUS_TOO_MANY);
    loop->epoch = epoch;
    loop->reader = reader;
    loop->index = index;
    loop->deferred_first = NULL;
    loop->deferred_last = &loop->deferred_first;
    loop->before_poll_first = NULL;
    loop->before_poll_last = &loop->before_poll_first;
    loop->running_deferred = false;
    loop->owner = pthread_self();
    atomic_init(&loop->stopping, false);
    status result = status_of_uv(uv_loop_init(&loop->uv));
    if (!status_is_ok(result))
        goto no_loop;
    result = status_of_uv(uv_async_init(&loop->uv, &loop->wakeup, on_wakeup));
    if (!status_is_ok(result))
        goto no_wakeup;
    queue_init(&loop->posted);
    ASSERT(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    ASSERT(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    ASSERT(uv_idle_init(&loop->uv, &loop->run_deferred) == 0);
    return OK;
no_wakeup:
    uv_loop_close(&loop->uv);
no_loop:
    epoch_unregister(reader);
    return result;
}

void loop_fini(struct loop *loop)
{
    loop->owner = pthread_self();
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->run_deferred, NULL);
    uv_close((uv_handle_t *)&loop->wakeup, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop->uv) == 0);
    queue_fini(&loop->posted);
    epoch_offline(loop->reader);
    epoch_unregister(loop->reader);
}

void loop_run(struct loop *loop)
{
    loop->owner = pthread_self();
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_before_poll(loop);
    epoch_offline(loop->reader);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    uv_async_send(&loop->wakeup);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    if (queue_push(&loop->posted, &task->node))
        uv_async_send(&loop->wakeup);
}

void loop_before_poll(struct loop *loop, struct loop_task *task)
{
    task->node.next = NULL;
    *loop->before_poll_last = &task->node;
    loop->before_poll_last = &task->node.next;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    task->node.next = NULL;
    *loop->deferred_last = &task->node;
    loop->deferred_last = &task->node.next;
    if (!loop->running_deferred) {
        loop->running_deferred = true;
        ASSERT(uv_idle_start(&loop->run_deferred, on_run_deferred) == 0);
    }
}

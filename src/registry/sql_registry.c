#include "registry/sql_registry.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "model/catalog_builder.h"
#include "registry/sql_image.h"
#include "registry/sql_registry_private.h"

#define READ_ARENA_BYTES ((size_t)256 << 20)  /* what one change reads: far below */
#define RECLAIM_INTERVAL_NS INT64_C(10000000) /* while an old image waits for its readers */

static struct sql_registry *self_of(struct registry *registry)
{
    return (struct sql_registry *)(void *)registry;
}

void sql_registry_note_health(struct sql_registry *self, status s, const struct error *error)
{
    pthread_mutex_lock(&self->health_lock);
    bool was_ok = self->health.code == STATUS_OK;
    if (status_is_ok(s))
        error_clear(&self->health);
    else
        self->health = *error;
    pthread_mutex_unlock(&self->health_lock);
    if (was_ok != status_is_ok(s))
        sql_follow_note_turn(self, s, error);
}

static status check(struct registry *registry, struct error *error)
{
    struct sql_registry *self = self_of(registry);
    status s = OK;
    pthread_mutex_lock(&self->health_lock);
    if (self->health.code != STATUS_OK)
        s = error_set(error, STATUS_UNAVAILABLE, "registry", "%s", self->health.detail);
    pthread_mutex_unlock(&self->health_lock);
    return s;
}

bool sql_registry_is_failing(struct sql_registry *self)
{
    return !status_is_ok(check(&self->registry, NULL));
}

void sql_registry_refuse(struct sql_registry *self, struct registry_request *request)
{
    request->status = check(&self->registry, &request->error);
    if (status_is_ok(request->status)) /* it has come back just now */
        request->status = error_set(&request->error, STATUS_UNAVAILABLE, "registry",
                                    "the registry was away for a moment: try again");
}

static void free_image(void *context, void *block)
{
    (void)context;
    catalog_destroy(block);
}

status sql_registry_build(struct sql_registry *self, uint64_t revision,
                          const struct catalog **image, struct error *error)
{
    const struct catalog *current = catalog_current(self->catalog);
    struct sql_image_left_out left_out = {0};
    /* A database restored from a backup, or a standby that had not all, is behind; in this process
     * images only go forward. */
    uint64_t number = revision > current->revision ? revision : current->revision + 1;
    TRY(sql_image_build(self->connection, current, number, image, &left_out, error));
    sql_follow_note_left_out(self, &left_out);
    if (!epoch_limbo_reserve(&self->limbo, 1))
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory to publish the catalog");
    return OK;
}

void sql_registry_publish(struct sql_registry *self, const struct catalog *image, uint64_t revision)
{
    struct catalog *old = (struct catalog *)(uintptr_t)catalog_current(self->catalog);
    atomic_store_explicit(&self->catalog->image, image, memory_order_release);
    epoch_retire(&self->limbo, old, old->arena.held_bytes, free_image, NULL);
    self->revision = revision;
}

status sql_registry_write_dead_before(struct sql_registry *self, int64_t feature_id,
                                      struct error *error)
{
    const struct catalog_feature *feature =
        catalog_find_feature_id(catalog_current(self->catalog), feature_id);
    for (uint32_t i = 0; feature && i < feature->version_count; i++)
        TRY(sql_run(self->connection, SQL_VERSION_DEAD_BEFORE, NULL, error,
                    sql_integer(feature->versions[i].dead_before_us),
                    sql_integer((int64_t)feature->versions[i].id)));
    return OK;
}

static void run_answer(struct loop_task *task)
{
    struct registry_request *request = CONTAINER_OF(task, struct registry_request, task);
    request->done(request);
}

void sql_registry_answer(struct registry_request *request)
{
    request->task.run = run_answer;
    loop_post(request->loop, &request->task);
}

static void run_group(struct sql_registry *self, size_t count)
{
    /* Nobody waits for time-outs that others have already waited for. */
    if (self->driver.is_shared && sql_registry_is_failing(self)) {
        for (size_t i = 0; i < count; i++)
            sql_registry_refuse(self, self->group[i]);
    } else if (count > 0) {
        sql_group_run(self, count);
    }
    for (size_t i = 0; i < count; i++)
        sql_registry_answer(self->group[i]);
}

static void serve(struct sql_registry *self, struct queue_node *node)
{
    size_t most = self->driver.is_shared ? SQL_GROUP_MAX_SHARED : SQL_GROUP_MAX;
    while (node) {
        size_t count = 0;
        while (node && count < most) {
            struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
            struct registry_request *request = CONTAINER_OF(task, struct registry_request, task);
            node = node->next;
            if (request->operation == REGISTRY_REFRESH)
                sql_follow_add(self, request);
            else
                self->group[count++] = request;
        }
        run_group(self, count);
    }
}

static void wake(struct sql_registry *self)
{
    uint64_t one = 1;
    while (write(self->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* Until there is a request, the database has something to say, or the time is over. */
static struct queue_node *wait_for_work(struct sql_registry *self, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    struct pollfd waits[2] = {{.fd = self->wake_fd, .events = POLLIN}, {.fd = -1}};
    uint64_t count;
    if (self->driver.is_shared)
        waits[1] = (struct pollfd){.fd = self->connection->driver->descriptor(self->connection),
                                   .events = POLLIN};
    (void)ppoll(waits, ARRAY_LEN(waits), timeout_ns == INT64_MAX ? NULL : &timeout, NULL);
    if (waits[0].revents != 0)
        (void)!read(self->wake_fd, &count, sizeof(count));
    return queue_take_all(&self->queue);
}

static void *thread_main(void *argument)
{
    struct sql_registry *self = argument;
    pthread_setname_np(pthread_self(), "registry");
    for (;;) {
        int64_t wait_ns = sql_follow_wait_ns(self);
        if (self->limbo.count > 0 && wait_ns > RECLAIM_INTERVAL_NS)
            wait_ns = RECLAIM_INTERVAL_NS;
        bool closing = atomic_load(&self->closing);
        struct queue_node *nodes =
            closing ? queue_take_all(&self->queue) : wait_for_work(self, wait_ns);
        serve(self, nodes);
        if (self->limbo.count > 0)
            epoch_reclaim(&self->limbo);
        if (closing && nodes == NULL && self->follow.waiting == NULL)
            return NULL;
        sql_follow_run(self);
    }
}

static void submit(struct registry *registry, struct registry_request *request)
{
    struct sql_registry *self = self_of(registry);
    ASSERT(!atomic_load_explicit(&self->closing, memory_order_relaxed));
    request->status = OK;
    error_clear(&request->error);
    request->id = 0;
    request->version_number = 0;
    request->created = false;
    request->new_version = false;
    if (self->driver.is_shared && sql_registry_is_failing(self)) {
        /* The thread may be waiting for the database. */
        sql_registry_refuse(self, request);
        sql_registry_answer(request);
    } else if (queue_push(&self->queue, &request->task.node)) {
        wake(self);
    }
}

static void destroy(struct sql_registry *self)
{
    const struct catalog *image = catalog_current(self->catalog);
    epoch_limbo_fini(&self->limbo);
    atomic_store_explicit(&self->catalog->image, NULL, memory_order_release);
    catalog_destroy(image);
    queue_fini(&self->queue);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    pthread_mutex_destroy(&self->health_lock);
    arena_fini(&self->arena);
    self->connection->driver->close(self->connection);
    memory_free(self);
}

static void close_registry(struct registry *registry)
{
    struct sql_registry *self = self_of(registry);
    atomic_store(&self->closing, true);
    wake(self);
    pthread_join(self->thread, NULL);
    destroy(self);
}

static status read_all(struct sql_registry *self, struct error *error)
{
    const struct catalog *image = NULL;
    struct sql_image_left_out left_out = {0};
    TRY(self->connection->driver->begin_read(self->connection, error));
    status s = sql_image_load_revision(self->connection, &self->revision, error);
    if (status_is_ok(s))
        s = sql_image_build(self->connection, NULL, self->revision, &image, &left_out, error);
    self->connection->driver->rollback(self->connection);
    if (!status_is_ok(s)) {
        catalog_destroy(image);
        return s;
    }
    sql_follow_note_left_out(self, &left_out);
    atomic_store_explicit(&self->catalog->image, image, memory_order_release);
    return OK;
}

static status start_thread(struct sql_registry *self, struct error *error)
{
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0)
        return error_set(error, STATUS_UNAVAILABLE, "registry",
                         "cannot start the registry: too few file descriptors");
    if (pthread_create(&self->thread, NULL, thread_main, self) == 0)
        return OK;
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "cannot start the registry's thread");
}

status sql_registry_open(const char *driver_name, struct sql_connection *connection,
                         struct epoch *epoch, struct store_clock *clock,
                         struct catalog_ref *catalog, struct registry **out, struct error *error)
{
    struct sql_registry *self = memory_alloc_zero(sizeof(*self));
    if (self == NULL) {
        connection->driver->close(connection);
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the registry");
    }
    self->driver = (struct registry_driver){
        .name = driver_name,
        .is_shared = connection->driver->is_shared,
        .submit = submit,
        .check = check,
        .close = close_registry,
    };
    self->registry.driver = &self->driver;
    self->connection = connection;
    self->clock = clock;
    self->catalog = catalog;
    self->wake_fd = -1;
    sql_follow_init(self);
    queue_init(&self->queue);
    pthread_mutex_init(&self->health_lock, NULL);
    epoch_limbo_init(&self->limbo, epoch);
    arena_init(&self->arena, READ_ARENA_BYTES);
    atomic_store_explicit(&catalog->image, NULL, memory_order_release);
    status s = read_all(self, error);
    if (status_is_ok(s))
        s = start_thread(self, error);
    if (!status_is_ok(s)) {
        destroy(self);
        return s;
    }
    *out = &self->registry;
    return OK;
}

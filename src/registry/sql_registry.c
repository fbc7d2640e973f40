#include "registry/sql_registry.h"

#include <pthread.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "model/catalog_builder.h"
#include "registry/sql_change.h"
#include "registry/sql_image.h"

#define GROUP_MAX 4096                        /* requests of one transaction */
#define READ_ARENA_BYTES ((size_t)256 << 20)  /* what one change reads: far below */
#define RECLAIM_INTERVAL_NS INT64_C(10000000) /* while an old image waits for its readers */
#define PROBE_INTERVAL_NS INT64_C(1000000000) /* while the database fails */

struct sql_registry {
    struct registry registry; /* first */
    struct registry_driver driver;
    struct sql_connection *connection;
    struct store_clock *clock;
    struct catalog_ref *catalog;
    struct queue queue;
    pthread_t thread;
    _Atomic bool closing;

    /* of the thread */
    struct epoch_limbo limbo;
    struct arena arena;
    struct registry_request *group[GROUP_MAX];
    struct sql_change_outcome outcomes[GROUP_MAX];

    /* for check(): why the database fails, or OK */
    pthread_mutex_t health_lock;
    struct error health;
};

static struct sql_registry *self_of(struct registry *registry)
{
    return (struct sql_registry *)(void *)registry;
}

static void note_health(struct sql_registry *self, status s, const struct error *error)
{
    pthread_mutex_lock(&self->health_lock);
    if (status_is_ok(s))
        error_clear(&self->health);
    else
        self->health = *error;
    pthread_mutex_unlock(&self->health_lock);
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

static bool is_failing(struct sql_registry *self)
{
    return !status_is_ok(check(&self->registry, NULL));
}

static void free_image(void *context, void *block)
{
    (void)context;
    catalog_destroy(block);
}

/* Answers that belong to one request, not to the state of the database: its neighbours go on. */
static bool is_refusal(status s)
{
    return s.code == STATUS_CONFLICT || s.code == STATUS_INVALID || s.code == STATUS_NOT_FOUND ||
           s.code == STATUS_INTERNAL;
}

/* One request under its savepoint. A failure that is returned ends the whole transaction. */
static status apply_one(struct sql_registry *self, struct registry_request *request,
                        struct sql_change_outcome *outcome, struct error *error)
{
    arena_reset(&self->arena);
    error_clear(error);
    TRY(sql_run(self->connection, SQL_SAVEPOINT, NULL, error));
    status s = sql_change_apply(self->connection, &self->arena, store_clock_now_us(self->clock),
                                request, outcome, error);
    if (!status_is_ok(s)) {
        if (!is_refusal(s))
            return s;
        *outcome = (struct sql_change_outcome){0};
        request->error = *error;
        TRY(sql_run(self->connection, SQL_ROLLBACK_TO, NULL, error));
    }
    request->status = s;
    return sql_run(self->connection, SQL_RELEASE, NULL, error);
}

/* Writes the next revision and builds its image; *image stays NULL if nothing changed. */
static status build_next(struct sql_registry *self, const struct sql_change_outcome *outcomes,
                         size_t count, const struct catalog **image, struct error *error)
{
    uint64_t changes = 0;
    uint64_t revision;
    for (size_t i = 0; i < count; i++)
        changes += outcomes[i].catalog_changed ? 1 : 0;
    if (changes == 0)
        return OK;
    TRY(sql_image_load_revision(self->connection, &revision, error));
    revision += changes;
    TRY(sql_run(self->connection, SQL_REVISION_SET, NULL, error, sql_integer((int64_t)revision)));
    TRY(sql_image_build(self->connection, catalog_current(self->catalog), revision, image, error));
    if (!epoch_limbo_reserve(&self->limbo, 1))
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory to publish the catalog");
    return OK;
}

/* Until now the old TTL was in force, so what it let expire since the change was written must not
 * return either. */
static void publish(struct sql_registry *self, const struct catalog *image,
                    struct registry_request *const *requests,
                    const struct sql_change_outcome *outcomes, size_t count)
{
    struct catalog *old = (struct catalog *)(uintptr_t)catalog_current(self->catalog);
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].ttl_changed)
            catalog_builder_end_ttl(old, image, requests[i]->id, store_clock_now_us(self->clock),
                                    outcomes[i].old_ttl_us);
    }
    atomic_store_explicit(&self->catalog->image, image, memory_order_release);
    epoch_retire(&self->limbo, old, old->arena.held_bytes, free_image, NULL);
}

static status write_dead_before(struct sql_registry *self, int64_t feature_id, struct error *error)
{
    const struct catalog_feature *feature =
        catalog_find_feature_id(catalog_current(self->catalog), feature_id);
    for (uint32_t i = 0; feature && i < feature->version_count; i++)
        TRY(sql_run(self->connection, SQL_VERSION_DEAD_BEFORE, NULL, error,
                    sql_integer(feature->versions[i].dead_before_us),
                    sql_integer((int64_t)feature->versions[i].id)));
    return OK;
}

/* The few milliseconds that publishing added to `dead_before`, for the next start. If this fails
 * the change itself stands. */
static void save_dead_before(struct sql_registry *self, struct registry_request *const *requests,
                             const struct sql_change_outcome *outcomes, size_t count)
{
    size_t i = 0;
    while (i < count && !outcomes[i].ttl_changed)
        i++;
    if (i == count || !status_is_ok(self->connection->driver->begin(self->connection, NULL)))
        return;
    status s = OK;
    for (; i < count && status_is_ok(s); i++) {
        if (outcomes[i].ttl_changed)
            s = write_dead_before(self, requests[i]->id, NULL);
    }
    if (status_is_ok(s))
        s = self->connection->driver->commit(self->connection, NULL);
    if (!status_is_ok(s))
        self->connection->driver->rollback(self->connection);
}

/* All requests in one transaction; what fails for all of them is returned. */
static status run_transaction(struct sql_registry *self, struct registry_request **requests,
                              struct sql_change_outcome *outcomes, size_t count,
                              struct error *error)
{
    const struct catalog *image = NULL;
    TRY(self->connection->driver->begin(self->connection, error));
    status s = OK;
    for (size_t i = 0; i < count && status_is_ok(s); i++)
        s = apply_one(self, requests[i], &outcomes[i], error);
    if (status_is_ok(s))
        s = build_next(self, outcomes, count, &image, error);
    if (status_is_ok(s))
        s = self->connection->driver->commit(self->connection, error);
    if (!status_is_ok(s)) {
        self->connection->driver->rollback(self->connection);
        catalog_destroy(image);
        return s;
    }
    if (image) {
        publish(self, image, requests, outcomes, count);
        save_dead_before(self, requests, outcomes, count);
    }
    return OK;
}

/* A request that passes a limit of the process must not fail its neighbours: then each half goes
 * alone. */
static void run_group(struct sql_registry *self, struct registry_request **requests,
                      struct sql_change_outcome *outcomes, size_t count)
{
    struct error error;
    error_clear(&error);
    status s = run_transaction(self, requests, outcomes, count, &error);
    if (s.code == STATUS_INVALID && count > 1) {
        run_group(self, requests, outcomes, count / 2);
        run_group(self, requests + count / 2, outcomes + count / 2, count - count / 2);
        return;
    }
    if (!is_refusal(s))
        note_health(self, s, &error);
    for (size_t i = 0; i < count && !status_is_ok(s); i++) {
        requests[i]->status = s;
        requests[i]->error = error;
    }
}

static void answer(struct loop_task *task)
{
    struct registry_request *request = CONTAINER_OF(task, struct registry_request, task);
    request->done(request);
}

static void serve(struct sql_registry *self, struct queue_node *node)
{
    while (node) {
        size_t count = 0;
        for (; node && count < GROUP_MAX; node = node->next) {
            struct loop_task *task = CONTAINER_OF(node, struct loop_task, node);
            self->group[count++] = CONTAINER_OF(task, struct registry_request, task);
        }
        run_group(self, self->group, self->outcomes, count);
        for (size_t i = 0; i < count; i++) {
            self->group[i]->task.run = answer;
            loop_post(self->group[i]->loop, &self->group[i]->task);
        }
    }
}

/* Whether the database takes writes again, by one that changes nothing. */
static void probe(struct sql_registry *self)
{
    struct error error;
    uint64_t revision;
    error_clear(&error);
    status s = self->connection->driver->begin(self->connection, &error);
    if (status_is_ok(s)) {
        s = sql_image_load_revision(self->connection, &revision, &error);
        if (status_is_ok(s))
            s = sql_run(self->connection, SQL_REVISION_SET, NULL, &error,
                        sql_integer((int64_t)revision));
        if (status_is_ok(s))
            s = self->connection->driver->commit(self->connection, &error);
        if (!status_is_ok(s))
            self->connection->driver->rollback(self->connection);
    }
    note_health(self, s, &error);
}

static void *thread_main(void *argument)
{
    struct sql_registry *self = argument;
    int64_t probed_ns = 0;
    for (;;) {
        bool failing = is_failing(self);
        int64_t wait_ns = self->limbo.count > 0 ? RECLAIM_INTERVAL_NS
                          : failing             ? PROBE_INTERVAL_NS
                                                : INT64_MAX;
        bool closing = atomic_load(&self->closing);
        struct queue_node *nodes =
            closing ? queue_take_all(&self->queue) : queue_wait_all(&self->queue, wait_ns);
        serve(self, nodes);
        if (self->limbo.count > 0)
            epoch_reclaim(&self->limbo);
        if (closing && nodes == NULL)
            return NULL;
        if (failing && clock_monotonic_ns() - probed_ns >= PROBE_INTERVAL_NS) {
            probe(self);
            probed_ns = clock_monotonic_ns();
        }
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
    queue_push(&self->queue, &request->task.node);
}

static void destroy(struct sql_registry *self)
{
    const struct catalog *image = catalog_current(self->catalog);
    epoch_limbo_fini(&self->limbo);
    atomic_store_explicit(&self->catalog->image, NULL, memory_order_release);
    catalog_destroy(image);
    queue_fini(&self->queue);
    pthread_mutex_destroy(&self->health_lock);
    arena_fini(&self->arena);
    self->connection->driver->close(self->connection);
    memory_free(self);
}

static void close_registry(struct registry *registry)
{
    struct sql_registry *self = self_of(registry);
    atomic_store(&self->closing, true);
    queue_interrupt(&self->queue);
    pthread_join(self->thread, NULL);
    destroy(self);
}

static status read_all(struct sql_registry *self, struct error *error)
{
    const struct catalog *image = NULL;
    uint64_t revision;
    TRY(self->connection->driver->begin(self->connection, error));
    status s = sql_image_load_revision(self->connection, &revision, error);
    if (status_is_ok(s))
        s = sql_image_build(self->connection, NULL, revision, &image, error);
    self->connection->driver->rollback(self->connection);
    if (!status_is_ok(s)) {
        catalog_destroy(image);
        return s;
    }
    atomic_store_explicit(&self->catalog->image, image, memory_order_release);
    return OK;
}

static status start_thread(struct sql_registry *self, struct error *error)
{
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
        .submit = submit,
        .check = check,
        .close = close_registry,
    };
    self->registry.driver = &self->driver;
    self->connection = connection;
    self->clock = clock;
    self->catalog = catalog;
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

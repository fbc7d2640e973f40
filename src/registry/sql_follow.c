/* What others do to the database: their changes are looked for every second, when a hint came, and
 * when somebody asks; a connection that was lost is made again. */
#include "registry/sql_registry_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/catalog_builder.h"

#define LOOK_INTERVAL_NS INT64_C(1000000000)
#define LOOK_SPACING_NS (INT64_C(1000000000) / REGISTRY_LOOKS_PER_SECOND)
#define PROBE_INTERVAL_NS INT64_C(1000000000) /* while a database of our own fails */
#define BACKOFF_MIN_NS INT64_C(50000000)
#define BACKOFF_MAX_NS INT64_C(1000000000)

void sql_follow_init(struct sql_registry *self)
{
    self->follow.looked_ns = clock_monotonic_ns();
    self->follow.backoff_ns = BACKOFF_MIN_NS;
    self->follow.random = (uint64_t)clock_monotonic_ns() ^ (uint64_t)(uintptr_t)self;
}

void sql_follow_note_left_out(struct sql_registry *self, const struct sql_image_left_out *left_out)
{
    if (left_out->count != self->follow.left_out && left_out->count > 0)
        log_event(LOG_WARN, "features_left_out", "count=%u first=\"%s\"", left_out->count,
                  left_out->first);
    self->follow.left_out = left_out->count;
}

void sql_follow_add(struct sql_registry *self, struct registry_request *request)
{
    request->task.node.next = self->follow.waiting ? &self->follow.waiting->task.node : NULL;
    self->follow.waiting = request;
}

static void answer_waiting(struct sql_registry *self, status s, const struct error *error)
{
    while (self->follow.waiting) {
        struct registry_request *request = self->follow.waiting;
        struct queue_node *next = request->task.node.next;
        self->follow.waiting = NULL;
        if (next) {
            struct loop_task *task = CONTAINER_OF(next, struct loop_task, node);
            self->follow.waiting = CONTAINER_OF(task, struct registry_request, task);
        }
        request->status = s;
        if (!status_is_ok(s))
            request->error = *error;
        sql_registry_answer(request);
    }
}

static int64_t due_ns(struct sql_registry *self)
{
    const struct sql_follow *follow = &self->follow;
    if (sql_registry_is_failing(self))
        return follow->attempt_ns;
    if (!self->driver.is_shared)
        return INT64_MAX;
    return follow->looked_ns +
           (follow->hinted || follow->waiting ? LOOK_SPACING_NS : LOOK_INTERVAL_NS);
}

int64_t sql_follow_wait_ns(struct sql_registry *self)
{
    int64_t due = due_ns(self);
    if (due == INT64_MAX)
        return INT64_MAX;
    int64_t wait_ns = due - clock_monotonic_ns();
    return wait_ns > 0 ? wait_ns : 0;
}

static const struct catalog_feature *with_another_ttl(const struct catalog *old,
                                                      const struct catalog_feature *feature)
{
    const struct catalog_feature *before = catalog_find_feature_id(old, feature->id);
    bool differs = before && before->definition.ttl_seconds != feature->definition.ttl_seconds;
    return differs ? before : NULL;
}

/* This server served by the old TTL until now, whoever changed it and when. */
static uint32_t end_ttls(struct sql_registry *self, const struct catalog *old,
                         const struct catalog *image)
{
    uint32_t ended = 0;
    for (uint32_t i = 0; i < image->feature_count; i++) {
        const struct catalog_feature *before = with_another_ttl(old, image->features[i]);
        if (before == NULL)
            continue;
        catalog_builder_end_ttl(old, image, before->id, store_clock_now_us(self->clock),
                                before->definition.ttl_seconds * 1000000);
        ended++;
    }
    return ended;
}

/* For the other servers and the next start; if this fails the change itself stands. `old` has been
 * retired but not reclaimed. */
static void save_dead_before(struct sql_registry *self, const struct catalog *old)
{
    const struct sql_connection_driver *driver = self->connection->driver;
    const struct catalog *image = catalog_current(self->catalog);
    if (!status_is_ok(driver->begin(self->connection, NULL)))
        return;
    status s = OK;
    for (uint32_t i = 0; i < image->feature_count && status_is_ok(s); i++) {
        if (with_another_ttl(old, image->features[i]))
            s = sql_registry_write_dead_before(self, image->features[i]->id, NULL);
    }
    if (status_is_ok(s))
        s = driver->commit(self->connection, NULL);
    if (!status_is_ok(s))
        driver->rollback(self->connection);
}

static status load_image(struct sql_registry *self, struct error *error)
{
    const struct catalog *image = NULL;
    const struct catalog *old = catalog_current(self->catalog);
    uint64_t revision;
    TRY(self->connection->driver->begin_read(self->connection, error));
    status s = sql_image_load_revision(self->connection, &revision, error);
    if (status_is_ok(s))
        s = sql_registry_build(self, revision, &image, error);
    self->connection->driver->rollback(self->connection);
    if (!status_is_ok(s)) {
        catalog_destroy(image);
        return s;
    }
    uint32_t ended = end_ttls(self, old, image);
    sql_registry_publish(self, image, revision);
    if (ended > 0)
        save_dead_before(self, old);
    return OK;
}

/* One look for all who wait. `anyway`: also if the revision is the one we have, which after a
 * connection was lost may be that of a database with another past. */
static status look(struct sql_registry *self, bool anyway, struct error *error)
{
    uint64_t revision;
    self->follow.looked_ns = clock_monotonic_ns();
    self->follow.hinted = false;
    TRY(sql_image_load_revision(self->connection, &revision, error));
    return revision == self->revision && !anyway ? OK : load_image(self, error);
}

/* Half to one and a half times the present wait, which then doubles. */
static int64_t next_backoff_ns(struct sql_follow *follow)
{
    follow->random = follow->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t wait_ns =
        follow->backoff_ns / 2 + (int64_t)((follow->random >> 33) % (uint64_t)follow->backoff_ns);
    if (follow->backoff_ns < BACKOFF_MAX_NS)
        follow->backoff_ns *= 2;
    return wait_ns;
}

/* Whether the database takes writes again, by one that changes nothing. */
static status probe(struct sql_registry *self, struct error *error)
{
    uint64_t revision;
    TRY(self->connection->driver->begin(self->connection, error));
    status s = sql_image_load_revision(self->connection, &revision, error);
    if (status_is_ok(s))
        s = sql_run(self->connection, SQL_REVISION_SET, NULL, error,
                    sql_integer((int64_t)revision));
    if (status_is_ok(s))
        s = self->connection->driver->commit(self->connection, error);
    if (!status_is_ok(s))
        self->connection->driver->rollback(self->connection);
    return s;
}

static status come_back(struct sql_registry *self, struct error *error)
{
    if (!self->driver.is_shared)
        return probe(self, error);
    TRY(self->connection->driver->reconnect(self->connection, error));
    TRY(probe(self, error));
    return look(self, true, error);
}

static void plan_next_try(struct sql_registry *self)
{
    self->follow.attempt_ns =
        clock_monotonic_ns() +
        (self->driver.is_shared ? next_backoff_ns(&self->follow) : PROBE_INTERVAL_NS);
}

void sql_follow_note_turn(struct sql_registry *self, status s, const struct error *error)
{
    self->follow.backoff_ns = BACKOFF_MIN_NS;
    if (status_is_ok(s)) {
        log_event(LOG_INFO, "registry_back", "revision=%llu", (unsigned long long)self->revision);
        return;
    }
    log_event(LOG_WARN, "registry_away", "reason=\"%s\"", error->detail);
    plan_next_try(self);
}

static void try_again(struct sql_registry *self)
{
    struct error error;
    error_clear(&error);
    status s = come_back(self, &error);
    if (!status_is_ok(s))
        plan_next_try(self);
    sql_registry_note_health(self, s, &error);
}

static void look_for_changes(struct sql_registry *self)
{
    struct error error;
    error_clear(&error);
    status s = look(self, false, &error);
    if (!status_is_ok(s))
        sql_registry_note_health(self, s, &error);
    answer_waiting(self, s, &error);
}

void sql_follow_run(struct sql_registry *self)
{
    struct sql_follow *follow = &self->follow;
    if (self->driver.is_shared && self->connection->driver->take_hints(self->connection))
        follow->hinted = true;
    bool failing = sql_registry_is_failing(self);
    if (follow->waiting && (failing || !self->driver.is_shared)) {
        struct error error;
        error_clear(&error);
        answer_waiting(self, self->registry.driver->check(&self->registry, &error), &error);
    }
    if (clock_monotonic_ns() < due_ns(self))
        return;
    if (failing)
        try_again(self);
    else
        look_for_changes(self);
}

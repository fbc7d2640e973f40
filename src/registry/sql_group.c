/* A group of changes in one transaction: each under its savepoint, then the next image, built
 * before the commit. */
#include "registry/sql_registry_private.h"

#include "model/catalog_builder.h"
#include "registry/sql_image.h"

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
                         size_t count, uint64_t *revision, const struct catalog **image,
                         struct error *error)
{
    uint64_t changes = 0;
    for (size_t i = 0; i < count; i++)
        changes += outcomes[i].catalog_changed ? 1 : 0;
    if (changes == 0)
        return OK;
    TRY(sql_image_load_revision(self->connection, revision, error));
    *revision += changes;
    TRY(sql_run(self->connection, SQL_REVISION_SET, NULL, error, sql_integer((int64_t)*revision)));
    return sql_registry_build(self, *revision, image, error);
}

/* Until now the old TTL was in force, so what it let expire since the change was written must not
 * return either. */
static void end_ttls(struct sql_registry *self, const struct catalog *image,
                     struct registry_request *const *requests,
                     const struct sql_change_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].ttl_changed)
            catalog_builder_end_ttl(catalog_current(self->catalog), image, requests[i]->id,
                                    store_clock_now_us(self->clock), outcomes[i].old_ttl_us);
    }
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
            s = sql_registry_write_dead_before(self, requests[i]->id, NULL);
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
    uint64_t revision = 0;
    TRY(self->connection->driver->begin(self->connection, error));
    status s = OK;
    for (size_t i = 0; i < count && status_is_ok(s); i++)
        s = apply_one(self, requests[i], &outcomes[i], error);
    if (status_is_ok(s))
        s = build_next(self, outcomes, count, &revision, &image, error);
    if (status_is_ok(s))
        s = self->connection->driver->commit(self->connection, error);
    if (!status_is_ok(s)) {
        self->connection->driver->rollback(self->connection);
        catalog_destroy(image);
        return s;
    }
    if (image) {
        end_ttls(self, image, requests, outcomes, count);
        sql_registry_publish(self, image, revision);
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
        sql_registry_note_health(self, s, &error);
    for (size_t i = 0; i < count && !status_is_ok(s); i++) {
        requests[i]->status = s;
        requests[i]->error = error;
    }
}

void sql_group_run(struct sql_registry *self, size_t count)
{
    run_group(self, self->group, self->outcomes, count);
}

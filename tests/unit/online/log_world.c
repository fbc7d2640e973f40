#include "log_world.h"

#define DATA "data"

void world_open(struct world *world, enum log_fsync fsync)
{
    world->sim = sim_files_create(1, DATA);
    assert_non_null(world->sim);
    struct fixture *f = fixture_open_on(sim_files_system(world->sim), DATA, fsync);
    world->f = f;
    world->age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    world->city = fixture_add(f, "user", DATA_TYPE_STRING, 0);
    world->rank = fixture_add(f, "driver", DATA_TYPE_INT, 0);
}

void world_close(struct world *world)
{
    fixture_close(world->f);
    sim_files_destroy(world->sim);
}

void world_kill(struct world *world)
{
    fixture_kill(world->f, &world->sim);
    assert_true(status_is_ok(fixture_start(world->f)));
}

status try_put(struct world *world, const char *id, uint32_t feature, int64_t value,
               int64_t event_time_us, struct error *error)
{
    struct online_write_cell cell =
        fixture_cell(world->f, feature, value_int(value), event_time_us);
    struct online_write_row row = {
        .entity_index = fixture_version(world->f, feature)->entity->index,
        .entity_id = str_from_cstr(id),
        .cells = &cell,
        .cell_count = 1,
        .ends_record = true,
    };
    struct online_write write = {.rows = &row, .row_count = 1};
    status result = fixture_write(world->f, &write);
    if (error != NULL)
        *error = write.error;
    assert_int_equal(write.records_applied, status_is_ok(result) ? 1 : 0);
    return result;
}

int64_t int_of(struct world *world, const char *id, uint32_t feature)
{
    struct cell cell = fixture_get(world->f, id, feature);
    return cell.state == CELL_PRESENT ? cell.value.integer : -1;
}

static void erase_done(struct online_erase *erase)
{
    ((struct fixture *)erase->user)->waiting--;
}

status erase_targets(struct world *world, const char *id,
                     const struct online_erase_target *targets, uint32_t count,
                     uint64_t *deleted)
{
    struct online_erase erase = {
        .loop = &world->f->loop,
        .done = erase_done,
        .user = world->f,
        .entity_id = str_from_cstr(id),
        .targets = targets,
        .target_count = count,
    };
    world->f->waiting++;
    online_erase(world->f->store, &erase);
    fixture_wait(world->f);
    *deleted = erase.values_deleted;
    return erase.status;
}

struct online_erase_target target_of(struct world *world, uint32_t feature, bool whole)
{
    const struct catalog_version *version = fixture_version(world->f, feature);
    return (struct online_erase_target){version->entity->index, whole ? 0 : version->id,
                                        version->slot};
}

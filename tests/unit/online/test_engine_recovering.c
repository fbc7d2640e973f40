/* A store that recovers, or could not, refuses everything. */
#include "log_world.h"

#include <errno.h>

/* Everything of the simulated files, but listing a folder waits for the gate. */
struct gated {
    struct file_system system; /* first */
    struct file_system *inner;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
};

static struct gated gated;

static int gated_list(struct file_system *system, const char *path,
                      void (*found)(void *user, const char *name), void *user)
{
    (void)system;
    pthread_mutex_lock(&gated.lock);
    while (!gated.is_open)
        pthread_cond_wait(&gated.opened, &gated.lock);
    pthread_mutex_unlock(&gated.lock);
    return gated.inner->list(gated.inner, path, found, user);
}

static int gated_open(struct file_system *system, const char *path, enum file_mode mode,
                      struct file **out)
{
    (void)system;
    return gated.inner->open(gated.inner, path, mode, out);
}

static int gated_rename(struct file_system *system, const char *from, const char *to)
{
    (void)system;
    return gated.inner->rename(gated.inner, from, to);
}

static int gated_remove(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->remove(gated.inner, path);
}

static int gated_make_directory(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->make_directory(gated.inner, path);
}

static int gated_sync_directory(struct file_system *system, const char *path)
{
    (void)system;
    return gated.inner->sync_directory(gated.inner, path);
}

static void gate_init(struct file_system *inner)
{
    gated.system = *inner;
    gated.system.list = gated_list;
    gated.system.open = gated_open;
    gated.system.rename = gated_rename;
    gated.system.remove = gated_remove;
    gated.system.make_directory = gated_make_directory;
    gated.system.sync_directory = gated_sync_directory;
    gated.inner = inner;
    gated.is_open = false;
    pthread_mutex_init(&gated.lock, NULL);
    pthread_cond_init(&gated.opened, NULL);
}

static void gate_open(void)
{
    pthread_mutex_lock(&gated.lock);
    gated.is_open = true;
    pthread_cond_broadcast(&gated.opened);
    pthread_mutex_unlock(&gated.lock);
}

static void read_done(struct online_read *read)
{
    *(bool *)read->user = true;
}

static void statistics_done(struct online_statistics *request)
{
    ((struct fixture *)request->user)->waiting--;
}

/* Every kind of request is refused, with this type. */
static void assert_refuses(struct world *world, const char *type)
{
    struct fixture *f = world->f;
    struct error error;
    uint64_t deleted;
    assert_int_equal(try_put(world, "x", world->age, 1, 1, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    assert_int_equal(fixture_try_erase(f, "x", world->age, &deleted).code, STATUS_UNAVAILABLE);
    const struct catalog_version *version = fixture_version(f, world->age);
    str id = STR("x");
    struct cell cell;
    bool done = false;
    struct online_read read = {.entity = version->entity, .entity_ids = &id, .id_count = 1,
                               .versions = &version, .version_count = 1, .cells = &cell,
                               .loop = &f->loop, .done = read_done, .user = &done,
                               .error = &error};
    error_clear(&error);
    loop_enter(&f->loop);
    online_read(f->store, &read);
    epoch_offline(f->loop.reader);
    assert_true(done);
    assert_int_equal(read.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    struct statistics out;
    struct online_statistics request = {.loop = &f->loop, .done = statistics_done, .user = f,
                                        .version_ids = &version->id, .count = 1, .out = &out};
    f->waiting++;
    f->store->driver->statistics(f->store, &request);
    fixture_wait(f);
    assert_int_equal(request.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(request.error.type, type);
    assert_int_equal(f->store->driver->check(f->store, &error).code, STATUS_UNAVAILABLE);
    assert_string_equal(error.type, type);
    assert_int_equal(f->store->driver->check_ingestion(f->store, &error).code,
                     STATUS_UNAVAILABLE);
}

/* It recovers no further than to the gate. */
static void restart_gated(struct world *world)
{
    fixture_stop(world->f);
    gate_init(sim_files_system(world->sim));
    world->f->options.files = &gated.system;
    world->f->has_recovered = false;
    assert_true(status_is_ok(engine_open(&world->f->options, &world->f->store, NULL)));
}

static void everything_is_refused_while_recovering(void **state)
{
    (void)state;
    struct world w;
    unsigned permille;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    restart_gated(&w);
    assert_refuses(&w, "recovering");
    assert_true(engine_progress(w.f->store, &permille));
    assert_true(permille < 1000);
    assert_true(fixture_metrics(w.f).durability.recovering);
    engine_snapshot(w.f->store); /* asked for too early: comes later, or not, but does no harm */
    gate_open();
    assert_true(status_is_ok(fixture_await(w.f)));
    assert_false(engine_progress(w.f->store, &permille));
    assert_false(fixture_metrics(w.f).durability.recovering);
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

static void a_store_can_be_closed_while_recovering(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    restart_gated(&w);
    gate_open();
    fixture_stop(w.f);
    (void)!status_is_ok(fixture_await(w.f)); /* ready just before, or given up */
    assert_true(status_is_ok(fixture_start(w.f)));
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

static void a_failed_recovery_refuses_everything(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG_FSYNC_ALWAYS);
    fixture_put(w.f, "x", w.age, value_int(7), 1);
    fixture_stop(w.f);
    sim_files_fail(w.sim, SIM_LIST, 1, EIO, true);
    assert_int_equal(fixture_start(w.f).code, STATUS_IO);
    assert_true(strlen(w.f->recovery_error.detail) > 0);
    assert_refuses(&w, "recovery_failed");
    fixture_sweep(w.f);
    sim_files_fail(w.sim, SIM_LIST, 0, 0, false);
    assert_true(status_is_ok(fixture_restart(w.f)));
    assert_int_equal(int_of(&w, "x", w.age), 7);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_refused_while_recovering),
        cmocka_unit_test(a_store_can_be_closed_while_recovering),
        cmocka_unit_test(a_failed_recovery_refuses_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

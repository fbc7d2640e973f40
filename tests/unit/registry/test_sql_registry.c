#include "registry_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/limits.h"

/* Readers who hold an image keep it until they are quiescent. */
static void old_images_wait_for_their_readers(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    struct epoch_reader *reader = epoch_register(&f->epoch);
    assert_non_null(reader);
    epoch_online(&f->epoch, reader);
    const struct catalog *held = catalog_of(f);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        must_register(f, name, "user", DATA_TYPE_INT);
    }
    assert_int_equal(held->feature_count, 1); /* the sanitizers see it if it was freed */
    assert_non_null(catalog_find_feature(held, STR("a")));
    epoch_offline(reader);
    epoch_unregister(reader);
}

/* Loops that read the catalog while it changes: what they hold stays whole. */
struct reading_thread {
    struct fixture *fixture;
    struct epoch_reader *reader;
    _Atomic bool *stop;
    uint64_t images;
    pthread_t thread;
};

static void *read_catalog(void *argument)
{
    struct reading_thread *self = argument;
    uint64_t revision = 0;
    while (!atomic_load(self->stop)) {
        epoch_online(&self->fixture->epoch, self->reader);
        const struct catalog *image = catalog_current(&self->fixture->catalog);
        assert_true(image->revision >= revision);
        self->images += image->revision > revision ? 1 : 0;
        revision = image->revision;
        for (uint32_t i = 0; i < image->feature_count; i++) {
            const struct catalog_feature *feature_i = image->features[i];
            assert_ptr_equal(catalog_find_feature(image, feature_i->definition.name), feature_i);
            assert_ptr_equal(catalog_version_at(image, feature_i->entity->index,
                                                feature_i->active->slot, feature_i->active->id),
                             feature_i->active);
        }
        epoch_offline(self->reader);
    }
    return NULL;
}

static void readers_never_see_a_freed_image(void **state)
{
    enum { READERS = 2, CHANGES = 200 };
    struct fixture *f = *state;
    struct reading_thread readers[READERS];
    _Atomic bool stop = false;
    open_registry(f);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reading_thread){
            .fixture = f, .reader = epoch_register(&f->epoch), .stop = &stop};
        assert_non_null(readers[i].reader);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_catalog, &readers[i]), 0);
    }
    for (int i = 0; i < CHANGES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i < 10 ? i : 10 + i % 10);
        int64_t id = must_register(f, name, "user", DATA_TYPE_INT);
        if (i >= 10)
            assert_int_equal(run_delete(f, id, false).status.code, STATUS_OK);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].images > 0);
        epoch_unregister(readers[i].reader);
    }
}

enum { MANY = 1000 };

static void many_at_once_share_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct registry_request *requests = calloc(MANY, sizeof(*requests));
    struct feature_definition *definitions = calloc(MANY, sizeof(*definitions));
    char(*names)[16] = calloc(MANY, sizeof(*names));
    int pending = 0;
    assert_true(requests && definitions && names);
    open_registry(f);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i % 10 == 9 ? i - 1 : i); /* each tenth twice */
        definitions[i] = feature(names[i], "user", DATA_TYPE_INT);
        requests[i].operation = REGISTRY_REGISTER_FEATURE;
        requests[i].definition = &definitions[i];
    }
    int64_t begin_ns = clock_monotonic_ns();
    for (int i = 0; i < MANY; i++)
        submit(f, &requests[i], &pending);
    wait_for(f, &pending);
    printf("%d registrations in %.1f ms\n", MANY, (double)(clock_monotonic_ns() - begin_ns) / 1e6);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(requests[i].status.code, i % 10 == 9 ? STATUS_CONFLICT : STATUS_OK);
    assert_int_equal(catalog_of(f)->feature_count, MANY / 10 * 9);
    assert_int_equal(catalog_of(f)->revision, MANY / 10 * 9);
    free(requests);
    free(definitions);
    free(names);
}

/* One entity too many among its neighbours: only those beyond the limit are refused. */
static void a_limit_refuses_only_who_passes_it(void **state)
{
    enum { TRIED = LIMIT_ENTITIES + 4 };
    struct fixture *f = *state;
    struct registry_request *requests = calloc(TRIED, sizeof(*requests));
    struct feature_definition *definitions = calloc(TRIED, sizeof(*definitions));
    char(*names)[16] = calloc(TRIED, sizeof(*names));
    int pending = 0;
    int refused = 0;
    assert_true(requests && definitions && names);
    open_registry(f);
    for (int i = 0; i < TRIED; i++) {
        snprintf(names[i], sizeof(names[i]), "e%d", i);
        definitions[i] = feature(names[i], names[i], DATA_TYPE_INT);
        requests[i].operation = REGISTRY_REGISTER_FEATURE;
        requests[i].definition = &definitions[i];
        submit(f, &requests[i], &pending);
    }
    wait_for(f, &pending);
    for (int i = 0; i < TRIED; i++) {
        refused += requests[i].status.code == STATUS_INVALID ? 1 : 0;
        assert_true(requests[i].status.code == STATUS_INVALID || status_is_ok(requests[i].status));
    }
    assert_int_equal(refused, TRIED - LIMIT_ENTITIES);
    assert_int_equal(catalog_of(f)->entity_count, LIMIT_ENTITIES);
    assert_int_equal(query(f, "SELECT count(*) FROM features"), LIMIT_ENTITIES);
    free(requests);
    free(definitions);
    free(names);
}

static void closing_finishes_what_was_submitted(void **state)
{
    enum { SUBMITTED = 50 };
    struct fixture *f = *state;
    struct registry_request requests[SUBMITTED] = {0};
    struct feature_definition definitions[SUBMITTED];
    char names[SUBMITTED][16];
    int pending = 0;
    open_registry(f);
    for (int i = 0; i < SUBMITTED; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i);
        definitions[i] = feature(names[i], "user", DATA_TYPE_INT);
        requests[i].operation = REGISTRY_REGISTER_FEATURE;
        requests[i].definition = &definitions[i];
        submit(f, &requests[i], &pending);
    }
    close_registry(f);
    assert_null(catalog_of(f));
    wait_for(f, &pending);
    open_registry(f);
    assert_int_equal(catalog_of(f)->feature_count, SUBMITTED);
}

/* The database fails for a while: requests are answered so, the image stays, then all is well. */
static void a_failing_database_is_survived(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("b", "user", DATA_TYPE_INT);
    struct error error;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    take_lock(f);
    struct registry_request request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    assert_says(&request, STATUS_BUSY,
                f->is_postgres ? "another server holds its lock"
                               : "another process holds its lock");
    assert_int_equal(f->registry->driver->check(f->registry, &error).code, STATUS_UNAVAILABLE);
    assert_non_null(catalog_find_feature(catalog_of(f), STR("a")));
    assert_null(catalog_find_feature(catalog_of(f), STR("b")));
    give_lock_back(f);
    if (f->is_postgres) /* until then it refuses at once */
        await_health(f);
    request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_true(status_is_ok(f->registry->driver->check(f->registry, &error)));
    assert_non_null(catalog_find_feature(catalog_of(f), STR("b")));
}

/* Whichever allocation fails, the answer says so, the image stays, and the next try succeeds. */
static void changes_survive_without_memory(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("a", "user", DATA_TYPE_INT);
    str members[] = {STR("a")};
    int failures = 0;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    run_service(f, REGISTRY_CREATE_SERVICE, "s", members, 1);
    for (uint64_t n = 0; n < 1000; n++) {
        d.ttl_seconds = (int64_t)n + 1;
        uint64_t revision = catalog_of(f)->revision;
        memory_fail_after(n);
        struct registry_request request = run_definition(f, REGISTRY_PUT_FEATURE, &d);
        memory_fail_after(UINT64_MAX);
        bool changed = status_is_ok(request.status);
        assert_int_equal(catalog_of(f)->revision, revision + changed);
        if (changed)
            break;
        failures++;
        assert_int_equal(request.status.code, STATUS_OUT_OF_MEMORY);
        if (f->is_postgres) /* until then it refuses at once */
            await_health(f);
        assert_non_null(catalog_find_service(catalog_of(f), STR("s"))->versions[0]);
    }
    assert_true(failures > 5);
}

static void opening_survives_without_memory(void **state)
{
    struct fixture *f = *state;
    struct error error;
    int failures = 0;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    close_registry(f);
    for (uint64_t n = 0; f->registry == NULL; n++) {
        memory_fail_after(n);
        status s = try_open(f, &error);
        memory_fail_after(UINT64_MAX);
        if (status_is_ok(s))
            break;
        failures++;
        assert_int_equal(s.code, STATUS_OUT_OF_MEMORY);
        assert_null(catalog_of(f));
    }
    assert_true(failures > 5);
    assert_int_equal(catalog_of(f)->feature_count, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(old_images_wait_for_their_readers),
        REGISTRY_TEST(readers_never_see_a_freed_image),
        REGISTRY_TEST(many_at_once_share_a_transaction),
        REGISTRY_TEST(a_limit_refuses_only_who_passes_it),
        REGISTRY_TEST(closing_finishes_what_was_submitted),
        REGISTRY_TEST(changes_survive_without_memory),
        REGISTRY_TEST(opening_survives_without_memory),
        REGISTRY_TEST(a_failing_database_is_survived),
    };
    return run_registry_tests(argc, argv, tests);
}

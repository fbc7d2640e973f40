#include "service_fixture.h"

#include "service/define.h"

/* A store that is not ready yet, in front of the engine. */
static void refuse_statistics(struct online_store *store, struct online_statistics *request)
{
    (void)store;
    request->status = error_set(&request->error, STATUS_UNAVAILABLE, "recovering",
                                "the store is being read");
    request->done(request);
}

static void described(struct describe *describe)
{
    *(bool *)describe->user = true;
}

static void describing_passes_the_stores_failure_on(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    const struct online_driver driver = {.statistics = refuse_statistics};
    struct online_store refusing = {&driver};
    uint64_t id = fixture_version(f->store, fixture_add(f->store, "user", DATA_TYPE_INT, 0))->id;
    struct describe describe = {.version_ids = &id, .count = 1};
    bool done = false;
    f->service.online = &refusing;
    assert_true(status_is_ok(describe_submit(&describe, &f->service, &f->arena, &f->store->loop,
                                             described, &done)));
    assert_true(done);
    assert_int_equal(describe.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(describe.error.detail, "the store is being read");
    service_fixture_close(f);
}

static void wait_for_it(struct describe *describe)
{
    ((struct fixture *)describe->user)->waiting--;
}

static void describing_copies_live_statistics(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint64_t ids[] = {fixture_version(f->store, age)->id, 999999 /* unknown */};
    struct describe describe = {.version_ids = ids, .count = 2};
    fixture_put(f->store, "u1", age, value_int(5), 1);
    f->store->waiting++;
    assert_true(status_is_ok(describe_submit(&describe, &f->service, &f->arena, &f->store->loop,
                                             wait_for_it, f->store)));
    fixture_wait(f->store);
    assert_true(status_is_ok(describe.status));
    assert_int_equal(describe.statistics[0].count, 1);
    assert_true(describe.statistics[0].mean == 5);
    assert_int_equal(describe.statistics[1].count, 0);
    service_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describing_passes_the_stores_failure_on),
        cmocka_unit_test(describing_copies_live_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

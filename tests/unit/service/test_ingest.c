/* Records into rows and back into counts; erasure by name and entity. */
#include "service_fixture.h"

#include "service/ingest.h"

static void ingested(struct ingest *ingest)
{
    struct service_fixture *f = ingest->user;
    f->store->waiting--;
}

static void erased(struct ingest_erase *erase)
{
    struct service_fixture *f = erase->user;
    f->store->waiting--;
}

static struct ingest submit(struct service_fixture *f, const struct ingest_record *records,
                            uint32_t count)
{
    struct ingest ingest;
    f->store->waiting++;
    assert_true(status_is_ok(ingest_submit(&ingest, &f->service, &f->arena, records, count,
                                           &f->store->loop, ingested, f)));
    fixture_wait(f->store);
    return ingest;
}

static struct ingest_cell cell_of(struct service_fixture *f, uint32_t feature, int64_t integer,
                                  int64_t event_time_us)
{
    struct ingest_cell cell = {.name = feature_name(f, feature),
                               .value = value_int(integer),
                               .event_time_us = event_time_us};
    ingest_cell_set_version(&cell, fixture_version(f->store, feature));
    return cell;
}

static struct ingest_erase erase(struct service_fixture *f, const char *entity, const str *names,
                                 uint32_t count)
{
    struct ingest_erase request;
    f->store->waiting++;
    assert_true(status_is_ok(ingest_erase_submit(&request, &f->service, &f->arena, STR("x"),
                                                 str_from_cstr(entity), names, count,
                                                 &f->store->loop, erased, f, &f->error)));
    fixture_wait(f->store);
    assert_true(status_is_ok(request.status));
    return request;
}

static void a_record_may_name_several_entities(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t rating = fixture_add(f->store, "driver", DATA_TYPE_INT, 0);
    uint32_t clicks = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    struct ingest_cell cells[] = {cell_of(f, age, 1, 10), cell_of(f, rating, 2, 10),
                                  cell_of(f, clicks, 3, 10)};
    struct ingest_record record = {.entity_id = STR("x"), .cells = cells, .cell_count = 3};
    struct ingest done = submit(f, &record, 1);
    assert_true(status_is_ok(done.status));
    assert_int_equal(done.records_applied, 1);
    assert_int_equal(done.values_written, 3);
    assert_int_equal(fixture_get(f->store, "x", age).value.integer, 1);
    assert_int_equal(fixture_get(f->store, "x", rating).value.integer, 2);
    assert_int_equal(fixture_get(f->store, "x", clicks).value.integer, 3);
    assert_int_equal(fixture_metrics(f->store).lsn, 1); /* one record */
    service_fixture_close(f);
}

/* The second record names a feature that is dropped between decoding and writing. */
static void what_is_applied_is_a_prefix(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t gone = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    struct ingest_cell cells[] = {cell_of(f, age, 1, 10), cell_of(f, gone, 2, 10),
                                  cell_of(f, age, 3, 20)};
    struct ingest_record records[] = {
        {.entity_id = STR("x"), .cells = &cells[0], .cell_count = 1},
        {.entity_id = STR("x"), .cells = NULL, .cell_count = 0},
        {.entity_id = STR("x"), .cells = &cells[1], .cell_count = 1},
        {.entity_id = STR("x"), .cells = &cells[2], .cell_count = 1},
    };
    fixture_drop(f->store, gone);
    struct ingest done = submit(f, records, 4);
    assert_int_equal(done.status.code, STATUS_NOT_FOUND);
    assert_int_equal(done.records_applied, 2);
    assert_int_equal(fixture_get(f->store, "x", age).value.integer, 1);
    service_fixture_close(f);
}

static void records_without_values_are_accepted(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct ingest_record records[3] = {{.entity_id = STR("x")}};
    struct ingest done = submit(f, records, 3);
    assert_true(status_is_ok(done.status));
    assert_int_equal(done.records_applied, 3);
    assert_int_equal(done.values_written, 0);
    service_fixture_close(f);
}

static void erasure_takes_what_is_named(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t clicks = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    uint32_t rating = fixture_add(f->store, "driver", DATA_TYPE_INT, 0);
    fixture_put(f->store, "x", age, value_int(1), 10);
    fixture_put(f->store, "x", clicks, value_int(1), 10);
    fixture_put(f->store, "x", rating, value_int(1), 10);
    str names[] = {feature_name(f, clicks)};
    assert_int_equal(erase(f, "", names, 1).values_deleted, 1);
    assert_int_equal(fixture_get(f->store, "x", clicks).state, CELL_NOT_FOUND);
    assert_int_equal(erase(f, "driver", NULL, 0).values_deleted, 1);
    assert_int_equal(fixture_get(f->store, "x", age).state, CELL_PRESENT);
    assert_int_equal(erase(f, "", NULL, 0).values_deleted, 1);
    assert_int_equal(erase(f, "", NULL, 0).values_deleted, 0);
    service_fixture_close(f);
}

static void erasure_refuses_strangers(void **state)
{
    (void)state;
    struct service_fixture *f = service_fixture_open();
    struct ingest_erase request;
    uint32_t age = fixture_add(f->store, "user", DATA_TYPE_INT, 0);
    str stranger[] = {STR("nobody")};
    str known[] = {feature_name(f, age)};
    assert_int_equal(ingest_erase_submit(&request, &f->service, &f->arena, STR("x"), str_of("", 0),
                                         stranger, 1, &f->store->loop, erased, f, &f->error)
                         .code,
                     STATUS_NOT_FOUND);
    assert_string_equal(f->error.detail, "Feature 'nobody' not registered");
    assert_int_equal(ingest_erase_submit(&request, &f->service, &f->arena, STR("x"), STR("plane"),
                                         known, 1, &f->store->loop, erased, f, &f->error)
                         .code,
                     STATUS_NOT_FOUND);
    assert_string_equal(f->error.detail, "Entity 'plane' not registered");
    service_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_may_name_several_entities),
        cmocka_unit_test(what_is_applied_is_a_prefix),
        cmocka_unit_test(records_without_values_are_accepted),
        cmocka_unit_test(erasure_takes_what_is_named),
        cmocka_unit_test(erasure_refuses_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

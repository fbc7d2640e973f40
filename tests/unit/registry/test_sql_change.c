#include "registry_fixture.h"

#include "base/clock.h"
#include "model/cell_rule.h"

#define SECOND_US INT64_C(1000000)

static void every_column_survives(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = {
        .name = STR("emb"),
        .entity = STR("user"),
        .data_type = DATA_TYPE_EMBEDDING,
        .dimension = 8,
        .is_nullable = false,
        .ttl_seconds = 3600,
        .description = {true, STR("")},
        .feature_group = {true, STR("gr\xc3\xb6\xc3\x9f"
                                    "e")},
        .source = {true, STR("a\0b")},
        .tags_json = STR("{\"team\":\"risk\"}"),
        .min_value = {true, -1.5},
        .max_value = {true, 1e300},
        .mean_value = {true, 0.1},
    };
    int64_t before_us = clock_wall_us();
    open_registry(f);
    struct registry_request request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    if (f->is_postgres) { /* its texts have no such character */
        assert_says(&request, STATUS_INVALID, "U+0000");
        d.source.text = STR("a b");
        request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    }
    assert_int_equal(request.status.code, STATUS_OK);
    assert_int_equal(request.id, 1);
    assert_int_equal(request.version_number, 1);
    for (int round = 0; round < 2; round++) {
        const struct catalog_feature *got = catalog_find_feature(catalog_of(f), STR("emb"));
        assert_non_null(got);
        const struct feature_definition *g = &got->definition;
        assert_int_equal(got->id, 1);
        assert_true(str_eq(g->entity, STR("user")));
        assert_int_equal(g->data_type, DATA_TYPE_EMBEDDING);
        assert_int_equal(g->dimension, 8);
        assert_false(g->is_nullable);
        assert_int_equal(g->ttl_seconds, 3600);
        assert_int_equal(got->active->ttl_us, 3600000000);
        assert_true(g->description.present && g->description.text.len == 0);
        assert_true(str_eq(g->feature_group.text, d.feature_group.text));
        assert_true(str_eq(g->source.text, d.source.text));
        assert_false(g->transformation.present);
        assert_true(str_eq(g->tags_json, d.tags_json));
        assert_true(g->min_value.value == -1.5 && g->max_value.value == 1e300);
        assert_true(g->mean_value.present && g->mean_value.value == 0.1);
        assert_false(g->std_dev.present);
        assert_true(got->created_at_us >= before_us && got->created_at_us <= clock_wall_us());
        assert_true(got->updated_at_us == got->created_at_us);
        assert_true(got->active->dead_before_us == CELL_NEVER_DEAD);
        assert_int_equal(catalog_of(f)->revision, 1);
        reopen(f);
    }
    assert_int_equal(query(f, f->is_postgres
                                  ? "SELECT count(*) FROM entities WHERE name = 'user' AND "
                                    "join_keys->0->>'name' = 'user_id'"
                                  : "SELECT count(*) FROM entities WHERE name = 'user' AND "
                                    "json_extract(join_keys, '$[0].name') = 'user_id'"),
                     1);
}

static void a_known_name_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    must_register(f, "user_age", "user", DATA_TYPE_INT);
    struct feature_definition d = feature("user_age", "driver", DATA_TYPE_FLOAT);
    struct registry_request request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    assert_says(&request, STATUS_CONFLICT, "Feature already exists: 'user_age' (version 1)");
    assert_int_equal(catalog_of(f)->revision, 1);
    assert_int_equal(catalog_find_feature(catalog_of(f), STR("user_age"))->definition.data_type,
                     DATA_TYPE_INT);
}

static void putting_creates_changes_and_versions(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("score", "user", DATA_TYPE_INT);
    open_registry(f);
    struct registry_request request = run_definition(f, REGISTRY_PUT_FEATURE, &d);
    assert_true(request.created && !request.new_version);
    assert_int_equal(request.version_number, 1);

    request = run_definition(f, REGISTRY_PUT_FEATURE, &d); /* nothing new */
    assert_int_equal(request.status.code, STATUS_OK);
    assert_false(request.created || request.new_version);
    assert_int_equal(catalog_of(f)->revision, 1);

    d.description = (struct optional_str){true, STR("better words")};
    d.is_nullable = false;
    request = run_definition(f, REGISTRY_PUT_FEATURE, &d);
    const struct catalog_feature *got = catalog_find_feature(catalog_of(f), STR("score"));
    assert_int_equal(request.version_number, 1);
    assert_true(str_eq(got->definition.description.text, STR("better words")));
    assert_false(got->definition.is_nullable);
    assert_true(got->updated_at_us > got->created_at_us);
    uint64_t first_id = got->active->id;

    d.data_type = DATA_TYPE_FLOAT;
    request = run_definition(f, REGISTRY_PUT_FEATURE, &d);
    assert_true(request.new_version && !request.created);
    assert_int_equal(request.version_number, 2);
    got = catalog_find_feature(catalog_of(f), STR("score"));
    assert_int_equal(got->version_count, 2);
    assert_int_equal(got->active->id, first_id);
    assert_int_equal(got->definition.data_type, DATA_TYPE_INT);
    assert_int_equal(catalog_resolve(catalog_of(f), STR("score@2"))->data_type, DATA_TYPE_FLOAT);

    d.entity = STR("driver");
    request = run_definition(f, REGISTRY_PUT_FEATURE, &d);
    assert_says(&request, STATUS_CONFLICT, "cannot change");
    assert_int_equal(catalog_of(f)->revision, 3);
}

static void activating_goes_forth_and_back(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("score", "user", DATA_TYPE_FLOAT);
    open_registry(f);
    must_register(f, "score", "user", DATA_TYPE_INT);
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    struct registry_request request = run_activate(f, "score", 2);
    assert_int_equal(request.status.code, STATUS_OK);
    reopen(f);
    const struct catalog_feature *got = catalog_find_feature(catalog_of(f), STR("score"));
    assert_int_equal(got->active->number, 2);
    assert_int_equal(got->definition.data_type, DATA_TYPE_FLOAT);
    assert_int_equal(query(f, "SELECT data_type = 'float' FROM features"), 1);
    request = run_activate(f, "score", 1);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_int_equal(catalog_resolve(catalog_of(f), STR("score"))->data_type, DATA_TYPE_INT);
    request = run_activate(f, "score", 3);
    assert_says(&request, STATUS_NOT_FOUND, "no version 3");
    request = run_activate(f, "nobody", 1);
    assert_says(&request, STATUS_NOT_FOUND, "Feature not found");
}

static void a_changed_ttl_leaves_the_expired_dead(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("clicks", "user", DATA_TYPE_INT);
    d.ttl_seconds = 60;
    open_registry(f);
    run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    d.ttl_seconds = 3600;
    int64_t before_us = clock_wall_us();
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    int64_t after_us = clock_wall_us();
    int64_t dead_us = catalog_resolve(catalog_of(f), STR("clicks"))->dead_before_us;
    assert_true(dead_us >= before_us - 60000000 && dead_us <= after_us - 60000000);
    assert_true(query(f, "SELECT dead_before_us FROM feature_versions") == dead_us);
    d.ttl_seconds = 0; /* for ever: yet what was dead stays so */
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    reopen(f);
    assert_true(catalog_resolve(catalog_of(f), STR("clicks"))->dead_before_us == dead_us);
    assert_int_equal(catalog_resolve(catalog_of(f), STR("clicks"))->ttl_us, 0);
}

/* A value of 30 s expires for a TTL of 60 s at 90 s, which the online store has seen by 100 s. */
static void a_changed_ttl_is_measured_by_the_clock_of_expiry(void **state)
{
    const int64_t start_us = INT64_C(1700000000000000);
    struct fixture *f = *state;
    struct feature_definition d = feature("clicks", "user", DATA_TYPE_INT);
    d.ttl_seconds = 60;
    fixture_set_wall(start_us);
    open_registry(f);
    run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    fixture_set_wall(start_us + 100 * SECOND_US);
    assert_true(store_clock_now_us(&f->clock) == start_us + 100 * SECOND_US);
    fixture_set_wall(start_us); /* the wall clock steps back */
    d.ttl_seconds = 3600;
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    const struct catalog_version *version = catalog_resolve(catalog_of(f), STR("clicks"));
    assert_true(version->dead_before_us == start_us + 40 * SECOND_US);
    assert_true(query(f, "SELECT dead_before_us FROM feature_versions") == version->dead_before_us);
}

static void ids_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    int64_t last = must_register(f, "b", "user", DATA_TYPE_INT);
    uint64_t version_id = catalog_resolve(catalog_of(f), STR("b"))->id;
    struct registry_request request = run_delete(f, last, false);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_null(catalog_find_feature(catalog_of(f), STR("b")));
    assert_int_equal(query(f, "SELECT count(*) FROM feature_versions"), 1);
    reopen(f);
    assert_true(must_register(f, "b", "user", DATA_TYPE_INT) > last);
    assert_true(catalog_resolve(catalog_of(f), STR("b"))->id > version_id);
    request = run_delete(f, last, false);
    assert_says(&request, STATUS_NOT_FOUND, "Feature not found");
}

static void services_keep_what_their_names_meant(void **state)
{
    struct fixture *f = *state;
    struct feature_definition d = feature("b", "user", DATA_TYPE_FLOAT);
    str members[] = {STR("b"), STR("a@1")};
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    must_register(f, "b", "user", DATA_TYPE_INT);
    struct registry_request request = run_service(f, REGISTRY_CREATE_SERVICE, "fraud", members, 2);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_true(request.created && request.id == 1);
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    run_activate(f, "b", 2);
    reopen(f);
    const struct catalog_service *service = catalog_find_service(catalog_of(f), STR("fraud"));
    assert_int_equal(service->feature_count, 2);
    assert_ptr_equal(service->versions[0], catalog_resolve(catalog_of(f), STR("b@1")));
    assert_true(str_eq(service->resolved[0], STR("b@1")));
    assert_true(str_eq(service->features[0], STR("b")));
    assert_true(str_eq(service->features[1], STR("a@1")));
    assert_true(str_eq(service->description.text, STR("a model")));
    assert_true(str_eq(service->tags_json, STR("{\"a\":1}")));

    request = run_service(f, REGISTRY_CREATE_SERVICE, "fraud", members, 1);
    assert_says(&request, STATUS_CONFLICT, "already exists: 'fraud'");
    request = run_service(f, REGISTRY_PUT_SERVICE, "fraud", members, 1);
    assert_int_equal(request.status.code, STATUS_OK);
    assert_false(request.created);
    service = catalog_find_service(catalog_of(f), STR("fraud"));
    assert_int_equal(service->feature_count, 1);
    assert_ptr_equal(service->versions[0], catalog_resolve(catalog_of(f), STR("b@2")));
    request = run_service(f, REGISTRY_PUT_SERVICE, "other", members, 2);
    assert_true(request.created);
}

static void a_service_is_told_as_it_was_written(void **state)
{
    const int64_t start_us = INT64_C(1700000000000000);
    struct fixture *f = *state;
    struct feature_definition d = feature("b", "user", DATA_TYPE_FLOAT);
    str members[] = {STR("b"), STR("a@1"), STR("b@1")};
    uint32_t versions[3] = {0};
    struct service_definition service = {
        .name = STR("fraud"), .features = members, .feature_count = 3, .tags_json = STR("{}")};
    struct registry_request request = {
        .operation = REGISTRY_CREATE_SERVICE, .service = &service, .member_versions = versions};
    fixture_set_wall(start_us);
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    must_register(f, "b", "user", DATA_TYPE_INT);
    assert_int_equal(run(f, &request)->status.code, STATUS_OK);
    assert_true(versions[0] == 1 && versions[1] == 1 && versions[2] == 1);
    assert_true(request.created_at_us == start_us && request.updated_at_us == start_us);
    run_definition(f, REGISTRY_PUT_FEATURE, &d);
    run_activate(f, "b", 2);
    fixture_set_wall(start_us + SECOND_US + 1);
    request.operation = REGISTRY_PUT_SERVICE;
    assert_int_equal(run(f, &request)->status.code, STATUS_OK);
    assert_true(versions[0] == 2 && versions[1] == 1 && versions[2] == 1);
    assert_true(request.created_at_us == start_us);
    assert_true(request.updated_at_us == start_us + SECOND_US + 1);
    const struct catalog_service *got = catalog_find_service(catalog_of(f), STR("fraud"));
    assert_true(got->created_at_us == request.created_at_us);
    assert_true(got->updated_at_us == request.updated_at_us);
}

static void members_must_be_registered(void **state)
{
    struct fixture *f = *state;
    str members[] = {STR("a"), STR("ghost"), STR("a@2"), STR("spook@1")};
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    struct registry_request request = run_service(f, REGISTRY_CREATE_SERVICE, "s", members, 4);
    assert_says(&request, STATUS_INVALID, "'ghost', 'a@2', 'spook@1'");
    struct error_loc_part part;
    size_t cursor = 0;
    assert_true(error_loc_next(&request.error, &cursor, &part) &&
                error_loc_next(&request.error, &cursor, &part));
    assert_true(str_eq(part.name, STR("features")));
    assert_null(catalog_find_service(catalog_of(f), STR("s")));
    assert_int_equal(catalog_of(f)->revision, 1);
}

static void a_feature_in_use_is_kept_unless_forced(void **state)
{
    struct fixture *f = *state;
    str members[] = {STR("a"), STR("b")};
    open_registry(f);
    int64_t a = must_register(f, "a", "user", DATA_TYPE_INT);
    must_register(f, "b", "user", DATA_TYPE_INT);
    run_service(f, REGISTRY_CREATE_SERVICE, "zeta", members, 2);
    run_service(f, REGISTRY_CREATE_SERVICE, "eta", members, 1);
    struct registry_request request = run_delete(f, a, false);
    assert_says(&request, STATUS_CONFLICT, "'eta', 'zeta'");
    assert_non_null(catalog_find_feature(catalog_of(f), STR("a")));
    request = run_delete(f, a, true);
    assert_int_equal(request.status.code, STATUS_OK);
    const struct catalog_service *service = catalog_find_service(catalog_of(f), STR("zeta"));
    assert_null(service->versions[0]);
    assert_true(str_eq(service->features[0], STR("a")));
    assert_non_null(service->versions[1]);
}

static void services_are_deleted(void **state)
{
    struct fixture *f = *state;
    str members[] = {STR("a")};
    struct registry_request request = {.operation = REGISTRY_DELETE_SERVICE, .name = STR("s")};
    open_registry(f);
    int64_t a = must_register(f, "a", "user", DATA_TYPE_INT);
    run_service(f, REGISTRY_CREATE_SERVICE, "s", members, 1);
    assert_int_equal(run(f, &request)->status.code, STATUS_OK);
    assert_null(catalog_find_service(catalog_of(f), STR("s")));
    assert_says(run(f, &request), STATUS_NOT_FOUND, "Feature service 's' not found");
    assert_int_equal(run_delete(f, a, false).status.code, STATUS_OK);
    assert_int_equal(query(f, "SELECT count(*) FROM feature_service_features"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(every_column_survives),
        REGISTRY_TEST(a_known_name_is_a_conflict),
        REGISTRY_TEST(putting_creates_changes_and_versions),
        REGISTRY_TEST(activating_goes_forth_and_back),
        REGISTRY_TEST(a_changed_ttl_leaves_the_expired_dead),
        REGISTRY_TEST(a_changed_ttl_is_measured_by_the_clock_of_expiry),
        REGISTRY_TEST(ids_are_never_used_again),
        REGISTRY_TEST(services_keep_what_their_names_meant),
        REGISTRY_TEST(a_service_is_told_as_it_was_written),
        REGISTRY_TEST(members_must_be_registered),
        REGISTRY_TEST(a_feature_in_use_is_kept_unless_forced),
        REGISTRY_TEST(services_are_deleted),
    };
    return run_registry_tests(argc, argv, tests);
}

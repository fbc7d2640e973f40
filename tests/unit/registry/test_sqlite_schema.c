#include "registry_fixture.h"

static void a_new_registry_is_empty(void **state)
{
    struct fixture *f = *state;
    struct error error;
    open_registry(f);
    assert_string_equal(f->registry->driver->name, "sqlite");
    assert_int_equal(catalog_of(f)->feature_count, 0);
    assert_int_equal(catalog_of(f)->revision, 0);
    assert_true(status_is_ok(f->registry->driver->check(f->registry, &error)));
    assert_int_equal(query(f, "SELECT max(version) FROM schema_migrations"), 1);
    assert_true(query(f, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"));
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    close_registry(f);
    run_sql(f, "INSERT INTO schema_migrations VALUES (99, 'of the future', 'then')");
    refuse_open(f, "newer release");
}

static void unknown_rows_are_said(void **state)
{
    struct fixture *f = *state;
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    close_registry(f);
    run_sql(f, "UPDATE features SET data_type = 'blob'");
    struct error error;
    assert_int_equal(
        registry_sqlite_open(f->path, &f->epoch, &f->clock, &f->catalog, &f->registry, &error).code,
        STATUS_INTERNAL);
    assert_true(str_contains(str_from_cstr(error.detail), STR("'a' has an unreadable data_type")));
    f->registry = NULL;
}

static void a_plain_registry_is_adopted(void **state)
{
    struct fixture *f = *state;
    run_sql(f,
            "CREATE TABLE features (id INTEGER PRIMARY KEY, name VARCHAR UNIQUE, description "
            "VARCHAR, data_type VARCHAR, entity VARCHAR, feature_group VARCHAR, is_nullable "
            "BOOLEAN, source VARCHAR, transformation VARCHAR, min_value FLOAT, max_value FLOAT, "
            "mean_value FLOAT, std_dev FLOAT, ttl_seconds INTEGER, tags JSON, created_at "
            "DATETIME, updated_at DATETIME);"
            "INSERT INTO features VALUES (7, 'user_age', 'Age', 'integer', 'user', 'demo', 1, "
            "NULL, NULL, 18, 99, NULL, NULL, 3600, '{\"team\": \"risk\"}', "
            "'2025-01-02 03:04:05.000006', NULL), (41, 'city', NULL, 'str', NULL, NULL, 0, NULL, "
            "NULL, NULL, NULL, NULL, NULL, 0, 'null', '2025-01-02 03:04:05', NULL)");
    open_registry(f);
    const struct catalog_feature *age = catalog_find_feature(catalog_of(f), STR("user_age"));
    const struct catalog_feature *city = catalog_find_feature_id(catalog_of(f), 41);
    assert_int_equal(age->id, 7);
    assert_int_equal(age->active->number, 1);
    assert_int_equal(age->definition.data_type, DATA_TYPE_INT);
    assert_int_equal(age->definition.ttl_seconds, 3600);
    assert_true(age->definition.max_value.value == 99);
    assert_true(str_eq(age->definition.tags_json, STR("{\"team\":\"risk\"}")));
    assert_true(age->created_at_us == INT64_C(1735787045000006));
    assert_true(str_eq(city->entity->name, STR("user")));
    assert_false(city->definition.is_nullable);
    assert_true(str_eq(city->definition.tags_json, STR("{}")));
    assert_true(must_register(f, "new", "user", DATA_TYPE_INT) > 41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_new_registry_is_empty),
        REGISTRY_TEST(a_newer_schema_is_refused),
        REGISTRY_TEST(unknown_rows_are_said),
        REGISTRY_TEST(a_plain_registry_is_adopted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

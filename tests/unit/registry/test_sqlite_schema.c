#include "registry_fixture.h"

#include <stdio.h>

#include "base/clock.h"

static void a_new_registry_is_empty(void **state)
{
    struct fixture *f = *state;
    struct error error;
    open_registry(f);
    assert_string_equal(f->registry->driver->name, "sqlite");
    assert_int_equal(catalog_of(f)->feature_count, 0);
    assert_int_equal(catalog_of(f)->revision, 0);
    assert_true(status_is_ok(f->registry->driver->check(f->registry, &error)));
    assert_int_equal(query(f, "SELECT max(version) FROM schema_migrations"), 2);
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

#define PLAIN_COLUMNS                                                                              \
    "name VARCHAR, description VARCHAR, data_type VARCHAR, entity VARCHAR, feature_group "         \
    "VARCHAR, is_nullable BOOLEAN, source VARCHAR, transformation VARCHAR, min_value FLOAT, "      \
    "max_value FLOAT, mean_value FLOAT, std_dev FLOAT, ttl_seconds INTEGER, tags JSON, "           \
    "created_at DATETIME, updated_at DATETIME"
#define CREATE_PLAIN "CREATE TABLE features (id INTEGER PRIMARY KEY, " PLAIN_COLUMNS ");"
#define INSERT_PLAIN "INSERT INTO features (id, name, data_type, "

/* The table is as the other service left it: nothing of ours is in the file. */
static void assert_untouched(struct fixture *f, int64_t rows)
{
    assert_true(query(f, "SELECT count(*) FROM features") == rows);
    assert_int_equal(query(f, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), 1);
}

static void a_plain_registry_is_adopted(void **state)
{
    struct fixture *f = *state;
    run_sql(f, CREATE_PLAIN
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

static void times_of_an_adopted_row_may_be_numbers(void **state)
{
    struct fixture *f = *state;
    run_sql(f, CREATE_PLAIN INSERT_PLAIN
            "tags, created_at, updated_at) VALUES (1, 'a', 'int', '{', 1735787045, 1735787046.25),"
            " (2, 'b', 'int', NULL, 1735787045, NULL), (3, 'c', 'int', NULL, NULL, NULL)");
    int64_t before_us = clock_wall_us();
    open_registry(f);
    const struct catalog_feature *a = catalog_find_feature(catalog_of(f), STR("a"));
    const struct catalog_feature *b = catalog_find_feature(catalog_of(f), STR("b"));
    const struct catalog_feature *c = catalog_find_feature(catalog_of(f), STR("c"));
    assert_true(a->created_at_us == INT64_C(1735787045000000));
    assert_true(a->updated_at_us == INT64_C(1735787046250000));
    assert_true(str_eq(a->definition.tags_json, STR("{}")));
    assert_true(b->updated_at_us == b->created_at_us);
    assert_true(b->created_at_us == a->created_at_us);
    assert_true(c->created_at_us >= before_us && c->created_at_us <= clock_wall_us());
}

static void unreadable_rows_are_not_adopted(void **state)
{
    static const struct {
        const char *row; /* tail of the insertion */
        const char *says;
    } CASES[] = {
        {"entity) VALUES (7, 'view:age', 'int', 'user')", "row id 7, column name: expected a letter"},
        {"entity) VALUES (7, 'gr\xc3\xb6\xc3\x9f"
         "e', 'int', 'user')",
         "found 'gr\xc3\xb6\xc3\x9f"
         "e'"},
        {"entity) VALUES (7, NULL, 'int', 'user')", "row id 7, column name"},
        {"entity) VALUES (7, 'a', 'int', 'a user')", "row id 7, column entity"},
        {"entity) VALUES (7, 'a', 'blob', 'user')", "row id 7, column data_type"},
        {"entity) VALUES (-7, 'a', 'int', 'user')", "row id -7, column id"},
        {"is_nullable) VALUES (7, 'a', 'int', 'maybe')", "row id 7, column is_nullable"},
        {"ttl_seconds) VALUES (7, 'a', 'int', -1)", "row id 7, column ttl_seconds"},
        {"max_value) VALUES (7, 'a', 'int', 'much')", "row id 7, column max_value"},
        {"source) VALUES (7, 'a', 'int', CAST(x'ff' AS TEXT))", "row id 7, column source"},
        {"created_at) VALUES (7, 'a', 'int', 'yesterday')", "row id 7, column created_at"},
        {"updated_at) VALUES (7, 'a', 'int', 1e300)", "row id 7, column updated_at"},
        {"entity) VALUES (7, 'a', 'int', 'user'), (8, 'a', 'int', 'user')",
         "row id 8, column name: another row has the same name 'a'"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char sql[2048];
        snprintf(sql, sizeof(sql), "%s INSERT INTO features (id, name, data_type) VALUES "
                                   "(1, 'fine', 'int');" INSERT_PLAIN "%s",
                 CREATE_PLAIN, CASES[i].row);
        remove_files(f);
        run_sql(f, sql);
        int64_t rows = query(f, "SELECT count(*) FROM features");
        refuse_open(f, CASES[i].says);
        refuse_open(f, "nothing was changed");
        assert_untouched(f, rows);
    }
    run_sql(f, "DELETE FROM features WHERE id = 8"); /* as the error says */
    open_registry(f);
    assert_int_equal(catalog_of(f)->feature_count, 2);
}

static void many_unreadable_rows_are_counted(void **state)
{
    struct fixture *f = *state;
    run_sql(f, CREATE_PLAIN INSERT_PLAIN
            "entity) VALUES (1, '1', 'int', 'user'), (2, '2', 'int', 'user'), (3, '3', 'int', "
            "'user'), (4, '4', 'int', 'user'), (5, '5', 'int', 'user')");
    refuse_open(f, "row id 1, ");
    refuse_open(f, "row id 3, column name");
    refuse_open(f, "and 2 more rows");
    assert_untouched(f, 5);
}

static void what_one_server_cannot_hold_is_not_adopted(void **state)
{
    struct fixture *f = *state;
    run_sql(f, CREATE_PLAIN "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                            "LIMIT 257) INSERT INTO features (id, name, data_type, entity) "
                            "SELECT i, 'f' || i, 'int', 'e' || i FROM n");
    refuse_open(f, "it has 257 entities, and there can be at most 256");
    assert_untouched(f, 257);
}

static void another_kind_of_table_is_not_adopted(void **state)
{
    struct fixture *f = *state;
    run_sql(f, "CREATE TABLE features (id INTEGER PRIMARY KEY, name TEXT, geometry BLOB)");
    refuse_open(f, "no such column: data_type");
    assert_untouched(f, 0);
}

static void ids_that_another_service_gave_are_not_given_again(void **state)
{
    struct fixture *f = *state;
    run_sql(f, "CREATE TABLE features (id INTEGER PRIMARY KEY AUTOINCREMENT, " PLAIN_COLUMNS
               ");" INSERT_PLAIN "entity) VALUES (7, 'a', 'int', 'user'), (90, 'b', 'int', 'user');"
               "DELETE FROM features WHERE id = 90");
    open_registry(f);
    assert_int_equal(must_register(f, "new", "user", DATA_TYPE_INT), 91);
    close_registry(f);
    remove_files(f);
    run_sql(f, "CREATE TABLE features (id INTEGER PRIMARY KEY AUTOINCREMENT, " PLAIN_COLUMNS
               ");" INSERT_PLAIN "entity) VALUES (33, 'a', 'int', 'user'); DELETE FROM features");
    open_registry(f);
    assert_int_equal(must_register(f, "new", "user", DATA_TYPE_INT), 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_new_registry_is_empty),
        REGISTRY_TEST(a_newer_schema_is_refused),
        REGISTRY_TEST(unknown_rows_are_said),
        REGISTRY_TEST(a_plain_registry_is_adopted),
        REGISTRY_TEST(times_of_an_adopted_row_may_be_numbers),
        REGISTRY_TEST(unreadable_rows_are_not_adopted),
        REGISTRY_TEST(many_unreadable_rows_are_counted),
        REGISTRY_TEST(what_one_server_cannot_hold_is_not_adopted),
        REGISTRY_TEST(another_kind_of_table_is_not_adopted),
        REGISTRY_TEST(ids_that_another_service_gave_are_not_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/cell_rule.h"
#include "model/definition_change.h"
#include "model/limits.h"

/* user_age of entity user: version 1 int, version 2 float; `active` and TTL as given. */
static struct catalog_builder_version versions[] = {
    {.id = 11, .number = 1, .data_type = DATA_TYPE_INT, .dead_before_us = CELL_NEVER_DEAD},
    {.id = 12, .number = 2, .data_type = DATA_TYPE_FLOAT, .dead_before_us = 5000000},
};

static struct catalog_builder_feature feature_with(uint32_t version_count, uint32_t active,
                                                   int64_t ttl_seconds)
{
    return (struct catalog_builder_feature){
        .id = 1,
        .definition =
            {
                .name = STR("user_age"),
                .entity = STR("user"),
                .data_type = versions[active - 1].data_type,
                .is_nullable = true,
                .ttl_seconds = ttl_seconds,
                .tags_json = STR("{}"),
            },
        .active_version = active,
        .versions = versions,
        .version_count = version_count,
    };
}

static void registering(void **state)
{
    struct catalog_builder_feature current = feature_with(2, 2, 0);
    struct definition_change change;
    struct error error;
    (void)state;
    assert_true(status_is_ok(definition_change_register(NULL, &change, &error)));
    assert_true(change.create && change.version == 1);
    assert_false(change.update || change.add_version || change.activate);
    assert_int_equal(definition_change_register(&current, &change, &error).code, STATUS_CONFLICT);
    assert_string_equal(error.detail, "Feature already exists: 'user_age' (version 2)");
}

/* What a PUT of a type and TTL leads to, by what is there. */
static void putting(void **state)
{
    static const struct {
        uint32_t version_count, active;
        enum data_type data_type;
        uint32_t dimension;
        int64_t old_ttl, new_ttl;
        bool update, add_version, move_dead_before;
        uint32_t version;
    } TABLE[] = {
        /* the same: nothing happens */
        {1, 1, DATA_TYPE_INT, 0, 60, 60, false, false, false, 1},
        /* a TTL: same version */
        {1, 1, DATA_TYPE_INT, 0, 60, 30, true, false, true, 1},
        {1, 1, DATA_TYPE_INT, 0, 0, 30, true, false, true, 1},
        /* a type: a new version */
        {1, 1, DATA_TYPE_FLOAT, 0, 0, 0, true, true, false, 2},
        {1, 1, DATA_TYPE_EMBEDDING, 8, 0, 0, true, true, false, 2},
        /* the same PUT again, before it was activated: the version that waits */
        {2, 1, DATA_TYPE_FLOAT, 0, 0, 0, false, false, false, 2},
        {2, 1, DATA_TYPE_FLOAT, 0, 10, 20, true, false, true, 2},
        /* back to the type of the active one */
        {2, 1, DATA_TYPE_INT, 0, 0, 0, false, false, false, 1},
        /* back to a type left behind: a version of its own, without the old values */
        {2, 2, DATA_TYPE_INT, 0, 0, 0, true, true, false, 3},
        {2, 2, DATA_TYPE_STRING, 0, 5, 6, true, true, true, 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        struct catalog_builder_feature current =
            feature_with(TABLE[i].version_count, TABLE[i].active, TABLE[i].old_ttl);
        struct feature_definition requested = current.definition;
        struct definition_change change;
        requested.data_type = TABLE[i].data_type;
        requested.dimension = TABLE[i].dimension;
        requested.ttl_seconds = TABLE[i].new_ttl;
        assert_true(status_is_ok(definition_change_put(&current, &requested, &change, NULL)));
        assert_false(change.create || change.activate);
        assert_int_equal(change.update, TABLE[i].update);
        assert_int_equal(change.add_version, TABLE[i].add_version);
        assert_int_equal(change.move_dead_before, TABLE[i].move_dead_before);
        assert_int_equal(change.version, TABLE[i].version);
    }
}

static void putting_what_is_not_there_creates(void **state)
{
    struct catalog_builder_feature current = feature_with(1, 1, 0);
    struct definition_change change;
    (void)state;
    assert_true(status_is_ok(definition_change_put(NULL, &current.definition, &change, NULL)));
    assert_true(change.create && change.version == 1);
}

static void every_column_counts(void **state)
{
    struct catalog_builder_feature current = feature_with(1, 1, 0);
    struct feature_definition same = current.definition;
    struct feature_definition changed[10];
    struct definition_change change;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        changed[i] = same;
    changed[0].is_nullable = false;
    changed[1].description = (struct optional_str){true, STR("")};
    changed[2].feature_group = (struct optional_str){true, STR("g")};
    changed[3].source = (struct optional_str){true, STR("s")};
    changed[4].transformation = (struct optional_str){true, STR("t")};
    changed[5].tags_json = STR("{\"a\":1}");
    changed[6].min_value = (struct optional_double){true, 0};
    changed[7].max_value = (struct optional_double){true, 0};
    changed[8].mean_value = (struct optional_double){true, 0};
    changed[9].std_dev = (struct optional_double){true, 0};
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        assert_true(status_is_ok(definition_change_put(&current, &changed[i], &change, NULL)));
        assert_true(change.update);
        assert_false(change.add_version || change.move_dead_before);
    }
}

static void the_entity_cannot_change(void **state)
{
    struct catalog_builder_feature current = feature_with(1, 1, 0);
    struct feature_definition requested = current.definition;
    struct definition_change change;
    struct error error;
    (void)state;
    requested.entity = STR("driver");
    assert_int_equal(definition_change_put(&current, &requested, &change, &error).code,
                     STATUS_CONFLICT);
    assert_true(str_contains(str_from_cstr(error.detail), STR("'user'")));
    assert_true(str_contains(str_from_cstr(error.detail), STR("'driver'")));
}

static void versions_have_a_limit(void **state)
{
    static struct catalog_builder_version many[LIMIT_VERSIONS_PER_FEATURE];
    struct catalog_builder_feature current = feature_with(1, 1, 0);
    struct feature_definition requested = current.definition;
    struct definition_change change;
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct catalog_builder_version){.id = i + 1, .number = i + 1};
    current.versions = many;
    current.version_count = ARRAY_LEN(many);
    requested.data_type = DATA_TYPE_JSON;
    assert_int_equal(definition_change_put(&current, &requested, &change, NULL).code,
                     STATUS_CONFLICT);
}

static void activating(void **state)
{
    struct catalog_builder_feature current = feature_with(2, 1, 0);
    struct definition_change change;
    struct error error;
    (void)state;
    assert_true(status_is_ok(definition_change_activate(&current, 2, &change, &error)));
    assert_true(change.activate && change.version == 2 && !change.update);
    assert_true(status_is_ok(definition_change_activate(&current, 1, &change, &error)));
    assert_false(change.activate);
    assert_int_equal(definition_change_activate(&current, 3, &change, &error).code,
                     STATUS_NOT_FOUND);
    assert_int_equal(definition_change_activate(NULL, 1, &change, &error).code, STATUS_NOT_FOUND);
    assert_string_equal(error.detail, "Feature not found");
}

static void what_expired_stays_dead(void **state)
{
    struct catalog_builder_feature current = feature_with(2, 1, 2);
    struct catalog_builder_feature without_ttl = feature_with(2, 1, 0);
    (void)state;
    assert_int_equal(definition_change_dead_before(&current, &versions[0], 10000000), 8000000);
    assert_int_equal(definition_change_dead_before(&current, &versions[1], 10000000), 8000000);
    assert_int_equal(definition_change_dead_before(&current, &versions[1], 6000000), 5000000);
    assert_true(definition_change_dead_before(&without_ttl, &versions[0], 10000000) ==
                CELL_NEVER_DEAD);
    assert_int_equal(definition_change_dead_before(&without_ttl, &versions[1], 10000000), 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registering),
        cmocka_unit_test(putting),
        cmocka_unit_test(putting_what_is_not_there_creates),
        cmocka_unit_test(every_column_counts),
        cmocka_unit_test(the_entity_cannot_change),
        cmocka_unit_test(versions_have_a_limit),
        cmocka_unit_test(activating),
        cmocka_unit_test(what_expired_stays_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/catalog_builder.h"

/* An image with features of ids 10, 20, … 90 named f10 …, each with versions 1, 3 and 7. */
static const struct catalog *build_image(void)
{
    static const char *const NAMES[] = {"f10", "f20", "f30", "f40", "f50",
                                        "f60", "f70", "f80", "f90"};
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    const struct catalog *image;
    assert_non_null(builder);
    for (uint32_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct catalog_builder_version versions[] = {
            {.id = i * 3 + 1, .number = 1, .data_type = DATA_TYPE_INT},
            {.id = i * 3 + 2, .number = 3, .data_type = DATA_TYPE_FLOAT},
            {.id = i * 3 + 3, .number = 7, .data_type = DATA_TYPE_STRING},
        };
        struct catalog_builder_feature feature = {
            .id = (i + 1) * 10,
            .definition = {.name = str_from_cstr(NAMES[i]),
                           .entity = i % 2 ? STR("driver") : STR("user"),
                           .tags_json = STR("{}")},
            .active_version = 3,
            .versions = versions,
            .version_count = ARRAY_LEN(versions),
        };
        assert_true(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
    }
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

static void features_are_found_by_name_and_id(void **state)
{
    const struct catalog *image = build_image();
    (void)state;
    for (int64_t id = 10; id <= 90; id += 10)
        assert_int_equal(catalog_find_feature_id(image, id)->id, id);
    assert_null(catalog_find_feature_id(image, 5));
    assert_null(catalog_find_feature_id(image, 15));
    assert_null(catalog_find_feature_id(image, 95));
    assert_int_equal(catalog_find_feature(image, STR("f40"))->id, 40);
    assert_null(catalog_find_feature(image, STR("f4")));
    assert_null(catalog_find_feature(image, STR("f40@1")));
    assert_non_null(catalog_find_entity(image, STR("driver")));
    assert_null(catalog_find_entity(image, STR("plane")));
    assert_null(catalog_find_service(image, STR("f40")));
    catalog_destroy(image);
}

static void references_resolve(void **state)
{
    const struct catalog *image = build_image();
    const struct catalog_feature *feature = catalog_find_feature(image, STR("f20"));
    (void)state;
    assert_int_equal(catalog_feature_version(feature, 7)->number, 7);
    assert_int_equal(catalog_feature_version(feature, 1)->number, 1);
    assert_null(catalog_feature_version(feature, 2));
    assert_null(catalog_feature_version(feature, 8));
    assert_ptr_equal(catalog_resolve(image, STR("f20")), feature->active);
    assert_int_equal(catalog_resolve(image, STR("f20"))->number, 3);
    assert_int_equal(catalog_resolve(image, STR("f20@7"))->data_type, DATA_TYPE_STRING);
    assert_null(catalog_resolve(image, STR("f20@2")));
    assert_null(catalog_resolve(image, STR("f20@")));
    assert_null(catalog_resolve(image, STR("nobody")));
    catalog_destroy(image);
}

static void versions_are_found_at_their_slot(void **state)
{
    const struct catalog *image = build_image();
    const struct catalog_version *version = catalog_resolve(image, STR("f30@7"));
    uint32_t entity = version->entity->index;
    (void)state;
    assert_ptr_equal(catalog_version_at(image, entity, version->slot, version->id), version);
    assert_null(catalog_version_at(image, entity, version->slot, version->id + 1));
    assert_null(catalog_version_at(image, entity, version->slot + 1, version->id));
    assert_null(catalog_version_at(image, entity, 100000, version->id));
    assert_null(catalog_version_at(image, 100000, version->slot, version->id));
    catalog_destroy(image);
    catalog_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_found_by_name_and_id),
        cmocka_unit_test(references_resolve),
        cmocka_unit_test(versions_are_found_at_their_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/catalog_builder.h"
#include "model/limits.h"

/* One version per feature; version id = 100 + feature id. */
static status add(struct catalog_builder *builder, int64_t id, const char *name, const char *entity,
                  struct error *error)
{
    struct catalog_builder_version version = {
        .id = (uint64_t)id + 100, .number = 1, .data_type = DATA_TYPE_FLOAT};
    struct catalog_builder_feature feature = {
        .id = id,
        .definition = {.name = str_from_cstr(name),
                       .entity = str_from_cstr(entity),
                       .ttl_seconds = 60,
                       .description = {true, STR("what it is")},
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    return catalog_builder_add_feature(builder, &feature, error);
}

static struct catalog_builder *begin(const struct catalog *previous)
{
    struct catalog_builder *builder =
        catalog_builder_create(previous, previous ? previous->revision + 1 : 1);
    assert_non_null(builder);
    return builder;
}

static void must_add(struct catalog_builder *builder, int64_t id, const char *name,
                     const char *entity)
{
    assert_true(status_is_ok(add(builder, id, name, entity, NULL)));
}

static const struct catalog *finish(struct catalog_builder *builder)
{
    const struct catalog *image;
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

static uint32_t slot_of(const struct catalog *image, const char *name)
{
    return catalog_resolve(image, str_from_cstr(name))->slot;
}

static void an_image_holds_copies_in_order(void **state)
{
    char name[] = "zeta";
    struct catalog_builder *builder = begin(NULL);
    (void)state;
    must_add(builder, 3, "gamma", "user");
    must_add(builder, 1, name, "user");
    must_add(builder, 2, "beta", "driver");
    memset(name, 'x', sizeof(name));
    const struct catalog *image = finish(builder);
    assert_int_equal(image->revision, 1);
    assert_int_equal(image->feature_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(image->features[i]->id, i + 1);
    const struct catalog_feature *zeta = catalog_find_feature(image, STR("zeta"));
    assert_non_null(zeta);
    assert_true(str_eq(zeta->definition.description.text, STR("what it is")));
    assert_int_equal(zeta->definition.data_type, DATA_TYPE_FLOAT);
    assert_int_equal(zeta->active->ttl_us, 60000000);
    assert_ptr_equal(zeta->active->feature, zeta);
    assert_ptr_equal(zeta->entity, catalog_find_entity(image, STR("user")));
    assert_int_equal(zeta->entity->active_count, 2);
    assert_ptr_equal(zeta->entity->active[0], zeta->active);
    assert_int_equal(zeta->entity->slot_count, 2);
    catalog_destroy(image);
}

static void an_empty_image(void **state)
{
    const struct catalog *image = finish(begin(NULL));
    (void)state;
    assert_int_equal(image->feature_count, 0);
    assert_int_equal(image->entity_count, 0);
    assert_null(catalog_find_feature(image, STR("a")));
    catalog_destroy(image);
}

static void slots_and_indexes_are_carried_over_and_never_given_again(void **state)
{
    struct catalog_builder *builder = begin(NULL);
    (void)state;
    must_add(builder, 1, "a", "user");
    must_add(builder, 2, "b", "user");
    must_add(builder, 3, "c", "driver");
    const struct catalog *first = finish(builder);
    uint32_t slot_a = slot_of(first, "a");
    uint32_t slot_b = slot_of(first, "b");
    uint32_t driver = catalog_find_entity(first, STR("driver"))->index;

    builder = begin(first); /* a and c are gone, d is new */
    must_add(builder, 4, "d", "user");
    must_add(builder, 2, "b", "user");
    const struct catalog *second = finish(builder);
    const struct catalog_entity *user = catalog_find_entity(second, STR("user"));
    assert_int_equal(slot_of(second, "b"), slot_b);
    assert_int_equal(slot_of(second, "d"), 2);
    assert_int_equal(user->slot_count, 3);
    assert_null(user->slots[slot_a].version);
    assert_int_equal(user->slots[slot_a].version_id, 101);
    assert_int_equal(user->slots[slot_a].data_type, DATA_TYPE_FLOAT);
    assert_null(catalog_version_at(second, user->index, slot_a, 101));
    assert_int_equal(catalog_find_entity(second, STR("driver"))->index, driver);
    assert_int_equal(catalog_find_entity(second, STR("driver"))->active_count, 0);
    assert_int_equal(second->entity_count, 2);
    catalog_destroy(first);

    builder = begin(second); /* the name a again, as another feature; a third entity */
    must_add(builder, 2, "b", "user");
    must_add(builder, 4, "d", "user");
    must_add(builder, 5, "a", "user");
    must_add(builder, 6, "e", "plane");
    must_add(builder, 7, "c", "driver");
    const struct catalog *third = finish(builder);
    assert_int_equal(slot_of(third, "a"), 3);
    assert_int_equal(slot_of(third, "b"), slot_b);
    assert_int_equal(slot_of(third, "d"), 2);
    assert_int_equal(catalog_find_entity(third, STR("driver"))->index, driver);
    assert_int_equal(slot_of(third, "c"), 1);
    assert_int_equal(catalog_find_entity(third, STR("plane"))->index, 2);
    assert_null(catalog_find_entity(third, STR("user"))->slots[slot_a].version);
    catalog_destroy(second);
    catalog_destroy(third);
}

/* Many images with random deletions and additions: a slot never changes its version. */
static void slots_hold_over_many_images(void **state)
{
    enum { NAMES = 40, ROUNDS = 60 };
    static uint64_t owner[LIMIT_SLOTS_PER_ENTITY];
    const char *given = getenv("FEATURED_TEST_SEED");
    long seed = given ? strtol(given, NULL, 10) : 20260102;
    const struct catalog *previous = NULL;
    int64_t ids[NAMES] = {0};
    int64_t next_id = 1;
    (void)state;
    printf("seed %ld (FEATURED_TEST_SEED)\n", seed);
    srand48(seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct catalog_builder *builder = begin(previous);
        for (int i = 0; i < NAMES; i++) {
            char name[16];
            snprintf(name, sizeof(name), "f%d", i);
            if (drand48() < 0.3)
                ids[i] = drand48() < 0.5 ? 0 : next_id++;
            if (ids[i] != 0)
                must_add(builder, ids[i], name, "user");
        }
        const struct catalog *image = finish(builder);
        const struct catalog_entity *user = catalog_find_entity(image, STR("user"));
        for (uint32_t slot = 0; user && slot < user->slot_count; slot++) {
            if (owner[slot] == 0)
                owner[slot] = user->slots[slot].version_id;
            assert_int_equal(owner[slot], user->slots[slot].version_id);
            if (user->slots[slot].version)
                assert_int_equal(user->slots[slot].version->slot, slot);
        }
        catalog_destroy(previous);
        previous = image;
    }
    catalog_destroy(previous);
}

static status add_service(struct catalog_builder *builder, const char *name, str *features,
                          const uint64_t *ids, const str *resolved, uint32_t count)
{
    struct catalog_builder_service service = {
        .id = 1,
        .definition = {.name = str_from_cstr(name),
                       .features = features,
                       .feature_count = count,
                       .tags_json = STR("{}")},
        .version_ids = ids,
        .resolved = resolved,
    };
    return catalog_builder_add_service(builder, &service, NULL);
}

static void services_keep_their_versions(void **state)
{
    str features[] = {STR("b"), STR("gone"), STR("a@1")};
    str resolved[] = {STR("b@1"), STR("gone@1"), STR("a@1")};
    uint64_t ids[] = {102, 999, 101};
    struct catalog_builder *builder = begin(NULL);
    (void)state;
    assert_true(status_is_ok(add_service(builder, "z", features, ids, resolved, 1)));
    assert_true(status_is_ok(add_service(builder, "fraud", features, ids, resolved, 3)));
    must_add(builder, 1, "a", "user");
    must_add(builder, 2, "b", "user");
    const struct catalog *image = finish(builder);
    assert_int_equal(image->service_count, 2);
    assert_true(str_eq(image->services[0]->name, STR("fraud")));
    const struct catalog_service *service = catalog_find_service(image, STR("fraud"));
    assert_ptr_equal(service->versions[0], catalog_resolve(image, STR("b")));
    assert_null(service->versions[1]);
    assert_ptr_equal(service->versions[2], catalog_resolve(image, STR("a")));
    assert_true(str_eq(service->features[2], STR("a@1")));
    assert_true(str_eq(service->resolved[1], STR("gone@1")));
    catalog_destroy(image);
}

static void what_contradicts_itself_is_refused(void **state)
{
    struct catalog_builder *builder = begin(NULL);
    struct catalog_builder_version version = {.id = 1, .number = 1};
    struct catalog_builder_feature feature = {
        .id = 9,
        .definition = {.name = STR("x"), .entity = STR("user"), .tags_json = STR("{}")},
        .active_version = 2,
        .versions = &version,
        .version_count = 1,
    };
    const struct catalog *image = NULL;
    struct error error;
    (void)state;
    must_add(builder, 1, "a", "user");
    assert_int_equal(add(builder, 2, "a", "user", &error).code, STATUS_INTERNAL);
    assert_int_equal(catalog_builder_add_feature(builder, &feature, &error).code, STATUS_INTERNAL);
    catalog_builder_destroy(builder);

    builder = begin(NULL);
    must_add(builder, 1, "a", "user");
    feature.active_version = 1;
    version.id = 101; /* that of a */
    assert_true(status_is_ok(catalog_builder_add_feature(builder, &feature, &error)));
    assert_int_equal(catalog_builder_finish(builder, &image, &error).code, STATUS_INTERNAL);
    assert_null(image);
    catalog_builder_destroy(builder);
}

static void entities_have_a_limit(void **state)
{
    struct catalog_builder *builder = begin(NULL);
    const struct catalog *image = NULL;
    struct error error;
    char name[16];
    (void)state;
    for (uint32_t i = 0; i <= LIMIT_ENTITIES; i++) {
        snprintf(name, sizeof(name), "e%u", i);
        must_add(builder, i + 1, name, name);
    }
    assert_int_equal(catalog_builder_finish(builder, &image, &error).code, STATUS_INVALID);
    catalog_builder_destroy(builder);
}

static void slots_have_a_limit(void **state)
{
    const struct catalog *previous = NULL;
    const struct catalog *image = NULL;
    int64_t id = 1;
    (void)state;
    for (int round = 0; round < 2; round++) { /* the second round's are new ids */
        struct catalog_builder *builder = begin(previous);
        for (uint32_t i = 0; i < LIMIT_SLOTS_PER_ENTITY / 2; i++) {
            char name[16];
            snprintf(name, sizeof(name), "f%u", i);
            must_add(builder, id++, name, "user");
        }
        image = finish(builder);
        catalog_destroy(previous);
        previous = image;
    }
    struct catalog_builder *builder = begin(previous);
    struct error error;
    must_add(builder, id, "one_more", "user");
    assert_int_equal(catalog_builder_finish(builder, &image, &error).code, STATUS_INVALID);
    assert_ptr_equal(image, previous);
    catalog_builder_destroy(builder);
    catalog_destroy(previous);
}

static const struct catalog *try_build(const struct catalog *previous)
{
    str features[] = {STR("f1"), STR("f2")};
    str resolved[] = {STR("f1@1"), STR("f2@1")};
    uint64_t ids[] = {102, 103};
    const struct catalog *image = NULL;
    struct catalog_builder *builder = catalog_builder_create(previous, 2);
    if (builder == NULL)
        return NULL;
    status s = add_service(builder, "fraud", features, ids, resolved, 2);
    for (int i = 0; i < 200 && status_is_ok(s); i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        s = add(builder, i + 1, name, i % 3 ? "user" : "driver", NULL);
    }
    if (status_is_ok(s))
        s = catalog_builder_finish(builder, &image, NULL);
    if (!status_is_ok(s)) {
        assert_int_equal(s.code, STATUS_OUT_OF_MEMORY);
        catalog_builder_destroy(builder);
    }
    return image;
}

static void dead_before_only_moves_forward(void **state)
{
    struct catalog_builder *builder = begin(NULL);
    (void)state;
    must_add(builder, 1, "a", "user");
    must_add(builder, 2, "b", "user");
    const struct catalog *first = finish(builder);
    catalog_builder_end_ttl(first, first, 1, 100000000, 60000000);
    catalog_builder_end_ttl(first, first, 99, 100000000, 60000000); /* nobody: nothing */
    assert_int_equal(catalog_resolve(first, STR("a"))->dead_before_us, 40000000);
    assert_int_equal(catalog_resolve(first, STR("b"))->dead_before_us, 0);
    builder = begin(first); /* the rows say 0 */
    must_add(builder, 1, "a", "user");
    const struct catalog *second = finish(builder);
    assert_int_equal(catalog_resolve(second, STR("a"))->dead_before_us, 40000000);
    catalog_builder_end_ttl(first, second, 1, 90000000, 60000000);
    assert_int_equal(catalog_resolve(second, STR("a"))->dead_before_us, 40000000);
    catalog_destroy(first);
    catalog_destroy(second);
}

/* Whichever allocation fails, nothing leaks (the sanitizers see) and the next try succeeds. */
static void every_allocation_may_fail(void **state)
{
    const struct catalog *previous = try_build(NULL);
    int failures = 0;
    (void)state;
    assert_non_null(previous);
    for (uint64_t n = 0;; n++) {
        memory_fail_after(n);
        const struct catalog *image = try_build(previous);
        memory_fail_after(UINT64_MAX);
        if (image) {
            assert_int_equal(image->feature_count, 200);
            catalog_destroy(image);
            break;
        }
        failures++;
    }
    assert_true(failures > 20);
    catalog_destroy(previous);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_holds_copies_in_order),
        cmocka_unit_test(an_empty_image),
        cmocka_unit_test(slots_and_indexes_are_carried_over_and_never_given_again),
        cmocka_unit_test(slots_hold_over_many_images),
        cmocka_unit_test(services_keep_their_versions),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(dead_before_only_moves_forward),
        cmocka_unit_test(entities_have_a_limit),
        cmocka_unit_test(slots_have_a_limit),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

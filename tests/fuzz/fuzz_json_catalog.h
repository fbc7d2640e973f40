/* What the codec's fuzz targets share: a catalog with a feature of every type, made once. */
#ifndef FEATURED_TESTS_FUZZ_JSON_CATALOG_H
#define FEATURED_TESTS_FUZZ_JSON_CATALOG_H

#include "base/assert.h"
#include "model/catalog_builder.h"

#define FUZZ_NOW_US INT64_C(1767323045000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_add_feature(struct catalog_builder *builder, uint32_t index, str name,
                                    enum data_type type, uint32_t dimension)
{
    struct catalog_builder_version version = {
        .id = index + 1, .number = 1, .data_type = type, .dimension = dimension};
    struct catalog_builder_feature feature = {
        .id = index + 1,
        .definition = {.name = name,
                       .entity = index % 2 ? STR("driver") : STR("user"),
                       .data_type = type,
                       .dimension = dimension,
                       .is_nullable = index % 3 != 0,
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    ASSERT(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
}

/* i, f, b, s, t, e, j as their types begin, and x, an embedding of dimension 2. */
static inline const struct catalog *fuzz_catalog(void)
{
    static const struct catalog *image;
    if (image)
        return image;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    ASSERT(builder != NULL);
    for (uint32_t type = 0; type < DATA_TYPE_COUNT; type++)
        fuzz_add_feature(builder, type, str_of(&"ifbstej"[type], 1), (enum data_type)type, 0);
    fuzz_add_feature(builder, DATA_TYPE_COUNT, STR("x"), DATA_TYPE_EMBEDDING, 2);
    ASSERT(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

#endif

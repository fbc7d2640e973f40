#include "fixture.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/catalog_builder.h"

static const struct column {
    const char *name;
    const char *entity;
    enum data_type type;
    uint32_t dimension;
    bool is_nullable;
} COLUMNS[] = {
    {"i", "user", DATA_TYPE_INT, 0, true},       {"f", "user", DATA_TYPE_FLOAT, 0, true},
    {"b", "user", DATA_TYPE_BOOLEAN, 0, true},   {"s", "user", DATA_TYPE_STRING, 0, true},
    {"t", "user", DATA_TYPE_TIMESTAMP, 0, true}, {"e", "user", DATA_TYPE_EMBEDDING, 0, true},
    {"e3", "user", DATA_TYPE_EMBEDDING, 3, true}, {"j", "user", DATA_TYPE_JSON, 0, true},
    {"n", "user", DATA_TYPE_INT, 0, false},      {"m", "user", DATA_TYPE_STRING, 0, false},
    {"d", "driver", DATA_TYPE_INT, 0, true},
};

const struct catalog *fixture_catalog(uint64_t revision)
{
    struct catalog_builder *builder = catalog_builder_create(NULL, revision);
    const struct catalog *image;
    assert_non_null(builder);
    for (uint32_t i = 0; i < ARRAY_LEN(COLUMNS); i++) {
        const struct column *column = &COLUMNS[i];
        uint64_t id = i * 2 + 1;
        struct catalog_builder_version versions[2] = {
            {.id = id,
             .number = 1,
             .data_type = column->type,
             .dimension = column->dimension,
             .created_at_us = 1000000},
            {.id = id + 1, .number = 2, .data_type = DATA_TYPE_STRING, .created_at_us = 2000000},
        };
        struct catalog_builder_feature feature = {
            .id = i + 1,
            .definition = {.name = str_from_cstr(column->name),
                           .entity = str_from_cstr(column->entity),
                           .data_type = column->type,
                           .dimension = column->dimension,
                           .is_nullable = column->is_nullable,
                           .tags_json = STR("{}")},
            .created_at_us = 1000000,
            .updated_at_us = 2000000,
            .active_version = 1,
            .versions = versions,
            .version_count = column->type == DATA_TYPE_INT ? 2 : 1,
        };
        assert_true(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
    }
    assert_true(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

const char *fixture_loc(const struct error *error)
{
    static char text[1024];
    size_t len = 0;
    size_t cursor = 0;
    struct error_loc_part part;
    text[0] = '\0';
    while (error_loc_next(error, &cursor, &part)) {
        const char *dot = len ? "." : "";
        int added = part.is_index
                        ? snprintf(text + len, sizeof(text) - len, "%s%llu", dot,
                                   (unsigned long long)part.index)
                        : snprintf(text + len, sizeof(text) - len, "%s%.*s", dot,
                                   STR_ARG(part.name));
        len += (size_t)added;
    }
    return text;
}

const char *fixture_error(const struct error *error)
{
    static char text[2048];
    snprintf(text, sizeof(text), "%d %s %s", status_http(error->code), fixture_loc(error),
             error->type);
    return text;
}

uint64_t fixture_seed(void)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
    print_message("FEATURED_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, 2014). */
uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

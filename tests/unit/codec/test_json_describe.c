#include <math.h>

#include "base/memory.h"
#include "codec/json_definition.h"
#include "fixture.h"

static void assert_encoded(struct buffer *out, const char *expected)
{
    assert_str(buffer_str(out), expected);
    buffer_fini(out);
    buffer_init(out, SIZE_MAX);
}

#define HEAD                                                                                       \
    "{\"id\":1,\"name\":\"i\",\"description\":null,\"data_type\":\"int\",\"entity\":\"user\","     \
    "\"feature_group\":null,\"is_nullable\":true,\"source\":null,\"transformation\":null,"         \
    "\"dimension\":null,\"ttl_seconds\":null,\"tags\":{},\"version\":1,"
#define NOTHING                                                                                    \
    "\"count\":0,\"null_count\":0,\"min_value\":null,\"max_value\":null,\"mean_value\":null,"      \
    "\"std_dev\":null,\"last_event_timestamp\":null,"
#define MEASURED                                                                                   \
    "\"count\":2,\"null_count\":1,\"min_value\":1.0,\"max_value\":3.0,\"mean_value\":2.0,"         \
    "\"std_dev\":1.0,\"last_event_timestamp\":\"1970-01-01T00:00:03Z\","
#define TIMES "\"created_at\":\"1970-01-01T00:00:01Z\",\"updated_at\":\"1970-01-01T00:00:02Z\""
#define FIRST "{\"version\":1,\"active\":true,\"data_type\":\"int\",\"dimension\":null,"
#define SECOND "{\"version\":2,\"active\":false,\"data_type\":\"string\",\"dimension\":null,"

static void add(struct statistics *statistics, int64_t number, bool is_null, int64_t time_us)
{
    struct value value = {.type = DATA_TYPE_INT, .is_null = is_null, .integer = number};
    statistics_add(statistics, &value, time_us);
}

static void features_with_live_statistics(void **state)
{
    const struct catalog *catalog = fixture_catalog(1);
    const struct catalog_feature *feature = catalog_find_feature(catalog, STR("i"));
    struct statistics statistics[2];
    struct buffer out;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    statistics_init(&statistics[0]);
    statistics_init(&statistics[1]);
    json_encode_feature(&out, feature, &statistics[0], false);
    assert_encoded(&out, HEAD NOTHING TIMES "}");
    add(&statistics[0], 1, false, 1000000);
    add(&statistics[0], 3, false, 3000000);
    add(&statistics[0], 0, true, 2000000);
    json_encode_feature_versions(&out, feature, statistics);
    assert_encoded(&out, HEAD MEASURED TIMES ",\"versions\":[" FIRST MEASURED
                              "\"created_at\":\"1970-01-01T00:00:01Z\"}," SECOND NOTHING
                              "\"created_at\":\"1970-01-01T00:00:02Z\"}]}");
    json_encode_feature(&out, feature, &statistics[0], true);
    assert_encoded(&out, HEAD MEASURED TIMES ",\"versions\":[" FIRST MEASURED
                              "\"created_at\":\"1970-01-01T00:00:01Z\"}," SECOND NOTHING
                              "\"created_at\":\"1970-01-01T00:00:02Z\"}]}");
    /* What is not finite cannot be written. */
    statistics[0].m2 = INFINITY;
    statistics[0].mean = -INFINITY;
    json_encode_feature(&out, feature, &statistics[0], false);
    assert_encoded(&out, HEAD
                   "\"count\":2,\"null_count\":1,\"min_value\":1.0,\"max_value\":3.0,"
                   "\"mean_value\":null,\"std_dev\":null,"
                   "\"last_event_timestamp\":\"1970-01-01T00:00:03Z\"," TIMES "}");
    buffer_fini(&out);
    catalog_destroy(catalog);
}

static void what_the_definition_said_comes_first(void **state)
{
    struct catalog_entity entity = {.name = STR("user")};
    struct catalog_version version = {.number = 4, .data_type = DATA_TYPE_EMBEDDING,
                                      .dimension = 3};
    struct catalog_feature feature = {
        .id = 7,
        .definition = {.name = STR("v"),
                       .entity = STR("user"),
                       .description = {true, STR("a \"b\"")},
                       .feature_group = {true, STR("")},
                       .source = {true, STR("crm")},
                       .transformation = {true, STR("x\n")},
                       .tags_json = STR("{\"a\":[1]}"),
                       .ttl_seconds = 60,
                       .min_value = {true, -5},
                       .std_dev = {true, 2.25}},
        .entity = &entity,
        .versions = &version,
        .version_count = 1,
        .active = &version,
    };
    struct statistics statistics;
    struct buffer out;
    (void)state;
    version.feature = &feature;
    buffer_init(&out, SIZE_MAX);
    statistics_init(&statistics);
    json_encode_feature(&out, &feature, &statistics, false);
    assert_encoded(&out,
                   "{\"id\":7,\"name\":\"v\",\"description\":\"a \\\"b\\\"\","
                   "\"data_type\":\"embedding\",\"entity\":\"user\",\"feature_group\":\"\","
                   "\"is_nullable\":false,\"source\":\"crm\",\"transformation\":\"x\\n\","
                   "\"dimension\":3,\"ttl_seconds\":60,\"tags\":{\"a\":[1]},\"version\":4,"
                   "\"count\":0,\"null_count\":0,\"min_value\":-5.0,\"max_value\":null,"
                   "\"mean_value\":null,\"std_dev\":2.25,\"last_event_timestamp\":null,"
                   "\"created_at\":\"1970-01-01T00:00:00Z\","
                   "\"updated_at\":\"1970-01-01T00:00:00Z\"}");
    buffer_fini(&out);
}

static void registrations_and_services(void **state)
{
    const str unknown_names[] = {STR("colour"), STR("a'\"b")};
    const struct json_unknown none = {NULL, 0};
    const struct json_unknown unknown = {unknown_names, 2};
    const str features[] = {STR("a"), STR("b@2")};
    const str resolved[] = {STR("a@1"), STR("b@2")};
    const struct catalog_service service = {.name = STR("s"),
                                            .description = {true, STR("d")},
                                            .tags_json = STR("{}"),
                                            .features = features,
                                            .resolved = resolved,
                                            .feature_count = 2};
    struct buffer out;
    (void)state;
    buffer_init(&out, SIZE_MAX);
    json_encode_registered(&out, STR("Feature registered"), 12, STR("age"), 1, &none);
    assert_encoded(&out,
                   "{\"message\":\"Feature registered\",\"id\":12,\"name\":\"age\",\"version\":1}");
    json_encode_registered(&out, STR("ok"), 1, STR("a"), 2, &unknown);
    assert_encoded(&out, "{\"message\":\"ok\",\"id\":1,\"name\":\"a\",\"version\":2,\"warnings\":["
                         "\"unknown field 'colour' ignored\","
                         "\"unknown field 'a'\\\"b' ignored\"]}");
    json_encode_service(&out, &service);
    assert_encoded(&out, "{\"name\":\"s\",\"features\":[\"a\",\"b@2\"],"
                         "\"resolved\":[\"a@1\",\"b@2\"],\"description\":\"d\",\"tags\":{},"
                         "\"created_at\":\"1970-01-01T00:00:00Z\","
                         "\"updated_at\":\"1970-01-01T00:00:00Z\"}");
    buffer_fini(&out);
}

static void every_allocation_may_fail(void **state)
{
    const str names[] = {STR("colour")};
    const struct json_unknown unknown = {names, 1};
    uint64_t failures = 0;
    (void)state;
    for (bool done = false; !done; failures++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        memory_fail_after(failures);
        json_encode_registered(&out, STR("ok"), 1, STR("a"), 2, &unknown);
        memory_fail_after(UINT64_MAX);
        done = status_is_ok(buffer_status(&out));
        buffer_fini(&out);
    }
    assert_true(failures > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_with_live_statistics),
        cmocka_unit_test(what_the_definition_said_comes_first),
        cmocka_unit_test(registrations_and_services),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

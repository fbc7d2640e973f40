#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/definition.h"
#include "model/limits.h"

static char *repeat(char c, size_t count)
{
    char *text = malloc(count + 1);
    assert_non_null(text);
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

static void names(void **state)
{
    static const char *const GOOD[] = {"a", "_", "A9_.-", "user_age", "x.y-z"};
    static const char *const BAD[] = {"",    "9a",  "-a",        ".a",  "a b",
                                      "a:b", "a@1", "\xc3\xa9t", "a/b", "a\n"};
    char *longest = repeat('x', LIMIT_NAME_BYTES);
    char *too_long = repeat('x', LIMIT_NAME_BYTES + 1);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        assert_true(definition_name_is_valid(str_from_cstr(GOOD[i])));
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(definition_name_is_valid(str_from_cstr(BAD[i])));
    assert_false(definition_name_is_valid(str_of("a\0b", 3)));
    assert_true(definition_name_is_valid(str_from_cstr(longest)));
    assert_false(definition_name_is_valid(str_from_cstr(too_long)));
    free(longest);
    free(too_long);
}

static void references(void **state)
{
    static const char *const BAD[] = {"",     "@1",    "a@",   "a@0",          "a@01", "a@-1",
                                      "a@1x", "a@1@2", "a @1", "a@2147483648", "9@1",  "a@+1"};
    str name = {0};
    uint32_t version = 77;
    (void)state;
    assert_true(definition_parse_reference(STR("user_age"), &name, &version));
    assert_true(str_eq(name, STR("user_age")));
    assert_int_equal(version, 0);
    assert_true(definition_parse_reference(STR("emb@2147483647"), &name, &version));
    assert_true(str_eq(name, STR("emb")));
    assert_int_equal(version, 2147483647);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(definition_parse_reference(str_from_cstr(BAD[i]), &name, &version));
    assert_int_equal(version, 2147483647);
}

static void entity_ids(void **state)
{
    char *id = repeat('\xff', LIMIT_ENTITY_ID_BYTES + 1);
    (void)state;
    assert_false(entity_id_is_valid(STR("")));
    assert_true(entity_id_is_valid(STR("\0")));
    assert_true(entity_id_is_valid(str_of(id, LIMIT_ENTITY_ID_BYTES)));
    assert_false(entity_id_is_valid(str_of(id, LIMIT_ENTITY_ID_BYTES + 1)));
    free(id);
}

static struct feature_definition good_definition(void)
{
    return (struct feature_definition){
        .name = STR("user_age"),
        .entity = STR("user"),
        .data_type = DATA_TYPE_INT,
        .tags_json = STR("{}"),
    };
}

/* The refusal names its field in the loc and in the text. */
static void assert_refused(const struct feature_definition *definition, const char *field)
{
    struct error error;
    struct error_loc_part part;
    size_t cursor = 0;
    error_clear(&error);
    status s = definition_validate(definition, &error);
    assert_int_equal(s.code, STATUS_INVALID);
    assert_int_equal(error.code, STATUS_INVALID);
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(str_eq(part.name, STR("body")));
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(str_eq(part.name, str_from_cstr(field)));
    assert_false(error_loc_next(&error, &cursor, &part));
    assert_true(str_contains(str_from_cstr(error.detail), str_from_cstr(field)));
    assert_true(error.type[0] != '\0');
}

static void good_definitions(void **state)
{
    struct feature_definition d = good_definition();
    (void)state;
    assert_true(status_is_ok(definition_validate(&d, NULL)));
    d.ttl_seconds = LIMIT_TTL_SECONDS;
    assert_true(status_is_ok(definition_validate(&d, NULL)));
    d.data_type = DATA_TYPE_EMBEDDING;
    assert_true(status_is_ok(definition_validate(&d, NULL)));
    d.dimension = LIMIT_DIMENSION;
    assert_true(status_is_ok(definition_validate(&d, NULL)));
    d.feature_group = (struct optional_str){true, STR("any text: even this")};
    d.min_value = (struct optional_double){true, -1e308};
    assert_true(status_is_ok(definition_validate(&d, NULL)));
}

static void refused_definitions(void **state)
{
    char *text = repeat('t', LIMIT_TAGS_BYTES + 1);
    struct optional_str long_text = {true, str_of(text, LIMIT_DESCRIPTION_BYTES + 1)};
    struct feature_definition d;
    (void)state;
    d = good_definition();
    d.name = STR("user age");
    assert_refused(&d, "name");
    d = good_definition();
    d.entity = STR("");
    assert_refused(&d, "entity");
    d = good_definition();
    d.ttl_seconds = -1;
    assert_refused(&d, "ttl_seconds");
    d.ttl_seconds = LIMIT_TTL_SECONDS + 1;
    assert_refused(&d, "ttl_seconds");
    d = good_definition();
    d.dimension = 3;
    assert_refused(&d, "dimension");
    d.data_type = DATA_TYPE_EMBEDDING;
    d.dimension = LIMIT_DIMENSION + 1;
    assert_refused(&d, "dimension");
    d = good_definition();
    d.description = long_text;
    assert_refused(&d, "description");
    d = good_definition();
    d.feature_group = long_text;
    assert_refused(&d, "feature_group");
    d = good_definition();
    d.source = long_text;
    assert_refused(&d, "source");
    d = good_definition();
    d.transformation = long_text;
    assert_refused(&d, "transformation");
    d = good_definition();
    d.tags_json = str_of(text, LIMIT_TAGS_BYTES + 1);
    assert_refused(&d, "tags");
    d = good_definition();
    d.std_dev = (struct optional_double){true, NAN};
    assert_refused(&d, "std_dev");
    d = good_definition();
    d.max_value = (struct optional_double){true, INFINITY};
    assert_refused(&d, "max_value");
    free(text);
}

static void services(void **state)
{
    str features[] = {STR("a"), STR("b@2"), STR("b@")};
    struct service_definition d = {
        .name = STR("fraud_v3"), .features = features, .feature_count = 2, .tags_json = STR("{}")};
    struct error error;
    struct error_loc_part part;
    size_t cursor = 0;
    (void)state;
    assert_true(status_is_ok(service_definition_validate(&d, NULL)));
    d.feature_count = 3;
    error_clear(&error);
    assert_int_equal(service_definition_validate(&d, &error).code, STATUS_INVALID);
    assert_true(error_loc_next(&error, &cursor, &part) && error_loc_next(&error, &cursor, &part));
    assert_true(str_eq(part.name, STR("features")));
    assert_true(error_loc_next(&error, &cursor, &part));
    assert_true(part.is_index && part.index == 2);
    d.feature_count = 0;
    assert_int_equal(service_definition_validate(&d, NULL).code, STATUS_INVALID);
    d.feature_count = LIMIT_SERVICE_FEATURES + 1;
    assert_int_equal(service_definition_validate(&d, NULL).code, STATUS_INVALID);
    d.feature_count = 2;
    d.name = STR("no spaces");
    assert_int_equal(service_definition_validate(&d, NULL).code, STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(references),
        cmocka_unit_test(entity_ids),
        cmocka_unit_test(good_definitions),
        cmocka_unit_test(refused_definitions),
        cmocka_unit_test(services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/data_type.h"

static void names_parse_to_themselves(void **state)
{
    (void)state;
    for (int i = 0; i < DATA_TYPE_COUNT; i++) {
        enum data_type type;
        str name = str_from_cstr(data_type_name((enum data_type)i));
        assert_true(data_type_parse(name, &type));
        assert_int_equal(type, i);
        assert_true(str_contains(str_from_cstr(data_type_list()), name));
    }
}

static void aliases_parse_without_regard_to_case(void **state)
{
    static const struct {
        const char *alias;
        enum data_type type;
    } TABLE[] = {
        {"int64", DATA_TYPE_INT},
        {"INTEGER", DATA_TYPE_INT},
        {"long", DATA_TYPE_INT},
        {"BigInt", DATA_TYPE_INT},
        {"int32", DATA_TYPE_INT},
        {"float64", DATA_TYPE_FLOAT},
        {"Double", DATA_TYPE_FLOAT},
        {"float32", DATA_TYPE_FLOAT},
        {"number", DATA_TYPE_FLOAT},
        {"REAL", DATA_TYPE_FLOAT},
        {"bool", DATA_TYPE_BOOLEAN},
        {"str", DATA_TYPE_STRING},
        {"text", DATA_TYPE_STRING},
        {"varchar", DATA_TYPE_STRING},
        {"categorical", DATA_TYPE_STRING},
        {"datetime", DATA_TYPE_TIMESTAMP},
        {"unix_timestamp", DATA_TYPE_TIMESTAMP},
        {"timestamptz", DATA_TYPE_TIMESTAMP},
        {"vector", DATA_TYPE_EMBEDDING},
        {"Array<Float>", DATA_TYPE_EMBEDDING},
        {"object", DATA_TYPE_JSON},
        {"dict", DATA_TYPE_JSON},
        {"list", DATA_TYPE_JSON},
        {"jsonb", DATA_TYPE_JSON},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        enum data_type type;
        assert_true(data_type_parse(str_from_cstr(TABLE[i].alias), &type));
        assert_int_equal(type, TABLE[i].type);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const WORDS[] = {"", "in", "ints", "int ", " int", "floaty", "blob", "any"};
    enum data_type type = DATA_TYPE_JSON;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        assert_false(data_type_parse(str_from_cstr(WORDS[i]), &type));
    assert_false(data_type_parse(str_of("int\0", 4), &type));
    assert_int_equal(type, DATA_TYPE_JSON);
}

static void kinds(void **state)
{
    (void)state;
    assert_true(data_type_is_numeric(DATA_TYPE_INT));
    assert_true(data_type_is_numeric(DATA_TYPE_FLOAT));
    assert_false(data_type_is_numeric(DATA_TYPE_TIMESTAMP));
    assert_false(data_type_is_numeric(DATA_TYPE_BOOLEAN));
    assert_true(data_type_has_bytes(DATA_TYPE_STRING));
    assert_true(data_type_has_bytes(DATA_TYPE_EMBEDDING));
    assert_true(data_type_has_bytes(DATA_TYPE_JSON));
    assert_false(data_type_has_bytes(DATA_TYPE_TIMESTAMP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_parse_to_themselves),
        cmocka_unit_test(aliases_parse_without_regard_to_case),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

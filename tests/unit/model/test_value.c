#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/value.h"

static struct value text_value(enum data_type type, str text)
{
    return (struct value){.type = type, .text = text};
}

static void bytes_are_those_out_of_line(void **state)
{
    float data[3] = {1, 2, 3};
    struct value v = text_value(DATA_TYPE_STRING, STR("ab\0c"));
    (void)state;
    assert_int_equal(value_bytes(&v), 4);
    v = text_value(DATA_TYPE_JSON, STR("[]"));
    assert_int_equal(value_bytes(&v), 2);
    v = (struct value){.type = DATA_TYPE_EMBEDDING, .embedding = {data, 3}};
    assert_int_equal(value_bytes(&v), 12);
    v.is_null = true;
    assert_int_equal(value_bytes(&v), 0);
    v = (struct value){.type = DATA_TYPE_INT, .integer = 7};
    assert_int_equal(value_bytes(&v), 0);
}

static void equal_means_type_and_bits(void **state)
{
    struct value zero = {.type = DATA_TYPE_FLOAT, .real = 0.0};
    struct value minus_zero = {.type = DATA_TYPE_FLOAT, .real = -0.0};
    struct value one = {.type = DATA_TYPE_INT, .integer = 1};
    struct value two = {.type = DATA_TYPE_INT, .integer = 2};
    struct value time_one = {.type = DATA_TYPE_TIMESTAMP, .timestamp_us = 1};
    struct value null_int = {.type = DATA_TYPE_INT, .is_null = true};
    struct value null_text = {.type = DATA_TYPE_STRING, .is_null = true};
    (void)state;
    assert_true(value_eq(&zero, &zero));
    assert_false(value_eq(&zero, &minus_zero));
    assert_true(value_eq(&one, &one));
    assert_false(value_eq(&one, &two));
    assert_false(value_eq(&one, &time_one));
    assert_false(value_eq(&one, &null_int));
    assert_true(value_eq(&null_int, &null_int));
    assert_false(value_eq(&null_int, &null_text));
}

static void equal_embeddings_may_be_unaligned(void **state)
{
    float data[2] = {1.5f, -2.5f};
    char shifted[1 + sizeof(data)];
    memcpy(shifted + 1, data, sizeof(data));
    struct value a = {.type = DATA_TYPE_EMBEDDING, .embedding = {data, 2}};
    struct value b = {.type = DATA_TYPE_EMBEDDING,
                      .embedding = {(const float *)(const void *)(shifted + 1), 2}};
    (void)state;
    assert_true(value_eq(&a, &b));
    b.embedding.dimension = 1;
    assert_false(value_eq(&a, &b));
}

static void equal_texts(void **state)
{
    struct value a = text_value(DATA_TYPE_STRING, STR("a\0b"));
    struct value b = text_value(DATA_TYPE_STRING, STR("a\0c"));
    struct value json = text_value(DATA_TYPE_JSON, STR("a\0b"));
    struct value boolean_true = {.type = DATA_TYPE_BOOLEAN, .boolean = true};
    struct value boolean_false = {.type = DATA_TYPE_BOOLEAN, .boolean = false};
    (void)state;
    assert_true(value_eq(&a, &a));
    assert_false(value_eq(&a, &b));
    assert_false(value_eq(&a, &json));
    assert_false(value_eq(&boolean_true, &boolean_false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_out_of_line),
        cmocka_unit_test(equal_means_type_and_bits),
        cmocka_unit_test(equal_embeddings_may_be_unaligned),
        cmocka_unit_test(equal_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

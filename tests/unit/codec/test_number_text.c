#include "codec/number_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static const char *double_text(double value)
{
    static char text[NUMBER_FLOAT_BYTES + 1];
    *number_write_double(text, value) = '\0';
    return text;
}

static const char *float_text(float value)
{
    static char text[NUMBER_FLOAT_BYTES + 1];
    *number_write_float(text, value) = '\0';
    return text;
}

static void integers(void **state)
{
    char text[NUMBER_INT_BYTES + 1];
    char expected[32];
    (void)state;
    int64_t edges[] = {0, 1, 9, 10, 99, 100, -1, -10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        *number_write_int64(text, edges[i]) = '\0';
        snprintf(expected, sizeof(expected), "%lld", (long long)edges[i]);
        assert_string_equal(text, expected);
    }
    /* Beside every power of ten and of two. */
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        for (uint64_t value = power - 1; value <= power + 1; value++) {
            *number_write_uint64(text, value) = '\0';
            snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
            assert_string_equal(text, expected);
        }
    }
    for (unsigned shift = 0; shift < 64; shift++) {
        uint64_t value = (UINT64_C(2) << shift) - 1;
        *number_write_uint64(text, value) = '\0';
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
        assert_string_equal(text, expected);
    }
}

static void floats_show_that_they_are(void **state)
{
    (void)state;
    assert_string_equal(double_text(0.0), "0.0");
    assert_string_equal(double_text(-0.0), "-0.0");
    assert_string_equal(double_text(1), "1.0");
    assert_string_equal(double_text(-25), "-25.0");
    assert_string_equal(double_text(0.1), "0.1");
    assert_string_equal(double_text(0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(double_text(12.34), "12.34");
    assert_string_equal(double_text(999999999.999999), "999999999.999999");
    assert_string_equal(double_text(0.0001), "0.0001");
    assert_string_equal(double_text(5e-324), "5e-324");
    assert_string_equal(double_text(1.7976931348623157e308), "1.7976931348623157e308");
    assert_string_equal(float_text(0.0f), "0.0");
    assert_string_equal(float_text(-0.0f), "-0.0");
    assert_string_equal(float_text(0.1f), "0.1");
    assert_string_equal(float_text(-2.5f), "-2.5");
    assert_string_equal(float_text(16777216.0f), "16777216.0");
    assert_string_equal(float_text(3.4028235e38f), "3.4028235e38");
    assert_string_equal(float_text(1e-45f), "1e-45");
    assert_string_equal(float_text(1e10f), "10000000000.0");
    assert_string_equal(float_text(0.3f), "0.3");
}

static bool is_float_text(const char *text)
{
    return strpbrk(text, ".e") != NULL;
}

static unsigned digits_of(const char *text)
{
    char digits[64];
    unsigned count = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (count || *text != '0'))
            digits[count++] = *text;
    }
    while (count && digits[count - 1] == '0')
        count--;
    return count;
}

static void check_double(double value)
{
    const char *text = double_text(value);
    char other[64];
    double back = strtod(text, NULL);
    assert_memory_equal(&back, &value, sizeof(value));
    assert_true(is_float_text(text) && strlen(text) < NUMBER_FLOAT_BYTES);
    /* One digit less would not do. */
    unsigned digits = digits_of(text);
    if (digits > 1) {
        snprintf(other, sizeof(other), "%.*e", (int)digits - 2, value);
        assert_true(strtod(other, NULL) != value);
    }
}

static void check_float(float value)
{
    const char *text = float_text(value);
    char other[64];
    float back = strtof(text, NULL);
    float through_double = (float)strtod(text, NULL);
    assert_memory_equal(&back, &value, sizeof(value));
    assert_memory_equal(&through_double, &value, sizeof(value));
    assert_true(is_float_text(text) && strlen(text) <= NUMBER_FLOAT32_BYTES);
    unsigned digits = digits_of(text);
    if (digits > 1) {
        snprintf(other, sizeof(other), "%.*e", (int)digits - 2, (double)value);
        if (strtof(other, NULL) == value)
            print_error("%s could be %s\n", text, other);
        assert_true(strtof(other, NULL) != value);
    }
}

static void random_bits_read_back(void **state)
{
    uint64_t seed = fixture_seed();
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = fixture_random(&seed);
        double real;
        float narrow;
        memcpy(&real, &bits, sizeof(real));
        memcpy(&narrow, &bits, sizeof(narrow));
        if (isfinite(real))
            check_double(real);
        if (isfinite(narrow))
            check_float(narrow);
        /* What features look like: few decimals, and all of them. */
        check_double((double)(int64_t)(bits % 2000001) / 100 - 10000);
        check_double((double)(bits >> 40) / 1e6);
        check_float((float)(bits >> 40) / 16777216.0f);
        check_float((float)(int32_t)(bits % 20001) / 100);
    }
}

static void powers_of_two_and_ten_read_back(void **state)
{
    (void)state;
    for (int exponent = -149; exponent < 128; exponent++) {
        check_float(ldexpf(1, exponent));
        check_float(nextafterf(ldexpf(1, exponent), 0));
    }
    for (int exponent = -1074; exponent < 1024; exponent++)
        check_double(ldexp(1, exponent));
    for (int exponent = -45; exponent < 39; exponent++)
        check_float(powf(10, (float)exponent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(floats_show_that_they_are),
        cmocka_unit_test(random_bits_read_back),
        cmocka_unit_test(powers_of_two_and_ten_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

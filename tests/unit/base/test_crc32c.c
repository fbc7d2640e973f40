#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"

static void assert_sum(const void *data, size_t len, uint32_t expected)
{
    assert_int_equal(crc32c(0, data, len), expected);
    assert_int_equal(crc32c_by_table(0, data, len), expected);
}

/* RFC 3720 §B.4, and the customary check. */
static void test_known_sums(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_sum("", 0, 0);
    assert_sum("123456789", 9, 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_sum(bytes, sizeof(bytes), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_sum(bytes, sizeof(bytes), 0x62A8AB43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    assert_sum(bytes, sizeof(bytes), 0x46DD794E);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(31 - i);
    assert_sum(bytes, sizeof(bytes), 0x113FDB5C);
}

static void test_both_ways_agree_and_go_on(void **state)
{
    (void)state;
    unsigned char bytes[200];
    srandom(7);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)random();
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len + from <= sizeof(bytes); len++) {
            uint32_t sum = crc32c(0, bytes + from, len);
            assert_int_equal(crc32c_by_table(0, bytes + from, len), sum);
            size_t cut = len / 3;
            assert_int_equal(crc32c(crc32c(0, bytes + from, cut), bytes + from + cut, len - cut),
                             sum);
            assert_int_equal(crc32c_by_table(crc32c_by_table(0, bytes + from, cut),
                                             bytes + from + cut, len - cut),
                             sum);
        }
}

#if defined(__x86_64__)
/* Else the instruction would never be tested where these tests run. */
static void test_uses_the_instruction(void **state)
{
    (void)state;
    assert_int_equal(crc32c_is_by_table(), !__builtin_cpu_supports("sse4.2"));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sums),
        cmocka_unit_test(test_both_ways_agree_and_go_on),
#if defined(__x86_64__)
        cmocka_unit_test(test_uses_the_instruction),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

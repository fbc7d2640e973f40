#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"

static void test_grows_and_keeps(void **state)
{
    struct buffer buffer;
    (void)state;
    buffer_init(&buffer, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buffer_append_char(&buffer, (char)i);
    assert_int_equal(buffer.len, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buffer.data[i], (char)i);
    buffer_consume(&buffer, 9998);
    assert_int_equal(buffer.len, 2);
    assert_int_equal(buffer.data[1], (char)9999);
    buffer_fini(&buffer);
}

static void test_limit_and_reset(void **state)
{
    struct buffer buffer;
    (void)state;
    buffer_init(&buffer, 1000);
    assert_non_null(buffer_reserve(&buffer, 1000));
    buffer_commit(&buffer, 1000);
    assert_true(status_is_ok(buffer_status(&buffer)));
    buffer_append_char(&buffer, 'x');
    assert_int_equal(buffer_status(&buffer).code, STATUS_OUT_OF_MEMORY);
    assert_int_equal(buffer.len, 1000);
    buffer_reset(&buffer, 1000);
    assert_true(status_is_ok(buffer_status(&buffer)));
    assert_int_equal(buffer.capacity, 1000);
    buffer_append_str(&buffer, STR("again"));
    assert_true(str_eq(buffer_str(&buffer), STR("again")));
    buffer_reset(&buffer, 999);
    assert_int_equal(buffer.capacity, 0);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    buffer_fini(&buffer);
}

static void test_failure_sticks(void **state)
{
    struct buffer buffer;
    (void)state;
    buffer_init(&buffer, 1 << 20);
    memory_fail_after(0);
    buffer_append_str(&buffer, STR("lost"));
    buffer_append_str(&buffer, STR("also lost"));
    buffer_append_uint64(&buffer, 1);
    assert_int_equal(buffer.len, 0);
    assert_true(buffer.failed);
    buffer_fini(&buffer);
}

static void test_numbers_and_format(void **state)
{
    struct buffer buffer;
    (void)state;
    buffer_init(&buffer, 1 << 20);
    buffer_append_uint64(&buffer, 0);
    buffer_append_char(&buffer, ' ');
    buffer_append_uint64(&buffer, UINT64_MAX);
    buffer_append_char(&buffer, ' ');
    buffer_append_int64(&buffer, INT64_MIN);
    buffer_append_char(&buffer, ' ');
    buffer_append_int64(&buffer, INT64_MAX);
    buffer_append_format(&buffer, " %s-%d", "x", 7);
    assert_true(str_eq(buffer_str(&buffer),
                       STR("0 18446744073709551615 -9223372036854775808 9223372036854775807 x-7")));
    buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_keeps),
        cmocka_unit_test(test_limit_and_reset),
        cmocka_unit_test(test_failure_sticks),
        cmocka_unit_test(test_numbers_and_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/hash_map.h"
#include "base/memory.h"

#define NAMES 3000

static void test_put_get_replace(void **state)
{
    static char names[NAMES][24];
    struct hash_map map;
    (void)state;
    hash_map_init(&map);
    assert_null(hash_map_get(&map, STR("x")));
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof(names[i]), "name_%d", i);
        assert_true(hash_map_put(&map, str_from_cstr(names[i]), names[i]));
    }
    assert_int_equal(map.count, NAMES);
    for (int i = 0; i < NAMES; i++)
        assert_ptr_equal(hash_map_get(&map, str_from_cstr(names[i])), names[i]);
    assert_null(hash_map_get(&map, STR("name_")));
    assert_true(hash_map_put(&map, STR("name_7"), &map));
    assert_ptr_equal(hash_map_get(&map, STR("name_7")), &map);
    assert_int_equal(map.count, NAMES);
    hash_map_fini(&map);
}

static void test_out_of_memory_changes_nothing(void **state)
{
    struct hash_map map;
    char keys[16][2];
    (void)state;
    hash_map_init(&map);
    memory_fail_after(0);
    assert_false(hash_map_put(&map, STR("a"), &map));
    assert_int_equal(map.count, 0);
    for (int i = 0; i < 16; i++) {
        keys[i][0] = (char)('a' + i);
        memory_fail_after(i == 0 || map.capacity == 0 ? 1 : 0); /* growing fails from here on */
        if (!hash_map_put(&map, str_of(keys[i], 1), keys[i]))
            break;
        memory_fail_after(UINT64_MAX);
    }
    memory_fail_after(UINT64_MAX);
    assert_int_equal(map.count, 12); /* three quarters of the first capacity */
    for (int i = 0; i < 12; i++)
        assert_ptr_equal(hash_map_get(&map, str_of(keys[i], 1)), keys[i]);
    hash_map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_replace),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

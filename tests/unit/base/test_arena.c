#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"

static void test_blocks_are_apart_and_aligned(void **state)
{
    struct arena arena;
    unsigned char *blocks[500];
    (void)state;
    arena_init(&arena, 1 << 24);
    for (size_t i = 0; i < 500; i++) {
        size_t size = i * 7 % 300;
        blocks[i] = arena_alloc(&arena, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % ARENA_ALIGN, 0);
        memset(blocks[i], (int)i & 0xFF, size);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t at = 0; at < i * 7 % 300; at++)
            assert_int_equal(blocks[i][at], i & 0xFF);
    }
    arena_fini(&arena);
}

static void test_limit(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 10000);
    assert_non_null(arena_alloc(&arena, 9000));
    assert_null(arena_alloc(&arena, 2000));
    assert_non_null(arena_alloc(&arena, 500)); /* what is left can still be had */
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.held_bytes <= 10000);
    arena_fini(&arena);
}

/* After the first request, small ones need no malloc. */
static void test_reset_keeps_a_chunk(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 1 << 24);
    assert_non_null(arena_alloc(&arena, 100));
    assert_non_null(arena_alloc(&arena, 100000));
    arena_reset(&arena);
    memory_fail_after(0);
    assert_non_null(arena_alloc(&arena, 8000));
    assert_null(arena_alloc(&arena, 8000)); /* needs a chunk: the failure is consumed here */
    assert_non_null(arena_alloc(&arena, 8000));
    arena_fini(&arena);
}

static void test_copy_and_zero(void **state)
{
    struct arena arena;
    str copy;
    (void)state;
    arena_init(&arena, 1 << 20);
    char source[] = "text";
    assert_true(arena_copy_str(&arena, str_from_cstr(source), &copy));
    source[0] = 'x';
    assert_true(str_eq(copy, STR("text")));
    assert_true(arena_copy_str(&arena, str_of(NULL, 0), &copy));
    unsigned char *block = arena_alloc(&arena, 64);
    memset(block, 0xFF, 64);
    arena_reset(&arena);
    assert_non_null(arena_alloc_array(&arena, 1, 16));
    block = arena_alloc_zero(&arena, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(block[i], 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart_and_aligned),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_reset_keeps_a_chunk),
        cmocka_unit_test(test_copy_and_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "codec/flatbuffer_read.h"

#include "fixture.h"

/* A table with: 0 a byte, 1 a string, 2 nothing, 3 a vector of two tables, 4 a vector of words. */
static const char BUFFER[] =
    "\x14\0\0\0"                               /* 0: the root is at 20 */
    "\x0E\0\x14\0\x04\0\x08\0\0\0\x0C\0\x10\0" /* 4: its vtable, of five fields */
    "\0\0"                                     /* 18 */
    "\x10\0\0\0"                               /* 20: the vtable is 16 before */
    "\xFE\0\0\0"                               /* 24: field 0, -2 as a number with sign */
    "\x0C\0\0\0"                               /* 28: field 1, at 40 */
    "\x10\0\0\0"                               /* 32: field 3, at 48 */
    "\x1C\0\0\0"                               /* 36: field 4, at 64 */
    "\x03\0\0\0abc\0"                          /* 40 */
    "\x02\0\0\0\x04\0\0\0\x04\0\0\0"           /* 48: two tables, at 56 and 60 */
    "\0\0\0\0"                                 /* 60: (its vtable is itself) */
    "\x02\0\0\0\x07\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"; /* 64 */

static struct flatbuffer buffer_of(char *bytes)
{
    memcpy(bytes, BUFFER, sizeof(BUFFER) - 1);
    return (struct flatbuffer){.bytes = str_of(bytes, sizeof(BUFFER) - 1)};
}

static void fields(void **state)
{
    char bytes[sizeof(BUFFER)];
    struct flatbuffer buffer = buffer_of(bytes);
    struct flatbuffer_table root = flatbuffer_root(&buffer);
    struct flatbuffer_vector words = flatbuffer_vector(&root, 4, 8);
    (void)state;
    assert_true(flatbuffer_is_there(&root));
    assert_int_equal(flatbuffer_int(&root, 0, 1, 7), -2);
    assert_int_equal(flatbuffer_int(&root, 0, 4, 7), 0xFE);
    assert_int_equal(flatbuffer_int(&root, 2, 4, 7), 7);
    assert_int_equal(flatbuffer_int(&root, 5, 4, 8), 8);
    assert_int_equal(flatbuffer_int(&root, 30000, 4, 9), 9);
    assert_str(flatbuffer_string(&root, 1), "abc");
    assert_int_equal(flatbuffer_string(&root, 2).len, 0);
    assert_int_equal(flatbuffer_vector(&root, 3, 4).count, 2);
    assert_int_equal(words.count, 2);
    assert_int_equal(flatbuffer_word(&words, 0), 7);
    assert_int_equal(flatbuffer_word(&words, 1), -1);
    assert_false(buffer.is_damaged);
}

/* An absent table has no fields, whatever is asked. */
static void absent_tables(void **state)
{
    char bytes[sizeof(BUFFER)];
    struct flatbuffer buffer = buffer_of(bytes);
    struct flatbuffer_table root = flatbuffer_root(&buffer);
    struct flatbuffer_table absent = flatbuffer_child(&root, 2);
    (void)state;
    assert_false(flatbuffer_is_there(&absent));
    absent = flatbuffer_child(&absent, 0);
    assert_int_equal(flatbuffer_int(&absent, 0, 8, 5), 5);
    assert_int_equal(flatbuffer_vector(&absent, 0, 4).count, 0);
    assert_false(buffer.is_damaged);
}

/* Each of these leads out of the buffer. */
static void damage(void **state)
{
    static const struct {
        size_t at;
        unsigned char byte;
    } CASES[] = {
        {0, 0x00},  /* the root is its own offset */
        {0, 0x60},  /* the root is beyond the end */
        {3, 0x80},  /* far beyond */
        {23, 0x7F}, /* the vtable is before the buffer */
        {23, 0x80}, /* and after it */
        {4, 0x02},  /* a vtable without its header */
        {5, 0xFF},  /* a vtable longer than the buffer */
        {6, 0x03},  /* a table shorter than its header */
        {7, 0xFF},  /* a table longer than the buffer */
        {8, 0x02},  /* a field in the header of its table */
        {10, 0x14}, /* a field behind its table */
        {31, 0x10}, /* a string far away */
        {40, 0x60}, /* a string longer than the buffer */
        {67, 0x20}, /* a vector, too, when its elements are counted */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char bytes[sizeof(BUFFER)];
        struct flatbuffer buffer = buffer_of(bytes);
        bytes[CASES[i].at] = (char)CASES[i].byte;
        struct flatbuffer_table root = flatbuffer_root(&buffer);
        (void)flatbuffer_int(&root, 0, 1, 0);
        (void)flatbuffer_string(&root, 1);
        (void)flatbuffer_vector(&root, 4, 8);
        if (!buffer.is_damaged)
            print_error("case %zu\n", i);
        assert_true(buffer.is_damaged);
    }
}

static void short_buffers(void **state)
{
    char bytes[sizeof(BUFFER)];
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        struct flatbuffer buffer = buffer_of(bytes);
        buffer.bytes.len = len;
        struct flatbuffer_table root = flatbuffer_root(&buffer);
        assert_false(flatbuffer_is_there(&root));
        assert_true(buffer.is_damaged);
    }
}

/* Two tables that share their bytes, one of which has no vtable. */
static void items(void **state)
{
    char bytes[sizeof(BUFFER)];
    struct flatbuffer buffer = buffer_of(bytes);
    struct flatbuffer_table root = flatbuffer_root(&buffer);
    struct flatbuffer_vector tables = flatbuffer_vector(&root, 3, 4);
    (void)state;
    struct flatbuffer_table item = flatbuffer_item(&tables, 0);
    assert_false(flatbuffer_is_there(&item));
    assert_true(buffer.is_damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),        cmocka_unit_test(absent_tables), cmocka_unit_test(damage),
        cmocka_unit_test(short_buffers), cmocka_unit_test(items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

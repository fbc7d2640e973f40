#include "codec/flatbuffer_write.h"

#include "base/memory.h"
#include "codec/flatbuffer_read.h"
#include "fixture.h"

static void begin(struct flatbuffer_writer *writer, struct buffer *out)
{
    buffer_init(out, SIZE_MAX);
    buffer_append(out, "before!!", 8);
    flatbuffer_write_begin(writer, out);
}

static struct flatbuffer end(struct flatbuffer_writer *writer)
{
    size_t len = flatbuffer_write_end(writer);
    assert_int_equal(len % 8, 0);
    assert_int_equal(len, writer->out->len - 8);
    return (struct flatbuffer){.bytes = str_of(writer->out->data + 8, len)};
}

static void a_table_is_read_back(void **state)
{
    struct flatbuffer_field fields[] = {
        {5, 1, 7}, {2, 8, -3}, {0, 2, -300}, {7, 4, 1 << 30}, {1, 1, 1}};
    struct flatbuffer_writer writer;
    struct buffer out;
    (void)state;
    begin(&writer, &out);
    flatbuffer_write_table(&writer, FLATBUFFER_ROOT, fields, ARRAY_LEN(fields));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_int_equal(fields[i].place % fields[i].bytes, 0);
    struct flatbuffer flat = end(&writer);
    struct flatbuffer_table table = flatbuffer_root(&flat);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_int_equal(flatbuffer_int(&table, fields[i].number, fields[i].bytes, 99),
                         fields[i].value);
    assert_int_equal(flatbuffer_int(&table, 3, 8, 99), 99);
    assert_false(flat.is_damaged);
    buffer_fini(&out);
}

static void what_it_refers_to_is_read_back(void **state)
{
    enum { TEXT, WORDS, ITEMS, CHILD };
    struct flatbuffer_field fields[] = {{0, 4}, {1, 4}, {2, 4}, {3, 4}};
    struct flatbuffer_field number[] = {{0, 8, 42}};
    (void)state;
    for (size_t pad = 1; pad < 9; pad++) {
        struct flatbuffer_writer writer;
        struct buffer out;
        begin(&writer, &out);
        flatbuffer_write_table(&writer, FLATBUFFER_ROOT, fields, ARRAY_LEN(fields));
        flatbuffer_write_string(&writer, fields[TEXT].place, str_of("12345678", pad));
        size_t word = flatbuffer_write_vector(&writer, fields[WORDS].place, 3, 16);
        assert_int_equal(word % 8, 0);
        flatbuffer_write_word(&writer, word + 3 * 8, -5);
        size_t item = flatbuffer_write_vector(&writer, fields[ITEMS].place, 2, 4);
        flatbuffer_write_table(&writer, item + 4, number, ARRAY_LEN(number));
        flatbuffer_write_table(&writer, item, NULL, 0);
        flatbuffer_write_table(&writer, fields[CHILD].place, NULL, 0);
        struct flatbuffer flat = end(&writer);
        struct flatbuffer_table table = flatbuffer_root(&flat);
        assert_int_equal(flatbuffer_string(&table, TEXT).len, pad);
        assert_int_equal(flatbuffer_string(&table, TEXT).data[pad], '\0');
        struct flatbuffer_vector words = flatbuffer_vector(&table, WORDS, 16);
        assert_int_equal(words.count, 3);
        for (uint64_t i = 0; i < 6; i++)
            assert_int_equal(flatbuffer_word(&words, i), i == 3 ? -5 : 0);
        struct flatbuffer_vector items = flatbuffer_vector(&table, ITEMS, 4);
        struct flatbuffer_table second = flatbuffer_item(&items, 1);
        assert_int_equal(flatbuffer_int(&second, 0, 8, 0), 42);
        struct flatbuffer_table child = flatbuffer_child(&table, CHILD);
        assert_true(flatbuffer_is_there(&child));
        assert_false(flat.is_damaged);
        buffer_fini(&out);
    }
}

static void memory_may_fail(void **state)
{
    struct flatbuffer_field fields[] = {{0, 4}, {1, 8, 1}};
    struct flatbuffer_writer writer;
    struct buffer out;
    (void)state;
    buffer_init(&out, 40); /* some of it fits */
    flatbuffer_write_begin(&writer, &out);
    flatbuffer_write_table(&writer, FLATBUFFER_ROOT, fields, ARRAY_LEN(fields));
    size_t word = flatbuffer_write_vector(&writer, fields[0].place, 100, 16);
    flatbuffer_write_word(&writer, word + 1000, 1);
    flatbuffer_write_string(&writer, word, STR("text"));
    flatbuffer_write_end(&writer);
    assert_true(out.failed);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_read_back),
        cmocka_unit_test(what_it_refers_to_is_read_back),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/table.h"

static void columns_line_up(void **state)
{
    struct table table;
    struct buffer out;
    (void)state;
    table_init(&table, 2, 0);
    buffer_init(&out, 1000);
    table_add(&table, STR("NAME"));
    table_add(&table, STR("V"));
    table_add(&table, STR("caf\xc3\xa9s"));
    table_add(&table, STR("1"));
    table_add(&table, STR("x"));
    table_add(&table, STR("\x1b[2J\n"));
    table_append(&table, &out, "<", ">");
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, "<NAME   V>\ncaf\xc3\xa9s  1\nx      \\u001b[2J\\u000a\n");
    buffer_fini(&out);
    table_fini(&table);
}

static void long_cells_are_cut_between_characters(void **state)
{
    struct table table;
    struct buffer out;
    (void)state;
    table_init(&table, 1, 4);
    buffer_init(&out, 1000);
    table_add(&table, STR("1234"));
    table_add(&table, STR("12345"));
    table_add(&table, STR("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"));
    table_append(&table, &out, "", "");
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, "1234\n123…\n\xc3\xa9\xc3\xa9\xc3\xa9…\n");
    buffer_fini(&out);
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up),
        cmocka_unit_test(long_cells_are_cut_between_characters),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

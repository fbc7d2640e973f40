#include "codec/csv_scanner.h"

#include <string.h>

#include "base/memory.h"
#include "fixture.h"

/* Fields joined by '|', rows ended by ';' ('!' before it: not CSV); quoted fields in '<>'. */
static void append_row(struct buffer *out, struct csv_scanner *scanner, char *row)
{
    for (uint32_t i = 0; i < scanner->count; i++) {
        struct csv_field *field = &scanner->fields[i];
        if (i)
            buffer_append_char(out, '|');
        if (field->quoted)
            buffer_append_char(out, '<');
        buffer_append_str(out, csv_field_text(row, field));
        if (field->quoted)
            buffer_append_char(out, '>');
    }
    if (scanner->problem)
        buffer_append_char(out, '!');
    buffer_append_format(out, "%u;", scanner->newlines);
}

/* The input arrives in pieces that end before each multiple of `step` from `first`. */
static void scan_in_pieces(const char *text, size_t first, size_t step, struct buffer *out)
{
    struct csv_scanner scanner;
    size_t len = strlen(text);
    char *copy = memory_alloc(len);
    size_t row = 0;
    size_t fed = first < len ? first : len;
    memcpy(copy, text, len);
    csv_scanner_init(&scanner, 100);
    csv_scanner_next_row(&scanner);
    for (;;) {
        enum csv_scan found =
            csv_scanner_scan(&scanner, str_of(copy + row, fed - row), fed == len);
        if (found == CSV_ROW) {
            append_row(out, &scanner, copy + row);
            row += scanner.at;
            csv_scanner_next_row(&scanner);
        } else if (fed == len) {
            break;
        } else {
            fed = fed + step < len ? fed + step : len;
        }
    }
    csv_scanner_fini(&scanner);
    memory_free(copy);
}

static void rows_are_split_the_same_wherever_they_are_cut(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } CASES[] = {
        {"", ""},
        {"a", "a0;"},
        {"a,b\nc,d\n", "a|b0;c|d0;"},
        {"a,b\r\nc,d", "a|b0;c|d0;"},
        {"a,b\r\n\r\n\n", "a|b0;0;0;"},
        {",\n,,\n", "|0;||0;"},
        {"a,", "a|0;"},
        {"\"a\",\"b\"\"c\",\"\"\n", "<a>|<b\"c>|<>0;"},
        {"\"\"\"\"\r\n", "<\">0;"},
        {"\"a\nb\r\nc\",d\r\ne", "<a\nb\r\nc>|d2;e0;"},
        {"\"a,b\"\n", "<a,b>0;"},
        {"\"a\"", "<a>0;"},
        {"\"a\"\r", "<a>0;"},
        {"a\rb,c\r\n", "a\rb|c0;"},
        {"a\r", "a0;"},
        {"\"a\"x,b\nc\n", "<a>!0;c0;"},
        {"\"a\"\rx\nc\n", "<a>!0;c0;"},
        {"a\"b,c\nd\n", "a\"b,c!0;d0;"},
        {" \"a\"\nd\n", " \"a\"!0;d0;"},
        {"a,\"b\nc", "a|<b\nc>!1;"},
        {"a,\"", "a|<>!0;"},
        {"a\"", "a\"!0;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (size_t first = 0; first <= strlen(CASES[i].text); first++) {
            for (size_t step = 1; step < 4; step++) {
                struct buffer out;
                buffer_init(&out, SIZE_MAX);
                scan_in_pieces(CASES[i].text, first, step, &out);
                if (!str_eq(buffer_str(&out), str_from_cstr(CASES[i].expected)))
                    print_error("%s at %zu\n", CASES[i].text, first);
                assert_str(buffer_str(&out), CASES[i].expected);
                buffer_fini(&out);
            }
        }
    }
}

static void fields_beyond_what_is_stored_are_counted(void **state)
{
    struct csv_scanner scanner;
    (void)state;
    csv_scanner_init(&scanner, 2);
    csv_scanner_next_row(&scanner);
    assert_int_equal(csv_scanner_scan(&scanner, STR("a,b,c,d\n"), false), CSV_ROW);
    assert_int_equal(scanner.count, 4);
    assert_int_equal(scanner.fields[1].len, 1);
    csv_scanner_fini(&scanner);
}

static void memory_may_fail(void **state)
{
    struct csv_scanner scanner;
    (void)state;
    csv_scanner_init(&scanner, 100);
    csv_scanner_next_row(&scanner);
    memory_fail_after(0);
    assert_int_equal(csv_scanner_scan(&scanner, STR("a,b\n"), false), CSV_NO_MEMORY);
    memory_fail_after(UINT64_MAX);
    csv_scanner_fini(&scanner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_split_the_same_wherever_they_are_cut),
        cmocka_unit_test(fields_beyond_what_is_stored_are_counted),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

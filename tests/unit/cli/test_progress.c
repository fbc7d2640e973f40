#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/progress.h"
#include "cli/terminal.h"

static const char *shown(const struct progress *progress, unsigned columns)
{
    static struct buffer out;
    buffer_fini(&out);
    buffer_init(&out, 1 << 16);
    progress_append(&out, progress, columns);
    buffer_append_char(&out, '\0');
    assert_false(out.failed);
    return out.data;
}

static void half_way(void **state)
{
    const struct progress progress = {.label = "flights.csv",
                                      .bytes = 15000000,
                                      .total_bytes = 30000000,
                                      .rows = 168388,
                                      .elapsed_ns = 2000000000};
    (void)state;
    assert_string_equal(
        shown(&progress, 100),
        "flights.csv [###############               ]  50 %  168,388 rows  15.0 MB  "
        "84,194 rows/s  0:02 left");
    assert_string_equal(shown(&progress, 0),
                        "flights.csv: 50 %, 168,388 rows, 15.0 MB, 84,194 rows/s, 0:02 left");
}

static void the_line_fits_whatever_the_width(void **state)
{
    const struct progress progress = {.label = "a/very/long/path/to/flights\xc3\xa9\x1b.csv",
                                      .bytes = 15000000,
                                      .total_bytes = 30000000,
                                      .rows = 168388,
                                      .elapsed_ns = 2000000000};
    (void)state;
    for (unsigned columns = 1; columns < 300; columns++) {
        const char *line = shown(&progress, columns);
        /* the escape in the label becomes six characters */
        assert_true(terminal_columns(str_from_cstr(line)) <= columns + 6);
        assert_null(strchr(line, '\x1b'));
    }
}

static void an_unknown_end_has_no_bar(void **state)
{
    const struct progress progress = {
        .label = "-", .bytes = 999, .rows = 7, .elapsed_ns = 100000000};
    (void)state;
    assert_string_equal(shown(&progress, 80), "- 7 rows  999 B");
}

static void all_is_sent(void **state)
{
    struct progress progress = {
        .label = "x", .bytes = 10, .total_bytes = 10, .rows = 2, .elapsed_ns = 1000000000};
    (void)state;
    assert_string_equal(shown(&progress, 0), "x: 100 %, 2 rows, 10 B, 2 rows/s");
    progress.then = "waiting for the server";
    assert_string_equal(shown(&progress, 0),
                        "x: 100 %, 2 rows, 10 B, 2 rows/s, waiting for the server");
    progress.hides_rows = true;
    progress.then = NULL;
    assert_string_equal(shown(&progress, 0), "x: 100 %, 10 B");
}

static void times_and_sizes(void **state)
{
    struct buffer out;
    (void)state;
    buffer_init(&out, 1000);
    progress_append_time(&out, 3);
    buffer_append_char(&out, ' ');
    progress_append_time(&out, 754);
    buffer_append_char(&out, ' ');
    progress_append_time(&out, 3723);
    buffer_append_char(&out, ' ');
    progress_append_bytes(&out, 999);
    buffer_append_char(&out, ' ');
    progress_append_bytes(&out, 1000);
    buffer_append_char(&out, ' ');
    progress_append_bytes(&out, 999999);
    buffer_append_char(&out, ' ');
    progress_append_bytes(&out, 12345678901);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, "0:03 12:34 1:02:03 999 B 1.0 kB 1.0 MB 12.3 GB");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_way),
        cmocka_unit_test(the_line_fits_whatever_the_width),
        cmocka_unit_test(an_unknown_end_has_no_bar),
        cmocka_unit_test(all_is_sent),
        cmocka_unit_test(times_and_sizes),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}

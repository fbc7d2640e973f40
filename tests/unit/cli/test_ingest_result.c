#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "cli/ingest_result.h"

static struct ingest_result result;
static struct buffer messages;
static struct error error;

static status add(long http_status, const char *json, const struct ingest_source *source)
{
    struct client_answer answer;
    client_answer_init(&answer);
    answer.http_status = http_status;
    buffer_append(&answer.body, json, strlen(json));
    status added = ingest_result_add(&result, &answer, source, &messages, &error);
    client_answer_fini(&answer);
    return added;
}

static int set_up(void **state)
{
    (void)state;
    memset(&result, 0, sizeof(result));
    error_clear(&error);
    buffer_init(&messages, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_fini(&messages);
    return 0;
}

static void counts_of_parts_add_up(void **state)
{
    const struct ingest_source first = {.name = "f.csv", .format = INGEST_CSV, .first_part = true};
    const struct ingest_source second = {
        .name = "f.csv", .format = INGEST_CSV, .header_lines = 1, .part_line = 100};
    static const char JSON[] =
        "{\"rows_accepted\":2,\"rows_rejected\":1,\"values_written\":4,\"values_late\":1,"
        "\"last_line_applied\":4,\"errors\":[{\"line\":3,\"detail\":\"a: not\\u001b an int\"}]}";
    (void)state;
    assert_true(status_is_ok(add(200, JSON, &first)));
    assert_true(status_is_ok(add(200, JSON, &second)));
    assert_int_equal(result.rows_accepted, 4);
    assert_int_equal(result.rows_rejected, 2);
    assert_int_equal(result.values_written, 8);
    assert_int_equal(result.values_late, 2);
    assert_int_equal(result.errors_said, 2);
    assert_false(result.stopped);
    buffer_append_char(&messages, '\0');
    assert_string_equal(messages.data,
                        "f.csv:3: a: not\\u001b an int\nf.csv:101: a: not\\u001b an int\n");
}

static void a_stop_names_the_row(void **state)
{
    const struct ingest_source source = {.name = "x", .first_part = true};
    (void)state;
    assert_true(status_is_ok(
        add(422,
            "{\"status\":422,\"detail\":[{\"loc\":[\"line\",7,\"age\"],\"msg\":\"must be an int\","
            "\"type\":\"int_type\"}],\"rows_accepted\":5,\"rows_rejected\":1,"
            "\"values_written\":5,\"values_late\":0,\"last_line_applied\":6}",
            &source)));
    assert_true(result.stopped);
    assert_int_equal(result.rows_accepted, 5);
    assert_int_equal(result.rows_rejected, 1);
    buffer_append_char(&messages, '\0');
    assert_string_equal(messages.data, "x:7: age: must be an int\n");
}

static void other_answers_are_errors(void **state)
{
    const struct ingest_source source = {.name = "x", .first_part = true};
    (void)state;
    assert_int_equal(
        add(422, "{\"detail\":[{\"loc\":[\"query\",\"columns\"],\"msg\":\"no\"}]}", &source).code,
        STATUS_INVALID);
    assert_string_equal(error.detail, "query.columns: no (HTTP 422)");
    assert_int_equal(add(413, "{\"detail\":\"too large\"}", &source).code, STATUS_TOO_LARGE);
    assert_string_equal(error.detail, "too large (HTTP 413)");
    assert_false(status_is_ok(add(200, "{}", &source)));
    assert_false(status_is_ok(add(502, "<html>", &source)));
    assert_int_equal(add(503, "{\"detail\":\"full\",\"rows_accepted\":9}", &source).code,
                     STATUS_BUSY);
    assert_int_equal(result.rows_accepted, 9);
}

/* What was passed over before an answer that ends the load is named too. */
static void rows_before_a_failure_are_counted_and_named(void **state)
{
    const struct ingest_source source = {.name = "x", .first_part = true};
    static const long STATUSES[] = {400, 408, 413, 503};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        status added =
            add(STATUSES[i],
                "{\"detail\":\"no\",\"rows_accepted\":2,\"rows_rejected\":1,\"values_written\":2,"
                "\"values_late\":1,\"errors\":[{\"line\":3,\"detail\":\"bad\"}]}",
                &source);
        assert_false(status_is_ok(added));
    }
    assert_int_equal(result.rows_accepted, 8);
    assert_int_equal(result.rows_rejected, 4);
    assert_int_equal(result.values_late, 4);
    assert_int_equal(result.errors_said, 4);
    assert_false(result.stopped);
    buffer_append_char(&messages, '\0');
    assert_string_equal(messages.data, "x:3: bad\nx:3: bad\nx:3: bad\nx:3: bad\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_of_parts_add_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_names_the_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_answers_are_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_before_a_failure_are_counted_and_named, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("ingest_result", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bench_report.h"

static struct bench_result result, again;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    memset(&result, 0, sizeof(result));
    buffer_init(&text, BENCH_FILE_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_fini(&text);
    return 0;
}

static void add(enum bench_kind kind, uint64_t ns, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        hdr_histogram_add(&result.latency[kind], ns);
    result.answers[kind] += times;
    result.answers_in_time += times;
    result.ids_in_time += times;
}

static void fill(void)
{
    add(BENCH_SINGLE, 1234567, 9998);
    add(BENCH_SINGLE, 99999999, 2);
    add(BENCH_INGEST, 7000000, 100);
    hdr_histogram_merge(&result.all, &result.latency[BENCH_SINGLE]);
    hdr_histogram_merge(&result.all, &result.latency[BENCH_INGEST]);
    strcpy(result.mix, "single=99,ingest=1");
    strcpy(result.features, "a\"b");
    strcpy(result.distribution, "zipf 0.99");
    result.statuses[503] = 7;
    result.timeouts = 3;
    result.unanswered = 2;
    result.broken = 1;
    result.rate = 2500;
    result.connections = 8;
    result.threads = 2;
    result.batch_size = 50;
    result.id_count = 1000;
    result.seconds = 4;
    result.lag = (struct bench_lag){1, 20, 900};
}

static void a_result_is_read_back(void **state)
{
    struct error error;
    (void)state;
    fill();
    bench_result_append_json(&result, &text);
    assert_true(status_is_ok(bench_result_parse(&again, buffer_str(&text), "f", &error)));
    assert_memory_equal(again.all.counts, result.all.counts, sizeof(again.all.counts));
    assert_int_equal(again.all.max_ns, 99999999);
    assert_int_equal(again.all.min_ns, 1234567);
    assert_int_equal(bench_result_errors(&again), 13);
    assert_true(bench_result_error_share(&again) == bench_result_error_share(&result));
    assert_true(bench_result_rate(&again) == 2525);
    assert_string_equal(again.features, "a\"b");
    struct bench_page page = {
        .columns = 100, .bold = "", .yellow = "", .red = "", .green = "", .plain = ""};
    buffer_reset(&text, SIZE_MAX);
    assert_true(bench_compare_append(&result, &again, 0, &page, &text));
    assert_null(memmem(text.data, text.len, "note", 4));
}

/* Every cut of a file is refused, and none is read beyond its end. */
static void a_cut_file_is_refused(void **state)
{
    struct error error;
    (void)state;
    fill();
    bench_result_append_json(&result, &text);
    for (size_t len = 0; len + 2 < text.len; len += 7)
        assert_int_equal(bench_result_parse(&again, str_of(text.data, len), "f", &error).code,
                         STATUS_INVALID);
}

static void a_percentile_needs_values_beyond_it(void **state)
{
    (void)state;
    add(BENCH_SINGLE, 1000, 999);
    assert_true(bench_percentile_is_known(&result.latency[0], 0.99));
    assert_false(bench_percentile_is_known(&result.latency[0], 0.999));
    assert_true(bench_percentile_is_known(&result.latency[0], 1));
    add(BENCH_SINGLE, 1000, 1);
    assert_true(bench_percentile_is_known(&result.latency[0], 0.999));
    assert_false(bench_percentile_is_known(&result.latency[1], 1));
}

static void the_generator_is_named_when_it_is_in_the_way(void **state)
{
    (void)state;
    assert_null(bench_result_bottleneck(&result));
    result.cpu_share = 0.97;
    assert_non_null(strstr(bench_result_bottleneck(&result), "--threads"));
    result.precise = true;
    assert_null(bench_result_bottleneck(&result));
    result.lag.p99_us = 2000;
    assert_non_null(strstr(bench_result_bottleneck(&result), "late"));
}

static void durations_have_three_digits(void **state)
{
    static const struct {
        double ns;
        const char *text;
    } CASES[] = {
        {1, "1.00 ns"},       {999.4, "999 ns"},    {1000, "1.00 µs"},
        {12345, "12.3 µs"},   {123456, "123 µs"},   {999999, "1.00 ms"},
        {1234567, "1.23 ms"}, {99960000, "100 ms"}, {2.5e9, "2.50 s"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        buffer_reset(&text, SIZE_MAX);
        bench_report_append_duration(&text, CASES[i].ns);
        buffer_append_char(&text, '\0');
        assert_string_equal(text.data, CASES[i].text);
    }
}

/* The bars of the page and its percentiles are about the same values, from one to billions apart.
 */
static void the_page_counts_every_value_once(void **state)
{
    struct bench_page page = {
        .columns = 80, .bold = "", .yellow = "", .red = "", .green = "", .plain = ""};
    uint64_t total = 0;
    (void)state;
    for (uint64_t ns = 1; ns < UINT64_C(2000000000000); ns *= 3)
        add(BENCH_SINGLE, ns, 1);
    hdr_histogram_merge(&result.all, &result.latency[BENCH_SINGLE]);
    result.seconds = 1;
    bench_report_append(&result, &page, &text);
    buffer_append_char(&text, '\0');
    /* rows of the histogram: "  100 µs            3   0.060 % ###" */
    for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        double value;
        char unit[8];
        unsigned long long count;
        double percent;
        assert_true(line[0] != 'l' || strncmp(line, "latency ", 8) != 0 || strlen(line) == 80);
        if (line[0] == ' ' &&
            sscanf(line, "%lf %7s %llu %lf %%", &value, unit, &count, &percent) == 4)
            total += count;
    }
    assert_int_equal(total, result.all.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_percentile_needs_values_beyond_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_generator_is_named_when_it_is_in_the_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(durations_have_three_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_page_counts_every_value_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("bench_result", tests, NULL, NULL);
}

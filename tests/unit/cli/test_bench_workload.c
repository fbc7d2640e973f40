#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/bench_workload.h"

static void mixes_are_read(void **state)
{
    static const struct {
        const char *text;
        uint32_t shares[BENCH_KINDS];
    } CASES[] = {
        {"single", {1, 0, 0}},        {"batch", {0, 1, 0}},
        {"ingest=3", {0, 0, 3}},      {"single=8,batch=1,ingest=1", {8, 1, 1}},
        {"ingest,single", {1, 0, 1}}, {"batch=0,single=2", {2, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint32_t shares[BENCH_KINDS] = {7, 7, 7};
        assert_true(bench_workload_parse_mix(str_from_cstr(CASES[i].text), shares));
        assert_memory_equal(shares, CASES[i].shares, sizeof(shares));
    }
}

static void what_is_no_mix_is_refused(void **state)
{
    static const char *const CASES[] = {"",          "single=",         "single=0", "reads",
                                        "single=-1", "single,single=1", ",single",  "single=1x",
                                        "Single",    "single=1000001",  "=1",       "single==1"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint32_t shares[BENCH_KINDS] = {7, 7, 7};
        assert_false(bench_workload_parse_mix(str_from_cstr(CASES[i]), shares));
        assert_int_equal(shares[0], 7);
    }
}

struct fixture {
    struct bench_ids ids;
    struct bench_workload workload;
    struct bench_renderer renderer;
    struct buffer out;
    struct bench_feature features[2];
};

static void set_up(struct fixture *fixture, const char *id)
{
    struct error error;
    *fixture = (struct fixture){
        .features = {{.name = STR("age"), .data_type = DATA_TYPE_BOOLEAN},
                     {.name = STR("x@2"), .data_type = DATA_TYPE_EMBEDDING, .dimension = 2}}};
    bench_ids_init(&fixture->ids);
    buffer_init(&fixture->out, 1 << 20);
    assert_true(status_is_ok(bench_ids_set_pattern(&fixture->ids, str_from_cstr(id), &error)));
    fixture->workload = (struct bench_workload){.shares = {1, 1, 1},
                                                .batch_size = 3,
                                                .seed = 1,
                                                .entity = STR("my user"),
                                                .features = fixture->features,
                                                .feature_count = 2,
                                                .ids = &fixture->ids};
    assert_true(
        status_is_ok(bench_workload_prepare(&fixture->workload, STR("h:1"), STR("/store"))));
    bench_renderer_init(&fixture->renderer, &fixture->workload, 0);
}

static void tear_down(struct fixture *fixture)
{
    bench_renderer_fini(&fixture->renderer);
    bench_workload_fini(&fixture->workload);
    buffer_fini(&fixture->out);
    bench_ids_fini(&fixture->ids);
}

static const char *rendered(struct fixture *fixture, enum bench_kind kind)
{
    bench_renderer_render(&fixture->renderer, kind, &fixture->out);
    assert_false(fixture->out.failed);
    buffer_append_char(&fixture->out, '\0');
    return fixture->out.data;
}

static void requests_are_whole_and_escaped(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, "a/\"{7..7}ä");
    assert_string_equal(rendered(&fixture, BENCH_SINGLE),
                        "GET /store/features/online/a%2F%227%C3%A4"
                        "?feature_names=age,x%402&entity=my%20user HTTP/1.1\r\n"
                        "Host: h:1\r\nUser-Agent: featured-bench\r\n\r\n");
    assert_string_equal(rendered(&fixture, BENCH_BATCH),
                        "POST /store/features/online HTTP/1.1\r\n"
                        "Host: h:1\r\nUser-Agent: featured-bench\r\n"
                        "Content-Type: application/json\r\nContent-Length: 95\r\n\r\n"
                        "{\"entity\":\"my user\",\"entity_ids\":[\"a/\\\"7ä\",\"a/\\\"7ä\","
                        "\"a/\\\"7ä\"],\"feature_names\":[\"age\",\"x@2\"]}");
    const char *ingest = rendered(&fixture, BENCH_INGEST);
    assert_non_null(strstr(ingest, "POST /store/features/ingest HTTP/1.1\r\n"));
    const char *body = strstr(ingest, "\r\n\r\n") + 4;
    assert_int_equal(strtoul(strstr(ingest, "Content-Length: ") + 16, NULL, 10), strlen(body));
    assert_non_null(strstr(body, "{\"entity\":\"my user\",\"entity_id\":\"a/\\\"7ä\",\"features\":["
                                 "{\"feature_name\":\"age\",\"value\":"));
    tear_down(&fixture);
}

static void the_same_seed_asks_for_the_same(void **state)
{
    struct fixture fixture;
    struct bench_renderer again, other;
    struct buffer a, b;
    int differences = 0;
    (void)state;
    set_up(&fixture, "user_{0..99999}");
    bench_renderer_init(&again, &fixture.workload, 0);
    bench_renderer_init(&other, &fixture.workload, 1);
    buffer_init(&a, 1 << 20);
    buffer_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++) {
        enum bench_kind kind = bench_renderer_next(&fixture.renderer, &fixture.out);
        assert_int_equal(bench_renderer_next(&again, &a), kind);
        bench_renderer_next(&other, &b);
        assert_true(str_eq(buffer_str(&fixture.out), buffer_str(&a)));
        differences += !str_eq(buffer_str(&fixture.out), buffer_str(&b));
    }
    assert_true(differences > 90);
    buffer_fini(&a);
    buffer_fini(&b);
    bench_renderer_fini(&again);
    bench_renderer_fini(&other);
    tear_down(&fixture);
}

static str path_of(const struct bench_ids *ids, uint64_t index, struct buffer *out)
{
    buffer_reset(out, SIZE_MAX);
    bench_ids_append_path(ids, index, out);
    return buffer_str(out);
}

static void ids_come_from_ranges_and_lines(void **state)
{
    struct bench_ids ids;
    struct buffer out;
    struct error error;
    (void)state;
    buffer_init(&out, 4096);
    bench_ids_init(&ids);
    assert_true(status_is_ok(bench_ids_set_pattern(&ids, STR("u{5..104}x"), &error)));
    assert_int_equal(ids.count, 100);
    assert_true(str_eq(path_of(&ids, 0, &out), STR("u5x")));
    assert_true(str_eq(path_of(&ids, 99, &out), STR("u104x")));
    bench_ids_fini(&ids);
    bench_ids_init(&ids);
    assert_true(status_is_ok(bench_ids_add_lines(&ids, STR("a\r\n\nb c\nd"), "f", &error)));
    assert_int_equal(ids.count, 3);
    assert_true(str_eq(path_of(&ids, 0, &out), STR("a")));
    assert_true(str_eq(path_of(&ids, 1, &out), STR("b%20c")));
    assert_true(str_eq(path_of(&ids, 2, &out), STR("d")));
    assert_int_equal(bench_ids_add_lines(&ids, STR("fine\n\xff\n"), "f", &error).code,
                     STATUS_INVALID);
    assert_string_equal(error.detail, "f:2: an id is 1 to 512 bytes of UTF-8");
    bench_ids_fini(&ids);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes_are_read),
        cmocka_unit_test(what_is_no_mix_is_refused),
        cmocka_unit_test(requests_are_whole_and_escaped),
        cmocka_unit_test(the_same_seed_asks_for_the_same),
        cmocka_unit_test(ids_come_from_ranges_and_lines),
    };
    return cmocka_run_group_tests_name("bench_workload", tests, NULL, NULL);
}

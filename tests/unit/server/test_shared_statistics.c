/* What the online store asks arrives at the registry, and its answer goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "server/shared_statistics.h"

/* A registry that keeps what it is asked. */
static struct registry_request *asked;

static void keep(struct registry *registry, struct registry_request *request)
{
    (void)registry;
    asked = request;
}

static const struct registry_driver DRIVER = {.name = "kept", .submit = keep};
static struct registry registry = {&DRIVER};
static int answers;

static void answered(struct redis_statistics_request *request)
{
    (void)request;
    answers++;
}

static struct redis_statistics_request request_of(const struct redis_statistics_delta *deltas,
                                                  const uint64_t *ids, struct statistics *out)
{
    return (struct redis_statistics_request){
        .deltas = deltas,
        .delta_count = 2,
        .source = STR("0123"),
        .number = 42,
        .version_ids = ids,
        .count = 1,
        .out = out,
        .loop = (struct loop *)&asked, /* only handed on */
        .done = answered,
    };
}

static const struct redis_statistics_delta DELTAS[2] = {{7, {.count = 3, .mean = 1.5}},
                                                        {9, {.null_count = 4}}};
static const uint64_t IDS[] = {9};

static void all_of_it_arrives(void **state)
{
    struct statistics out;
    struct redis_statistics_request request = request_of(DELTAS, IDS, &out);
    (void)state;
    answers = 0;
    shared_statistics_merge(&registry, &request);
    assert_int_equal(answers, 0);
    const struct registry_statistics *got = asked->statistics;
    assert_int_equal(asked->operation, REGISTRY_STATISTICS);
    assert_ptr_equal(asked->loop, request.loop);
    assert_int_equal(got->delta_count, 2);
    assert_int_equal(got->deltas[0].version_id, 7);
    assert_int_equal(got->deltas[0].delta.count, 3);
    assert_true(got->deltas[0].delta.mean == 1.5);
    assert_int_equal(got->deltas[1].version_id, 9);
    assert_int_equal(got->deltas[1].delta.null_count, 4);
    assert_true(str_eq(got->source, STR("0123")));
    assert_int_equal(got->number, 42);
    assert_ptr_equal(got->version_ids, IDS);
    assert_int_equal(got->count, 1);
    assert_ptr_equal(got->out, &out);
    asked->status = error_set(&asked->error, STATUS_UNAVAILABLE, "registry", "it is away");
    asked->done(asked);
    assert_int_equal(answers, 1);
    assert_int_equal(request.status.code, STATUS_UNAVAILABLE);
    assert_string_equal(request.error.detail, "it is away");
}

static void without_memory_it_says_so(void **state)
{
    struct statistics out;
    struct redis_statistics_request request = request_of(DELTAS, IDS, &out);
    (void)state;
    answers = 0;
    memory_fail_after(0);
    shared_statistics_merge(&registry, &request);
    memory_fail_after(UINT64_MAX);
    assert_int_equal(answers, 1);
    assert_int_equal(request.status.code, STATUS_OUT_OF_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_arrives),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests_name("shared_statistics", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "http/http.h"

static const struct {
    const char *query;
    enum status_code code;
    uint32_t count;
    const char *names[3];
    const char *values[3];
} VECTORS[] = {
    {"", STATUS_OK, 0, {NULL}, {NULL}},
    {"&&", STATUS_OK, 0, {NULL}, {NULL}},
    {"a=1", STATUS_OK, 1, {"a"}, {"1"}},
    {"a=1&a=2&b", STATUS_OK, 3, {"a", "a", "b"}, {"1", "2", ""}},
    {"&a=1&&b=2&", STATUS_OK, 2, {"a", "b"}, {"1", "2"}},
    {"a=b=c", STATUS_OK, 1, {"a"}, {"b=c"}},
    {"=x", STATUS_OK, 1, {""}, {"x"}},
    {"a+b=c%26+d%3D", STATUS_OK, 1, {"a b"}, {"c& d="}},
    {"n=%C3%A9", STATUS_OK, 1, {"n"}, {"\xC3\xA9"}},
    {"n=%C3", STATUS_MALFORMED, 0, {NULL}, {NULL}},
    {"%FF=1", STATUS_MALFORMED, 0, {NULL}, {NULL}},
    {"a=%2", STATUS_MALFORMED, 0, {NULL}, {NULL}},
    {"a=1&%zz", STATUS_MALFORMED, 0, {NULL}, {NULL}},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        struct arena arena;
        struct error error = {0};
        struct http_query_parameter *parameters = NULL;
        uint32_t count = 99;
        arena_init(&arena, 1 << 20);
        status result =
            http_query_parse(str_from_cstr(VECTORS[i].query), &arena, &parameters, &count, &error);
        assert_int_equal(result.code, VECTORS[i].code);
        assert_int_equal(count, status_is_ok(result) ? VECTORS[i].count : 99);
        assert_int_equal(error.detail[0] != '\0', !status_is_ok(result));
        for (uint32_t p = 0; status_is_ok(result) && p < count; p++) {
            assert_true(str_eq(parameters[p].name, str_from_cstr(VECTORS[i].names[p])));
            assert_true(str_eq(parameters[p].value, str_from_cstr(VECTORS[i].values[p])));
        }
        arena_fini(&arena);
    }
}

static void test_out_of_memory(void **state)
{
    struct arena arena;
    struct http_query_parameter *parameters;
    uint32_t count;
    (void)state;
    arena_init(&arena, 1 << 20);
    memory_fail_after(0);
    status result = http_query_parse(STR("a=1"), &arena, &parameters, &count, NULL);
    assert_int_equal(result.code, STATUS_OUT_OF_MEMORY);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

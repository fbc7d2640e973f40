#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "http/router.h"

static void handler(struct http_exchange *exchange)
{
    (void)exchange;
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/", handler, false},
    {HTTP_GET, "/features", handler, false},
    {HTTP_GET, "/features/{user_id}", handler, false},
    {HTTP_POST, "/features/ingest", handler, false},
    {HTTP_POST, "/features/ingest/bulk", handler, true},
    {HTTP_GET, "/features/online/{entity_id}", handler, false},
    {HTTP_POST, "/features/online", handler, false},
    {HTTP_DELETE, "/features/{id}", handler, false},
    {HTTP_GET, "/features/definitions/{name}", handler, false},
    {HTTP_PUT, "/features/definitions/{name}", handler, false},
    {HTTP_POST, "/features/definitions/{name}/activate", handler, false},
    {HTTP_GET, "/{a}/x/{b}", handler, false},
};

static const struct {
    enum http_method method;
    const char *path;
    int route;
    const char *parameters[HTTP_PATH_PARAMETERS_MAX];
} VECTORS[] = {
    {HTTP_GET, "/", 0, {"", ""}},
    {HTTP_HEAD, "/", 0, {"", ""}},
    {HTTP_GET, "/features", 1, {"", ""}},
    {HTTP_GET, "/features/u%2F1", 2, {"u%2F1", ""}},
    {HTTP_GET, "/features/ingest", ROUTER_NONE, {"", ""}}, /* the literal wins: a wrong method */
    {HTTP_GET, "/features/definitions", 2, {"definitions", ""}}, /* a literal that leads nowhere */
    {HTTP_POST, "/features/ingest", 3, {"", ""}},
    {HTTP_POST, "/features/ingest/bulk", 4, {"", ""}},
    {HTTP_GET, "/features/online/u1", 5, {"u1", ""}},
    {HTTP_POST, "/features/online", 6, {"", ""}},
    {HTTP_DELETE, "/features/7", 7, {"7", ""}},
    {HTTP_PUT, "/features/definitions/n", 9, {"n", ""}},
    {HTTP_POST, "/features/definitions/n/activate", 10, {"n", ""}},
    {HTTP_GET, "/a/x/b", 11, {"a", "b"}},
    {HTTP_GET, "/features/x/b", 11, {"features", "b"}}, /* back up to the parameter */
    {HTTP_GET, "/features/", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "/features/online/", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "//features", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "/features/a/b/c", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "/Features", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "*", ROUTER_NONE, {"", ""}},
    {HTTP_GET, "", ROUTER_NONE, {"", ""}},
    {HTTP_PUT, "/features", ROUTER_NONE, {"", ""}},
    {HTTP_OPTIONS, "/features", ROUTER_NONE, {"", ""}},
    {HTTP_METHOD_OTHER, "/features", ROUTER_NONE, {"", ""}},
};

static void test_match(void **state)
{
    struct router *router = router_create(ROUTES, ARRAY_LEN(ROUTES));
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        str parameters[HTTP_PATH_PARAMETERS_MAX] = {STR("old"), STR("old")};
        str path = str_from_cstr(VECTORS[i].path);
        int route = router_match(router, VECTORS[i].method, path, parameters);
        if (route != VECTORS[i].route)
            fail_msg("%s matched %d", VECTORS[i].path, route);
        for (int p = 0; p < HTTP_PATH_PARAMETERS_MAX; p++)
            assert_true(str_eq(parameters[p], str_from_cstr(VECTORS[i].parameters[p])));
    }
    router_destroy(router);
}

static void test_methods(void **state)
{
    struct router *router = router_create(ROUTES, ARRAY_LEN(ROUTES));
    (void)state;
    assert_int_equal(router_methods(router, STR("/features")),
                     1 << HTTP_GET | 1 << HTTP_HEAD | 1 << HTTP_OPTIONS);
    assert_int_equal(router_methods(router, STR("/features/ingest")),
                     1 << HTTP_POST | 1 << HTTP_OPTIONS);
    assert_int_equal(router_methods(router, STR("/features/7")),
                     1 << HTTP_GET | 1 << HTTP_HEAD | 1 << HTTP_DELETE | 1 << HTTP_OPTIONS);
    assert_int_equal(router_methods(router, STR("/features/ingest/bulk")),
                     1 << HTTP_POST | 1 << HTTP_OPTIONS);
    assert_int_equal(router_methods(router, STR("/nothing")), 0);
    router_destroy(router);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    memory_fail_after(0);
    assert_null(router_create(ROUTES, ARRAY_LEN(ROUTES)));
    router_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

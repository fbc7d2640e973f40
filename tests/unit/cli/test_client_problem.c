#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "cli/client.h"

static const char *said(long http_status, const char *body)
{
    static struct error error;
    struct client_answer answer;
    error_clear(&error);
    client_answer_init(&answer);
    answer.http_status = http_status;
    buffer_append(&answer.body, body, strlen(body));
    assert_false(status_is_ok(client_answer_error(&answer, &error)));
    client_answer_fini(&answer);
    return error.detail;
}

static void problems_become_one_text(void **state)
{
    (void)state;
    assert_string_equal(said(404, "{\"detail\":\"Feature 'x' not registered\"}"),
                        "Feature 'x' not registered (HTTP 404)");
    assert_string_equal(said(422, "{\"detail\":[{\"loc\":[\"body\",\"features\",0,\"value\"],"
                                  "\"msg\":\"bad\"},{\"loc\":[\"body\"],\"msg\":\"worse\"}]}"),
                        "features[0].value: bad; worse (HTTP 422)");
    assert_string_equal(said(500, ""), "the server answered HTTP 500");
    assert_string_equal(said(404, "<html>"), "the server answered HTTP 404");
    assert_string_equal(said(418, "{\"detail\":\"\\u001b[31m\"}"), "\\u001b[31m (HTTP 418)");
}

static void names_are_percent_encoded(void **state)
{
    struct buffer out;
    (void)state;
    buffer_init(&out, 1000);
    client_append_encoded(&out, STR("a-Z_0.~ /?&=%\xc3\xa9+"));
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, "a-Z_0.~%20%2F%3F%26%3D%25%C3%A9%2B");
    buffer_fini(&out);
}

static void servers_are_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *server;
    } GOOD[] = {
        {"http://127.0.0.1:8000", "http://127.0.0.1:8000"},
        {"127.0.0.1:8000/", "http://127.0.0.1:8000"},
        {"https://h/prefix//", "https://h/prefix"},
        {"[::1]:8000", "http://[::1]:8000"},
    };
    static const char *const BAD[] = {"", "ftp://h", "http://", "h:99999", "http://h?x=1", "a b"};
    struct client *client = NULL;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        assert_true(status_is_ok(client_create(GOOD[i].text, &client, NULL)));
        assert_string_equal(client_server(client), GOOD[i].server);
        client_destroy(client);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        client = NULL;
        assert_int_equal(client_create(BAD[i], &client, NULL).code, STATUS_INVALID);
        assert_null(client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problems_become_one_text),
        cmocka_unit_test(names_are_percent_encoded),
        cmocka_unit_test(servers_are_addresses),
    };
    return cmocka_run_group_tests_name("client_problem", tests, NULL, NULL);
}

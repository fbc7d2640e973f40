#include "registry_fixture.h"

#include "registry/postgres/postgres_url.h"

static void what_is_shown_has_no_password(void **state)
{
    static const struct {
        const char *url;
        const char *shown;
    } CASES[] = {
        {"postgresql://me:secret@db.internal:5433/features",
         "postgresql://me@db.internal:5433/features"},
        {"postgres://me:se%2Fcr%40t@db/features?sslmode=verify-full",
         "postgresql://me@db/features"},
        {"postgresql://db/features?password=secret&user=me", "postgresql://me@db/features"},
        {"postgresql://me@a:1,b:2/features", "postgresql://me@a,b:1,2/features"},
        {"postgresql://me@/features?host=/run/postgresql",
         "postgresql://me@/features?host=/run/postgresql"},
        {"postgresql://", "postgresql:///"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char shown[POSTGRES_URL_SHOWN_MAX];
        assert_int_equal(postgres_url_check(CASES[i].url, shown, NULL).code, STATUS_OK);
        assert_string_equal(shown, CASES[i].shown);
    }
}

/* libpq would take, or quote, a part of the password as a host, a port or a database. */
static void a_password_that_is_not_encoded_is_refused_unseen(void **state)
{
    static const char *const URLS[] = {
        "postgresql://u:hid/den@host/db", "postgresql://u:hid@den@host/db",
        "postgresql://u:hid?den@host/db", "postgresql://u:1/hid@host/db",
        "postgresql://u:1?hid@host/db",   "postgresql://u:hid%zz@host/db",
        "postgresql://u:p@host:hid/db",   "mysql://u:hid@host/db",
        "host=db password=hid",           "",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        char shown[POSTGRES_URL_SHOWN_MAX] = "";
        struct error error;
        error_clear(&error);
        assert_int_equal(postgres_url_check(URLS[i], shown, &error).code, STATUS_INVALID);
        assert_string_equal(shown, "");
        assert_true(str_contains(str_from_cstr(error.detail), STR("percent-encoded")));
        assert_false(str_contains(str_from_cstr(error.detail), STR("hid")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_has_no_password),
        cmocka_unit_test(a_password_that_is_not_encoded_is_refused_unseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

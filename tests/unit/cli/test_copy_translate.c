#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "cli/copy_translate.h"

#define SECOND INT64_C(1000000)
#define NOW (1000 * SECOND)

static const char FEATURES[] =
    "{\"features\":["
    "{\"name\":\"i\",\"entity\":\"user\",\"data_type\":\"int\",\"version\":1,\"ttl_seconds\":100},"
    "{\"name\":\"f\",\"entity\":\"user\",\"data_type\":\"float\",\"version\":2},"
    "{\"name\":\"s\",\"entity\":\"user\",\"data_type\":\"string\",\"version\":1},"
    "{\"name\":\"e\",\"entity\":\"user\",\"data_type\":\"embedding\",\"dimension\":2,\"version\":1}"
    ","
    "{\"name\":\"j\",\"entity\":\"user\",\"data_type\":\"json\",\"version\":1},"
    "{\"name\":\"b\",\"entity\":\"user\",\"data_type\":\"boolean\",\"version\":1},"
    "{\"name\":\"p\",\"entity\":\"item\",\"data_type\":\"int\",\"version\":1}"
    "],\"next_cursor\":null}";

static struct registered registered;
static struct copy_translator translator;
static struct arena arena;
static struct copy_cell one;
static struct copy_row row;

static int start(void **state)
{
    str cursor;
    struct error error;
    (void)state;
    error_clear(&error);
    registered_init(&registered);
    return !status_is_ok(
        registered_add_features(&registered, str_from_cstr(FEATURES), &cursor, &error));
}

static int stop(void **state)
{
    (void)state;
    registered_fini(&registered);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    copy_translator_init(&translator);
    translator.definitions = &registered;
    translator.fields_in = true;
    translator.now_us = NOW;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    copy_translator_fini(&translator);
    arena_fini(&arena);
    return 0;
}

/* Whether it stays. */
static bool translate(const char *name, const char *text, int64_t event_time_us)
{
    one = (struct copy_cell){.name = str_from_cstr(name),
                             .text = str_from_cstr(text),
                             .event_time_us = event_time_us,
                             .is_timeless = event_time_us == COPY_TIME_UNKNOWN,
                             .end_us = COPY_NEVER_ENDS};
    row.entity = STR("user");
    if (row.id.len == 0)
        row.id = STR("u1");
    row.cells = &one;
    row.cell_count = 1;
    assert_true(status_is_ok(copy_translate(&translator, &arena, &row)));
    return row.cell_count == 1;
}

static void becomes(const char *name, const char *text, const char *canonical, const char *json)
{
    assert_true(translate(name, text, NOW));
    assert_true(str_eq(one.text, str_from_cstr(canonical)));
    assert_true(str_eq(one.json, str_from_cstr(json)));
}

static void values_get_one_form(void **state)
{
    (void)state;
    row = (struct copy_row){.key_end_us = COPY_NEVER_ENDS};
    becomes("i", "25", "25", "25");
    becomes("i", "25.0", "25", "25");
    becomes("f@2", "1e2", "100.0", "100.0");
    becomes("b", "True", "true", "true");
    becomes("s", "a\"\n", "a\"\n", "\"a\\\"\\n\"");
    becomes("e", "[1, 2.50]", "[1.0,2.5]", "[1.0,2.5]");
    becomes("j", " {\"a\" : 1}\n", "{\"a\":1}", "{\"a\":1}");
}

static void what_cannot_be_carried_over_is_counted(void **state)
{
    static const struct {
        const char *name, *text;
        enum copy_left_out reason;
    } CASES[] = {
        {"nope", "1", COPY_UNREGISTERED},   {"", "1", COPY_UNREGISTERED},
        {"i@x", "1", COPY_UNREGISTERED},    {"p", "1", COPY_ANOTHER_ENTITY},
        {"f", "1", COPY_ANOTHER_VERSION},   {"f@3", "1", COPY_ANOTHER_VERSION},
        {"i@2", "1", COPY_ANOTHER_VERSION}, {"i", "nan", COPY_ANOTHER_TYPE},
        {"i", "1.5", COPY_ANOTHER_TYPE},    {"i", "", COPY_ANOTHER_TYPE},
        {"e", "[1]", COPY_ANOTHER_TYPE},    {"j", "{", COPY_ANOTHER_TYPE},
        {"s", "\xff", COPY_ANOTHER_TYPE},   {"b", "yes", COPY_ANOTHER_TYPE},
    };
    uint64_t expected[COPY_LEFT_OUT_COUNT] = {0};
    (void)state;
    row = (struct copy_row){.key_end_us = COPY_NEVER_ENDS};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_false(translate(CASES[i].name, CASES[i].text, NOW));
        expected[CASES[i].reason]++;
        assert_memory_equal(translator.left_out, expected, sizeof(expected));
    }
    assert_true(copy_translator_left_out(&translator));
    assert_true(
        str_contains(buffer_str(&translator.messages),
                     STR("user u1 p: the feature of that name belongs to another entity\n")));
}

/* A server's "f" is its active version, whatever its number; its "f@1" is not. */
static void names_of_servers_and_of_fields(void **state)
{
    (void)state;
    row = (struct copy_row){.key_end_us = COPY_LIFE_UNKNOWN};
    translator.fields_in = false;
    translator.fields_out = true;
    assert_true(translate("f", "1", NOW));
    assert_true(str_eq(one.name, STR("f@2")));
    assert_true(translate("i", "1", NOW));
    assert_true(str_eq(one.name, STR("i")));
    assert_false(translate("i@1", "1", NOW));
    assert_false(translate("f@2", "1", NOW));
    translator.fields_in = true;
    translator.fields_out = false;
    assert_true(translate("f@2", "1", NOW));
    assert_true(str_eq(one.name, STR("f")));
}

static void lives(void **state)
{
    (void)state;
    row = (struct copy_row){.key_end_us = NOW + 5 * SECOND};
    assert_true(translate("i", "1", NOW - 99 * SECOND));
    assert_int_equal(one.end_us, NOW + SECOND);
    assert_false(translate("i", "1", NOW - 100 * SECOND)); /* over */
    assert_int_equal(translator.left_out[COPY_EXPIRED], 1);
    assert_false(copy_translator_left_out(&translator));
    /* nobody kept a time: it dies with its key, if that is before its TTL has passed */
    assert_true(translate("i", "1", COPY_TIME_UNKNOWN));
    assert_int_equal(one.end_us, NOW + 5 * SECOND);
    assert_int_equal(one.event_time_us, NOW - 95 * SECOND);
    row.key_end_us = NOW + 200 * SECOND;
    assert_true(translate("i", "1", COPY_TIME_UNKNOWN));
    assert_int_equal(one.event_time_us, COPY_TIME_UNKNOWN);
    assert_true(translate("s", "1", NOW - 1000 * SECOND));
    assert_true(one.end_us == COPY_NEVER_ENDS);
}

static void ids_that_are_not_utf8(void **state)
{
    (void)state;
    row = (struct copy_row){.key_end_us = COPY_NEVER_ENDS, .id = STR("\xff\x1b")};
    assert_false(translate("i", "1", NOW));
    assert_int_equal(translator.left_out[COPY_BAD_ID], 1);
    assert_true(str_contains(buffer_str(&translator.messages), STR("user \\xff\\u001b: ")));
    translator.fields_out = true;
    assert_true(translate("i", "1", NOW));
    translator.fields_out = false;
    translator.definitions = NULL; /* between two stores in Redis everything goes */
    row.id = STR("\xff");
    assert_true(translate("whatever", "\xfe", COPY_TIME_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_get_one_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_carried_over_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_servers_and_of_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_that_are_not_utf8, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("copy_translate", tests, start, stop);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/plan_text.h"

static const char FEATURES[] =
    "{\"features\":["
    "{\"id\":1,\"name\":\"age\",\"data_type\":\"int\",\"entity\":\"user\",\"description\":\"old\","
    "\"feature_group\":null,\"source\":null,\"transformation\":null,\"is_nullable\":true,"
    "\"ttl_seconds\":3600,\"dimension\":null,\"tags\":{\"a\":1,\"b\":2},\"version\":1},"
    "{\"id\":2,\"name\":\"score\",\"data_type\":\"float\",\"entity\":\"user\",\"description\":null,"
    "\"is_nullable\":true,\"ttl_seconds\":null,\"dimension\":null,\"tags\":null,\"version\":2}],"
    "\"next_cursor\":null}";
static const char SCORE_VERSIONS[] =
    "{\"versions\":[{\"version\":1,\"data_type\":\"int\",\"dimension\":null},"
    "{\"version\":2,\"data_type\":\"float\",\"dimension\":null},"
    "{\"version\":3,\"data_type\":\"string\",\"dimension\":null}]}";
static const char SERVICES[] =
    "{\"feature_services\":[{\"name\":\"svc\",\"features\":[\"age\",\"score\",\"score@1\"],"
    "\"resolved\":[\"age@1\",\"score@1\",\"score@1\"],\"description\":null,\"tags\":{}}]}";

struct fixture {
    struct definition_set set;
    struct registered registered;
    struct plan plan;
    struct buffer text;
};

static struct fixture now;

static int set_up(void **state)
{
    str cursor;
    (void)state;
    memset(&now, 0, sizeof(now));
    definition_set_init(&now.set);
    registered_init(&now.registered);
    buffer_init(&now.text, 1 << 20);
    assert_true(status_is_ok(
        registered_add_features(&now.registered, str_from_cstr(FEATURES), &cursor, NULL)));
    assert_int_equal(cursor.len, 0);
    assert_true(
        status_is_ok(registered_add_services(&now.registered, str_from_cstr(SERVICES), NULL)));
    assert_true(status_is_ok(
        registered_set_versions(&now.registered, registered_feature(&now.registered, STR("score")),
                                str_from_cstr(SCORE_VERSIONS), NULL)));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_fini(&now.text);
    registered_fini(&now.registered);
    definition_set_fini(&now.set);
    return 0;
}

/* The plan as text for a pipe: no colours. */
static const char *plan_of(const char *yaml, bool activate)
{
    assert_true(definition_set_add(&now.set, "f.yaml", str_from_cstr(yaml)));
    assert_true(plan_make(&now.set, &now.registered, activate, &now.plan));
    plan_append_text(&now.text, &now.plan, -1);
    buffer_append_char(&now.text, '\0');
    return now.text.data;
}

static void what_is_the_same_is_unchanged(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("features:\n"
                "- {name: age, data_type: integer, entity: user, description: old, ttl: 60m,\n"
                "   tags: {b: 2, a: 1}}\n"
                "- {name: score, data_type: double, entity: user}\n",
                false),
        "= unchanged 2 features\n");
    assert_int_equal(now.plan.change_count, 0);
}

static void each_changed_field_has_its_line(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("features:\n"
                "- {name: age, data_type: int, entity: user, ttl: 1d1s, is_nullable: false,\n"
                "   source: \"a\\eb\", tags: {a: 1}}\n",
                false),
        "~ change feature age description: \"old\" → none\n"
        "~ change feature age source: none → \"a\\u001bb\"\n"
        "~ change feature age is_nullable: true → false\n"
        "~ change feature age ttl: 1h → 1d1s\n"
        "~ change feature age tags: {\"a\":1,\"b\":2} → {\"a\":1}\n");
    assert_int_equal(now.plan.change_count, 1);
    assert_true(now.plan.items[0].put);
    assert_false(now.plan.items[0].activate);
}

static void what_is_new_is_created(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("features:\n"
                "- {name: emb, data_type: embedding, dimension: 4, entity: user, ttl: 90s}\n"
                "feature_services:\n"
                "- {name: other, features: [emb, age@1]}\n",
                false),
        "+ create feature emb (embedding[4], entity user, ttl 1m30s)\n"
        "+ create feature service other [emb, age@1]\n");
    assert_int_equal(now.plan.change_count, 2);
}

static void another_type_is_a_new_version(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("features: [{name: score, data_type: int, entity: user}]", false),
        "~ new version feature score@4 data_type: float → int\n"
        "  note: feature score@4: version 4 is not active until `featured apply --activate`, "
        "version 2 stays so\n");
    assert_true(now.plan.items[0].put);
    assert_false(now.plan.items[0].activate);
}

static void with_activate_the_new_version_becomes_active(void **state)
{
    (void)state;
    assert_string_equal(plan_of("features: [{name: score, data_type: int, entity: user}]", true),
                        "~ new version feature score@4 data_type: float → int\n"
                        "~ new version feature score@4 active version: 2 → 4\n");
    assert_true(now.plan.items[0].put);
    assert_true(now.plan.items[0].activate);
    assert_int_equal(now.plan.items[0].version, 4);
}

/* As the server has it: the newest version, if it has the type, is the one that is meant. */
static void a_version_that_waits_is_not_made_again(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("features: [{name: score, data_type: string, entity: user}]", false),
        "  note: feature score: version 3 is not active until `featured apply --activate`, "
        "version 2 stays so\n"
        "= unchanged 1 feature\n");
    assert_int_equal(now.plan.change_count, 0);
}

static void a_version_that_waits_is_only_activated(void **state)
{
    (void)state;
    assert_string_equal(plan_of("features: [{name: score, data_type: string, entity: user}]", true),
                        "~ activate feature score@3 data_type: float → string\n"
                        "~ activate feature score@3 active version: 2 → 3\n");
    assert_false(now.plan.items[0].put);
    assert_true(now.plan.items[0].activate);
    assert_int_equal(now.plan.change_count, 1);
}

static void another_entity_is_refused(void **state)
{
    (void)state;
    const char *text = plan_of("features: [{name: age, data_type: int, entity: driver}]", false);
    assert_memory_equal(text, "! refused feature age: its entity is user", 41);
    assert_int_equal(now.plan.refused_count, 1);
    assert_int_equal(now.plan.change_count, 0);
}

static void unknown_members_are_refused(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("feature_services: [{name: svc, features: [age, gone, lost@2]}]", false),
        "! refused feature service svc: its feature gone is neither registered nor in the files\n"
        "! refused feature service svc: its feature lost@2 is neither registered nor in the "
        "files\n");
    assert_int_equal(now.plan.refused_count, 1);
}

static void a_service_keeps_its_versions_until_it_changes(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("feature_services: [{name: svc, features: [age, score, score@1]}]", false),
        "  note: feature service svc: score stays at version 1, active is 2\n"
        "= unchanged 1 feature service\n");
    assert_int_equal(now.plan.change_count, 0);
}

static void a_changed_service_resolves_anew(void **state)
{
    (void)state;
    assert_string_equal(
        plan_of("feature_services: [{name: svc, features: [score, age]}]", false),
        "~ change feature service svc features: [age, score, score@1] → [score, age]\n"
        "  note: feature service svc: score moves to version 2\n");
    assert_int_equal(now.plan.change_count, 1);
}

static void definitions_are_sent_as_json(void **state)
{
    (void)state;
    assert_true(definition_set_add(
        &now.set, "f.yaml",
        STR("features:\n- {name: e, data_type: embedding, dimension: 2, entity: u, ttl: 2m,\n"
            "   description: \"a\\\"b\", tags: {x: [1]}}\n"
            "feature_services:\n- {name: s, features: [e, e@2], description: d}\n")));
    plan_append_feature_json(&now.text, &now.set.features[0].definition);
    plan_append_service_json(&now.text, &now.set.services[0].definition);
    buffer_append_char(&now.text, '\0');
    assert_string_equal(now.text.data,
                        "{\"name\":\"e\",\"entity\":\"u\",\"data_type\":\"embedding\","
                        "\"dimension\":2,\"is_nullable\":true,\"ttl_seconds\":120,"
                        "\"description\":\"a\\\"b\",\"tags\":{\"x\":[1]}}"
                        "{\"name\":\"s\",\"features\":[\"e\",\"e@2\"],\"description\":\"d\","
                        "\"tags\":{}}");
}

static void no_allocation_fails_silently(void **state)
{
    bool made = false;
    uint64_t after = 0;
    (void)state;
    assert_true(definition_set_add(&now.set, "f.yaml",
                                   STR("features:\n"
                                       "- {name: age, data_type: int, entity: user, ttl: 2h}\n"
                                       "- {name: score, data_type: int, entity: user}\n"
                                       "feature_services: [{name: svc, features: [age]}]\n")));
    while (!made) {
        memory_fail_after(after++);
        made = plan_make(&now.set, &now.registered, true, &now.plan);
        memory_fail_after(UINT64_MAX);
        assert_true(after < 1000);
    }
    assert_true(after > 1);
    assert_int_equal(now.plan.count, 3);
    assert_int_equal(now.plan.change_count, 3);
}

static void other_answers_than_promised_are_errors(void **state)
{
    static const char *const CASES[] = {"", "[]", "{\"features\":{}}", "{\"features\":[{}]}",
                                        ("{\"features\":[{\"name\":\"a\",\"entity\":\"u\","
                                         "\"data_type\":\"new\"}]}")};
    struct error error;
    str cursor;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(
            registered_add_features(&now.registered, str_from_cstr(CASES[i]), &cursor, &error).code,
            STATUS_INTERNAL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_the_same_is_unchanged),
        TEST(each_changed_field_has_its_line),
        TEST(what_is_new_is_created),
        TEST(another_type_is_a_new_version),
        TEST(with_activate_the_new_version_becomes_active),
        TEST(a_version_that_waits_is_not_made_again),
        TEST(a_version_that_waits_is_only_activated),
        TEST(another_entity_is_refused),
        TEST(unknown_members_are_refused),
        TEST(a_service_keeps_its_versions_until_it_changes),
        TEST(a_changed_service_resolves_anew),
        TEST(definitions_are_sent_as_json),
        TEST(no_allocation_fails_silently),
        TEST(other_answers_than_promised_are_errors),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}

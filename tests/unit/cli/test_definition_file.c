#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/definition_file.h"

static struct definition_set set;

static int set_up(void **state)
{
    (void)state;
    definition_set_init(&set);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    definition_set_fini(&set);
    return 0;
}

static bool add(const char *text)
{
    return definition_set_add(&set, "f.yaml", str_from_cstr(text));
}

static void is(str actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.len);
}

static void every_field_is_read(void **state)
{
    (void)state;
    assert_true(add("features:\n"
                    "  - name: emb\n"
                    "    data_type: vector\n"
                    "    entity: user\n"
                    "    ttl: 1h30m\n"
                    "    description: >\n"
                    "      two\n"
                    "      words\n"
                    "    feature_group: g\n"
                    "    source: s.csv\n"
                    "    transformation: 'mean(x)'\n"
                    "    is_nullable: false\n"
                    "    dimension: 8\n"
                    "    tags: {team: growth, level: 1, list: [a]}\n"
                    "feature_services:\n"
                    "  - name: svc\n"
                    "    features: [emb, emb@2]\n"
                    "    description: d\n"));
    assert_int_equal(set.feature_count, 1);
    const struct file_feature *feature = &set.features[0];
    const struct feature_definition *definition = &feature->definition;
    is(definition->name, "emb");
    is(definition->entity, "user");
    assert_int_equal(definition->data_type, DATA_TYPE_EMBEDDING);
    assert_int_equal(definition->dimension, 8);
    assert_int_equal(definition->ttl_seconds, 5400);
    assert_false(definition->is_nullable);
    is(definition->description.text, "two words\n");
    is(definition->feature_group.text, "g");
    is(definition->source.text, "s.csv");
    is(definition->transformation.text, "mean(x)");
    is(definition->tags_json, "{\"team\":\"growth\",\"level\":1,\"list\":[\"a\"]}");
    assert_string_equal(feature->place.file, "f.yaml");
    assert_int_equal(feature->place.line, 2);
    assert_int_equal(set.service_count, 1);
    is(set.services[0].definition.name, "svc");
    assert_int_equal(set.services[0].definition.feature_count, 2);
    is(set.services[0].definition.features[1], "emb@2");
    is(set.services[0].definition.description.text, "d");
    is(set.services[0].definition.tags_json, "{}");
}

static void absent_fields_have_the_defaults_of_the_api(void **state)
{
    (void)state;
    assert_true(add("features: [{name: a, data_type: int, entity: user}]"));
    const struct feature_definition *definition = &set.features[0].definition;
    assert_true(definition->is_nullable);
    assert_int_equal(definition->ttl_seconds, 0);
    assert_int_equal(definition->dimension, 0);
    assert_false(definition->description.present);
    is(definition->tags_json, "{}");
}

static void an_entity_gives_its_features_defaults(void **state)
{
    (void)state;
    assert_true(add("entities:\n"
                    "  - name: plane\n"
                    "    ttl: 1d\n"
                    "    source: planes.csv\n"
                    "    feature_group: facts\n"
                    "    tags: {a: 1}\n"
                    "    features:\n"
                    "      - {name: seats, data_type: int}\n"
                    "      - {name: model, data_type: string, ttl: never, source: null,\n"
                    "         entity: other, tags: null}\n"));
    const struct feature_definition *seats = &set.features[0].definition;
    const struct feature_definition *model = &set.features[1].definition;
    is(seats->entity, "plane");
    assert_int_equal(seats->ttl_seconds, 86400);
    is(seats->source.text, "planes.csv");
    is(seats->tags_json, "{\"a\":1}");
    is(model->entity, "other");
    assert_int_equal(model->ttl_seconds, 0);
    assert_false(model->source.present);
    is(model->feature_group.text, "facts");
    is(model->tags_json, "{}");
}

static void documents_and_files_add_up(void **state)
{
    (void)state;
    assert_true(add("features: [{name: a, data_type: int, entity: u}]\n---\n"
                    "features: [{name: b, data_type: int, entity: u, ttl_seconds: 5}]\n---\n"));
    assert_true(definition_set_add(
        &set, "g.yaml", STR("features: [{name: c, data_type: int, entity: u, ttl: 90}]")));
    assert_int_equal(set.feature_count, 3);
    assert_int_equal(set.features[1].definition.ttl_seconds, 5);
    assert_int_equal(set.features[2].definition.ttl_seconds, 90);
    assert_true(add(""));
    assert_true(add("# nothing\n"));
    assert_true(add("features:\nfeature_services: []\nentities: ~\n"));
    assert_int_equal(set.feature_count, 3);
}

static void each_mistake_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } CASES[] = {
        {"features:\n  - name: a\n    data_typ: int\n", "f.yaml:3: unknown field 'data_typ'; did "
                                                        "you mean 'data_type'?"},
        {"features:\n  - data_type: int\n    entity: u\n", "f.yaml:2: 'name' is missing"},
        {"features:\n- name: a\n  entity: u\n", "f.yaml:2: 'data_type' is missing"},
        {"features:\n- name: a\n  data_type: int\n", "f.yaml:2: 'entity' is missing"},
        {"features:\n- name: a\n  entity: u\n  data_type: colour\n",
         "f.yaml:4: unknown data type 'colour'; one of int, float"},
        {"features:\n- name: 9a\n  entity: u\n  data_type: int\n", "f.yaml:2: name must be"},
        {"features:\n- name: a\n  data_type: int\n  entity: 'a b'\n", "f.yaml:4: entity must be"},
        {"features:\n- {name: a, entity: u, data_type: int}\n"
         "- name: b\n  entity: u\n  data_type: int\n  ttl: 1 hour\n",
         "f.yaml:6: 'ttl' must be whole seconds"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  ttl: 1ms\n",
         "f.yaml:5: 'ttl' must be whole seconds"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  ttl_seconds: -1\n",
         "f.yaml:5: ttl_seconds must be 0"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  ttl_seconds: 1\n  ttl: 1s\n",
         "f.yaml:6: give 'ttl' or 'ttl_seconds', not both"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  is_nullable: yes\n",
         "f.yaml:5: 'is_nullable' must be true or false"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  dimension: 3\n",
         "f.yaml:5: dimension is for embeddings only"},
        {"features:\n- name: b\n  entity: u\n  data_type: embedding\n  dimension: 0\n",
         "f.yaml:5: 'dimension' must be 1 to 16384"},
        {"features:\n- name: b\n  entity: u\n  data_type: int\n  tags: [a]\n",
         "f.yaml:5: 'tags' must be a mapping, not a list"},
        {"features:\n- name: b\n  name: c\n  entity: u\n  data_type: int\n",
         "f.yaml:3: 'name' is given twice"},
        {"features:\n- {name: a, entity: u, data_type: int}\n- {name: a, entity: u, data_type: "
         "int}\n",
         "f.yaml:3: feature 'a' is already defined at f.yaml:2"},
        {"features:\n- a\n", "f.yaml:2: a feature must be a mapping, not a text"},
        {"features: a\n", "f.yaml:1: 'features' must be a list, not a text"},
        {"- a\n", "f.yaml:1: the document must be a mapping, not a list"},
        {"featurs: []\n", "f.yaml:1: unknown field 'featurs'; did you mean 'features'?"},
        {"entities:\n- features: []\n", "f.yaml:2: 'name' is missing"},
        {"feature_services:\n- name: s\n", "f.yaml:2: 'features' is missing"},
        {"feature_services:\n- name: s\n  features: []\n", "f.yaml:3: features must name 1 to"},
        {"feature_services:\n- name: s\n  features: [a, 'b c']\n",
         "f.yaml:3: a feature must be written as"},
        {"feature_services:\n- name: s\n  features: [a, [b]]\n",
         "f.yaml:3: a feature's name must be a text"},
        {"features:\n  - name: [\n", "f.yaml:3: did not find expected node content"},
        {"features: \"open\n", "f.yaml:2: found unexpected end of stream"},
        {"a: \x01\n", "f.yaml:1: byte 3: control characters are not allowed"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (add(CASES[i].text) || set.error_count != 1)
            fail_msg("%zu mistakes in %s", set.error_count, CASES[i].text);
        buffer_append_char(&set.errors, '\0');
        if (strncmp(set.errors.data, CASES[i].says, strlen(CASES[i].says)) != 0)
            fail_msg("%s says %s", CASES[i].text, set.errors.data);
        definition_set_fini(&set);
        definition_set_init(&set);
    }
}

static void all_mistakes_are_collected(void **state)
{
    (void)state;
    assert_false(add("features:\n- {name: a}\n- {nam: b}\nservices: []\n"));
    assert_int_equal(set.error_count, 4);
    assert_int_equal(set.feature_count, 0);
}

/* Without memory something is said to be wrong, or all is there: never half of it in silence. */
static void no_allocation_fails_silently(void **state)
{
    static const char TEXT[] =
        "features:\n"
        "- {name: a, data_type: int, entity: u, description: d, tags: {x: 1}}\n"
        "- {name: b, data_type: int, entity: u}\n"
        "feature_services:\n- {name: s, features: [a, b]}\n";
    bool fine = false;
    uint64_t after = 0;
    (void)state;
    while (!fine) {
        definition_set_fini(&set);
        definition_set_init(&set);
        memory_fail_after(after++);
        fine = add(TEXT);
        memory_fail_after(UINT64_MAX);
        assert_true(fine == (set.error_count == 0));
        assert_true(after < 1000);
    }
    assert_true(after > 3);
    assert_int_equal(set.feature_count, 2);
    assert_int_equal(set.service_count, 1);
    is(set.features[0].definition.tags_json, "{\"x\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(absent_fields_have_the_defaults_of_the_api, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_entity_gives_its_features_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_and_files_add_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_mistake_is_named_with_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_mistakes_are_collected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_allocation_fails_silently, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("definition_file", tests, NULL, NULL);
}

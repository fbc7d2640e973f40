/* __event_times as written by our scripts, by others, and by nobody in their right mind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "online/redis/redis_entries.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* The text in a block of exactly its size, so that a step beyond is seen. */
static char *exact(str text)
{
    char *copy = malloc(text.len + !text.len);
    assert_non_null(copy);
    memcpy(copy, text.data, text.len);
    return copy;
}

static enum redis_entries_step last_step(str text, uint32_t *count)
{
    struct redis_entries entries;
    struct redis_entry entry;
    enum redis_entries_step step;
    str name;
    char *copy = exact(text);
    *count = 0;
    redis_entries_begin(&entries, str_of(copy, text.len), &arena);
    while ((step = redis_entries_next(&entries, &name, &entry)) == REDIS_ENTRIES_ONE)
        ++*count;
    free(copy);
    return step;
}

static void test_whole_objects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t count;
    } WHOLE[] = {
        {"{}", 0},
        {" \t\r\n{ } ", 0},
        {"{\"a\":\"1:2:v\"}", 1},
        {"{ \"a\" : \"1:2:v\" , \"b\":\"nonsense\" }\n", 2},
        {"{\"a\":\"1:2:v\",\"a\":\"1:2:n\",\"*\":\"5:6:x\"}", 3},
        {"{\"\":\"\"}", 1},
        {"{\"a\\/\\\"\\\\\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\":\"1:2\\u003av\"}", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(WHOLE); i++) {
        uint32_t count;
        assert_int_equal(last_step(str_from_cstr(WHOLE[i].text), &count), REDIS_ENTRIES_END);
        assert_int_equal(count, WHOLE[i].count);
    }
}

static void test_damaged_objects(void **state)
{
    (void)state;
    static const char *const DAMAGED[] = {
        "", " ", "x", "null", "[]", "[\"a\"]", "{", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1}",
        "{\"a\":null}", "{\"a\":{}}", "{\"a\":\"1:2:v\"", "{\"a\":\"1:2:v\",}", "{\"a\":\"1:2:v\"}}",
        "{\"a\":\"1:2:v\"} x", "{a:\"1:2:v\"}", "{\"a\" \"1:2:v\"}", "{\"a\\\":\"1:2:v\"}",
        "{\"a\\x\":\"1:2:v\"}", "{\"a\\u12\":\"1:2:v\"}", "{\"\\udc00\":\"1:2:v\"}",
        "{\"\\ud800\":\"1:2:v\"}", "{\"\\ud800\\u0041\":\"1:2:v\"}", "{\"a\":\"1:2:v\"\"b\":\"1:2:v\"}",
        "\"a\"", "{\"a", "{\"a\\", "\0{}",
    };
    for (size_t i = 0; i < ARRAY_LEN(DAMAGED); i++) {
        uint32_t count;
        if (last_step(str_from_cstr(DAMAGED[i]), &count) != REDIS_ENTRIES_DAMAGED)
            fail_msg("taken: %s", DAMAGED[i]);
    }
}

/* Cut anywhere, it is damaged; nothing is read beyond its end. */
static void test_cut_texts(void **state)
{
    (void)state;
    str whole = STR("{\"clicks\":\"1700000000000000:7:v\",\"a\\u00e9\":\"-5:12:n\",\"*\":\"1:9:x\"}");
    uint32_t count;
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(last_step(str_of(whole.data, len), &count), REDIS_ENTRIES_DAMAGED);
    assert_int_equal(last_step(whole, &count), REDIS_ENTRIES_END);
}

static void test_names_are_unescaped(void **state)
{
    (void)state;
    struct redis_entries entries;
    struct redis_entry entry;
    str name;
    redis_entries_begin(&entries, STR("{\"a\\/b\\u00e9\\ud83d\\ude00\\u0000\":\"1:2:v\"}"), &arena);
    assert_int_equal(redis_entries_next(&entries, &name, &entry), REDIS_ENTRIES_ONE);
    assert_true(str_eq(name, STR("a/bé😀\0")));
    assert_int_equal(entry.kind, REDIS_ENTRY_VALUE);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct arena none;
    struct redis_entries entries;
    struct redis_entry entry;
    str name;
    arena_init(&none, 0);
    redis_entries_begin(&entries, STR("{\"a\\/b\":\"1:2:v\"}"), &none);
    assert_int_equal(redis_entries_next(&entries, &name, &entry), REDIS_ENTRIES_NO_MEMORY);
    arena_fini(&none);
}

static void test_entries(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct redis_entry entry;
    } GOOD[] = {
        {"0:0:v", {REDIS_ENTRY_VALUE, 0, 0}},
        {"1700000000000000:7:n", {REDIS_ENTRY_NULL, INT64_C(1700000000000000), 7}},
        {"-1:1:x", {REDIS_ENTRY_ERASED, -1, 1}},
        {"253402300799999999:18446744073709551615:v",
         {REDIS_ENTRY_VALUE, INT64_C(253402300799999999), UINT64_MAX}},
        {"-62135596800000000:1:v", {REDIS_ENTRY_VALUE, INT64_C(-62135596800000000), 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct redis_entry entry;
        char text[REDIS_ENTRY_TEXT_MAX];
        redis_entry_parse(str_from_cstr(GOOD[i].text), &entry);
        assert_int_equal(entry.kind, GOOD[i].entry.kind);
        assert_int_equal(entry.event_time_us, GOOD[i].entry.event_time_us);
        assert_int_equal(entry.version_id, GOOD[i].entry.version_id);
        str again = str_of(text, redis_entry_format(&entry, text));
        assert_true(str_eq(again, str_from_cstr(GOOD[i].text)));
    }
    static const char *const BAD[] = {
        "", ":", "::", "1:2", "1:2:", "1:2:y", "1:2:vv", "1:2:v ", " 1:2:v", "01:2:v", "1:02:v",
        "+1:2:v", "1:+2:v", "1:-2:v", "-:2:v", "-0:2:v", "1.0:2:v", "1e3:2:v", ":2:v", "1::v",
        "253402300800000000:1:v", "-62135596800000001:1:v", "9223372036854775807:1:v",
        "-9223372036854775808:1:v", "9223372036854775808:1:v", "1:18446744073709551616:v",
        "99999999999999999999999:1:v", "1:2:v:3", "x:1:v",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct redis_entry entry;
        redis_entry_parse(str_from_cstr(BAD[i]), &entry);
        if (entry.kind != REDIS_ENTRY_DAMAGED)
            fail_msg("taken: %s", BAD[i]);
    }
}

#define NUMBERS 4 /* of the names "a" to "d"; the others are skipped */

/* Parses the text; `pattern` is learnt from it unless NULL. False: damaged somewhere. */
static bool parse(str text, struct redis_pattern *pattern, struct redis_entry found[NUMBERS])
{
    struct redis_entries entries;
    struct redis_entry entry;
    enum redis_entries_step step;
    str name;
    bool is_plain = true, is_whole = true;
    memset(found, 0, NUMBERS * sizeof(*found));
    redis_entries_begin(&entries, text, &arena);
    while ((step = redis_entries_next(&entries, &name, &entry)) == REDIS_ENTRIES_ONE) {
        uint32_t number = REDIS_ENTRY_SKIPPED;
        if (name.len == 1 && name.data[0] >= 'a' && name.data[0] < 'a' + NUMBERS) {
            number = (uint32_t)(name.data[0] - 'a');
            found[number] = entry;
        }
        is_whole = is_whole && entry.kind != REDIS_ENTRY_DAMAGED;
        if (pattern != NULL)
            is_plain = is_plain && redis_pattern_add(pattern, text, &entries, &entry, number);
    }
    if (pattern != NULL && (!is_plain || step != REDIS_ENTRIES_END))
        pattern->count = 0;
    return is_whole && step == REDIS_ENTRIES_END;
}

/* Whether the text is like the pattern; then it must be what parsing finds. */
static bool matches(const struct redis_pattern *pattern, str text)
{
    struct redis_entry found[NUMBERS], parsed[NUMBERS];
    char *copy = exact(text);
    memset(found, 0, sizeof(found));
    bool is_alike = redis_pattern_match(pattern, str_of(copy, text.len), found);
    if (is_alike && !parse(str_of(copy, text.len), NULL, parsed))
        fail_msg("damaged: %.*s", STR_ARG(text));
    for (uint32_t i = 0; is_alike && i < NUMBERS; i++)
        if (found[i].kind != parsed[i].kind || found[i].version_id != parsed[i].version_id ||
            found[i].event_time_us != parsed[i].event_time_us)
            fail_msg("entry %u of %.*s", i, STR_ARG(text));
    free(copy);
    return is_alike;
}

#define PLAIN                                                                                      \
    "{\"b\":\"1700000000000000:7:v\",\"zz\":\"1700000000000001:18446744073709551615:n\","                \
    "\"a\":\"9999999999999999:0:x\"}"

static void test_patterns(void **state)
{
    static struct redis_pattern pattern;
    struct redis_entry found[NUMBERS];
    (void)state;
    static const char *const ALIKE[] = {
        PLAIN,
        " { \"a\" :\t\"1700000000000000:7:v\"\n} ",
        "{\"\\u0061\":\"1700000000000000:7:v\",\"a\":\"1700000000000002:8:v\"}",
        "{\"b\":\"1700000000000000:\\u0037:v\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(ALIKE); i++) {
        assert_true(parse(str_from_cstr(ALIKE[i]), &pattern, found));
        assert_true(matches(&pattern, str_from_cstr(ALIKE[i])));
    }
    static const char *const UNLIKE_ANY[] = {
        "{\"a\":\"170000000000000:7:v\"}",        "{\"a\":\"17000000000000000:7:v\"}",
        "{\"a\":\"-170000000000000:7:v\"}",       "{\"a\":\"\\u0031700000000000000:7:v\"}",
        "{\"a\":\"1700000000000000\\u003a7:v\"}", "{\"a\":\"1700000000000000:7:\\u0076\"}",
        "{\"a\":\"0700000000000000:7:v\"}",       "{\"a\":\"1700000000000000:7:y\"}",
        "{\"a\":\"1700000000000000:7:v\",}",      "{\"a\":\"1700000000000000:7:v\"",
        "{\"a\":\"1700000000000000:7:v\",\"b\":\"5:7:v\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(UNLIKE_ANY); i++) {
        parse(str_from_cstr(PLAIN), &pattern, found);
        parse(str_from_cstr(UNLIKE_ANY[i]), &pattern, found);
        if (matches(&pattern, str_from_cstr(UNLIKE_ANY[i])))
            fail_msg("%s", UNLIKE_ANY[i]);
    }
    assert_true(parse(STR("{\"a\":\"1700000000000000:7:v\"}"), &pattern, found));
    assert_true(matches(&pattern, STR("{\"a\":\"1800000000000009:7:x\"}")));
    assert_false(matches(&pattern, STR("{\"a\":\"1800000000000009:8:x\"}")));
    assert_false(matches(&pattern, STR("{\"b\":\"1800000000000009:7:x\"}")));
    assert_false(matches(&pattern, STR("{\"a\":\"0800000000000009:7:x\"}")));
    assert_false(matches(&pattern, STR("{\"a\":\"1800000000000009:7:y\"}")));
    assert_false(matches(&pattern, STR("")));
    parse(STR("{}"), &pattern, found);
    assert_true(matches(&pattern, STR("{\"a\":\"1800000000000009:7:x\"}")));
    static const char *const SAME_AND_OTHER_TIMES[] = {
        "{\"b\":\"1700000000000000:7:v\",\"zz\":\"1700000000000000:8:n\",\"a\":\"1700000000000000:9:x\"}",
        "{\"b\":\"1700000000000000:7:v\",\"zz\":\"1700000000000000:8:n\",\"a\":\"1700000000000001:9:x\"}",
        "{\"b\":\"1700000000000000:7:v\",\"zz\":\"1800000000000000:8:n\",\"a\":\"1700000000000000:9:x\"}",
        "{\"b\":\"1600000000000000:7:v\",\"zz\":\"1700000000000000:8:n\",\"a\":\"1700000000000000:9:x\"}",
    };
    assert_true(parse(str_from_cstr(SAME_AND_OTHER_TIMES[0]), &pattern, found));
    for (size_t i = 0; i < ARRAY_LEN(SAME_AND_OTHER_TIMES); i++)
        assert_true(matches(&pattern, str_from_cstr(SAME_AND_OTHER_TIMES[i])));
}

static void test_damage_is_like_no_pattern(void **state)
{
    static const char BYTES[] = "0123456789:vnx\"\\,{} ab";
    static struct redis_pattern pattern;
    struct redis_entry found[NUMBERS];
    unsigned seed = (unsigned)clock_monotonic_ns(), next = seed;
    unsigned alike = 0;
    (void)state;
    print_message("seed %u\n", seed);
    assert_true(parse(STR(PLAIN), &pattern, found));
    for (int round = 0; round < 100000; round++) {
        char text[] = PLAIN;
        for (int i = rand_r(&next) % 3; i >= 0; i--)
            text[(unsigned)rand_r(&next) % (sizeof(text) - 1)] =
                BYTES[(unsigned)rand_r(&next) % (sizeof(BYTES) - 1)];
        alike += matches(&pattern, str_of(text, sizeof(text) - 1));
    }
    assert_true(alike > 1000);
}

/* More than it holds: parsed each time. */
static void test_patterns_are_bounded(void **state)
{
    static struct redis_pattern pattern;
    static char text[64 << 10];
    struct redis_entry found[NUMBERS];
    (void)state;
    for (unsigned count = 1; count <= 2 * REDIS_PATTERN_ENTRIES_MAX; count++) {
        for (unsigned name_len = 1; name_len <= 64; name_len += 63) {
            size_t len = 0;
            for (unsigned i = 0; i < count; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len,
                                        "%s\"%0*u\":\"1700000000000000:7:v\"", i ? "," : "{",
                                        (int)name_len, i);
            len += (size_t)snprintf(text + len, sizeof(text) - len, "}");
            assert_true(parse(str_of(text, len), &pattern, found));
            assert_int_equal(matches(&pattern, str_of(text, len)),
                             count <= REDIS_PATTERN_ENTRIES_MAX && len <= REDIS_PATTERN_BYTES_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_objects),       cmocka_unit_test(test_damaged_objects),
        cmocka_unit_test(test_cut_texts),           cmocka_unit_test(test_names_are_unescaped),
        cmocka_unit_test(test_without_memory),      cmocka_unit_test(test_entries),
        cmocka_unit_test(test_patterns),            cmocka_unit_test(test_patterns_are_bounded),
        cmocka_unit_test(test_damage_is_like_no_pattern),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* The scripts themselves, in a real Redis: held to tests/vectors/cell_rule.json as model/cell_rule.c is,
 * and to what stands at their heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/clock.h"
#include "online/redis/redis_entries.h"
#include "online/redis/redis_scripts.h"
#include "redis_server.h"

#define KEY "user:u:features"
#define ARGUMENTS_MAX 64

static struct redis_server server;
static redisContext *redis;
static yyjson_doc *vectors;
static redisReply *last;

static int start(void **state)
{
    (void)state;
    vectors = yyjson_read_file(VECTORS_FILE, 0, NULL, NULL);
    assert_non_null(vectors);
    redis_server_start(&server, NULL);
    redis = redisConnectUnix(server.socket_path);
    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    freeReplyObject(last);
    redisFree(redis);
    redis_server_stop(&server);
    yyjson_doc_free(vectors);
    return 0;
}

static int flush(void **state)
{
    (void)state;
    freeReplyObject(redisCommand(redis, "FLUSHALL"));
    return 0;
}

static const redisReply *ask(const char *format, ...)
{
    va_list arguments;
    freeReplyObject(last);
    va_start(arguments, format);
    last = redisvCommand(redis, format, arguments);
    va_end(arguments);
    assert_non_null(last);
    return last;
}

/* NULL ends the arguments. */
static const redisReply *call(const struct redis_script *script, const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX] = {"EVAL", script->text.data, "1", KEY};
    size_t lengths[ARGUMENTS_MAX] = {4, script->text.len, 1, strlen(KEY)};
    int count = 4;
    for (; *arguments != NULL; arguments++) {
        assert_true(count < ARGUMENTS_MAX);
        all[count] = *arguments;
        lengths[count++] = strlen(*arguments);
    }
    freeReplyObject(last);
    last = redisCommandArgv(redis, count, all, lengths);
    assert_non_null(last);
    if (last->type == REDIS_REPLY_ERROR)
        fail_msg("%s", last->str);
    assert_int_equal(last->type, REDIS_REPLY_ARRAY);
    return last;
}

/* Whether it was written; the alternative is late. */
static bool write_one(const char *version_id, const char *event, const char *kind,
                      const char *value)
{
    const redisReply *reply =
        call(&redis_script_write,
             (const char *const[]){"f", version_id, event, kind, "", value, NULL});
    assert_int_equal(reply->elements, 5);
    assert_int_equal(reply->element[0]->integer, REDIS_SCRIPT_DONE);
    assert_int_equal(reply->element[1]->integer + reply->element[2]->integer, 1);
    return reply->element[1]->integer == 1;
}

static const char *decimal(yyjson_val *vector, const char *key, char text[static 24])
{
    yyjson_val *value = yyjson_obj_get(vector, key);
    assert_true(yyjson_is_int(value));
    snprintf(text, 24, "%" PRId64, yyjson_get_sint(value));
    return text;
}

static yyjson_val *table(const char *name, size_t at_least)
{
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(vectors), name);
    assert_true(yyjson_arr_size(list) >= at_least);
    return list;
}

static void expect(yyjson_val *vector, bool got)
{
    if (got != yyjson_get_bool(yyjson_obj_get(vector, "expect")))
        fail_msg("%s: got %s", yyjson_get_str(yyjson_obj_get(vector, "why")),
                 got ? "true" : "false");
}

static void test_sha_is_the_text_s(void **state)
{
    (void)state;
    const struct redis_script *scripts[] = {&redis_script_write, &redis_script_erase,
                                            &redis_script_tidy};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        const redisReply *reply =
            ask("SCRIPT LOAD %b", scripts[i]->text.data, scripts[i]->text.len);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        assert_true(str_eq(str_of(reply->str, reply->len), scripts[i]->sha));
    }
}

/* Redis holds none but of the years 1 to 9999. */
static bool is_date(yyjson_val *vector, const char *key)
{
    int64_t us = yyjson_get_sint(yyjson_obj_get(vector, key));
    return us >= CLOCK_MIN_US && us <= CLOCK_MAX_US;
}

static void test_replaces(void **state)
{
    size_t i, n;
    yyjson_val *vector;
    char held[24], now[24];
    yyjson_arr_foreach(table("replaces", 9), i, n, vector)
    {
        flush(state);
        if (!is_date(vector, "held_event_time_us"))
            continue;
        assert_true(write_one("7", decimal(vector, "held_event_time_us", held), "v", "1"));
        expect(vector, write_one("7", decimal(vector, "new_event_time_us", now), "v", "2"));
    }
}

/* By the mark of a version, and by that of the whole id. */
static void test_is_erased(void **state)
{
    size_t i, n;
    yyjson_val *vector;
    char erased[24], event[24], text[64];
    static const char *const NAMES[] = {"f", "*"};
    for (size_t k = 0; k < ARRAY_LEN(NAMES); k++)
        yyjson_arr_foreach(table("is_erased", 5), i, n, vector)
        {
            flush(state);
            if (!is_date(vector, "erased_us"))
                continue;
            snprintf(text, sizeof(text), "{\"%s\":\"%s:7:x\"}", NAMES[k],
                     decimal(vector, "erased_us", erased));
            ask("HSET " KEY " __event_times %s", text);
            expect(vector, !write_one("7", decimal(vector, "event_time_us", event), "v", "1"));
        }
}

static void test_versions(void **state)
{
    (void)state;
    assert_true(write_one("9", "100", "v", "1"));
    assert_false(write_one("8", "200", "v", "2"));   /* we are behind */
    assert_true(write_one("10", "1", "v", "3"));     /* 9 was dropped */
    assert_true(write_one("18446744073709551615", "1", "v", "3"));
    assert_false(write_one("18446744073709551614", "1", "v", "3"));
    ask("HSET " KEY " __event_times {\"f\":\"50:0:v\"}"); /* an importer's: by event time */
    assert_false(write_one("9", "49", "v", "4"));
    assert_true(write_one("9", "50", "v", "5"));
    ask("HSET " KEY " __event_times {\"*\":\"50:9:x\"}");
    assert_false(write_one("9", "50", "v", "6"));
    assert_true(write_one("10", "50", "v", "6")); /* made after the erasure */
}

static void test_who_does_not_know_the_version(void **state)
{
    (void)state;
    assert_true(write_one("0", "100", "v", "1"));
    assert_false(write_one("0", "99", "v", "2"));
    assert_true(write_one("9", "100", "v", "3"));
    assert_false(write_one("0", "99", "v", "4"));
    assert_true(write_one("0", "100", "v", "5")); /* for the version that owns the field */
    assert_string_equal(ask("HGET " KEY " __event_times")->str, "{\"f\":\"100:9:v\"}");
    assert_string_equal(ask("HGET " KEY " f")->str, "5");
    ask("HSET " KEY " __event_times {\"f\":\"50:9:x\"}");
    assert_false(write_one("0", "50", "v", "6"));
    assert_true(write_one("0", "51", "v", "7"));
}

static void test_a_field_without_an_entry_gives_way(void **state)
{
    (void)state;
    ask("HSET " KEY " f theirs other theirs");
    assert_true(write_one("7", "-62135596800000000", "v", "ours"));
    assert_string_equal(ask("HGET " KEY " f")->str, "ours");
    assert_string_equal(ask("HGET " KEY " other")->str, "theirs");
    assert_true(write_one("7", "1", "n", ""));
    assert_int_equal(ask("HEXISTS " KEY " f")->integer, 0);
}

static void test_what_arrives_now_is_later_than_an_erasure(void **state)
{
    (void)state;
    char text[64];
    const redisReply *time = ask("TIME");
    snprintf(text, sizeof(text), "{\"f\":\"%s999999:7:x\"}", time->element[0]->str);
    ask("HSET " KEY " __event_times %s", text);
    assert_true(write_one("7", "", "v", "1"));
    snprintf(text, sizeof(text), "{\"*\":\"%s999999:7:x\"}", ask("TIME")->element[0]->str);
    ask("HSET " KEY " __event_times %s", text);
    assert_true(write_one("7", "", "v", "1"));
}

static void test_many_cells(void **state)
{
    (void)state;
    enum { CELLS = 5000 };
    const char **arguments = calloc(4 + 6 * CELLS, sizeof(*arguments));
    size_t *lengths = calloc(4 + 6 * CELLS, sizeof(*lengths));
    static char names[CELLS][16];
    size_t at = 4;
    arguments[0] = "EVAL";
    arguments[1] = redis_script_write.text.data;
    arguments[2] = "1";
    arguments[3] = KEY;
    for (int i = 0; i < CELLS; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i);
        const char *cell[] = {names[i], "7", "5", i % 5 ? "v" : "n", "", "x"};
        memcpy(arguments + at, cell, sizeof(cell));
        at += 6;
    }
    for (size_t i = 0; i < at; i++)
        lengths[i] = i == 1 ? redis_script_write.text.len : strlen(arguments[i]);
    for (int round = 0; round < 2; round++) {
        freeReplyObject(last);
        last = redisCommandArgv(redis, (int)at, arguments, lengths);
        assert_non_null(last);
        assert_int_equal(last->type, REDIS_REPLY_ARRAY);
        assert_int_equal(last->element[1]->integer, CELLS);
        assert_int_equal(ask("HLEN " KEY)->integer, CELLS / 5 * 4 + 1);
    }
    free(arguments);
    free(lengths);
    const redisReply *reply = call(&redis_script_erase, (const char *const[]){"7", "-", NULL});
    assert_int_equal(reply->elements, 3 + 4 * CELLS);
    assert_int_equal(ask("EXISTS " KEY)->integer, 0);
}

static void expect_end(int64_t least_ms, int64_t most_ms)
{
    int64_t ttl_ms = ask("PTTL " KEY)->integer;
    if (ttl_ms < least_ms || ttl_ms > most_ms)
        fail_msg("ends in %" PRId64 " ms, not %" PRId64 " to %" PRId64, ttl_ms, least_ms, most_ms);
}

static void write_with_life(const char *event, const char *life)
{
    call(&redis_script_write, (const char *const[]){"f", "7", event, "v", life, "1", NULL});
}

static void test_expiry(void **state)
{
    char end[32];
    int64_t now_ms = strtoll(ask("TIME")->element[0]->str, NULL, 10) * 1000;
    write_with_life("", "60000000");
    expect_end(59000, 60001);
    write_with_life("", "30000000"); /* never sooner */
    expect_end(58000, 60001);
    snprintf(end, sizeof(end), "%" PRId64, now_ms + 90000);
    write_with_life("9000000000000000", end);
    expect_end(88000, 90001);
    write_with_life("1", "1"); /* late: it changes nothing */
    expect_end(87000, 90001);
    write_with_life("9000000000000000", "");
    assert_int_equal(ask("PTTL " KEY)->integer, -1);
    write_with_life("9000000000000000", end);
    assert_int_equal(ask("PTTL " KEY)->integer, -1);
    flush(state);
    ask("HSET " KEY " theirs 1"); /* never had an end */
    write_with_life("", "60000000");
    assert_int_equal(ask("PTTL " KEY)->integer, -1);
    flush(state);
    const redisReply *reply =
        call(&redis_script_write, (const char *const[]){"f", "7", "5", "v", "1000", "1", NULL});
    assert_int_equal(reply->element[1]->integer, 1); /* written, and gone at once */
    assert_int_equal(reply->element[3]->integer, 0);
    assert_int_equal(ask("EXISTS " KEY)->integer, 0);
}

static void test_erase(void **state)
{
    (void)state;
    write_one("7", "5", "v", "1");
    ask("HSET " KEY " theirs 1 g 2");
    const redisReply *reply = call(&redis_script_erase, (const char *const[]){
        "", "-", "f", "7", "600000000", "g", "8", "600000000", NULL});
    assert_int_equal(reply->elements, 3 + 2 * 4);
    assert_int_equal(reply->element[1]->integer, 0);
    assert_string_equal(reply->element[3]->str, "f");
    assert_string_equal(reply->element[4]->str, "5");
    assert_string_equal(reply->element[5]->str, "7");
    assert_string_equal(reply->element[6]->str, "v");
    assert_string_equal(reply->element[7]->str, "g");
    assert_string_equal(reply->element[10]->str, "o");
    assert_int_equal(ask("HLEN " KEY)->integer, 2);
    reply = call(&redis_script_erase, (const char *const[]){"9", "600000000", NULL});
    assert_int_equal(reply->elements, 3 + 4); /* theirs */
    assert_int_equal(reply->element[1]->integer, 1);
    assert_int_equal(ask("HLEN " KEY)->integer, 1);
    expect_end(598000, 600001);
    reply = call(&redis_script_erase, (const char *const[]){"9", "", NULL});
    assert_int_equal(reply->elements, 3);
    assert_int_equal(ask("PTTL " KEY)->integer, -1);
    reply = call(&redis_script_erase, (const char *const[]){"9", "-", NULL});
    assert_int_equal(ask("EXISTS " KEY)->integer, 0);
}

/* A Redis that takes no writes: nothing is said to be gone that is not. */
static void test_a_refusal_is_none_of_ours(void **state)
{
    (void)state;
    write_one("7", "5", "v", "1");
    ask("CONFIG SET min-replicas-to-write 1");
    ask("EVAL %b 1 " KEY " 9 -", redis_script_erase.text.data, redis_script_erase.text.len);
    assert_int_equal(last->type, REDIS_REPLY_ERROR);
    assert_true(redis_reply_is(last, "NOREPLICAS"));
    ask("EVAL %b 1 " KEY " %s 2 %s = f", redis_script_tidy.text.data, redis_script_tidy.text.len,
        "{\"f\":\"5:7:v\"}", "{\"f\":\"5:7:v\"}");
    assert_int_equal(last->type, REDIS_REPLY_ERROR);
    ask("CONFIG SET min-replicas-to-write 0");
    assert_string_equal(ask("HGET " KEY " f")->str, "1");
}

static void test_a_later_entry_is_not_erased(void **state)
{
    (void)state;
    write_one("7", "9000000000000000", "v", "1"); /* the year 2255 */
    call(&redis_script_erase, (const char *const[]){"9", "", NULL});
    assert_string_equal(ask("HGET " KEY " f")->str, "1");
    call(&redis_script_erase, (const char *const[]){"", "-", "f", "7", "", NULL});
    assert_string_equal(ask("HGET " KEY " f")->str, "1");
    call(&redis_script_erase, (const char *const[]){"", "-", "f", "6", "", NULL});
    assert_string_equal(ask("HGET " KEY " f")->str, "1"); /* ours is gone, theirs is newer */
}

static void test_rows_that_are_none(void **state)
{
    (void)state;
    static const char *const DAMAGED[] = {"", "x", "[]", "{\"f\":1}", "{\"f\":\"1:2\"}",
                                          "{\"*\":\"-\"}",
                                          "{\"f\":\"253402300800000000:7:v\"}",
                                          "{\"f\":\"-62135596800000001:7:v\"}"};
    for (size_t i = 0; i < ARRAY_LEN(DAMAGED); i++) {
        ask("HSET " KEY " __event_times %s", DAMAGED[i]);
        const redisReply *reply = call(
            &redis_script_write, (const char *const[]){"f", "7", "5", "v", "", "1", NULL});
        assert_int_equal(reply->element[0]->integer, REDIS_SCRIPT_NOT_UNDERSTOOD);
    }
    ask("DEL " KEY);
    ask("SET " KEY " x");
    const redisReply *reply =
        call(&redis_script_write, (const char *const[]){"f", "7", "5", "v", "", "1", NULL});
    assert_int_equal(reply->element[0]->integer, REDIS_SCRIPT_ANOTHER_TYPE);
    reply = call(&redis_script_erase, (const char *const[]){"9", "", NULL});
    assert_int_equal(reply->element[0]->integer, REDIS_SCRIPT_ANOTHER_TYPE);
    reply = call(&redis_script_tidy, (const char *const[]){"{}", "1", "{}", "", NULL});
    assert_int_equal(reply->element[0]->integer, 0);
}

static void test_tidy_leaves_what_has_changed(void **state)
{
    (void)state;
    const char *before = "{\"f\":\"5:7:v\"}";
    write_one("7", "5", "v", "1");
    assert_string_equal(ask("HGET " KEY " __event_times")->str, before);
    const redisReply *reply =
        call(&redis_script_tidy, (const char *const[]){before, "3", "{}", "=", "f", NULL});
    assert_int_equal(reply->element[0]->integer, 0);
    write_one("7", "6", "v", "1");
    reply = call(&redis_script_tidy, (const char *const[]){before, "2", "{}", "=", "f", NULL});
    assert_int_equal(reply->element[0]->integer, 0);
    assert_int_equal(ask("HEXISTS " KEY " f")->integer, 1);
    reply = call(&redis_script_tidy,
                 (const char *const[]){"{\"f\":\"6:7:v\"}", "2", "{}", "", "f", NULL});
    assert_int_equal(reply->element[0]->integer, 1);
    assert_int_equal(ask("HEXISTS " KEY " f")->integer, 0);
}

/* What cjson writes is what redis_entries reads. */
static void test_the_entries_are_read_back(void **state)
{
    (void)state;
    struct arena arena;
    struct redis_entries entries;
    struct redis_entry entry;
    str name;
    call(&redis_script_write,
         (const char *const[]){"1", "7", "5", "v", "", "1", "2", "7", "-5", "n", "", "",
                               "a/b\"\\\n\x7fé", "7", "6", "v", "", "1", NULL});
    const redisReply *reply = ask("HGET " KEY " __event_times");
    bool seen = false;
    uint32_t count = 0;
    arena_init(&arena, 1 << 16);
    redis_entries_begin(&entries, str_of(reply->str, reply->len), &arena);
    while (redis_entries_next(&entries, &name, &entry) == REDIS_ENTRIES_ONE) {
        count++;
        seen |= str_eq(name, STR("a/b\"\\\n\x7fé")) && entry.event_time_us == 6;
    }
    assert_int_equal(count, 3);
    assert_true(seen);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sha_is_the_text_s, flush),
        cmocka_unit_test_setup(test_replaces, flush),
        cmocka_unit_test_setup(test_is_erased, flush),
        cmocka_unit_test_setup(test_versions, flush),
        cmocka_unit_test_setup(test_who_does_not_know_the_version, flush),
        cmocka_unit_test_setup(test_a_field_without_an_entry_gives_way, flush),
        cmocka_unit_test_setup(test_what_arrives_now_is_later_than_an_erasure, flush),
        cmocka_unit_test_setup(test_many_cells, flush),
        cmocka_unit_test_setup(test_expiry, flush),
        cmocka_unit_test_setup(test_erase, flush),
        cmocka_unit_test_setup(test_a_refusal_is_none_of_ours, flush),
        cmocka_unit_test_setup(test_a_later_entry_is_not_erased, flush),
        cmocka_unit_test_setup(test_rows_that_are_none, flush),
        cmocka_unit_test_setup(test_tidy_leaves_what_has_changed, flush),
        cmocka_unit_test_setup(test_the_entries_are_read_back, flush),
    };
    if (!redis_server_is_installed())
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, start, stop);
}

/* Every way of reading and writing answers the same, whether the store answers at once or later;
 * and a store that fails is told, or where it is too late for that, the connection ends. */
#include "api_fixture.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JSON "Content-Type: application/json\r\n"
#define NDJSON "Content-Type: application/x-ndjson\r\n"
#define NO_BODY str_of(NULL, 0)

/* f0 int, f1 float, f2 string, f3 int of another entity, f4 embedding */
static void fill(struct api_fixture *f)
{
    static const float NUMBERS[] = {0.5f, -1};
    struct value embedding = {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}};
    char id[16];
    fixture_add(f->engine, "user", DATA_TYPE_INT, 0);
    fixture_add(f->engine, "user", DATA_TYPE_FLOAT, 0);
    fixture_add(f->engine, "user", DATA_TYPE_STRING, 0);
    fixture_add(f->engine, "driver", DATA_TYPE_INT, 0);
    fixture_add(f->engine, "user", DATA_TYPE_EMBEDDING, 0);
    for (uint32_t i = 0; i < 300; i++) {
        struct value real = {.type = DATA_TYPE_FLOAT, .real = i / 2.0};
        snprintf(id, sizeof(id), "u%u", i * 7);
        fixture_put(f->engine, id, 0, value_int(i), 1000000);
        fixture_put(f->engine, id, 1, real, 2000000);
        if (i % 3 == 0)
            fixture_put(f->engine, id, 2, value_text(str_from_cstr(id)), 3000000);
        if (i % 5 == 0)
            fixture_put(f->engine, id, 3, value_int(-1), 4000000);
        if (i % 4 == 0)
            fixture_put(f->engine, id, 4, embedding, 5000000);
    }
}

/* {"entity_ids":["u0",…],"feature_names":[names]} */
static str batch_of(uint32_t ids, const char *names)
{
    size_t capacity = 64 + strlen(names) + (size_t)ids * 16;
    char *text = malloc(capacity);
    size_t len = (size_t)snprintf(text, capacity, "{\"entity_ids\":[");
    for (uint32_t i = 0; i < ids; i++)
        len += (size_t)snprintf(text + len, capacity - len, "%s\"u%u\"", i ? "," : "", i);
    len += (size_t)snprintf(text + len, capacity - len, "],\"feature_names\":[%s]}", names);
    return str_of(text, len);
}

static void expect_same(struct api_fixture *now, struct api_fixture *later, const char *method,
                        const char *target, const char *headers, str body)
{
    struct answer expected = api_ask(now, method, target, headers, body);
    struct answer answer = api_ask(later, method, target, headers, body);
    assert_int_equal(answer.status, expected.status);
    assert_true(answer.whole && expected.whole);
    assert_int_equal(answer.body_len, expected.body_len);
    assert_memory_equal(answer.body, expected.body, answer.body_len);
    answer_free(&expected);
    answer_free(&answer);
}

static void late_answers_are_the_same(void **state)
{
    (void)state;
    static const char *const TARGETS[] = {"/features/online/u7?feature_names=f1,f0,nobody,f3",
                                          "/features/online/u0?metadata=true",
                                          "/features/online/u0?entity=driver",
                                          "/features/online/stranger",
                                          "/features/online/u84?feature_names=f2,f4&metadata=1",
                                          "/features/u0",
                                          "/features/u84",
                                          "/features/stranger",
                                          "/features/u0?entity=driver",
                                          "/features/u7?entity=driver",
                                          "/features/u7?entity=plane",
                                          "/features/online/u7?feature_names=nobody&strict=true"};
    static const char *const NAMES[] = {"\"f0\",\"f1\",\"f2\",\"f3\"", "\"f0\"", "\"nobody\"",
                                        "\"f4\",\"f1\"", "\"f3\",\"f0\",\"nobody\""};
    static const uint32_t IDS[] = {0, 1, 2, 255, 256, 257, 500, 513, 3000};
    struct api_fixture *now = api_fixture_open(false);
    struct api_fixture *later = api_fixture_open(true);
    fill(now);
    fill(later);
    for (size_t i = 0; i < ARRAY_LEN(TARGETS); i++)
        expect_same(now, later, "GET", TARGETS[i], "", NO_BODY);
    for (size_t i = 0; i < ARRAY_LEN(IDS); i++) {
        for (size_t n = 0; n < ARRAY_LEN(NAMES); n++) {
            str body = batch_of(IDS[i], NAMES[n]);
            expect_same(now, later, "POST", "/features/online?metadata=true", JSON, body);
            expect_same(now, later, "POST", "/features/online", JSON, body);
            expect_same(now, later, "POST", "/features/online?dtype=float32",
                        JSON "Accept: application/x-npy\r\n", body);
            free((void *)body.data);
        }
    }
    expect_same(now, later, "POST", "/features/batch", JSON,
                STR("{\"user_ids\":[\"u0\",\"u7\",\"stranger\",\"u0\"]}"));
    api_fixture_close(now);
    api_fixture_close(later);
}

/* 500 ids × 4 features are one pipeline: everything was asked before the first answer came. */
static void a_batch_is_one_round_trip(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    str body = batch_of(500, "\"f0\",\"f1\",\"f0@1\",\"f1@1\"");
    struct answer answer = api_ask(f, "POST", "/features/online", JSON, body);
    assert_int_equal(answer.status, 200);
    assert_int_equal(atomic_load(&f->late.reads), 2);
    assert_int_equal(atomic_load(&f->late.reads_open_most), 2);
    answer_free(&answer);
    free((void *)body.data);
    api_fixture_close(f);
}

/* How long texts are shows in the first slice; after it no slice holds much more than 8 MiB. */
static void long_texts_come_in_small_slices(void **state)
{
    (void)state;
    enum { IDS = 64, TEXT_BYTES = 1 << 20 };
    struct api_fixture *f = api_fixture_open(true);
    char *text = malloc(TEXT_BYTES);
    char id[16];
    fixture_add(f->engine, "user", DATA_TYPE_STRING, 0);
    memset(text, 'x', TEXT_BYTES);
    for (uint32_t i = 0; i < IDS; i++) {
        snprintf(id, sizeof(id), "u%u", i);
        fixture_put(f->engine, id, 0, value_text(str_of(text, TEXT_BYTES)), 1);
    }
    str body = batch_of(IDS, "\"f0\"");
    struct answer answer = api_ask(f, "POST", "/features/online", JSON, body);
    assert_int_equal(answer.status, 200);
    assert_true(answer.whole);
    assert_true(answer.body_len > (size_t)IDS * TEXT_BYTES);
    assert_in_range(atomic_load(&f->late.reads), 1 + 32 / 8, 1 + 32);
    answer_free(&answer);
    atomic_store(&f->late.reads, 0);
    answer = api_ask(f, "GET", "/features/export?entity=user", "", NO_BODY);
    assert_true(answer.whole);
    assert_true(answer.body_len > (size_t)IDS * TEXT_BYTES);
    assert_in_range(atomic_load(&f->late.reads), 1 + 32 / 8, 1 + 32);
    answer_free(&answer);
    free((void *)body.data);
    free(text);
    api_fixture_close(f);
}

static void add_other(struct api_fixture *f, const char *entity, const char *id, const char *name,
                      struct value value)
{
    f->late.others[f->late.other_count++] =
        (struct late_other){entity, id, {str_from_cstr(name), value}};
}

static void expect(struct api_fixture *f, const char *target, int status_code, const char *body)
{
    struct answer answer = api_ask(f, "GET", target, "", NO_BODY);
    assert_int_equal(answer.status, status_code);
    if (body)
        assert_string_equal(answer.body, body);
    answer_free(&answer);
}

static void what_others_wrote_is_served(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    struct value real = {.type = DATA_TYPE_FLOAT, .real = 25};
    fill(f);
    add_other(f, "user", "u1", "score", real);
    add_other(f, "user", "u7", "f0", value_text(STR("hidden"))); /* u7 has an f0 of ours */
    add_other(f, "user", "u7", "f2", value_text(STR("seen")));   /* but no f2 */
    add_other(f, "plane", "p", "seats", real);
    add_other(f, "plane", "p", "name", value_text(STR("A \"1\"")));
    add_other(f, "driver", "u1", "score", value_text(STR("second")));
    add_other(f, "driver", "u1", "more", real);
    /* Without a single registered feature, and beside some. */
    expect(f, "/features/p?entity=plane", 200,
           "{\"user_id\":\"p\",\"features\":{\"seats\":25.0,\"name\":\"A \\\"1\\\"\"}}");
    expect(f, "/features/p?entity=plane&metadata=true", 200,
           "{\"user_id\":\"p\",\"features\":{\"seats\":25.0,\"name\":\"A \\\"1\\\"\"},"
           "\"metadata\":{\"seats\":{\"event_timestamp\":null,\"status\":\"PRESENT\"},"
           "\"name\":{\"event_timestamp\":null,\"status\":\"PRESENT\"}}}");
    expect(f, "/features/u1", 200, "{\"user_id\":\"u1\",\"features\":{\"score\":25.0}}");
    expect(f, "/features/u7", 200,
           "{\"user_id\":\"u7\",\"features\":{\"f0\":1,\"f1\":0.5,\"f2\":\"seen\"}}");
    expect(f, "/features/p", 404, NULL);
    expect(f, "/features/q?entity=plane", 404, NULL);
    /* A name is answered once, whoever else has it. */
    expect(f, "/features/online/u1", 200,
           "{\"entity_id\":\"u1\",\"features\":{\"score\":25.0,\"more\":25.0}}");
    /* Named ones are what is registered. */
    expect(f, "/features/online/u1?feature_names=score", 200,
           "{\"entity_id\":\"u1\",\"features\":{\"score\":null}}");
    struct answer answer =
        api_ask(f, "POST", "/features/batch", JSON, STR("{\"user_ids\":[\"u1\",\"u2\",\"u7\"]}"));
    assert_string_equal(answer.body, "[{\"user_id\":\"u1\",\"features\":{\"score\":25.0}},"
                                     "{\"user_id\":\"u2\",\"features\":{}},{\"user_id\":\"u7\","
                                     "\"features\":{\"f0\":1,\"f1\":0.5,\"f2\":\"seen\"}}]");
    answer_free(&answer);
    api_fixture_close(f);
}

static void a_failed_read_is_an_error(void **state)
{
    (void)state;
    static const uint32_t IDS[] = {1, 50, 3000};
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    for (int at_once = 0; at_once < 2; at_once++) {
        atomic_store(&f->late.fail_at_once, at_once);
        atomic_store(&f->late.fail_read, 1);
        expect(f, "/features/online/u7?feature_names=f0,f3", 503, NULL);
        expect(f, "/features/u7", 503, NULL);
        for (size_t i = 0; i < ARRAY_LEN(IDS); i++) {
            str body = batch_of(IDS[i], "\"f0\",\"f1\",\"f3\"");
            struct answer answer = api_ask(f, "POST", "/features/online", JSON, body);
            assert_int_equal(answer.status, 503);
            assert_non_null(strstr(answer.head, "Retry-After"));
            assert_non_null(strstr(answer.body, "the store is away"));
            answer_free(&answer);
            /* One of several reads of a slice. */
            atomic_store(&f->late.fail_read, atomic_load(&f->late.reads) + 2);
            answer = api_ask(f, "POST", "/features/online", JSON, body);
            assert_int_equal(answer.status, 503);
            answer_free(&answer);
            atomic_store(&f->late.fail_read, 1);
            free((void *)body.data);
        }
    }
    atomic_store(&f->late.fail_read, 0);
    expect(f, "/features/online/u7?feature_names=f0", 200, NULL);
    api_fixture_close(f);
}

/* Part of it has left: nobody may take that for the whole. */
static void a_read_that_fails_in_a_stream_ends_the_connection(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    str body = batch_of(8000, "\"f0\",\"f1\"");
    for (int at_once = 0; at_once < 2; at_once++) {
        atomic_store(&f->late.fail_at_once, at_once);
        atomic_store(&f->late.fail_read, atomic_load(&f->late.reads) + 6);
        struct answer answer = api_ask(f, "POST", "/features/online", JSON, body);
        assert_int_equal(answer.status, 200);
        assert_false(answer.whole);
        assert_true(answer.body_len > 1000);
        answer_free(&answer);
    }
    free((void *)body.data);
    api_fixture_close(f);
}

/* Its request's memory is in use until the store has answered. */
static void a_client_that_leaves_harms_nobody(void **state)
{
    (void)state;
    static const char ONE[] = "GET /features/u7 HTTP/1.1\r\nHost: a\r\n\r\n";
    struct api_fixture *f = api_fixture_open(true);
    char head[256];
    fill(f);
    str body = batch_of(8000, "\"f0\",\"f1\"");
    int len = snprintf(head, sizeof(head),
                       "POST /features/online HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                       body.len);
    for (int i = 0; i < 20; i++) {
        unsigned before = atomic_load(&f->late.reads);
        int fd = api_connect(f);
        atomic_store(&f->late.hold, true);
        if (i % 2) {
            api_send(fd, head, (size_t)len);
            api_send(fd, body.data, body.len);
        } else {
            api_send(fd, ONE, sizeof(ONE) - 1);
        }
        while (atomic_load(&f->late.reads) == before)
            usleep(1000);
        close(fd);
        atomic_store(&f->late.hold, false);
    }
    expect(f, "/features/u7", 200, NULL);
    free((void *)body.data);
    api_fixture_close(f);
}

/* How often each id of u0, u7, … comes in an export, page after page; and what the pages hold. */
static void export_all(struct api_fixture *f, const char *query, uint8_t seen[300])
{
    char cursor[300] = "";
    do {
        char target[600];
        char *line;
        char *rest;
        unsigned lines = 0;
        snprintf(target, sizeof(target), "/features/export?entity=user%s%s%s", query,
                 cursor[0] ? "&cursor=" : "", cursor);
        struct answer answer = api_ask(f, "GET", target, "", NO_BODY);
        assert_int_equal(answer.status, 200);
        assert_true(answer.whole);
        cursor[0] = 'x';
        for (line = strtok_r(answer.body, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            unsigned id;
            char expected[400];
            int len;
            assert_int_equal(cursor[0], 'x'); /* the cursor is the last line */
            if (strncmp(line, "{\"next_cursor\":", 15) == 0) {
                cursor[0] = '\0';
                (void)sscanf(line, "{\"next_cursor\":\"%299[^\"]", cursor);
                continue;
            }
            lines++;
            assert_int_equal(sscanf(line, "{\"entity_id\":\"u%u\"", &id), 1);
            assert_int_equal(id % 7, 0);
            seen[id / 7]++;
            len = snprintf(expected, sizeof(expected),
                           "{\"entity_id\":\"u%u\",\"features\":[{\"feature_name\":\"f0\","
                           "\"value\":%u,\"event_timestamp\":\"1970-01-01T00:00:01Z\"},"
                           "{\"feature_name\":\"f1\",\"value\":%u.%u,"
                           "\"event_timestamp\":\"1970-01-01T00:00:02Z\"}",
                           id, id / 7, id / 14, id / 7 % 2 * 5);
            assert_memory_equal(line, expected, (size_t)len);
        }
        assert_int_not_equal(cursor[0], 'x');
        answer_free(&answer);
    } while (cursor[0]);
}

static void an_export_has_everything_once(void **state)
{
    (void)state;
    static const char *const QUERIES[] = {"", "&limit=1", "&limit=10", "&limit=100000"};
    for (int late = 0; late < 2; late++) {
        struct api_fixture *f = api_fixture_open(late);
        fill(f);
        for (size_t q = 0; q < ARRAY_LEN(QUERIES); q++) {
            uint8_t seen[300] = {0};
            export_all(f, QUERIES[q], seen);
            for (size_t i = 0; i < ARRAY_LEN(seen); i++)
                assert_int_equal(seen[i], 1);
        }
        api_fixture_close(f);
    }
}

static void an_export_has_what_others_wrote(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    struct value real = {.type = DATA_TYPE_FLOAT, .real = 25};
    fixture_add(f->engine, "user", DATA_TYPE_INT, 10);
    fixture_put(f->engine, "expired", 0, value_int(1), 1);
    fixture_put(f->engine, "nothing", 0, value_int(1), FIXTURE_START_US);
    fixture_erase(f->engine, "nothing", 0);
    add_other(f, "user", "s", "score", real);
    add_other(f, "plane", "p", "seats", value_text(STR("many")));
    expect(f, "/features/export?entity=user", 200,
           "{\"entity_id\":\"s\",\"features\":[{\"feature_name\":\"score\",\"value\":25.0}]}\n"
           "{\"next_cursor\":null}\n");
    expect(f, "/features/export?entity=plane", 200,
           "{\"entity_id\":\"p\",\"features\":[{\"feature_name\":\"seats\",\"value\":\"many\"}]}\n"
           "{\"next_cursor\":null}\n");
    expect(f, "/features/export?entity=nobody", 200, "{\"next_cursor\":null}\n");
    api_fixture_close(f);
    f = api_fixture_open(false);
    expect(f, "/features/export?entity=nobody", 404, NULL);
    api_fixture_close(f);
}

static void an_export_that_fails(void **state)
{
    (void)state;
    char target[600] = "/features/export?entity=user&cursor=";
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    expect(f, "/features/export", 422, NULL);
    expect(f, "/features/export?entity=user&limit=0", 422, NULL);
    expect(f, "/features/export?entity=user&limit=100001", 422, NULL);
    expect(f, "/features/export?entity=user&cursor=nonsense", 422, NULL);
    memset(target + strlen(target), '0', 300);
    expect(f, target, 422, NULL);
    for (int at_once = 0; at_once < 2; at_once++) {
        atomic_store(&f->late.fail_at_once, at_once);
        atomic_store(&f->late.fail_read, 1);
        expect(f, "/features/export?entity=user", 503, NULL);
    }
    atomic_store(&f->late.fail_read, 0);
    for (unsigned i = 0; i < 2000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "more%u", i);
        fixture_put(f->engine, id, 0, value_int(1), 1);
    }
    atomic_store(&f->late.fail_read, atomic_load(&f->late.reads) + 6);
    struct answer answer =
        api_ask(f, "GET", "/features/export?entity=user&limit=100000", "", NO_BODY);
    assert_int_equal(answer.status, 200);
    assert_false(answer.whole);
    assert_null(strstr(answer.body, "next_cursor"));
    answer_free(&answer);
    api_fixture_close(f);
}

/* Keys of others may be all that a store has: the export goes on behind them, and ends with its client. */
static void an_export_among_strangers(void **state)
{
    static const char REQUEST[] = "GET /features/export?entity=user HTTP/1.1\r\nHost: a\r\n\r\n";
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    atomic_store(&f->late.empty_scans, 5);
    struct answer answer = api_ask(f, "GET", "/features/export?entity=user", "", NO_BODY);
    assert_true(answer.whole);
    assert_non_null(strstr(answer.body, "\"entity_id\":\"u7\""));
    assert_int_equal(atomic_load(&f->late.scans), 6);
    answer_free(&answer);
    atomic_store(&f->late.empty_scans, UINT_MAX);
    int fd = api_connect(f);
    api_send(fd, REQUEST, sizeof(REQUEST) - 1);
    while (atomic_load(&f->late.scans) < 100)
        usleep(1000);
    close(fd);
    api_fixture_close(f); /* waits for whatever is under way */
}

/* The columns were told before the feature was dropped; what is read later follows the catalog. */
static void a_feature_dropped_while_a_read_waits(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    fill(f);
    str body = batch_of(8000, "\"f0\",\"f1\"");
    char head[256];
    size_t received;
    int len = snprintf(head, sizeof(head),
                       "POST /features/online HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       body.len);
    atomic_store(&f->late.hold, true);
    int fd = api_connect(f);
    api_send(fd, head, (size_t)len);
    api_send(fd, body.data, body.len);
    while (atomic_load(&f->late.reads) == 0)
        usleep(1000);
    fixture_drop(f->engine, 0);
    fixture_drop(f->engine, 1);
    atomic_store(&f->late.hold, false);
    char *answer = api_receive(fd, &received);
    assert_non_null(strstr(answer, "{\"entity_id\":\"u7\",\"features\":{\"f0\":1,\"f1\":0.5}}"));
    assert_non_null(
        strstr(answer, "{\"entity_id\":\"u2093\",\"features\":{\"f0\":null,\"f1\":null}}"));
    assert_non_null(strstr(answer, "\r\n0\r\n\r\n"));
    free(answer);
    free((void *)body.data);
    close(fd);
    api_fixture_close(f);
}

/* 5,000 rows, refused at once: nothing nests, and the answer is given once. */
static void a_write_refused_at_once(void **state)
{
    (void)state;
    struct api_fixture *f = api_fixture_open(true);
    enum { ROWS = 5000 };
    char *rows = malloc(ROWS * 64);
    size_t len = 0;
    fill(f);
    for (unsigned i = 0; i < ROWS; i++)
        len += (size_t)snprintf(rows + len, 64,
                                "{\"entity_id\":\"u%u\",\"features\":{\"f0\":%u}}\n", i, i);
    atomic_store(&f->late.refuse_writes, STATUS_UNAVAILABLE);
    struct answer answer =
        api_ask(f, "POST", "/features/ingest", JSON,
                STR("{\"entity_id\":\"u\",\"features\":[{\"feature_name\":\"f0\",\"value\":1}]}"));
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    answer = api_ask(f, "DELETE", "/features/online/u7", "", NO_BODY);
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    unsigned before = atomic_load(&f->late.writes);
    answer = api_ask(f, "POST", "/features/ingest/bulk", NDJSON, str_of(rows, len));
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "\"rows_accepted\":0,\"rows_rejected\":0"));
    assert_int_equal(atomic_load(&f->late.writes), before + 1);
    answer_free(&answer);
    /* Row after row, as if each had named a feature that is no longer there. */
    atomic_store(&f->late.refuse_writes, STATUS_NOT_FOUND);
    answer = api_ask(f, "POST", "/features/ingest/bulk?on_error=skip", NDJSON, str_of(rows, len));
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "\"rows_accepted\":0,\"rows_rejected\":5000"));
    assert_int_equal(atomic_load(&f->late.writes), before + 1 + ROWS);
    answer_free(&answer);
    answer = api_ask(f, "POST", "/features/ingest/bulk", NDJSON, str_of(rows, len));
    assert_int_equal(answer.status, 422);
    assert_non_null(strstr(answer.body, "\"rows_accepted\":0,\"rows_rejected\":1,"));
    answer_free(&answer);
    atomic_store(&f->late.refuse_writes, STATUS_OK);
    answer = api_ask(f, "POST", "/features/ingest/bulk", NDJSON, str_of(rows, len));
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "\"rows_accepted\":5000,\"rows_rejected\":0"));
    answer_free(&answer);
    free(rows);
    api_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_answers_are_the_same),
        cmocka_unit_test(a_batch_is_one_round_trip),
        cmocka_unit_test(long_texts_come_in_small_slices),
        cmocka_unit_test(what_others_wrote_is_served),
        cmocka_unit_test(a_failed_read_is_an_error),
        cmocka_unit_test(a_read_that_fails_in_a_stream_ends_the_connection),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(a_feature_dropped_while_a_read_waits),
        cmocka_unit_test(an_export_has_everything_once),
        cmocka_unit_test(an_export_has_what_others_wrote),
        cmocka_unit_test(an_export_that_fails),
        cmocka_unit_test(an_export_among_strangers),
        cmocka_unit_test(a_write_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

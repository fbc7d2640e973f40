#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "online/redis/redis_redirect.h"
#include "online/redis/redis_slots.h"

static const struct redis_address ASKED = {"asked.example", 7000};

static redisReply *reply_of(str text)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    assert_int_equal(redisReaderFeed(reader, text.data, text.len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static struct redis_slots *parse(const char *text, struct error *error)
{
    redisReply *reply = reply_of(str_from_cstr(text));
    struct redis_slots *slots = NULL;
    error_clear(error);
    status result = redis_slots_parse(reply, &ASKED, &slots, error);
    assert_int_equal(status_is_ok(result), slots != NULL);
    freeReplyObject(reply);
    return slots;
}

#define NODE(host, port) "*3\r\n" host ":" port "\r\n$2\r\nid\r\n"
#define HOST_A "$9\r\n127.0.0.1\r\n"
#define HOST_V6 "$3\r\n::1\r\n"

static void test_ranges_and_replicas(void **state)
{
    struct error error;
    (void)state;
    struct redis_slots *slots = parse(
        "*3\r\n"
        "*4\r\n:0\r\n:5\r\n" NODE(HOST_A, "7001")
            NODE(HOST_A, "7004") "*3\r\n:10\r\n:16383\r\n" NODE(
                HOST_V6, "7002") "*4\r\n:6\r\n:6\r\n" NODE(HOST_A, "7001") NODE(HOST_A, "7004"),
        &error);
    assert_non_null(slots);
    assert_int_equal(slots->node_count, 3);
    assert_int_equal(slots->covered, REDIS_SLOTS - 3);
    assert_string_equal(slots->nodes[slots->owner[16383]].address.host, "::1");
    assert_int_equal(slots->nodes[slots->owner[6]].address.port, 7001);
    assert_int_equal(slots->owner[7], REDIS_NO_NODE);
    assert_int_equal(slots->owner[0], slots->owner[6]);
    assert_int_equal(slots->nodes[1].address.port, 7004);
    assert_int_equal(slots->nodes[1].master, slots->owner[0]);
    assert_int_equal(slots->nodes[0].master, REDIS_NO_NODE);
    redis_slots_destroy(slots);
}

/* What servers of several versions say when they do not know, or will not say, a host. */
static void test_unknown_hosts(void **state)
{
    static const struct {
        const char *node;
        const char *host;
    } CASES[] = {
        {NODE("$-1\r\n", "7001"), "asked.example"},
        {NODE("_\r\n", "7001"), "asked.example"},
        {NODE("$0\r\n\r\n", "7001"), "asked.example"},
        {NODE("$1\r\n?\r\n", "7001"), "asked.example"},
        {"*4\r\n$1\r\n?\r\n:7001\r\n$2\r\nid\r\n*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n", "10.0.0.1"},
        {"*4\r\n$1\r\n?\r\n:7001\r\n$2\r\nid\r\n%1\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n", "10.0.0.1"},
        {"*4\r\n$5\r\na.b.c\r\n:7001\r\n$2\r\nid\r\n*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n", "a.b.c"},
        {"*2\r\n" HOST_A ":7001\r\n", "127.0.0.1"},
    };
    struct error error;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[256];
        snprintf(text, sizeof(text), "*1\r\n*3\r\n:0\r\n:16383\r\n%s", CASES[i].node);
        struct redis_slots *slots = parse(text, &error);
        assert_non_null(slots);
        assert_string_equal(slots->nodes[0].address.host, CASES[i].host);
        assert_int_equal(slots->nodes[0].address.port, 7001);
        redis_slots_destroy(slots);
    }
}

static void test_nothing_is_a_map(void **state)
{
    struct error error;
    (void)state;
    struct redis_slots *slots = parse("*0\r\n", &error);
    assert_non_null(slots);
    assert_int_equal(slots->covered, 0);
    assert_int_equal(slots->node_count, 0);
    redis_slots_destroy(slots);
}

static void test_hostile(void **state)
{
    static const char *const TEXTS[] = {
        "+OK\r\n",
        "-ERR no\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n" NODE(HOST_A, "7001"),
        "*1\r\n*3\r\n:-1\r\n:3\r\n" NODE(HOST_A, "7001"),
        "*1\r\n*3\r\n:5\r\n:4\r\n" NODE(HOST_A, "7001"),
        "*1\r\n*3\r\n:0\r\n:9223372036854775807\r\n" NODE(HOST_A, "7001"),
        "*1\r\n*3\r\n$1\r\n0\r\n:4\r\n" NODE(HOST_A, "7001"),
        "*2\r\n*3\r\n:0\r\n:5\r\n" NODE(HOST_A, "7001") "*3\r\n:5\r\n:9\r\n" NODE(HOST_A, "7002"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(HOST_A, "0"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(HOST_A, "-1"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(HOST_A, "65536"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$3\r\na b\r\n", "7001"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$3\r\na\nb\r\n", "7001"),
        "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(":1\r\n", "7001"),
        "*1\r\n*3\r\n:0\r\n:5\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:5\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:5\r\n*0\r\n",
        "*1\r\n*4\r\n:0\r\n:5\r\n" NODE(HOST_A, "7001") NODE(HOST_A, "0"),
        "*1\r\n*4\r\n:0\r\n:5\r\n" NODE(HOST_A, "7001") "*0\r\n",
    };
    struct error error;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        assert_null(parse(TEXTS[i], &error));
        assert_int_equal(error.code, STATUS_UNAVAILABLE);
        assert_non_null(strstr(error.detail, "redis asked.example:7000 "));
    }
}

static void test_long_host(void **state)
{
    char text[1024], host[REDIS_HOST_MAX + 1];
    struct error error;
    (void)state;
    memset(host, 'h', sizeof(host));
    for (int len = REDIS_HOST_MAX - 1; len <= (int)REDIS_HOST_MAX; len++) {
        snprintf(text, sizeof(text), "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$%d\r\n%.*s\r\n:1\r\n", len,
                 len, host);
        struct redis_slots *slots = parse(text, &error);
        assert_int_equal(slots != NULL, len < (int)REDIS_HOST_MAX);
        redis_slots_destroy(slots);
    }
}

/* One range per node. */
static struct redis_slots *parse_nodes(unsigned count, struct error *error)
{
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    buffer_append_format(&text, "*%u\r\n", count);
    for (unsigned i = 0; i < count; i++)
        buffer_append_format(&text, "*3\r\n:%u\r\n:%u\r\n*2\r\n$5\r\nhost1\r\n:%u\r\n", i, i,
                             i + 1);
    buffer_append(&text, "", 1);
    assert_false(text.failed);
    struct redis_slots *slots = parse(text.data, error);
    buffer_fini(&text);
    return slots;
}

static void test_many_nodes(void **state)
{
    struct error error;
    (void)state;
    struct redis_slots *slots = parse_nodes(REDIS_NODES_MAX, &error);
    assert_non_null(slots);
    assert_int_equal(slots->node_count, REDIS_NODES_MAX);
    redis_slots_destroy(slots);
    assert_null(parse_nodes(REDIS_NODES_MAX + 1, &error));
    assert_non_null(strstr(error.detail, "1000 nodes"));
}

static void test_no_memory(void **state)
{
    redisReply *reply = reply_of(STR("*1\r\n*3\r\n:0\r\n:16383\r\n" NODE(HOST_A, "7001")));
    struct redis_slots *slots = NULL;
    (void)state;
    for (uint64_t after = 0; slots == NULL; after++) {
        assert_true(after < 100);
        memory_fail_after(after);
        status result = redis_slots_parse(reply, &ASKED, &slots, NULL);
        assert_int_equal(status_is_ok(result), slots != NULL);
    }
    memory_fail_after(UINT64_MAX);
    redis_slots_destroy(slots);
    freeReplyObject(reply);
}

static unsigned print_seed(void)
{
    const char *given = getenv("FEATURED_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u (FEATURED_TEST_SEED)\n", seed);
    return seed;
}

static void append_node(struct buffer *text, unsigned port)
{
    buffer_append_format(text, "*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$2\r\nid\r\n", port);
}

/* A random map, in random pieces, with up to two replicas of each master, is read back. */
static void test_random_maps(void **state)
{
    unsigned seed = print_seed();
    (void)state;
    srand(seed);
    for (int round = 0; round < 200; round++) {
        unsigned owners[REDIS_SLOTS] = {0}, ranges = 0, masters = 1 + (unsigned)rand() % 40;
        unsigned covered = 0;
        struct buffer list, text;
        struct error error;
        buffer_init(&list, SIZE_MAX);
        buffer_init(&text, SIZE_MAX);
        for (unsigned slot = 0; slot < REDIS_SLOTS;) {
            unsigned len = 1 + (unsigned)rand() % (rand() % 2 ? 10 : 3000);
            unsigned end = slot + len < REDIS_SLOTS ? slot + len : REDIS_SLOTS;
            unsigned master = (unsigned)rand() % masters, replicas = master % 3;
            if (rand() % 5 > 0) {
                buffer_append_format(&list, "*%u\r\n:%u\r\n:%u\r\n", 3 + replicas, slot, end - 1);
                for (unsigned i = 0; i <= replicas; i++)
                    append_node(&list, 1000 + 10 * master + i);
                ranges++;
                covered += end - slot;
                for (unsigned i = slot; i < end; i++)
                    owners[i] = 1000 + 10 * master;
            }
            slot = end;
        }
        buffer_append_format(&text, "*%u\r\n", ranges);
        buffer_append(&text, list.data, list.len);
        buffer_append(&text, "", 1);
        struct redis_slots *slots = parse(text.data, &error);
        assert_non_null(slots);
        assert_int_equal(slots->covered, covered);
        for (unsigned i = 0; i < REDIS_SLOTS; i++) {
            uint16_t owner = slots->owner[i];
            assert_int_equal(owner == REDIS_NO_NODE ? 0 : slots->nodes[owner].address.port,
                             owners[i]);
        }
        for (uint32_t i = 0; i < slots->node_count; i++) {
            unsigned port = slots->nodes[i].address.port;
            uint16_t master = slots->nodes[i].master;
            assert_int_equal(master == REDIS_NO_NODE ? port : slots->nodes[master].address.port,
                             port - port % 10);
        }
        redis_slots_destroy(slots);
        buffer_fini(&list);
        buffer_fini(&text);
    }
}

/* Bytes of a good answer changed at random: refused or a map within bounds, never a crash. */
static void test_mutations(void **state)
{
    static const char GOOD[] = "*2\r\n*4\r\n:0\r\n:8000\r\n" NODE(HOST_A, "7001")
        NODE(HOST_A, "7004") "*3\r\n:8001\r\n:16383\r\n" NODE(HOST_V6, "7002");
    unsigned seed = print_seed();
    (void)state;
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        char text[sizeof(GOOD)];
        redisReader *reader = redisReaderCreate();
        void *reply = NULL;
        struct redis_slots *slots = NULL;
        memcpy(text, GOOD, sizeof(GOOD));
        for (int i = 0; i < 1 + round % 4; i++)
            text[(unsigned)rand() % (sizeof(GOOD) - 1)] = "0123456789*$:-\r\n_%"[rand() % 18];
        redisReaderFeed(reader, text, sizeof(GOOD) - 1);
        if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply &&
            status_is_ok(redis_slots_parse(reply, &ASKED, &slots, NULL))) {
            for (unsigned i = 0; i < REDIS_SLOTS; i++)
                assert_true(slots->owner[i] == REDIS_NO_NODE ||
                            slots->owner[i] < slots->node_count);
        }
        redis_slots_destroy(slots);
        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}

static void check_redirect(const char *words, enum redis_verdict verdict, unsigned slot,
                           const char *host, unsigned port)
{
    redisReply reply = {
        .type = REDIS_REPLY_ERROR, .str = (char *)(uintptr_t)words, .len = strlen(words)};
    struct redis_redirect redirect;
    redis_redirect_read(&reply, &ASKED, &redirect);
    assert_int_equal(redirect.verdict, verdict);
    if (verdict != REDIS_MOVED && verdict != REDIS_ASK)
        return;
    assert_int_equal(redirect.slot, slot);
    assert_string_equal(redirect.address.host, host);
    assert_int_equal(redirect.address.port, port);
}

static void test_redirects(void **state)
{
    (void)state;
    check_redirect("MOVED 3999 127.0.0.1:6381", REDIS_MOVED, 3999, "127.0.0.1", 6381);
    check_redirect("MOVED 0 ::1:6381", REDIS_MOVED, 0, "::1", 6381);
    check_redirect("MOVED 16383 :6381", REDIS_MOVED, 16383, "asked.example", 6381);
    check_redirect("MOVED 1 ?:6381", REDIS_MOVED, 1, "asked.example", 6381);
    check_redirect("ASK 5 node-2.example.com:6381", REDIS_ASK, 5, "node-2.example.com", 6381);
    check_redirect("TRYAGAIN Multiple keys request during rehashing", REDIS_LATER, 0, "", 0);
    check_redirect("CLUSTERDOWN The cluster is down", REDIS_LATER_AFTER_REFRESH, 0, "", 0);
    check_redirect("LOADING Redis is loading", REDIS_LATER_AFTER_REFRESH, 0, "", 0);
    check_redirect("MASTERDOWN Link with MASTER is down", REDIS_LATER_AFTER_REFRESH, 0, "", 0);
    check_redirect("READONLY You can't write against a read only replica.",
                   REDIS_LATER_AFTER_REFRESH, 0, "", 0);
    static const char *const FINAL[] = {
        "",
        "ERR MOVED 1 a:1",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED 1 host",
        "MOVED 1 host:",
        "MOVED 1 host:0",
        "MOVED 1 host:65536",
        "MOVED 1 host:-1",
        "MOVED 1 host:18446744073709551616",
        "MOVED 16384 host:1",
        "MOVED -1 host:1",
        "MOVED x host:1",
        "MOVED 1 ho\nst:1",
        "MOVEDX 1 host:1",
        "moved 1 host:1",
        "ASK 1 ho\x01st:1",
        "NOSCRIPT No matching script.",
        "OOM command not allowed",
    };
    for (size_t i = 0; i < ARRAY_LEN(FINAL); i++)
        check_redirect(FINAL[i], REDIS_FINAL, 0, "", 0);
    redisReply integer = {.type = REDIS_REPLY_INTEGER};
    struct redis_redirect redirect;
    redis_redirect_read(&integer, &ASKED, &redirect);
    assert_int_equal(redirect.verdict, REDIS_FINAL);
}

static void test_address_text(void **state)
{
    char text[REDIS_ADDRESS_TEXT_MAX];
    (void)state;
    assert_string_equal(redis_address_text(&(struct redis_address){"::1", 7}, text), "[::1]:7");
    assert_string_equal(redis_address_text(&(struct redis_address){"h", 65535}, text), "h:65535");
    assert_string_equal(redis_address_text(&(struct redis_address){"", 0}, text), "socket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_and_replicas), cmocka_unit_test(test_unknown_hosts),
        cmocka_unit_test(test_nothing_is_a_map),    cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long_host),           cmocka_unit_test(test_many_nodes),
        cmocka_unit_test(test_no_memory),           cmocka_unit_test(test_random_maps),
        cmocka_unit_test(test_mutations),           cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_address_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "log/log_record.h"

#define ROOM (1u << 20)

static struct buffer out;

static int setup(void **state)
{
    (void)state;
    buffer_init(&out, ROOM);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_fini(&out);
    return 0;
}

static void test_header_and_crc(void **state)
{
    (void)state;
    buffer_append_char(&out, 'x');
    size_t begin = log_record_begin(&out, LOG_WRITE, 0x0102030405060708);
    assert_int_equal(begin, 1);
    buffer_append(&out, "payload", 7);
    log_record_end(&out, begin, 0x1122334455667788);
    assert_int_equal(out.len, 1 + LOG_RECORD_HEADER_BYTES + 7);
    assert_memory_equal(out.data + 1, "\7\0\0\0", 4);
    assert_memory_equal(out.data + 9, "\x08\x07\x06\x05\x04\x03\x02\x01\x03payload", 16);
    char covered[64];
    memcpy(covered, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    memcpy(covered + 8, out.data + 9, 16);
    memcpy(covered + 24, "\7\0\0\0", 4);
    uint32_t crc;
    memcpy(&crc, out.data + 5, 4);
    assert_int_equal(crc, crc32c(0, covered, 28));
}

/* A decoder takes the payload whole, and neither a shorter nor a longer one. */
#define ASSERT_ONLY_WHOLE(decode, into)                                                            \
    do {                                                                                           \
        for (size_t len = 0; len < out.len; len++)                                                 \
            assert_false(decode(str_of(out.data, len), into));                                     \
        buffer_append_char(&out, 0);                                                               \
        assert_false(decode(buffer_str(&out), into));                                              \
    } while (0)

static void test_group(void **state)
{
    struct log_group group = {.identity = 7, .synced_lsn = UINT64_MAX, .clock_us = INT64_MIN};
    struct log_group decoded;
    (void)state;
    log_group_encode(&out, &group);
    assert_true(log_group_decode(buffer_str(&out), &decoded));
    assert_int_equal(decoded.identity, 7);
    assert_true(decoded.synced_lsn == UINT64_MAX);
    assert_true(decoded.clock_us == INT64_MIN);
    ASSERT_ONLY_WHOLE(log_group_decode, &decoded);
}

static void test_schema(void **state)
{
    struct log_schema schema = {
        .version_id = 9,
        .data_type = DATA_TYPE_EMBEDDING,
        .dimension = 768,
        .number = 2,
        .feature = STR("user_embedding"),
        .entity = STR("user"),
    };
    struct log_schema decoded;
    (void)state;
    log_schema_encode(&out, &schema);
    assert_true(log_schema_decode(buffer_str(&out), &decoded));
    assert_int_equal(decoded.version_id, 9);
    assert_int_equal(decoded.data_type, DATA_TYPE_EMBEDDING);
    assert_int_equal(decoded.dimension, 768);
    assert_int_equal(decoded.number, 2);
    assert_true(str_eq(decoded.feature, schema.feature));
    assert_true(str_eq(decoded.entity, schema.entity));
    out.data[8] = DATA_TYPE_COUNT;
    assert_false(log_schema_decode(buffer_str(&out), &decoded));
    out.data[8] = DATA_TYPE_INT;
    ASSERT_ONLY_WHOLE(log_schema_decode, &decoded);
}

static void put_erase(str entity, const uint64_t *version_ids, uint32_t count)
{
    size_t begin = log_erase_begin(&out, entity, STR("u\0" "1"), 1234567, count);
    for (uint32_t i = 0; i < count; i++)
        log_erase_version(&out, version_ids[i]);
    log_erase_end(&out, begin);
}

/* A payload of one erasure, and nothing else. */
static bool decode_erase(str payload, struct log_erase *decoded)
{
    return log_erase_next(&payload, decoded) == LOG_NEXT && payload.len == 0;
}

static void test_erase(void **state)
{
    static const uint64_t ids[] = {1, 300, UINT64_MAX};
    struct log_erase decoded;
    uint64_t version_id;
    (void)state;
    put_erase(STR("user"), ids, 3);
    assert_true(decode_erase(buffer_str(&out), &decoded));
    assert_true(str_eq(decoded.entity, STR("user")));
    assert_true(str_eq(decoded.entity_id, STR("u\0" "1")));
    assert_int_equal(decoded.erased_until_us, 1234567);
    assert_int_equal(decoded.version_count, 3);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_true(log_erase_next_version(&decoded, &version_id));
        assert_true(version_id == ids[i]);
    }
    assert_false(log_erase_next_version(&decoded, &version_id));
    ASSERT_ONLY_WHOLE(decode_erase, &decoded);
}

static void test_erase_of_everything(void **state)
{
    static const uint64_t ids[] = {0, 1};
    struct log_erase decoded;
    (void)state;
    put_erase(STR("user"), ids, 1);
    assert_true(decode_erase(buffer_str(&out), &decoded));
    assert_int_equal(decoded.version_count, 1);
    buffer_reset(&out, ROOM);
    put_erase(STR("user"), ids, 2);
    assert_false(decode_erase(buffer_str(&out), &decoded));
}

/* The second with a size of two bytes. */
static void test_erase_of_two_entities(void **state)
{
    uint64_t ids[200];
    struct log_erase decoded;
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = i + 1;
    put_erase(STR("user"), ids, 1);
    size_t first_len = out.len;
    put_erase(STR("driver"), ids, ARRAY_LEN(ids));
    assert_false(out.failed);
    for (size_t len = 0; len <= out.len; len++) {
        str payload = str_of(out.data, len);
        bool has_first = len >= first_len;
        assert_int_equal(log_erase_next(&payload, &decoded), has_first  ? LOG_NEXT
                                                             : len == 0 ? LOG_NEXT_END
                                                                        : LOG_NEXT_DAMAGED);
        if (!has_first)
            continue;
        assert_true(str_eq(decoded.entity, STR("user")));
        assert_int_equal(log_erase_next(&payload, &decoded), len == first_len ? LOG_NEXT_END
                                                             : len == out.len ? LOG_NEXT
                                                                              : LOG_NEXT_DAMAGED);
    }
    assert_true(str_eq(decoded.entity, STR("driver")));
    assert_int_equal(decoded.version_count, ARRAY_LEN(ids));
    out.data[0]++; /* the first has a byte too many */
    str payload = buffer_str(&out);
    assert_int_equal(log_erase_next(&payload, &decoded), LOG_NEXT_DAMAGED);
}

static void test_statistics(void **state)
{
    struct log_statistics one = {
        .version_id = 5,
        .statistics = {.count = 10, .null_count = 2, .min = -1.5, .max = 1e300, .mean = 0.25,
                       .m2 = 3.5, .last_event_time_us = STATISTICS_NO_EVENT},
    };
    struct log_statistics two = one;
    struct log_statistics decoded;
    (void)state;
    two.version_id = 6;
    log_statistics_encode(&out, &one);
    log_statistics_encode(&out, &two);
    str payload = buffer_str(&out);
    assert_true(log_statistics_next(&payload, &decoded));
    assert_memory_equal(&decoded, &one, sizeof(one));
    assert_true(log_statistics_next(&payload, &decoded));
    assert_memory_equal(&decoded, &two, sizeof(two));
    assert_false(log_statistics_next(&payload, &decoded));
    assert_int_equal(payload.len, 0);
    payload = str_of(out.data, out.len - 1);
    assert_true(log_statistics_next(&payload, &decoded));
    assert_false(log_statistics_next(&payload, &decoded));
    assert_int_not_equal(payload.len, 0);
}

static void test_snapshot_parts(void **state)
{
    struct log_snapshot_end end = {.end_lsn = 77, .row_count = 1000000, .clock_us = -5};
    struct log_snapshot_end decoded;
    str entity;
    (void)state;
    log_snapshot_rows_begin(&out, STR("driver"));
    buffer_append(&out, "rows", 4);
    str payload = buffer_str(&out);
    assert_true(log_snapshot_rows_decode(&payload, &entity));
    assert_true(str_eq(entity, STR("driver")));
    assert_true(str_eq(payload, STR("rows")));
    payload = str_of(out.data, 6);
    assert_false(log_snapshot_rows_decode(&payload, &entity));
    buffer_reset(&out, ROOM);
    log_snapshot_end_encode(&out, &end);
    assert_true(log_snapshot_end_decode(buffer_str(&out), &decoded));
    assert_memory_equal(&decoded, &end, sizeof(end));
    ASSERT_ONLY_WHOLE(log_snapshot_end_decode, &decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header_and_crc, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erase, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erase_of_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_erase_of_two_entities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statistics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_parts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log_reader.h"
#include "log_fixture.h"

#ifdef ADDRESS_SANITIZED
#define STEP_BYTES 3 /* each attempt is ten times slower */
#else
#define STEP_BYTES 1
#endif

/* Segments with groups of 7 records, each synced before the next, as under `always`. */
static void write_log(struct log_fixture *fixture, uint32_t segments)
{
    struct log_metrics metrics;
    log_fixture_init(fixture, LOG_FSYNC_ALWAYS, 1);
    fixture->segment_bytes = segments == 1 ? 4096 : 600;
    log_fixture_open(fixture);
    do {
        assert_true(status_is_ok(log_fixture_append(fixture, 7)));
        log_writer_metrics(fixture->log, &metrics);
    } while (metrics.segments < segments);
    assert_true(status_is_ok(log_fixture_append(fixture, 7)));
    log_writer_close(fixture->log);
    fixture->log = NULL;
}

/* The fixture's log, changed by a test and put back. */
struct original {
    char path[64];
    unsigned char *bytes;
    size_t len;
};

static struct original take(struct log_fixture *fixture, uint64_t first_lsn)
{
    struct original original;
    log_fixture_path(first_lsn, original.path);
    original.bytes = sim_files_content(fixture->sim, original.path, &original.len);
    assert_non_null(original.bytes);
    return original;
}

static void put(struct log_fixture *fixture, const struct original *original)
{
    sim_files_put(fixture->sim, original->path, original->bytes, original->len);
}

static uint64_t first_lsn_of(struct log_fixture *fixture, uint32_t index)
{
    struct log_found found = {.read_only = true};
    assert_true(status_is_ok(log_fixture_scan(fixture, &found)));
    assert_true(index < found.scan.segment_count);
    uint64_t first_lsn = found.scan.segments[index].first_lsn;
    log_scan_fini(&found.scan);
    return first_lsn;
}

static void assert_damaged(struct log_fixture *fixture, const char *words)
{
    struct log_found found = {0};
    assert_int_equal(log_fixture_scan(fixture, &found).code, STATUS_MALFORMED);
    assert_string_equal(fixture->error.type, "log_damaged");
    if (strstr(fixture->error.detail, words) == NULL)
        fail_msg("'%s' is not in: %s", words, fixture->error.detail);
}

static void test_an_empty_folder_or_none(void **state)
{
    struct log_fixture fixture;
    struct log_found found = {.from_lsn = 12, .must_reach_lsn = 12};
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.last_lsn, 12);
    assert_int_equal(found.scan.segment_count, 0);
    assert_true(found.scan.clock_us == INT64_MIN);
    log_scan_fini(&found.scan);
    struct log_scan_options options = {
        .files = sim_files_system(fixture.sim),
        .directory = "/nowhere",
        .identity = 1,
    };
    assert_true(status_is_ok(log_scan(&options, &found.scan, NULL)));
    log_scan_fini(&found.scan);
    found.must_reach_lsn = 13;
    assert_int_equal(log_fixture_scan(&fixture, &found).code, STATUS_MALFORMED);
    found.truncate = true;
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    log_scan_fini(&found.scan);
    log_fixture_fini(&fixture);
}

/* Every byte of a log of one segment: nothing but a part of what was written comes back, and that
 * part holds everything that a mark or the snapshot promised. */
static void test_every_byte_flipped(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 1);
    struct original original = take(&fixture, 1);
    uint64_t all = fixture.lsn;
    unsigned cuts = 0;
    unsigned damages = 0;
    for (size_t at = 0; at < original.len; at += STEP_BYTES)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct log_found found = {0};
            put(&fixture, &original);
            sim_files_flip(fixture.sim, original.path, at, (unsigned char)(1u << bit));
            status result = log_fixture_scan(&fixture, &found);
            if (status_is_ok(result)) {
                assert_int_equal(found.writes, found.scan.last_lsn);
                assert_true(found.scan.last_lsn >= all - 7);
                assert_true(found.scan.last_lsn == all || found.scan.cut_bytes > 0);
                cuts += found.scan.cut_bytes > 0;
                log_scan_fini(&found.scan);
                /* What was cut off stays cut off. */
                found = (struct log_found){0};
                assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
                assert_int_equal(found.scan.cut_bytes, 0);
                log_scan_fini(&found.scan);
            } else {
                assert_int_equal(result.code, STATUS_MALFORMED);
                assert_non_null(strstr(fixture.error.detail, original.path));
                damages++;
            }
        }
    assert_true(cuts > 100);
    assert_true(damages > 100);
    free(original.bytes);
    log_fixture_fini(&fixture);
}

static void test_every_length(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 1);
    struct original original = take(&fixture, 1);
    size_t whole = original.len;
    uint64_t reached = 0;
    for (size_t len = 0; len <= whole; len++) {
        struct log_found found = {0};
        original.len = len;
        put(&fixture, &original);
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        assert_int_equal(found.writes, found.scan.last_lsn);
        assert_true(found.scan.last_lsn >= reached);
        reached = found.scan.last_lsn;
        log_scan_fini(&found.scan);
    }
    assert_int_equal(reached, fixture.lsn);
    free(original.bytes);
    log_fixture_fini(&fixture);
}

/* Damage in a segment that others follow is never a torn tail. */
static void test_damage_before_the_end(void **state)
{
    struct log_fixture fixture;
    char words[160];
    (void)state;
    write_log(&fixture, 3);
    struct original middle = take(&fixture, first_lsn_of(&fixture, 1));
    uint64_t lost = first_lsn_of(&fixture, 1);
    for (size_t at = 0; at < middle.len; at++) {
        struct log_found found = {0};
        put(&fixture, &middle);
        sim_files_flip(fixture.sim, middle.path, at, 0x10);
        status result = log_fixture_scan(&fixture, &found);
        assert_int_equal(result.code, STATUS_MALFORMED);
    }
    put(&fixture, &middle);
    sim_files_flip(fixture.sim, middle.path, LOG_HEADER_BYTES + 30, 0x10);
    snprintf(words, sizeof(words), "%s is damaged at offset 64 (the checksum", middle.path);
    assert_damaged(&fixture, words);
    snprintf(words, sizeof(words), "LSN %llu to ", (unsigned long long)lost);
    assert_damaged(&fixture, words);
    assert_damaged(&fixture, "--recover truncate");
    struct log_found found = {.truncate = true};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.last_lsn, lost - 1);
    assert_string_equal(found.scan.cut_path, middle.path);
    assert_int_equal(found.scan.cut_offset, 64);
    assert_true(found.scan.cut_bytes > middle.len);
    log_scan_fini(&found.scan);
    log_fixture_open(&fixture);
    assert_int_equal(fixture.lsn, lost - 1);
    assert_true(status_is_ok(log_fixture_append(&fixture, 3)));
    free(middle.bytes);
    log_fixture_fini(&fixture);
}

static void test_a_missing_segment(void **state)
{
    struct log_fixture fixture;
    char path[64];
    (void)state;
    write_log(&fixture, 4);
    log_fixture_path(first_lsn_of(&fixture, 2), path);
    struct file_system *files = sim_files_system(fixture.sim);
    assert_int_equal(files->remove(files, path), 0);
    assert_damaged(&fixture, "are missing before it");
    log_fixture_fini(&fixture);
    write_log(&fixture, 2);
    log_fixture_path(1, path);
    files = sim_files_system(fixture.sim);
    assert_int_equal(files->remove(files, path), 0);
    assert_damaged(&fixture, "LSN 1 to ");
    log_fixture_fini(&fixture);
}

static void test_what_a_snapshot_promises(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 3);
    uint64_t third = first_lsn_of(&fixture, 2);
    /* Earlier segments are not needed. */
    char path[64];
    struct file_system *files = sim_files_system(fixture.sim);
    log_fixture_path(1, path);
    assert_int_equal(files->remove(files, path), 0);
    struct log_found found = {.from_lsn = third + 2, .must_reach_lsn = fixture.lsn};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.segment_count, 1);
    assert_int_equal(found.first_lsn, third + 3);
    assert_int_equal(found.last_lsn, fixture.lsn);
    log_scan_fini(&found.scan);
    /* A segment that begins right behind it. */
    found = (struct log_found){.from_lsn = third - 1};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.first_lsn, third);
    assert_int_equal(found.scan.segment_count, 1);
    log_scan_fini(&found.scan);
    /* It reaches further than the log. */
    found = (struct log_found){.from_lsn = third, .must_reach_lsn = fixture.lsn + 1};
    assert_int_equal(log_fixture_scan(&fixture, &found).code, STATUS_MALFORMED);
    assert_non_null(strstr(fixture.error.detail, "ends too early"));
    /* What the log lacks is in the snapshot. */
    found = (struct log_found){.from_lsn = fixture.lsn + 5, .must_reach_lsn = fixture.lsn + 5};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.last_lsn, fixture.lsn + 5);
    assert_int_equal(found.writes, 0);
    log_scan_fini(&found.scan);
    log_fixture_fini(&fixture);
}

static void test_segments_that_were_never_begun(void **state)
{
    static const char ZEROS[4096];
    static const char GARBAGE[] = "garbage, and a lot of it, longer than a header would be, as it "
                                  "may stand in blocks that were never written";
    struct log_fixture fixture;
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        char path[64];
        size_t len;
        write_log(&fixture, 2);
        log_fixture_path(fixture.lsn + 1, path);
        sim_files_put(fixture.sim, path, kind == 3 ? GARBAGE : ZEROS,
                      (size_t[]){0, 10, 4096, sizeof(GARBAGE)}[kind]);
        struct log_found found = {.read_only = true};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        assert_int_equal(found.scan.last_lsn, fixture.lsn);
        assert_int_equal(found.scan.cut_bytes, kind == 3 ? sizeof(GARBAGE) - 1 : 0);
        log_scan_fini(&found.scan);
        unsigned char *left = sim_files_content(fixture.sim, path, &len);
        assert_non_null(left);
        free(left);
        log_fixture_open(&fixture);
        assert_null(sim_files_content(fixture.sim, path, &len));
        assert_true(status_is_ok(log_fixture_append(&fixture, 3)));
        log_fixture_fini(&fixture);
    }
}

static void test_others_files_are_left_alone(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 2);
    struct log_header header = {.version = 1, .identity = 77, .lsn = fixture.lsn + 1};
    char bytes[LOG_HEADER_BYTES];
    char path[64];
    struct log_found found = {.truncate = true};
    log_fixture_path(fixture.lsn + 1, path);
    log_header_encode(&header, LOG_SEGMENT_MAGIC, bytes);
    sim_files_put(fixture.sim, path, bytes, sizeof(bytes));
    assert_int_equal(log_fixture_scan(&fixture, &found).code, STATUS_MALFORMED);
    assert_non_null(strstr(fixture.error.detail, "belongs to another data directory"));
    header.version = 2;
    header.identity = FIXTURE_IDENTITY;
    log_header_encode(&header, LOG_SEGMENT_MAGIC, bytes);
    sim_files_put(fixture.sim, path, bytes, sizeof(bytes));
    found = (struct log_found){.truncate = true};
    assert_int_equal(log_fixture_scan(&fixture, &found).code, STATUS_UNSUPPORTED_MEDIA_TYPE);
    assert_non_null(strstr(fixture.error.detail, "format 2; this one reads 1"));
    header.version = 1;
    header.lsn = 5;
    log_header_encode(&header, LOG_SEGMENT_MAGIC, bytes);
    sim_files_put(fixture.sim, path, bytes, sizeof(bytes));
    found = (struct log_found){0};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.last_lsn, fixture.lsn);
    log_scan_fini(&found.scan);
    log_fixture_fini(&fixture);
}

/* A mark is found wherever it lies behind a damage, also across two windows of the search. */
static void test_a_mark_behind_a_damage(void **state)
{
    const struct log_header header = {.version = 1, .identity = FIXTURE_IDENTITY, .lsn = 1};
    const struct log_group group = {.identity = FIXTURE_IDENTITY, .synced_lsn = 3};
    char encoded[LOG_HEADER_BYTES];
    struct log_fixture fixture;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    log_header_encode(&header, LOG_SEGMENT_MAGIC, encoded);
    for (size_t gap = (1 << 16) - 80; gap < (1 << 16) + 80; gap++) {
        struct buffer bytes;
        buffer_init(&bytes, 1 << 20);
        buffer_append(&bytes, encoded, sizeof(encoded));
        while (bytes.len < LOG_HEADER_BYTES + gap)
            buffer_append_char(&bytes, 'x');
        size_t begin = log_record_begin(&bytes, LOG_GROUP, 4);
        log_group_encode(&bytes, &group);
        log_record_end(&bytes, begin, FIXTURE_IDENTITY);
        sim_files_put(fixture.sim, "/log/00000000000000000001.log", bytes.data, bytes.len);
        assert_damaged(&fixture, "LSN 1 to 3 were promised");
        buffer_fini(&bytes);
    }
    log_fixture_fini(&fixture);
}

static void test_something_after_the_end(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 1);
    struct original original = take(&fixture, 1);
    assert_int_equal(original.bytes[original.len - 1], 0);
    original.bytes[original.len - 1] = 1;
    put(&fixture, &original);
    struct log_found found = {0};
    assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
    assert_int_equal(found.scan.last_lsn, fixture.lsn);
    assert_int_equal(found.scan.cut_bytes, original.len - found.scan.cut_offset);
    log_scan_fini(&found.scan);
    free(original.bytes);
    log_fixture_fini(&fixture);
}

/* Records with a right CRC in a wrong place. */
static void test_order(void **state)
{
    static const struct {
        enum log_record_type type;
        int step; /* of the LSN */
        const char *reason;
    } CASES[] = {
        {LOG_WRITE, 0, "where"},
        {LOG_WRITE, 2, "where"},
        {LOG_GROUP, 0, "where"},
        {LOG_GROUP, 2, "where"},
        {LOG_SCHEMA, 5, "where"},
        {LOG_SNAPSHOT_END, 1, "does not belong"},
        {LOG_GROUP, 1, "does not belong"}, /* its payload is none */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct log_fixture fixture;
        struct buffer bytes;
        write_log(&fixture, 1);
        struct original original = take(&fixture, 1);
        struct log_found found = {.read_only = true};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        size_t end = found.scan.segments[0].end_offset;
        log_scan_fini(&found.scan);
        buffer_init(&bytes, 1 << 20);
        buffer_append(&bytes, original.bytes, end);
        size_t begin = log_record_begin(&bytes, CASES[i].type, fixture.lsn + (unsigned)CASES[i].step);
        buffer_append(&bytes, "x", 1);
        log_record_end(&bytes, begin, FIXTURE_IDENTITY);
        sim_files_put(fixture.sim, original.path, bytes.data, bytes.len);
        found = (struct log_found){.must_reach_lsn = fixture.lsn + 1};
        assert_int_equal(log_fixture_scan(&fixture, &found).code, STATUS_MALFORMED);
        assert_non_null(strstr(fixture.error.detail, CASES[i].reason));
        found = (struct log_found){0};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        assert_int_equal(found.scan.last_lsn, fixture.lsn);
        assert_int_equal(found.scan.cut_bytes, bytes.len - end);
        log_scan_fini(&found.scan);
        buffer_fini(&bytes);
        free(original.bytes);
        log_fixture_fini(&fixture);
    }
}

static status count_until_three(void *user, const struct log_record *record, struct error *error)
{
    int *count = user;
    (void)record;
    return ++*count == 3 ? error_set(error, STATUS_INVALID, "enough", "enough") : OK;
}

static void test_a_visitor_may_end_it(void **state)
{
    struct log_fixture fixture;
    struct log_scan scan;
    struct error error;
    int count = 0;
    (void)state;
    write_log(&fixture, 2);
    struct log_scan_options options = {
        .files = sim_files_system(fixture.sim),
        .directory = FIXTURE_DIRECTORY,
        .identity = FIXTURE_IDENTITY,
        .visit = count_until_three,
        .user = &count,
    };
    assert_int_equal(log_scan(&options, &scan, &error).code, STATUS_INVALID);
    assert_int_equal(count, 3);
    assert_string_equal(error.type, "enough");
    log_fixture_fini(&fixture);
}

static void test_any_call_may_fail(void **state)
{
    struct log_fixture fixture;
    (void)state;
    write_log(&fixture, 3);
    struct original last = take(&fixture, first_lsn_of(&fixture, 2));
    uint64_t nth = 1;
    while (true) {
        struct log_found found = {0};
        last.len -= 5;
        put(&fixture, &last);
        last.len += 5;
        uint64_t before = sim_files_failures(fixture.sim);
        sim_files_fail(fixture.sim, SIM_ANY, nth++, 5, false);
        status result = log_fixture_scan(&fixture, &found);
        if (status_is_ok(result))
            log_scan_fini(&found.scan);
        if (sim_files_failures(fixture.sim) == before)
            break;
        assert_int_equal(result.code, STATUS_IO);
        sim_files_fail(fixture.sim, SIM_ANY, 0, 5, false);
        found = (struct log_found){0};
        assert_true(status_is_ok(log_fixture_scan(&fixture, &found)));
        log_scan_fini(&found.scan);
    }
    assert_true(nth > 15);
    free(last.bytes);
    log_fixture_fini(&fixture);
}

static void test_names(void **state)
{
    struct log_fixture fixture;
    uint64_t *numbers;
    uint32_t count;
    (void)state;
    log_fixture_init(&fixture, LOG_FSYNC_ALWAYS, 1);
    sim_files_put(fixture.sim, "/log/00000000000000000300.log", "", 0);
    sim_files_put(fixture.sim, "/log/18446744073709551615.log", "", 0);
    sim_files_put(fixture.sim, "/log/00000000000000000007.log", "", 0);
    sim_files_put(fixture.sim, "/log/00000000000000000008.log.new", "", 0);
    sim_files_put(fixture.sim, "/log/18446744073709551616.log", "", 0);
    sim_files_put(fixture.sim, "/log/-0000000000000000009.log", "", 0);
    sim_files_put(fixture.sim, "/log/10.log", "", 0);
    assert_true(status_is_ok(log_list_files(sim_files_system(fixture.sim), "/log", ".log",
                                            &numbers, &count, NULL)));
    assert_int_equal(count, 3);
    assert_int_equal(numbers[0], 7);
    assert_int_equal(numbers[1], 300);
    assert_true(numbers[2] == UINT64_MAX);
    free(numbers);
    log_fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_folder_or_none),
        cmocka_unit_test(test_every_byte_flipped),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_damage_before_the_end),
        cmocka_unit_test(test_a_missing_segment),
        cmocka_unit_test(test_what_a_snapshot_promises),
        cmocka_unit_test(test_segments_that_were_never_begun),
        cmocka_unit_test(test_others_files_are_left_alone),
        cmocka_unit_test(test_a_mark_behind_a_damage),
        cmocka_unit_test(test_something_after_the_end),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_a_visitor_may_end_it),
        cmocka_unit_test(test_any_call_may_fail),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

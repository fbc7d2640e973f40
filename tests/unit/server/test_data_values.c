/* A start must not hide values: those of the directory, or those in Redis. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "log/log_format.h"
#include "server/data_values.h"

static struct error error;

struct folder {
    char path[64];
};

static void write_file(const struct folder *folder, const char *name, const char *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

static int set_up(void **state)
{
    static struct folder folder;
    char path[128];
    strcpy(folder.path, "/tmp/featured-values-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    snprintf(path, sizeof(path), "%s/" LOG_FOLDER, folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/" LOG_SNAPSHOT_FOLDER, folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    *state = &folder;
    return 0;
}

#define SEGMENT LOG_FOLDER "/00000000000000000001" LOG_SEGMENT_SUFFIX
#define SNAPSHOT LOG_SNAPSHOT_FOLDER "/00000000000000000007" LOG_SNAPSHOT_SUFFIX

static int tear_down(void **state)
{
    static const char *const NAMES[] = {SEGMENT, SNAPSHOT, "values.redis", LOG_FOLDER,
                                        LOG_SNAPSHOT_FOLDER};
    const struct folder *folder = *state;
    char path[128];
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder->path, NAMES[i]);
        (void)remove(path);
    }
    return rmdir(folder->path);
}

static bool finds(const struct folder *folder)
{
    bool found = false;
    assert_int_equal(data_values_find(folder->path, &found, &error).code, STATUS_OK);
    return found;
}

static void an_empty_directory_takes_either(void **state)
{
    const struct folder *folder = *state;
    char noted[DATA_VALUES_URL_MAX];
    assert_false(finds(folder));
    assert_int_equal(data_values_use_embedded(folder->path, &error).code, STATUS_OK);
    assert_int_equal(data_values_use_redis(folder->path, &error).code, STATUS_OK);
    assert_int_equal(data_values_use_embedded(folder->path, &error).code, STATUS_OK);
    assert_int_equal(data_values_note_redis(folder->path, "redis://a:1", &error).code, STATUS_OK);
    assert_int_equal(data_values_read(folder->path, noted, &error).code, STATUS_OK);
    assert_string_equal(noted, "redis://a:1");
}

static void a_segment_without_records_holds_no_values(void **state)
{
    const struct folder *folder = *state;
    char bytes[LOG_HEADER_BYTES + 64] = {'F'};
    write_file(folder, SEGMENT, bytes, sizeof(bytes));
    assert_false(finds(folder));
    write_file(folder, SEGMENT, bytes, 10); /* as cut off as can be */
    assert_false(finds(folder));
}

static void assert_keeps_redis_out(const struct folder *folder)
{
    assert_true(finds(folder));
    assert_int_equal(data_values_use_redis(folder->path, &error).code, STATUS_CONFLICT);
    assert_true(str_contains(str_from_cstr(error.detail), STR("featured copy")));
    assert_int_equal(data_values_use_embedded(folder->path, &error).code, STATUS_OK);
}

static void a_record_is_a_value(void **state)
{
    const struct folder *folder = *state;
    char bytes[LOG_HEADER_BYTES + 64] = {'F'};
    bytes[LOG_HEADER_BYTES + 1] = 1; /* a payload of 256 bytes */
    write_file(folder, SEGMENT, bytes, sizeof(bytes));
    assert_keeps_redis_out(folder);
}

static void a_snapshot_is_values(void **state)
{
    write_file(*state, SNAPSHOT, "x", 1);
    assert_keeps_redis_out(*state);
}

static void values_in_redis_are_not_hidden(void **state)
{
    const struct folder *folder = *state;
    char noted[DATA_VALUES_URL_MAX];
    assert_int_equal(data_values_note_redis(folder->path, "redis://a:1", &error).code, STATUS_OK);
    assert_int_equal(data_values_use_embedded(folder->path, &error).code, STATUS_CONFLICT);
    assert_true(str_contains(str_from_cstr(error.detail), STR("(redis://a:1)")));
    /* it has moved */
    assert_int_equal(data_values_note_redis(folder->path, "redis://b:1", &error).code, STATUS_OK);
    assert_int_equal(data_values_read(folder->path, noted, &error).code, STATUS_OK);
    assert_string_equal(noted, "redis://b:1");
}

static void no_directory_has_no_values(void **state)
{
    struct folder missing = {"/tmp/featured-there-is-no-such"};
    (void)state;
    assert_false(finds(&missing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_directory_takes_either, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_without_records_holds_no_values, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_record_is_a_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_snapshot_is_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_in_redis_are_not_hidden, set_up, tear_down),
        cmocka_unit_test(no_directory_has_no_values),
    };
    return cmocka_run_group_tests_name("data_values", tests, NULL, NULL);
}

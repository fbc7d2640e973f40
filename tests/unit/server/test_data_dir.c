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

#include "server/data_dir.h"

static struct error error;

/* A folder of this test's own; what is made in it is removed by whoever made it. */
static void make_root(char root[64])
{
    strcpy(root, "/tmp/featured-dir-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static void remove_data(const struct data_dir *dir)
{
    static const char *const NAMES[] = {"format", "lock", "log", "snapshot"};
    char path[PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        data_dir_file(dir, NAMES[i], path);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(rmdir(dir->path), 0);
}

static void made_with_all_levels(void **state)
{
    char root[64];
    char path[PATH_MAX];
    char holder[DATA_DIR_HOLDER_MAX];
    struct data_dir dir, other;
    struct stat found;
    uint64_t identity;
    (void)state;
    make_root(root);
    snprintf(path, sizeof(path), "%s/a/b", root);
    assert_int_equal(data_dir_read_format(path, &identity, &error).code, STATUS_NOT_FOUND);
    assert_int_equal(data_dir_open(&dir, path, &error).code, STATUS_OK);
    assert_int_equal(data_dir_read_format(path, &identity, &error).code, STATUS_OK);
    assert_int_equal(identity, dir.identity);
    assert_int_not_equal(identity, 0);
    data_dir_file(&dir, "log", path);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    assert_true(data_dir_is_in_use(dir.path, holder));
    assert_int_equal(atol(holder), getpid());
    assert_int_equal(data_dir_open(&other, dir.path, &error).code, STATUS_CONFLICT);
    data_dir_close(&dir);
    assert_false(data_dir_is_in_use(dir.path, holder));
    /* the identity stays */
    assert_int_equal(data_dir_open(&other, dir.path, &error).code, STATUS_OK);
    assert_int_equal(other.identity, identity);
    data_dir_close(&other);
    remove_data(&dir);
    snprintf(path, sizeof(path), "%s/a", root);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0);
}

static void a_format_file_is_read_to_the_letter(void **state)
{
    static const struct {
        const char *text;
        enum status_code code;
    } CASES[] = {
        {"featured data directory, format 1\nidentity 00000000000000ff\n", STATUS_OK},
        {"featured data directory, format 2\n", STATUS_UNSUPPORTED_MEDIA_TYPE},
        {"featured data directory, format 99\nidentity 00000000000000ff\n",
         STATUS_UNSUPPORTED_MEDIA_TYPE},
        {"featured data directory, format 0\nidentity 00000000000000ff\n", STATUS_MALFORMED},
        {"featured data directory, format -1\nidentity 00000000000000ff\n", STATUS_MALFORMED},
        {"featured data directory, format 1\nidentity 00000000000000FF\n", STATUS_MALFORMED},
        {"featured data directory, format 1\nidentity 0000000000000ff\n", STATUS_MALFORMED},
        {"featured data directory, format 1\nidentity 00000000000000ff\nx", STATUS_MALFORMED},
        {"featured data directory, format 1\n", STATUS_MALFORMED},
        {"featured data directory\n", STATUS_MALFORMED},
        {"", STATUS_MALFORMED},
    };
    char root[64];
    char path[128];
    uint64_t identity = 0;
    (void)state;
    make_root(root);
    snprintf(path, sizeof(path), "%s/format", root);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(CASES[i].text, file);
        fclose(file);
        assert_int_equal(data_dir_read_format(root, &identity, &error).code, CASES[i].code);
        assert_int_equal(identity, 0xff); /* of the first: unchanged on failure */
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(root), 0);
}

static void what_was_written_is_read(void **state)
{
    char root[64];
    char path[128];
    uint64_t identity;
    (void)state;
    make_root(root);
    assert_int_equal(data_dir_write_format(root, UINT64_C(0xfedcba9876543210), &error).code,
                     STATUS_OK);
    assert_int_equal(data_dir_read_format(root, &identity, &error).code, STATUS_OK);
    assert_int_equal(identity, UINT64_C(0xfedcba9876543210));
    snprintf(path, sizeof(path), "%s/format", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(root), 0); /* nothing else was left */
}

static void paths_that_are_none(void **state)
{
    char path[2000];
    struct data_dir dir;
    (void)state;
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(data_dir_open(&dir, path, &error).code, STATUS_INVALID);
    assert_int_equal(data_dir_open(&dir, "", &error).code, STATUS_INVALID);
    assert_int_equal(data_dir_open(&dir, "/proc/nothing/here", &error).code, STATUS_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_with_all_levels),
        cmocka_unit_test(a_format_file_is_read_to_the_letter),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(paths_that_are_none),
    };
    return cmocka_run_group_tests_name("data_dir", tests, NULL, NULL);
}

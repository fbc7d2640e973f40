#include <errno.h>
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

#include "base/file.h"
#include "base/memory.h"

static char folder[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/featured-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/one", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_modes(void **state)
{
    struct file_system *files = file_system_real();
    struct file *file = NULL;
    struct stat about;
    (void)state;
    assert_int_equal(files->open(files, path, FILE_READ, &file), ENOENT);
    assert_int_equal(files->open(files, path, FILE_WRITE, &file), ENOENT);
    assert_null(file);
    assert_int_equal(files->open(files, path, FILE_CREATE, &file), 0);
    files->close(file);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(files->open(files, path, FILE_CREATE, &file), EEXIST);
    assert_int_equal(files->open(files, path, FILE_READ, &file), 0);
    assert_int_equal(files->write(file, "x", 1, 0), EBADF);
    files->close(file);
    memory_fail_after(0);
    assert_int_equal(files->open(files, path, FILE_READ, &file), ENOMEM);
}

static void test_contents(void **state)
{
    struct file_system *files = file_system_real();
    struct file *file;
    char bytes[16];
    size_t len;
    uint64_t size;
    (void)state;
    assert_int_equal(files->open(files, path, FILE_CREATE, &file), 0);
    assert_int_equal(files->write(file, "hello", 5, 3), 0);
    assert_int_equal(files->sync(file), 0);
    assert_int_equal(files->read(file, bytes, sizeof(bytes), 0, &len), 0);
    assert_int_equal(len, 8);
    assert_memory_equal(bytes, "\0\0\0hello", 8);
    assert_int_equal(files->read(file, bytes, 2, 4, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(bytes, "el", 2);
    assert_int_equal(files->read(file, bytes, 2, 100, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(files->truncate(file, 5), 0);
    assert_int_equal(files->size(file, &size), 0);
    assert_int_equal(size, 5);
    files->close(file);
}

static void test_allocate_only_grows(void **state)
{
    struct file_system *files = file_system_real();
    struct file *file;
    struct stat about;
    char bytes[8];
    size_t len;
    uint64_t size;
    (void)state;
    assert_int_equal(files->open(files, path, FILE_CREATE, &file), 0);
    assert_int_equal(files->write(file, "abc", 3, 0), 0);
    assert_int_equal(files->allocate(file, 100000), 0);
    assert_int_equal(files->size(file, &size), 0);
    assert_int_equal(size, 100000);
    assert_int_equal(files->read(file, bytes, 8, 0, &len), 0);
    assert_memory_equal(bytes, "abc\0\0\0\0\0", 8);
    assert_int_equal(files->allocate(file, 10), 0);
    assert_int_equal(files->size(file, &size), 0);
    assert_int_equal(size, 100000);
    assert_int_equal(stat(path, &about), 0);
    files->close(file);
}

static void count_name(void *user, const char *name)
{
    int *counts = user;
    counts[strcmp(name, "two") == 0]++;
}

static void test_names(void **state)
{
    struct file_system *files = file_system_real();
    struct file *file;
    char other[96];
    char inner[96];
    int counts[2] = {0, 0};
    (void)state;
    snprintf(other, sizeof(other), "%s/two", folder);
    snprintf(inner, sizeof(inner), "%s/inner", folder);
    assert_int_equal(files->open(files, path, FILE_CREATE, &file), 0);
    files->close(file);
    assert_int_equal(files->rename(files, path, other), 0);
    assert_int_equal(files->rename(files, path, other), ENOENT);
    assert_int_equal(files->make_directory(files, inner), 0);
    assert_int_equal(files->make_directory(files, inner), 0);
    assert_int_equal(files->make_directory(files, "/nowhere/at/all"), ENOENT);
    assert_int_equal(files->sync_directory(files, folder), 0);
    assert_int_equal(files->sync_directory(files, path), ENOENT);
    assert_int_equal(files->list(files, folder, count_name, counts), 0);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    assert_int_equal(files->list(files, path, count_name, counts), ENOENT);
    assert_int_equal(files->remove(files, other), 0);
    assert_int_equal(files->remove(files, other), ENOENT);
    assert_int_equal(rmdir(inner), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocate_only_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "registry_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/limits.h"

static void overwrite(const struct fixture *f, off_t offset, const void *data, size_t len)
{
    int file = open(f->path, O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, data, len, offset), len);
    close(file);
}

static void a_damaged_file_is_refused(void **state)
{
    struct fixture *f = *state;
    char garbage[8192];
    memset(garbage, 0x5a, sizeof(garbage));
    overwrite(f, 0, garbage, sizeof(garbage));
    refuse_open(f, "damaged");
    remove_files(f);
    open_registry(f);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        must_register(f, name, "user", DATA_TYPE_INT);
    }
    close_registry(f);
    run_sql(f, "PRAGMA wal_checkpoint(TRUNCATE)");
    overwrite(f, 4096, garbage, sizeof(garbage)); /* pages inside */
    refuse_open(f, "damaged");
}

static void a_missing_directory_is_said(void **state)
{
    struct fixture *f = *state;
    snprintf(f->path, sizeof(f->path), "%s/no/such/registry.db", f->directory);
    refuse_open(f, "cannot be opened");
}

static void a_full_disk_is_survived(void **state)
{
    struct fixture *f = *state;
    static char text[LIMIT_DESCRIPTION_BYTES];
    struct feature_definition d = feature("big", "user", DATA_TYPE_INT);
    memset(text, 'x', sizeof(text));
    d.description = (struct optional_str){true, str_of(text, sizeof(text))};
    open_registry(f);
    must_register(f, "a", "user", DATA_TYPE_INT);
    close_registry(f);
    /* The size limit of a database is kept in the connection, so a full disk is played by the
     * process's own limit on file sizes. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before_signal;
    struct rlimit before;
    sigaction(SIGXFSZ, &ignore, &before_signal);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    open_registry(f);
    struct rlimit small = {.rlim_cur = 8192, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct registry_request request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    sigaction(SIGXFSZ, &before_signal, NULL);
    assert_int_equal(request.status.code, STATUS_UNAVAILABLE);
    assert_non_null(catalog_find_feature(catalog_of(f), STR("a")));
    request = run_definition(f, REGISTRY_REGISTER_FEATURE, &d);
    assert_int_equal(request.status.code, STATUS_OK);
    reopen(f);
    assert_int_equal(catalog_of(f)->feature_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_damaged_file_is_refused),
        REGISTRY_TEST(a_missing_directory_is_said),
        REGISTRY_TEST(a_full_disk_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

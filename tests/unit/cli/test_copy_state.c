#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/copy_state.h"

static char folder[] = "/tmp/featured-copy-state-XXXXXX";
static char path[64];
static struct error error;

static int set_up(void **state)
{
    (void)state;
    error_clear(&error);
    (void)unlink(path);
    return 0;
}

static void put(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void what_is_saved_is_loaded(void **state)
{
    struct copy_state saved, loaded;
    (void)state;
    copy_state_init(&saved, path, "http://a", "redis b:1/2");
    copy_state_init(&loaded, path, "http://a", "redis b:1/2");
    assert_true(status_is_ok(copy_state_load(&saved, &error)));
    assert_int_equal(saved.position.len, 0);
    buffer_append_str(&saved.position, STR("user 04c0 x"));
    assert_true(status_is_ok(copy_state_save(&saved, &error)));
    assert_true(status_is_ok(copy_state_load(&loaded, &error)));
    assert_true(str_eq(buffer_str(&loaded.position), STR("user 04c0 x")));
    assert_false(loaded.is_copied);
    saved.is_copied = true;
    assert_true(status_is_ok(copy_state_save(&saved, &error)));
    buffer_reset(&loaded.position, SIZE_MAX);
    assert_true(status_is_ok(copy_state_load(&loaded, &error)));
    assert_true(loaded.is_copied);
    assert_int_equal(loaded.position.len, 0);
    copy_state_remove(&saved);
    assert_int_equal(access(path, F_OK), -1);
    copy_state_fini(&saved);
    copy_state_fini(&loaded);
}

static void other_files_are_refused(void **state)
{
    static const char *const TEXTS[] = {
        "",
        "hello\n",
        "featured copy 1\n",
        "featured copy 2\nfrom a\nto b\nat x\n",
        "featured copy 1\nfrom a\nat x\n",
        "featured copy 1\nfrom b\nto a\nat x\n",
        "featured copy 1\nfrom a\nto bb\nat x\n",
        "featured copy 1\nfrom a\nto b\n",
    };
    struct copy_state loaded;
    (void)state;
    copy_state_init(&loaded, path, "a", "b");
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        put(TEXTS[i]);
        assert_int_equal(copy_state_load(&loaded, &error).code, STATUS_INVALID);
        assert_int_equal(loaded.position.len, 0);
    }
    put("featured copy 1\nfrom a\nto b\nat x\n");
    assert_true(status_is_ok(copy_state_load(&loaded, &error)));
    copy_state_fini(&loaded);
}

static void a_place_that_cannot_be_written_is_said(void **state)
{
    struct copy_state saved;
    (void)state;
    copy_state_init(&saved, "/nowhere/at/all", "a", "b");
    assert_int_equal(copy_state_save(&saved, &error).code, STATUS_IO);
    assert_non_null(strstr(error.detail, "cannot write /nowhere/at/all: No such file"));
    copy_state_fini(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_saved_is_loaded, set_up),
        cmocka_unit_test_setup(other_files_are_refused, set_up),
        cmocka_unit_test_setup(a_place_that_cannot_be_written_is_said, set_up),
    };
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state", folder);
    int failed = cmocka_run_group_tests_name("copy_state", tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}

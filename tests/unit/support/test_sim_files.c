/* The simulated file system keeps what was synced, may lose the rest, and fails when told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "sim_files.h"

#define SEEDS 400

static struct file *open_file(struct sim_files *sim, const char *path, enum file_mode mode)
{
    struct file_system *files = sim_files_system(sim);
    struct file *file;
    assert_int_equal(files->open(files, path, mode, &file), 0);
    return file;
}

static void write_text(struct sim_files *sim, struct file *file, const char *text, uint64_t offset)
{
    assert_int_equal(sim_files_system(sim)->write(file, text, strlen(text), offset), 0);
}

static void write_file(struct sim_files *sim, const char *path, const char *text)
{
    struct file *file = open_file(sim, path, FILE_CREATE);
    write_text(sim, file, text, 0);
    sim_files_system(sim)->close(file);
}

static void sync_file(struct sim_files *sim, const char *path)
{
    struct file *file = open_file(sim, path, FILE_WRITE);
    assert_int_equal(sim_files_system(sim)->sync(file), 0);
    sim_files_system(sim)->close(file);
}

static void sync_directory(struct sim_files *sim, const char *path)
{
    struct file_system *files = sim_files_system(sim);
    assert_int_equal(files->sync_directory(files, path), 0);
}

/* Whether the file is there with exactly this text. */
static bool holds(struct sim_files *sim, const char *path, const char *text)
{
    size_t len = 0;
    unsigned char *data = sim_files_content(sim, path, &len);
    bool same = data && len == strlen(text) && memcmp(data, text, len) == 0;
    free(data);
    return same;
}

static bool is_there(struct sim_files *sim, const char *path)
{
    size_t len;
    unsigned char *data = sim_files_content(sim, path, &len);
    free(data);
    return data != NULL;
}

static void reads_what_was_written(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file_system *files = sim_files_system(sim);
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    assert_int_equal(files->open(files, "data/a", FILE_CREATE, &file), EEXIST);
    assert_int_equal(files->open(files, "data/b", FILE_READ, &file), ENOENT);
    assert_int_equal(files->open(files, "no/b", FILE_CREATE, &file), ENOENT);
    write_text(sim, file, "hello", 3);
    char text[16];
    size_t len;
    uint64_t size;
    assert_int_equal(files->read(file, text, sizeof(text), 0, &len), 0);
    assert_int_equal(len, 8);
    assert_memory_equal(text, "\0\0\0hello", 8);
    assert_int_equal(files->allocate(file, 10), 0);
    assert_int_equal(files->size(file, &size), 0);
    assert_int_equal(size, 10);
    assert_int_equal(files->truncate(file, 4), 0);
    assert_int_equal(files->read(file, text, sizeof(text), 2, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(text, "\0h", 2);
    files->close(file);
    assert_int_equal(files->rename(files, "data/a", "data/b"), 0);
    assert_false(is_there(sim, "data/a"));
    assert_int_equal(files->remove(files, "data/b"), 0);
    assert_int_equal(files->remove(files, "data/b"), ENOENT);
    assert_int_equal(sim_files_used(sim), 0);
    sim_files_destroy(sim);
}

static void count_name(void *user, const char *name)
{
    assert_true(strcmp(name, "a") == 0 || strcmp(name, "log") == 0);
    ++*(int *)user;
}

static void lists_one_folder(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file_system *files = sim_files_system(sim);
    int count = 0;
    assert_int_equal(files->make_directory(files, "data/log"), 0);
    assert_int_equal(files->make_directory(files, "data/log"), 0);
    write_file(sim, "data/a", "x");
    write_file(sim, "data/log/b", "x");
    assert_int_equal(files->list(files, "data", count_name, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(files->list(files, "none", count_name, &count), ENOENT);
    sim_files_destroy(sim);
}

/* Old content that is synced, then two changes that are not: each combination must be met, and what
 * was synced must never go. */
static void power_loss_keeps_what_was_synced(void **state)
{
    (void)state;
    unsigned kept_old = 0, kept_all = 0, torn = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        write_file(sim, "data/a", "old content");
        sync_file(sim, "data/a");
        sync_directory(sim, "data");
        struct file *file = open_file(sim, "data/a", FILE_WRITE);
        write_text(sim, file, " and what follows", 11);
        struct sim_files *image = sim_files_power_loss(sim, seed);
        assert_int_equal(sim_files_system(sim)->sync(file), EIO);
        sim_files_system(sim)->close(file);
        size_t len;
        unsigned char *data = sim_files_content(image, "data/a", &len);
        assert_non_null(data);
        assert_true(len >= 11);
        assert_memory_equal(data, "old content", 11);
        free(data);
        if (len == 11)
            kept_old++;
        else if (holds(image, "data/a", "old content and what follows"))
            kept_all++;
        else
            torn++;
        sim_files_destroy(image);
        sim_files_destroy(sim);
    }
    assert_true(kept_old > SEEDS / 20 && kept_all > SEEDS / 20 && torn > SEEDS / 20);
}

static void power_loss_reorders_changes(void **state)
{
    (void)state;
    unsigned only_second = 0, only_first = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        write_file(sim, "data/a", "....");
        sync_file(sim, "data/a");
        sync_directory(sim, "data");
        struct file *file = open_file(sim, "data/a", FILE_WRITE);
        write_text(sim, file, "A", 0);
        write_text(sim, file, "B", 1);
        sim_files_system(sim)->close(file);
        struct sim_files *image = sim_files_power_loss(sim, seed);
        only_second += holds(image, "data/a", ".B..");
        only_first += holds(image, "data/a", "A...");
        sim_files_destroy(image);
        sim_files_destroy(sim);
    }
    assert_true(only_first > 0 && only_second > 0);
}

static void power_loss_may_lose_names(void **state)
{
    (void)state;
    unsigned created = 0, renamed = 0, removed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        struct file_system *files = sim_files_system(sim);
        write_file(sim, "data/old", "old");
        write_file(sim, "data/gone", "gone");
        sync_file(sim, "data/old");
        sync_file(sim, "data/gone");
        sync_directory(sim, "data");
        write_file(sim, "data/new", "new");
        sync_file(sim, "data/new"); /* the content, not the name */
        assert_int_equal(files->rename(files, "data/old", "data/renamed"), 0);
        assert_int_equal(files->remove(files, "data/gone"), 0);
        struct sim_files *image = sim_files_power_loss(sim, seed);
        assert_true(holds(image, "data/old", "old") != holds(image, "data/renamed", "old"));
        created += holds(image, "data/new", "new");
        renamed += holds(image, "data/renamed", "old");
        removed += !is_there(image, "data/gone");
        sim_files_destroy(image);

        struct sim_files *copy = sim_files_kill(sim);
        assert_true(holds(copy, "data/new", "new") && holds(copy, "data/renamed", "old"));
        sync_directory(copy, "data");
        image = sim_files_power_loss(copy, seed);
        assert_true(holds(image, "data/new", "new") && holds(image, "data/renamed", "old"));
        assert_false(is_there(image, "data/gone"));
        sim_files_destroy(image);
        sim_files_destroy(copy);
        sim_files_destroy(sim);
    }
    assert_in_range(created, 1, SEEDS - 1);
    assert_in_range(renamed, 1, SEEDS - 1);
    assert_in_range(removed, 1, SEEDS - 1);
}

static void lost_folder_takes_its_files(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        struct file_system *files = sim_files_system(sim);
        assert_int_equal(files->make_directory(files, "data/log"), 0);
        write_file(sim, "data/log/a", "x");
        sync_file(sim, "data/log/a");
        sync_directory(sim, "data/log");
        struct sim_files *image = sim_files_power_loss(sim, seed);
        lost += !is_there(image, "data/log/a");
        sim_files_destroy(image);
        sim_files_destroy(sim);
    }
    assert_in_range(lost, 1, SEEDS - 1);
}

/* The page cache outlives the process: what it wrote and did not sync is there after a kill and may
 * still go with the power. */
static void kill_syncs_nothing(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        write_file(sim, "data/a", "x");
        sync_directory(sim, "data");
        struct sim_files *killed = sim_files_kill(sim);
        assert_true(holds(killed, "data/a", "x"));
        struct sim_files *image = sim_files_power_loss(killed, seed);
        lost += !holds(image, "data/a", "x");
        sim_files_destroy(image);
        sim_files_destroy(killed);
        sim_files_destroy(sim);
    }
    assert_in_range(lost, 1, SEEDS - 1);
}

/* After a failed sync the next one succeeds, and yet the data may be gone. */
static void failed_sync_loses(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        struct file_system *files = sim_files_system(sim);
        struct file *file = open_file(sim, "data/a", FILE_CREATE);
        sync_directory(sim, "data");
        write_text(sim, file, "x", 0);
        sim_files_fail(sim, SIM_SYNC, 1, EIO, false);
        assert_int_equal(files->sync(file), EIO);
        assert_int_equal(files->sync(file), 0);
        files->close(file);
        assert_true(holds(sim, "data/a", "x")); /* the page cache has it */
        bool is_lost = sim_files_unsynced(sim, "data") != UINT64_MAX;
        struct sim_files *image = sim_files_power_loss(sim, seed);
        assert_int_equal(holds(image, "data/a", "x"), !is_lost);
        lost += is_lost;
        sim_files_destroy(image);
        sim_files_destroy(sim);
    }
    assert_in_range(lost, 1, SEEDS - 1);
}

static void fails_the_nth_call(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(7, "data");
    struct file_system *files = sim_files_system(sim);
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    sim_files_fail(sim, SIM_WRITE, 2, ENOSPC, false);
    assert_int_equal(files->write(file, "1", 1, 0), 0);
    assert_int_equal(files->sync(file), 0);
    assert_int_equal(files->write(file, "2", 1, 1), ENOSPC);
    assert_int_equal(files->write(file, "3", 1, 2), 0);
    assert_int_equal(sim_files_failures(sim), 1);
    assert_int_equal(sim_files_calls(sim, SIM_WRITE), 3);
    sim_files_fail(sim, SIM_ANY, 1, EROFS, true);
    assert_int_equal(files->sync(file), EROFS);
    assert_int_equal(files->truncate(file, 0), EROFS);
    assert_int_equal(files->sync_directory(files, "data"), EROFS);
    sim_files_fail(sim, SIM_ANY, 0, 0, false);
    assert_int_equal(files->sync(file), 0);
    files->close(file);
    sim_files_destroy(sim);
}

static void failed_writes_are_partial(void **state)
{
    (void)state;
    bool seen[5] = {false};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_files *sim = sim_files_create(seed, "data");
        struct file *file = open_file(sim, "data/a", FILE_CREATE);
        sim_files_fail(sim, SIM_WRITE, 1, EIO, false);
        assert_int_equal(sim_files_system(sim)->write(file, "abcd", 4, 0), EIO);
        sim_files_system(sim)->close(file);
        size_t len;
        unsigned char *data = sim_files_content(sim, "data/a", &len);
        assert_memory_equal(data, "abcd", len);
        seen[len] = true;
        free(data);
        sim_files_destroy(sim);
    }
    for (size_t i = 0; i < 5; i++)
        assert_true(seen[i]);
}

static void runs_out_of_space(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file_system *files = sim_files_system(sim);
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    sim_files_set_space(sim, 8);
    assert_int_equal(files->allocate(file, 9), ENOSPC);
    assert_int_equal(files->allocate(file, 6), 0);
    write_text(sim, file, "123456", 0); /* in the space taken */
    assert_int_equal(files->write(file, "7890", 4, 6), ENOSPC);
    assert_true(holds(sim, "data/a", "12345678"));
    sim_files_set_space(sim, UINT64_MAX);
    write_text(sim, file, "7890", 6);
    files->close(file);
    assert_int_equal(sim_files_used(sim), 10);
    assert_int_equal(files->remove(files, "data/a"), 0);
    assert_int_equal(sim_files_used(sim), 0);
    sim_files_destroy(sim);
}

static void stops_in_the_middle_of_a_call(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file_system *files = sim_files_system(sim);
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    sim_files_crash_at(sim, 2);
    write_text(sim, file, "x", 0);
    assert_false(sim_files_is_frozen(sim));
    assert_int_equal(files->write(file, "y", 1, 1), EIO);
    assert_true(sim_files_is_frozen(sim));
    assert_int_equal(files->write(file, "z", 1, 2), EIO);
    assert_int_equal(files->remove(files, "data/a"), EIO);
    files->close(file);
    struct sim_files *image = sim_files_kill(sim);
    assert_true(holds(image, "data/a", "xy"));
    sim_files_destroy(image);
    sim_files_destroy(sim);
}

static void tells_what_is_not_synced(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file_system *files = sim_files_system(sim);
    assert_true(sim_files_unsynced(sim, "data") == UINT64_MAX);
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    uint64_t created = sim_files_sequence(sim);
    write_text(sim, file, "x", 0);
    assert_int_equal(sim_files_unsynced(sim, "data"), created);
    assert_int_equal(files->sync_directory(files, "data"), 0);
    assert_int_equal(sim_files_unsynced(sim, "data"), created + 1);
    assert_int_equal(files->sync(file), 0);
    assert_true(sim_files_unsynced(sim, "data") == UINT64_MAX);
    files->close(file);
    assert_int_equal(files->remove(files, "data/a"), 0);
    assert_true(sim_files_unsynced(sim, "data") == UINT64_MAX);
    sim_files_destroy(sim);
}

static void *sync_in_thread(void *argument)
{
    void **pair = argument;
    int error = sim_files_system(pair[0])->sync(pair[1]);
    assert_int_equal(error, 0);
    return NULL;
}

/* What was written while a sync ran is not covered by it. */
static void slow_sync_covers_what_was_before(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    struct file *file = open_file(sim, "data/a", FILE_CREATE);
    sync_directory(sim, "data");
    write_text(sim, file, "x", 0);
    sim_files_set_sync_us(sim, 50000);
    uint64_t before = sim_files_sequence(sim);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sync_in_thread, (void *[]){sim, file}), 0);
    while (sim_files_sequence(sim) == before) /* the sync has begun */
        ;
    write_text(sim, file, "y", 1);
    uint64_t written = sim_files_sequence(sim);
    pthread_join(thread, NULL);
    assert_int_equal(sim_files_unsynced(sim, "data"), written);
    sim_files_system(sim)->close(file);
    sim_files_destroy(sim);
}

static void put_and_flip_are_durable(void **state)
{
    (void)state;
    struct sim_files *sim = sim_files_create(1, "data");
    sim_files_put(sim, "data/a", "abc", 3);
    sim_files_flip(sim, "data/a", 1, 0x20);
    struct sim_files *copy = sim_files_copy(sim);
    sim_files_flip(copy, "data/a", 0, 0x20);
    struct sim_files *image = sim_files_power_loss(sim, 1);
    assert_true(holds(image, "data/a", "aBc"));
    assert_true(holds(copy, "data/a", "ABc"));
    sim_files_destroy(image);
    sim_files_destroy(copy);
    sim_files_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(lists_one_folder),
        cmocka_unit_test(power_loss_keeps_what_was_synced),
        cmocka_unit_test(power_loss_reorders_changes),
        cmocka_unit_test(power_loss_may_lose_names),
        cmocka_unit_test(lost_folder_takes_its_files),
        cmocka_unit_test(kill_syncs_nothing),
        cmocka_unit_test(failed_sync_loses),
        cmocka_unit_test(fails_the_nth_call),
        cmocka_unit_test(failed_writes_are_partial),
        cmocka_unit_test(runs_out_of_space),
        cmocka_unit_test(stops_in_the_middle_of_a_call),
        cmocka_unit_test(tells_what_is_not_synced),
        cmocka_unit_test(slow_sync_covers_what_was_before),
        cmocka_unit_test(put_and_flip_are_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Each byte of a small log and of a snapshot is damaged in turn. The store then refuses to start
 * and names the file, or holds exactly what it should: all of it, or all but a tail that was never
 * said to be synced. Never anything else.
 *
 * FEATURED_DAMAGE=all tries every bit of every byte. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "durable_model.h"

#ifdef ADDRESS_SANITIZED
#define STEP_BYTES 3 /* each attempt is three times slower */
#else
#define STEP_BYTES 1
#endif
#define FILES_MAX 64
#define PATH_MAX_BYTES 128

struct file_names {
    const char *directory;
    char paths[FILES_MAX][PATH_MAX_BYTES];
    uint32_t count;
};

/* What all attempts begin with. */
struct base {
    struct world *world;
    struct sim_files *files;
    struct file_names logs;
    struct file_names snapshots;
    struct world_event *events; /* copies */
    struct world_cell *cells;
    uint32_t event_count, cell_count;
    uint32_t promised;        /* all but the last group: a mark can only be in a later one */
    uint32_t promised_before; /* by marks outside of the newest segment, and by its header */
    unsigned refused, whole, cut;
};

static void add_name(void *user, const char *name)
{
    struct file_names *names = user;
    assert_true(names->count < FILES_MAX);
    snprintf(names->paths[names->count++], PATH_MAX_BYTES, "%s/%s", names->directory, name);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_files(struct base *base, struct file_names *names, const char *directory)
{
    struct file_system *files = sim_files_system(base->files);
    names->directory = directory;
    assert_int_equal(files->list(files, directory, add_name, names), 0);
    qsort(names->paths, names->count, PATH_MAX_BYTES, compare_paths);
}

static void put_some(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t feature = (uint32_t)world_below(world, world->feature_count);
        assert_int_equal(world_put(world, i % 4, feature), WORLD_ACKNOWLEDGED);
        if (i % 5 == 4)
            assert_int_equal(world_erase(world, i % 4, i % 2 ? 0 : FIXTURE_ALL),
                             WORLD_ACKNOWLEDGED);
    }
}

static void wait_for_snapshot(struct world *world)
{
    struct online_metrics metrics;
    engine_snapshot(world->process->store);
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        world->process->store->driver->metrics(world->process->store, &metrics);
        assert_int_equal(metrics.durability.snapshot_failures, 0);
    } while (metrics.durability.snapshots == 0);
}

static void *copy_of(const void *data, size_t size)
{
    void *copy = malloc(size);
    assert_non_null(copy);
    return memcpy(copy, data, size);
}

static struct base *create_base(uint64_t seed, bool with_snapshot)
{
    struct base *base = calloc(1, sizeof(*base));
    assert_non_null(base);
    struct world *world = base->world = world_create("damage", seed);
    world->options.segment_bytes = 600;
    world->options.recovery_threads = 1;
    assert_true(status_is_ok(world_open(world)));
    if (with_snapshot) {
        put_some(world, 12);
        wait_for_snapshot(world);
    }
    put_some(world, 10);
    base->files = sim_files_kill(world->sim);
    world_close(world);
    base->event_count = world->event_count;
    base->cell_count = world->cell_count;
    base->events = copy_of(world->events, world->event_count * sizeof(*world->events));
    base->cells = copy_of(world->cells, world->cell_count * sizeof(*world->cells));
    base->promised = world->event_count - 1;
    list_files(base, &base->logs, WORLD_LOG);
    uint64_t newest_lsn =
        strtoull(base->logs.paths[base->logs.count - 1] + sizeof(WORLD_LOG), NULL, 10);
    while (world->events[base->promised_before].lsn + 1 < newest_lsn)
        base->promised_before++;
    list_files(base, &base->snapshots, WORLD_DIRECTORY "/snapshot");
    assert_true(base->logs.count >= 3);
    assert_int_equal(base->snapshots.count, with_snapshot);
    return base;
}

static void destroy_base(struct base *base)
{
    sim_files_destroy(base->files);
    world_destroy(base->world);
    free(base->events);
    free(base->cells);
    free(base);
}

static void begin(struct base *base, struct sim_files *files)
{
    struct world *world = base->world;
    world_replace_files(world, files);
    world->event_count = base->event_count;
    world->cell_count = base->cell_count;
    memcpy(world->events, base->events, base->event_count * sizeof(*base->events));
    memcpy(world->cells, base->cells, base->cell_count * sizeof(*base->cells));
}

/* A path that there was, or its folder's neighbour that shows what is missing. */
static bool names_a_file(const struct base *base, const char *text)
{
    for (uint32_t i = 0; i < base->logs.count; i++)
        if (strstr(text, base->logs.paths[i]))
            return true;
    return false;
}

/* `files` is given. False: the start was refused. */
static bool attempt(struct base *base, struct sim_files *files, const char *path, uint32_t promised)
{
    struct world *world = base->world;
    begin(base, files);
    status result = world_open(world);
    if (status_is_ok(result)) {
        model_check_recovered(world, promised);
        base->whole += world->event_count == base->event_count;
        base->cut += world->event_count < base->event_count;
    } else {
        base->refused++;
        if (strstr(world->last_error.detail, path) == NULL &&
            !(strstr(world->last_error.detail, "missing") &&
              names_a_file(base, world->last_error.detail)))
            world_fail(world, "the error does not name %s: %s", path, world->last_error.detail);
    }
    world_close(world);
    return status_is_ok(result);
}

static void flip_each_byte(struct base *base, const struct file_names *names)
{
    const char *wanted = getenv("FEATURED_DAMAGE");
    bool every_bit = wanted && strcmp(wanted, "all") == 0;
    for (uint32_t i = 0; i < names->count; i++) {
        char label[PATH_MAX_BYTES + 40];
        base->world->label = label;
        size_t len;
        free(sim_files_content(base->files, names->paths[i], &len));
        for (size_t at = 0; at < len; at += STEP_BYTES)
            for (unsigned bit = every_bit ? 0 : at * 5 % 8; bit < 8; bit += every_bit ? 1 : 8) {
                snprintf(label, sizeof(label), "%s, byte %zu, bit %u", names->paths[i], at, bit);
                struct sim_files *files = sim_files_copy(base->files);
                sim_files_flip(files, names->paths[i], at, (unsigned char)(1u << bit));
                (void)attempt(base, files, names->paths[i], base->promised);
            }
        base->world->label = "damage";
    }
}

static void show(struct base *base, const char *what)
{
    print_message("%s: %u refused, %u whole, %u without the last group\n", what, base->refused,
                  base->whole, base->cut);
}

static void each_byte_of_the_log(void **state)
{
    (void)state;
    struct base *base = create_base(1, false);
    flip_each_byte(base, &base->logs);
    show(base, "log");
    assert_true(base->refused > 0 && base->whole > 0 && base->cut > 0);
    destroy_base(base);
}

static void each_byte_of_a_snapshot_and_its_log(void **state)
{
    (void)state;
    struct base *base = create_base(2, true);
    flip_each_byte(base, &base->snapshots);
    show(base, "snapshot");
    assert_true(base->refused > 0);
    flip_each_byte(base, &base->logs);
    show(base, "snapshot and log");
    destroy_base(base);
}

/* Damage of more than a byte can take the newest segment's marks with what they promise. */
static uint32_t promised_by_others(const struct base *base, const char *path)
{
    bool is_newest = strcmp(path, base->logs.paths[base->logs.count - 1]) == 0;
    return is_newest ? base->promised_before : base->promised;
}

/* Bytes of one file in another place, zeros, noise. */
static void damage_block(struct world *world, struct sim_files *files, const char *path)
{
    size_t len;
    unsigned char *data = sim_files_content(files, path, &len);
    size_t from = (size_t)world_below(world, len), to = (size_t)world_below(world, len);
    size_t count = 1 + (size_t)world_below(world, len - (from > to ? from : to));
    uint64_t how = world_below(world, 3);
    if (how == 0)
        memset(data + to, 0, count);
    else if (how == 1)
        memmove(data + to, data + from, count);
    for (size_t i = 0; how == 2 && i < count; i++)
        data[to + i] = (unsigned char)random_next(&world->random);
    sim_files_put(files, path, data, len);
    free(data);
}

static void blocks_of_bytes(void **state)
{
    (void)state;
    struct base *base = create_base(3, true);
    for (unsigned i = 0; i < 1500; i++) {
        const struct file_names *names = i % 3 ? &base->logs : &base->snapshots;
        const char *path = names->paths[world_below(base->world, names->count)];
        struct sim_files *files = sim_files_copy(base->files);
        damage_block(base->world, files, path);
        (void)attempt(base, files, path, promised_by_others(base, path));
    }
    show(base, "blocks");
    destroy_base(base);
}

static void files_cut_short(void **state)
{
    (void)state;
    struct base *base = create_base(4, true);
    const struct file_names *names[] = {&base->logs, &base->snapshots};
    for (size_t n = 0; n < ARRAY_LEN(names); n++)
        for (uint32_t i = 0; i < names[n]->count; i++) {
            size_t len;
            unsigned char *data = sim_files_content(base->files, names[n]->paths[i], &len);
            for (size_t cut = 0; cut < len; cut += 3) {
                struct sim_files *files = sim_files_copy(base->files);
                sim_files_put(files, names[n]->paths[i], data, cut);
                (void)attempt(base, files, names[n]->paths[i],
                              promised_by_others(base, names[n]->paths[i]));
            }
            free(data);
        }
    show(base, "cut short");
    destroy_base(base);
}

/* All but the newest segment, whose loss only its own marks could show. */
static void files_that_are_gone(void **state)
{
    (void)state;
    struct base *base = create_base(5, true);
    for (uint32_t i = 0; i + 1 < base->logs.count; i++) {
        struct sim_files *files = sim_files_copy(base->files);
        struct file_system *system = sim_files_system(files);
        assert_int_equal(system->remove(system, base->logs.paths[i]), 0);
        begin(base, files);
        if (status_is_ok(world_open(base->world)))
            model_check_recovered(base->world, base->promised);
        else
            base->refused++;
        world_close(base->world);
    }
    struct sim_files *files = sim_files_copy(base->files);
    struct file_system *system = sim_files_system(files);
    assert_int_equal(system->remove(system, base->snapshots.paths[0]), 0);
    begin(base, files);
    assert_false(status_is_ok(world_open(base->world))); /* the log begins after it */
    world_close(base->world);
    assert_true(base->refused > 0);
    destroy_base(base);
}

/* --recover truncate starts with what is before the damage. */
static void truncation_keeps_a_prefix(void **state)
{
    (void)state;
    struct base *base = create_base(6, false);
    unsigned refused = 0;
    for (uint32_t i = 0; i < base->logs.count; i++) {
        size_t len;
        free(sim_files_content(base->files, base->logs.paths[i], &len));
        for (size_t at = 0; at < len; at += 7) {
            char label[PATH_MAX_BYTES + 40];
            base->world->label = label;
            snprintf(label, sizeof(label), "%s, byte %zu", base->logs.paths[i], at);
            struct sim_files *files = sim_files_copy(base->files);
            sim_files_flip(files, base->logs.paths[i], at, 0x10);
            if (attempt(base, sim_files_copy(files), base->logs.paths[i], base->promised)) {
                sim_files_destroy(files);
                continue;
            }
            refused++;
            base->world->options.recover_truncate = true;
            begin(base, files);
            if (!status_is_ok(world_open(base->world)))
                world_fail(base->world, "byte %zu of %s: truncation does not help: %s", at,
                           base->logs.paths[i], base->world->last_error.detail);
            model_check_recovered(base->world, 0);
            assert_int_equal(world_put(base->world, 1, 0), WORLD_ACKNOWLEDGED);
            world_replace_files(base->world, sim_files_kill(base->world->sim));
            base->world->options.recover_truncate = false;
            if (!status_is_ok(world_open(base->world)))
                world_fail(base->world, "does not start after a truncation: %s",
                           base->world->last_error.detail);
            model_check_recovered(base->world, base->world->event_count);
            world_close(base->world);
        }
    }
    assert_true(refused > 0);
    destroy_base(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_the_log),
        cmocka_unit_test(each_byte_of_a_snapshot_and_its_log),
        cmocka_unit_test(blocks_of_bytes),
        cmocka_unit_test(files_cut_short),
        cmocka_unit_test(files_that_are_gone),
        cmocka_unit_test(truncation_keeps_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Snapshots whose checksums are right and whose contents are not: what no disk does, but a bug or a
 * hostile hand. (What disks do is in tests/cli/test_check.py.) */
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

#include "base/clock.h"
#include "base/hash.h"
#include "log/log_reader.h"
#include "log/log_row.h"
#include "registry/sqlite/sqlite_schema.h"
#include "server/data_check.h"

#define IDENTITY UINT64_C(0x0123456789abcdef)
#define START_LSN 5
#define VERSION 7

struct world {
    char path[64];
    struct buffer out; /* the snapshot */
    uint64_t rows;
};

static void begin(struct world *world)
{
    char path[128];
    struct error error;
    struct sqlite_connection *registry;
    char header[LOG_HEADER_BYTES];
    strcpy(world->path, "/tmp/featured-check-XXXXXX");
    assert_non_null(mkdtemp(world->path));
    assert_int_equal(data_dir_write_format(world->path, IDENTITY, &error).code, STATUS_OK);
    snprintf(path, sizeof(path), "%s/registry.db", world->path);
    assert_int_equal(sqlite_connection_open(path, &registry, &error).code, STATUS_OK);
    assert_int_equal(sqlite_schema_migrate(registry, &error).code, STATUS_OK);
    sqlite_connection_close(registry);
    snprintf(path, sizeof(path), "%s/snapshot", world->path);
    assert_int_equal(mkdir(path, 0700), 0);
    const struct log_header start = {
        .version = LOG_FORMAT_VERSION, .identity = IDENTITY, .lsn = START_LSN};
    log_header_encode(&start, LOG_SNAPSHOT_MAGIC, header);
    buffer_init(&world->out, 1 << 20);
    buffer_append(&world->out, header, sizeof(header));
    world->rows = 0;
}

static void schema(struct world *world, uint64_t version_id, enum data_type type,
                   uint32_t dimension, str entity)
{
    size_t record = log_record_begin(&world->out, LOG_SCHEMA, 0);
    const struct log_schema described = {.version_id = version_id,
                                         .data_type = type,
                                         .dimension = dimension,
                                         .number = 1,
                                         .feature = STR("f"),
                                         .entity = entity};
    log_schema_encode(&world->out, &described);
    log_record_end(&world->out, record, IDENTITY);
}

/* One row of "item" with these cells. */
static void row(struct world *world, const struct log_cell *cells, uint32_t count)
{
    size_t size = 0;
    struct log_row_encoder encoder;
    size_t record = log_record_begin(&world->out, LOG_SNAPSHOT_ROWS, 0);
    buffer_append_str(&world->out, STR("\4item"));
    for (uint32_t i = 0; i < count; i++)
        size += log_cell_size_max(&cells[i].value);
    log_row_begin(&encoder, &world->out, STR("id"), cells[0].event_time_us, LOG_ROW_NOT_ERASED,
                  count, size);
    for (uint32_t i = 0; i < count; i++)
        log_row_cell(&encoder, &cells[i]);
    log_row_end(&encoder);
    log_record_end(&world->out, record, IDENTITY);
    world->rows++;
}

static struct log_cell integer(uint64_t version_id)
{
    return (struct log_cell){.version_id = version_id,
                             .event_time_us = 1000,
                             .value = {.type = DATA_TYPE_INT, .integer = 1}};
}

static void raw(struct world *world, enum log_record_type type, str payload)
{
    size_t record = log_record_begin(&world->out, type, 0);
    buffer_append_str(&world->out, payload);
    log_record_end(&world->out, record, IDENTITY);
}

static void end(struct world *world, uint64_t rows)
{
    size_t record = log_record_begin(&world->out, LOG_SNAPSHOT_END, 0);
    const struct log_snapshot_end told = {.end_lsn = START_LSN, .row_count = rows};
    log_snapshot_end_encode(&world->out, &told);
    log_record_end(&world->out, record, IDENTITY);
}

/* Writes the file, checks, removes all; `says` NULL: it is whole. */
static void found(struct world *world, const char *says)
{
    static const char *const FILES[] = {"format", "registry.db", "snapshot/%020d.snapshot"};
    char path[128];
    char name[64];
    struct error error;
    struct data_check check;
    assert_false(world->out.failed);
    snprintf(path, sizeof(path), "%s/snapshot/%020d.snapshot", world->path, START_LSN);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(world->out.data, 1, world->out.len, file), world->out.len);
    fclose(file);
    buffer_fini(&world->out);
    const struct data_check_options options = {.path = world->path};
    assert_int_equal(data_check_run(&options, &check, &error).code, STATUS_OK);
    if (says == NULL) {
        assert_int_equal(check.problem_count, 0);
        assert_int_equal(check.snapshot_lsn, START_LSN);
    } else {
        assert_true(check.problem_count >= 1);
        assert_true(str_contains(buffer_str(&check.problems), str_from_cstr(path)));
        if (!str_contains(buffer_str(&check.problems), str_from_cstr(says)))
            fail_msg("%.*s", STR_ARG(buffer_str(&check.problems)));
        assert_int_equal(check.files[0].state, DATA_CHECK_DAMAGED);
    }
    data_check_fini(&check);
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        if (i == 2)
            snprintf(name, sizeof(name), "snapshot/%020d.snapshot", START_LSN);
        snprintf(path, sizeof(path), "%s/%s", world->path, i == 2 ? name : FILES[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof(path), "%s/snapshot", world->path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(world->path), 0);
}

static void a_whole_one(void **state)
{
    struct world world;
    const struct log_cell cells[] = {integer(VERSION), integer(VERSION + 1)};
    (void)state;
    begin(&world);
    schema(&world, VERSION, DATA_TYPE_INT, 0, STR("item"));
    schema(&world, VERSION + 1, DATA_TYPE_INT, 0, STR("item"));
    row(&world, cells, 2);
    end(&world, world.rows);
    found(&world, NULL);
}

/* Each ends as a whole one does; only what is before is wrong. */
static void check_cell(const struct log_cell *cell, uint32_t dimension, const char *says)
{
    struct world world;
    begin(&world);
    schema(&world, VERSION, cell->value.type == DATA_TYPE_INT ? DATA_TYPE_INT : DATA_TYPE_EMBEDDING,
           dimension, STR("item"));
    row(&world, cell, 1);
    end(&world, world.rows);
    found(&world, says);
}

static void values_that_do_not_fit(void **state)
{
    static const float NUMBERS[] = {1, 2};
    struct log_cell cell = integer(VERSION + 1);
    (void)state;
    check_cell(&cell, 0, "which the file does not describe");
    cell = integer(VERSION);
    cell.event_time_us = CLOCK_MAX_US + 1;
    check_cell(&cell, 0, "a row whose values do not decode");
    cell = integer(VERSION);
    cell.value = (struct value){.type = DATA_TYPE_BOOLEAN, .boolean = true};
    check_cell(&cell, 0, "that is no embedding");
    cell.value = (struct value){.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}};
    check_cell(&cell, 3, "an embedding of 2 numbers instead of 3");
    check_cell(&cell, 2, NULL);
    check_cell(&cell, 0, NULL);
}

static void schemas_that_contradict(void **state)
{
    struct world world;
    const struct log_cell cells[] = {integer(VERSION), integer(VERSION + 1)};
    (void)state;
    begin(&world);
    schema(&world, VERSION, DATA_TYPE_INT, 0, STR("item"));
    schema(&world, VERSION, DATA_TYPE_FLOAT, 0, STR("item"));
    end(&world, 0);
    found(&world, "is another one elsewhere");
    begin(&world);
    schema(&world, VERSION, DATA_TYPE_INT, 0, STR("item"));
    schema(&world, VERSION + 1, DATA_TYPE_INT, 0, STR("other"));
    row(&world, cells, 2);
    end(&world, world.rows);
    found(&world, "a row with features of two entities");
}

static void payloads_that_do_not_decode(void **state)
{
    static const struct {
        enum log_record_type type;
        const char *payload;
        const char *says;
    } CASES[] = {
        {LOG_SCHEMA, "x", "a schema that does not decode"},
        {LOG_SNAPSHOT_STATISTICS, "xyz", "statistics that do not decode"},
        {LOG_SNAPSHOT_ROWS,
         "\x7f"
         "ab",
         "rows without the name of their entity"},
        {LOG_SNAPSHOT_ROWS, "\4item\x7f\1", "a row that does not decode"},
        {LOG_SNAPSHOT_END, "x", "an end that does not decode"},
        {LOG_WRITE, "x", "a record of an unknown kind"},
    };
    struct world world;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        begin(&world);
        raw(&world, CASES[i].type, str_from_cstr(CASES[i].payload));
        end(&world, 0);
        found(&world, CASES[i].says);
    }
}

static void ends_that_are_none(void **state)
{
    struct world world;
    const struct log_cell cell = integer(VERSION);
    (void)state;
    begin(&world);
    schema(&world, VERSION, DATA_TYPE_INT, 0, STR("item"));
    row(&world, &cell, 1);
    end(&world, 2);
    found(&world, "its end says 2 rows, it has 1");
    begin(&world);
    found(&world, "before it is whole");
    begin(&world);
    end(&world, 0);
    schema(&world, VERSION, DATA_TYPE_INT, 0, STR("item"));
    found(&world, "a record after its end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one),
        cmocka_unit_test(values_that_do_not_fit),
        cmocka_unit_test(schemas_that_contradict),
        cmocka_unit_test(payloads_that_do_not_decode),
        cmocka_unit_test(ends_that_are_none),
    };
    hash_seed_init();
    return cmocka_run_group_tests_name("data_check", tests, NULL, NULL);
}

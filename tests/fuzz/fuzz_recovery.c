/* What recovery makes of records that are sealed rightly and hold anything: an error, or tables that
 * can be read and written into a snapshot again.
 *
 * The first byte holds options. Then records, each: kind (which record of the snapshot or of the
 * log), length (2 bytes), payload. What seals them (headers, CRCs, LSNs, the end) is added here. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "log/log_reader.h"
#include "model/catalog_builder.h"
#include "online/engine/recovery.h"
#include "online/engine/snapshot_row.h"
#include "sim_files.h"

#define DATA "data"
#define IDENTITY 7
#define SNAPSHOT_LSN 100
#define NOW_US INT64_C(1700000000000000)
#define RECORD_HEADER 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPTION_TWO_THREADS = 1, OPTION_SNAPSHOT = 2, OPTION_TRUNCATE = 4 };

static const enum log_record_type kinds[] = {
    LOG_SNAPSHOT_ROWS, LOG_SNAPSHOT_STATISTICS, LOG_SCHEMA, LOG_WRITE, LOG_ERASE, LOG_SCHEMA,
};

struct input {
    struct buffer snapshot;
    uint64_t snapshot_rows;
    struct buffer log;
    uint64_t lsn; /* last one given */
};

static int64_t wall_us(void)
{
    return NOW_US;
}

static void add_feature(struct catalog_builder *builder, uint32_t number)
{
    char name[] = {'f', (char)('a' + number), '\0'};
    struct catalog_builder_version version = {
        .id = number + 1,
        .number = 1,
        .data_type = (enum data_type)(number % DATA_TYPE_COUNT),
        .dead_before_us = number == 3 ? NOW_US - 10 : CELL_NEVER_DEAD,
    };
    struct catalog_builder_feature feature = {
        .id = number + 1,
        .definition = {.name = str_from_cstr(name),
                       .entity = number % 5 == 4 ? STR("driver") : STR("user"),
                       .data_type = version.data_type,
                       .ttl_seconds = number % 3 ? 0 : 60,
                       .tags_json = STR("{}")},
        .active_version = 1,
        .versions = &version,
        .version_count = 1,
    };
    ASSERT(status_is_ok(catalog_builder_add_feature(builder, &feature, NULL)));
}

static const struct catalog *build_catalog(void)
{
    const struct catalog *image;
    struct catalog_builder *builder = catalog_builder_create(NULL, 1);
    ASSERT(builder != NULL);
    for (uint32_t i = 0; i < 2 * DATA_TYPE_COUNT; i++)
        add_feature(builder, i);
    ASSERT(status_is_ok(catalog_builder_finish(builder, &image, NULL)));
    return image;
}

static void begin_file(struct buffer *out, const char *magic, uint64_t lsn)
{
    char bytes[LOG_HEADER_BYTES];
    struct log_header header = {
        .version = LOG_FORMAT_VERSION, .identity = IDENTITY, .lsn = lsn, .clock_us = NOW_US};
    buffer_init(out, SIZE_MAX);
    log_header_encode(&header, magic, bytes);
    buffer_append(out, bytes, sizeof(bytes));
}

static void seal(struct buffer *out, enum log_record_type type, uint64_t lsn, str payload)
{
    size_t record = log_record_begin(out, type, lsn);
    buffer_append_str(out, payload);
    log_record_end(out, record, IDENTITY);
}

static uint64_t count_rows(str payload)
{
    str entity;
    struct log_row row;
    uint64_t rows = 0;
    if (log_snapshot_rows_decode(&payload, &entity))
        while (log_row_next(&payload, &row) == LOG_NEXT)
            rows++;
    return rows;
}

static void add_record(struct input *input, uint8_t kind, str payload)
{
    enum log_record_type type = kinds[kind % ARRAY_LEN(kinds)];
    if (payload.len == 0)
        return; /* there is no such record */
    if (kind % ARRAY_LEN(kinds) < ARRAY_LEN(kinds) / 2) {
        if (type == LOG_SNAPSHOT_ROWS)
            input->snapshot_rows += count_rows(payload);
        seal(&input->snapshot, type, 0, payload);
    } else {
        seal(&input->log, type, type == LOG_SCHEMA ? input->lsn + 1 : ++input->lsn, payload);
    }
}

static void begin_log(struct input *input, uint64_t last_lsn)
{
    struct log_group group = {.identity = IDENTITY, .clock_us = NOW_US};
    input->lsn = last_lsn;
    begin_file(&input->log, LOG_SEGMENT_MAGIC, last_lsn + 1);
    size_t record = log_record_begin(&input->log, LOG_GROUP, last_lsn + 1);
    log_group_encode(&input->log, &group);
    log_record_end(&input->log, record, IDENTITY);
}

static void end_snapshot(struct input *input)
{
    struct log_snapshot_end end = {
        .end_lsn = SNAPSHOT_LSN, .row_count = input->snapshot_rows, .clock_us = NOW_US};
    size_t record = log_record_begin(&input->snapshot, LOG_SNAPSHOT_END, 0);
    log_snapshot_end_encode(&input->snapshot, &end);
    log_record_end(&input->snapshot, record, IDENTITY);
}

static void put_file(struct sim_files *sim, const char *folder, uint64_t lsn, const char *suffix,
                     struct buffer *content)
{
    char path[64];
    log_file_path(folder, lsn, suffix, path, sizeof(path));
    sim_files_put(sim, path, content->data, content->len);
    buffer_fini(content);
}

static struct sim_files *make_files(const uint8_t *data, size_t size, bool with_snapshot)
{
    struct input input = {0};
    struct sim_files *sim = sim_files_create(1, DATA);
    struct file_system *files = sim_files_system(sim);
    uint64_t last_lsn = with_snapshot ? SNAPSHOT_LSN : 0;
    begin_file(&input.snapshot, LOG_SNAPSHOT_MAGIC, SNAPSHOT_LSN);
    begin_log(&input, last_lsn);
    while (size >= RECORD_HEADER) {
        size_t len = (size_t)data[1] | (size_t)data[2] << 8;
        len = len < size - RECORD_HEADER ? len : size - RECORD_HEADER;
        add_record(&input, data[0], str_of((const char *)data + RECORD_HEADER, len));
        data += RECORD_HEADER + len;
        size -= RECORD_HEADER + len;
    }
    end_snapshot(&input);
    ASSERT(files->make_directory(files, DATA "/log") == 0);
    ASSERT(files->make_directory(files, DATA "/snapshot") == 0);
    put_file(sim, DATA "/log", last_lsn + 1, LOG_SEGMENT_SUFFIX, &input.log);
    if (with_snapshot)
        put_file(sim, DATA "/snapshot", SNAPSHOT_LSN, LOG_SNAPSHOT_SUFFIX, &input.snapshot);
    buffer_fini(&input.snapshot);
    return sim;
}

static void check_encoded(str rows)
{
    struct log_row row;
    struct log_cell cell;
    while (rows.len > 0) {
        ASSERT(log_row_next(&rows, &row) == LOG_NEXT);
        enum log_next next;
        while ((next = log_cell_next(&row, &cell)) == LOG_NEXT)
            ;
        ASSERT(next == LOG_NEXT_END);
    }
}

static uint64_t check_table(const struct table *table, const struct catalog_entity *entity)
{
    static struct snapshot_row scratch;
    uint64_t rows = 0;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    for (uint32_t shard = 0; shard < TABLE_SHARDS; shard++) {
        uint32_t position = 0;
        const struct row *row;
        while ((row = table_walk(table, shard, &position)) != NULL) {
            ASSERT(table_find(table, table_hash(row_id(row)), row_id(row)) == row);
            ASSERT(snapshot_row_encode(&scratch, row, entity, &out) == 1);
            rows++;
        }
    }
    check_encoded(buffer_str(&out));
    buffer_fini(&out);
    return rows;
}

static void check_tables(struct engine *engine, struct recovery_result *out)
{
    const struct catalog *catalog = catalog_current(engine->catalog);
    uint64_t rows = 0;
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++) {
        struct table *table = engine_table(engine, e);
        if (table == NULL)
            continue;
        ASSERT(e < catalog->entity_count);
        rows += check_table(table, catalog->entities[e]);
        table_destroy(table, out->memory_bytes);
        atomic_store(&engine->tables[e], NULL);
    }
    ASSERT(rows == out->entities);
}

static void recover(const struct engine_options *options)
{
    static struct engine engine;
    static struct error error;
    uint64_t memory_bytes = 0;
    struct recovery_result out = {.memory_bytes = &memory_bytes};
    engine.epoch = options->epoch;
    engine.catalog = options->catalog;
    engine.clock = options->clock;
    status result = recovery_run(&engine, options, &out, &error);
    if (status_is_ok(result)) {
        check_tables(&engine, &out);
        statistics_store_fini(&out.statistics);
        log_scan_fini(&out.scan);
    } else {
        ASSERT(result.code == STATUS_MALFORMED && error.detail[0] != '\0');
    }
    ASSERT(memory_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct epoch epoch;
    static struct catalog_ref catalog;
    struct store_clock clock;
    if (size == 0)
        return 0;
    if (atomic_load(&catalog.image) == NULL) {
        log_set_level((enum log_level)(LOG_ERROR + 1));
        epoch_init(&epoch);
        atomic_store(&catalog.image, build_catalog());
    }
    store_clock_init(&clock, wall_us);
    struct sim_files *sim = make_files(data + 1, size - 1, data[0] & OPTION_SNAPSHOT);
    struct engine_options options = {
        .epoch = &epoch,
        .catalog = &catalog,
        .clock = &clock,
        .directory = DATA,
        .files = sim_files_system(sim),
        .identity = IDENTITY,
        .recover_truncate = data[0] & OPTION_TRUNCATE,
        .recovery_threads = data[0] & OPTION_TWO_THREADS ? 2 : 1,
    };
    recover(&options);
    sim_files_destroy(sim);
    return 0;
}

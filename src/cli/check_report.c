#include "cli/check_report.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json_string.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/terminal.h"

#define CELL_BYTES_MAX 1024u

static const char *const STATES[] = {
    [DATA_CHECK_WHOLE] = "whole",
    [DATA_CHECK_TORN] = "torn",
    [DATA_CHECK_UNFINISHED] = "unfinished",
    [DATA_CHECK_DAMAGED] = "damaged",
};

uint64_t check_report_rows(const struct data_check *check, uint64_t *log_rows)
{
    uint64_t rows = 0;
    *log_rows = 0;
    for (const struct data_check_entity *at = check->entities; at != NULL; at = at->next) {
        rows += at->snapshot_rows;
        *log_rows += at->log_rows;
    }
    return rows;
}

/* A cell made by a few appends, added to the table. */
static void add(struct table *table, struct buffer *cell)
{
    table_add(table, buffer_str(cell));
    buffer_reset(cell, CELL_BYTES_MAX);
}

static void add_count(struct table *table, struct buffer *cell, uint64_t count)
{
    terminal_append_count(cell, count);
    add(table, cell);
}

static void append_time(struct buffer *out, int64_t us)
{
    char text[CLOCK_RFC3339_MAX];
    if (us != INT64_MIN)
        buffer_append(out, text, clock_format_rfc3339(us, text));
}

static void add_lsns(struct table *table, struct buffer *cell, const struct data_check_file *file)
{
    buffer_append_format(cell, "%" PRIu64, file->first_lsn);
    if (file->last_lsn > file->first_lsn)
        buffer_append_format(cell, " to %" PRIu64, file->last_lsn);
    add(table, cell);
}

static void append_files(struct buffer *out, const struct data_check *check)
{
    static const char *const HEADINGS[] = {"FILE", "STATE",  "LSN",  "RECORDS",
                                           "ROWS", "VALUES", "BYTES"};
    struct table table;
    struct buffer cell;
    if (check->file_count == 0)
        return;
    table_init(&table, ARRAY_LEN(HEADINGS), 0);
    buffer_init(&cell, CELL_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(HEADINGS); i++)
        table_add(&table, str_from_cstr(HEADINGS[i]));
    for (uint32_t i = 0; i < check->file_count; i++) {
        const struct data_check_file *file = &check->files[i];
        table_add(&table, str_from_cstr(file->name));
        table_add(&table, str_from_cstr(STATES[file->state]));
        add_lsns(&table, &cell, file);
        add_count(&table, &cell, file->records);
        add_count(&table, &cell, file->rows);
        add_count(&table, &cell, file->values);
        progress_append_bytes(&cell, file->used_bytes);
        if (file->used_bytes != file->size_bytes) {
            buffer_append_str(&cell, STR(" of "));
            progress_append_bytes(&cell, file->size_bytes);
        }
        add(&table, &cell);
    }
    table_append(&table, out, "", "");
    buffer_append_char(out, '\n');
    buffer_fini(&cell);
    table_fini(&table);
}

static void append_entities(struct buffer *out, const struct data_check *check)
{
    static const char *const HEADINGS[] = {"ENTITY", "ROWS IN SNAPSHOT", "ROWS WRITTEN SINCE",
                                           "ERASURES SINCE", "NEWEST EVENT"};
    struct table table;
    struct buffer cell;
    if (check->entities == NULL)
        return;
    table_init(&table, ARRAY_LEN(HEADINGS), 0);
    buffer_init(&cell, CELL_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(HEADINGS); i++)
        table_add(&table, str_from_cstr(HEADINGS[i]));
    for (const struct data_check_entity *at = check->entities; at != NULL; at = at->next) {
        table_add(&table, at->name);
        add_count(&table, &cell, at->snapshot_rows);
        add_count(&table, &cell, at->log_rows);
        add_count(&table, &cell, at->log_erasures);
        append_time(&cell, at->newest_event_us);
        add(&table, &cell);
    }
    table_append(&table, out, "", "");
    buffer_append_char(out, '\n');
    buffer_fini(&cell);
    table_fini(&table);
}

static void append_log(struct buffer *out, const struct data_check *check)
{
    buffer_append_str(out, STR("log: "));
    terminal_append_count(out, check->log_records);
    buffer_append_format(out, " records after LSN %" PRIu64 ", up to LSN %" PRIu64 "; ",
                         check->snapshot_lsn, check->last_lsn);
    progress_append_bytes(out, check->log_bytes);
    buffer_append_str(out, STR(" in all\n"));
    if (check->torn_bytes > 0)
        buffer_append_format(out,
                             "torn tail of %" PRIu64 " bytes above the last mark, in %s from "
                             "offset %" PRIu64 " (harmless: nothing of it was promised to last; "
                             "%s)\n",
                             check->torn_bytes, check->torn_path, check->torn_offset,
                             check->in_use ? "the server may be writing it"
                                           : "the next start cuts it off");
    if (check->unregistered_values > 0) {
        terminal_append_count(out, check->unregistered_values);
        buffer_append_str(out,
                          STR(" values of features that are not registered any more (harmless: "
                              "they are not loaded)\n"));
    }
}

void check_report_append(struct buffer *out, const char *path, const struct data_check *check)
{
    buffer_append_format(out, "%s: format %u, identity %016" PRIx64 "\n", path, DATA_DIR_FORMAT,
                         check->identity);
    if (check->in_use)
        buffer_append_format(out,
                             "in use by a server (process %s): it writes on while this is read\n",
                             check->holder);
    if (check->has_catalog)
        buffer_append_format(out,
                             "registry: %u features, %u versions, %u feature services, revision "
                             "%" PRIu64 "\n\n",
                             check->features, check->versions, check->services, check->revision);
    if (check->has_shared_registry)
        buffer_append_str(out, STR("registry: in PostgreSQL, not looked at\n\n"));
    if (check->redis[0])
        buffer_append_format(out, "values: in Redis (%s), not looked at\n\n", check->redis);
    append_files(out, check);
    append_entities(out, check);
    append_log(out, check);
    if (check->problem_count == 0)
        buffer_append_str(out, STR("whole\n"));
}

static void append_json_file(struct buffer *out, const struct data_check_file *file)
{
    buffer_append_str(out, STR("{\"file\":"));
    json_append_string(out, str_from_cstr(file->name));
    buffer_append_format(out,
                         ",\"state\":\"%s\",\"first_lsn\":%" PRIu64 ",\"last_lsn\":%" PRIu64
                         ",\"records\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"values\":%" PRIu64
                         ",\"used_bytes\":%" PRIu64 ",\"size_bytes\":%" PRIu64 "}",
                         STATES[file->state], file->first_lsn, file->last_lsn, file->records,
                         file->rows, file->values, file->used_bytes, file->size_bytes);
}

static void append_json_entity(struct buffer *out, const struct data_check_entity *entity)
{
    buffer_append_str(out, STR("{\"entity\":"));
    json_append_string(out, entity->name);
    buffer_append_format(out,
                         ",\"snapshot_rows\":%" PRIu64 ",\"log_rows\":%" PRIu64
                         ",\"log_erasures\":%" PRIu64 ",\"newest_event_timestamp\":",
                         entity->snapshot_rows, entity->log_rows, entity->log_erasures);
    if (entity->newest_event_us == INT64_MIN) {
        buffer_append_str(out, STR("null}"));
        return;
    }
    buffer_append_char(out, '"');
    append_time(out, entity->newest_event_us);
    buffer_append_str(out, STR("\"}"));
}

static void append_json_torn(struct buffer *out, const struct data_check *check)
{
    buffer_append_str(out, STR(",\"torn_tail\":"));
    if (check->torn_bytes == 0) {
        buffer_append_str(out, STR("null"));
        return;
    }
    buffer_append_str(out, STR("{\"file\":"));
    json_append_string(out, str_from_cstr(check->torn_path));
    buffer_append_format(out, ",\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", check->torn_offset,
                         check->torn_bytes);
}

static void append_json_problems(struct buffer *out, const struct data_check *check)
{
    str rest = buffer_str(&check->problems);
    const char *comma = "";
    buffer_append_str(out, STR(",\"problems\":["));
    while (rest.len > 0) {
        buffer_append_str(out, str_from_cstr(comma));
        json_append_string(out, str_split(rest, '\n', &rest));
        comma = ",";
    }
    buffer_append_str(out, STR("]}\n"));
}

void check_report_append_json(struct buffer *out, const char *path, const struct data_check *check)
{
    buffer_append_str(out, STR("{\"data\":"));
    json_append_string(out, str_from_cstr(path));
    buffer_append_format(out, ",\"whole\":%s,\"in_use\":%s,\"identity\":\"%016" PRIx64 "\"",
                         check->problem_count == 0 ? "true" : "false",
                         check->in_use ? "true" : "false", check->identity);
    buffer_append_format(out,
                         ",\"registry\":{\"features\":%u,\"versions\":%u,\"feature_services\":%u,"
                         "\"revision\":%" PRIu64 "},\"files\":[",
                         check->features, check->versions, check->services, check->revision);
    for (uint32_t i = 0; i < check->file_count; i++) {
        buffer_append_str(out, i > 0 ? STR(",") : STR(""));
        append_json_file(out, &check->files[i]);
    }
    buffer_append_str(out, STR("],\"entities\":["));
    for (const struct data_check_entity *at = check->entities; at != NULL; at = at->next) {
        buffer_append_str(out, at != check->entities ? STR(",") : STR(""));
        append_json_entity(out, at);
    }
    buffer_append_format(out,
                         "],\"snapshot_lsn\":%" PRIu64 ",\"last_lsn\":%" PRIu64
                         ",\"log_records\":%" PRIu64 ",\"log_bytes\":%" PRIu64
                         ",\"unregistered_values\":%" PRIu64,
                         check->snapshot_lsn, check->last_lsn, check->log_records, check->log_bytes,
                         check->unregistered_values);
    append_json_torn(out, check);
    append_json_problems(out, check);
}

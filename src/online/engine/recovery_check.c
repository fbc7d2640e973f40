#include "online/engine/recovery_state.h"

#include "log/log_row.h"

static void advance_clock(struct recovery *recovery, int64_t at_least_us)
{
    if (at_least_us > recovery->clock_us)
        recovery->clock_us = at_least_us;
}

bool recovery_rows_entity(const struct recovery *recovery, str *payload,
                          const struct catalog_entity **out)
{
    str name;
    if (!log_snapshot_rows_decode(payload, &name))
        return false;
    *out = catalog_find_entity(recovery->catalog, name);
    return true;
}

/* What one snapshot says of itself, before it is known to be whole. */
struct snapshot_check {
    struct recovery *recovery;
    struct log_reader reader;
    struct log_snapshot_end end;
    bool has_end;
    uint64_t rows;
};

/* Also counts rows of entities that the catalog does not have. NULL: fine. */
static const char *check_rows(struct snapshot_check *check, str payload)
{
    const struct catalog_entity *entity;
    struct log_row row;
    enum log_next next;
    uint64_t before = check->rows;
    if (!recovery_rows_entity(check->recovery, &payload, &entity))
        return "rows without an entity";
    while ((next = log_row_next(&payload, &row)) == LOG_NEXT)
        check->rows++;
    if (entity != NULL)
        check->recovery->rows_of[entity->index] += check->rows - before;
    return next == LOG_NEXT_END ? NULL : "a row does not decode";
}

static const char *check_statistics(struct snapshot_check *check, str payload)
{
    struct log_statistics of;
    while (log_statistics_next(&payload, &of)) {
        struct recovery_version *known =
            recovery_versions_find(&check->recovery->versions, of.version_id);
        if (known != NULL)
            known->statistics = of.statistics;
    }
    return payload.len == 0 ? NULL : "statistics do not decode";
}

static const char *check_record(struct snapshot_check *check, const struct log_record *record)
{
    struct log_schema schema;
    if (check->has_end)
        return "something follows its end";
    switch (record->type) {
    case LOG_SCHEMA:
        return log_schema_decode(record->payload, &schema) ? NULL : "a schema does not decode";
    case LOG_SNAPSHOT_STATISTICS:
        return check_statistics(check, record->payload);
    case LOG_SNAPSHOT_ROWS:
        return check_rows(check, record->payload);
    case LOG_SNAPSHOT_END:
        check->has_end = true;
        return log_snapshot_end_decode(record->payload, &check->end) ? NULL
                                                                     : "its end does not decode";
    default:
        return "a record that does not belong into a snapshot";
    }
}

static status check_records(struct snapshot_check *check, struct error *error)
{
    struct log_reader *reader = &check->reader;
    struct log_record record;
    enum log_read read;
    uint64_t done = 0;
    while ((read = log_reader_next(reader, &record)) == LOG_READ_RECORD) {
        const char *reason = check_record(check, &record);
        if (reason != NULL)
            return recovery_damaged(error, reader->path, record.offset, reason);
        if (recovery_is_over(check->recovery))
            return recovery_given_up(error);
        recovery_progress(check->recovery, reader->offset - done);
        done = reader->offset;
    }
    if (read == LOG_READ_FAILED)
        return recovery_not_read(error, reader);
    if (read == LOG_READ_DAMAGED)
        return recovery_damaged(error, reader->path, reader->offset, reader->reason);
    if (!check->has_end)
        return recovery_damaged(error, reader->path, reader->offset, "its end is missing");
    if (check->end.row_count != check->rows)
        return recovery_damaged(error, reader->path, reader->offset, "rows are missing");
    return OK;
}

static status check_header(const struct snapshot_check *check, uint64_t lsn, struct error *error)
{
    const char *path = check->reader.path;
    if (check->reader.header.lsn != lsn)
        return recovery_damaged(error, path, 0, "its name is not that of its LSN");
    return OK;
}

/* Takes back what a snapshot that is not whole has added. */
static void forget(struct recovery *recovery)
{
    memset(recovery->rows_of, 0, sizeof(recovery->rows_of));
    for (uint32_t i = 0; i < recovery->versions.count; i++)
        statistics_init(&recovery->versions.list[i].statistics);
    atomic_store_explicit(&recovery->bytes_done, 0, memory_order_relaxed);
    recovery->snapshot_bytes = 0;
    recovery->snapshot_path[0] = '\0';
}

static void take(struct recovery *recovery, const struct snapshot_check *check)
{
    recovery->snapshot_lsn = check->reader.header.lsn;
    recovery->snapshot_end_lsn = check->end.end_lsn;
    recovery->snapshot_rows = check->rows;
    advance_clock(recovery, check->reader.header.clock_us);
    advance_clock(recovery, check->end.clock_us);
    for (uint32_t e = 0; e < LIMIT_ENTITIES; e++)
        recovery->has_rows[e] |= recovery->rows_of[e] > 0;
}

status recovery_check_snapshot(struct recovery *recovery, uint64_t lsn, struct error *error)
{
    const struct engine_options *options = recovery->options;
    struct snapshot_check check = {.recovery = recovery};
    log_file_path(recovery->snapshot_folder, lsn, LOG_SNAPSHOT_SUFFIX, recovery->snapshot_path,
                  sizeof(recovery->snapshot_path));
    status result = log_reader_open(&check.reader, options->files, recovery->snapshot_path,
                                    LOG_SNAPSHOT_MAGIC, options->identity, error);
    if (status_is_ok(result))
        result = check_header(&check, lsn, error);
    recovery->snapshot_bytes = check.reader.size_bytes;
    if (status_is_ok(result))
        result = check_records(&check, error);
    if (status_is_ok(result))
        take(recovery, &check);
    else
        forget(recovery);
    log_reader_close(&check.reader);
    return result;
}

static void check_write(struct recovery *recovery, str payload)
{
    struct log_row row;
    struct log_cell cell;
    while (log_row_next(&payload, &row) == LOG_NEXT)
        while (log_cell_next(&row, &cell) == LOG_NEXT) {
            struct recovery_version *known =
                recovery_versions_find(&recovery->versions, cell.version_id);
            if (known == NULL || cell.is_erased ||
                recovery_cell_mismatch(known->version, &cell) != NULL)
                continue;
            recovery->has_rows[known->version->entity->index] = true;
            statistics_add(&known->statistics, &cell.value, cell.event_time_us);
        }
}

static void check_erase(struct recovery *recovery, str payload)
{
    struct log_erase erase;
    while (log_erase_next(&payload, &erase) == LOG_NEXT) {
        const struct catalog_entity *entity = catalog_find_entity(recovery->catalog, erase.entity);
        if (entity != NULL)
            recovery->has_rows[entity->index] = true;
        /* What was written after it was given a later time. */
        if (erase.erased_until_us < INT64_MAX)
            advance_clock(recovery, erase.erased_until_us + 1);
    }
}

status recovery_check_record(void *user, const struct log_record *record, struct error *error)
{
    struct recovery *recovery = user;
    if (recovery_is_over(recovery))
        return recovery_given_up(error);
    if (record->type == LOG_WRITE)
        check_write(recovery, record->payload);
    else if (record->type == LOG_ERASE)
        check_erase(recovery, record->payload);
    else
        return OK;
    recovery->records++;
    return OK;
}

#include "registry/sql_statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "registry/sql_rows.h"

/* Nobody sends a merge again after so long: a server asks until it is answered or has ended. */
#define MERGES_KEPT_US (INT64_C(7) * 24 * 3600 * 1000000)

enum column {
    COLUMN_VERSION_ID,
    COLUMN_VALUE_COUNT,
    COLUMN_NULL_COUNT,
    COLUMN_MIN,
    COLUMN_MAX,
    COLUMN_MEAN,
    COLUMN_M2,
    COLUMN_LAST_EVENT_TIME,
    COLUMN_COUNT,
};

_Static_assert(SQL_STATISTICS_PUT_PARAMETERS == SQL_STATISTICS_PUT_ROWS * (int)COLUMN_COUNT,
               "a parameter for each column");

struct version_statistics {
    uint64_t version_id;
    bool is_known; /* the version exists */
    bool has_changed;
    struct statistics statistics;
};

struct merge {
    struct sql_connection *connection;
    const struct registry_statistics *request;
    struct error *error;
    struct version_statistics *versions; /* by id, each once */
    size_t count;
};

static int compare_versions(const void *a, const void *b)
{
    uint64_t left = ((const struct version_statistics *)a)->version_id;
    uint64_t right = ((const struct version_statistics *)b)->version_id;
    return left < right ? -1 : left > right;
}

static struct version_statistics *find_version(const struct merge *merge, uint64_t version_id)
{
    struct version_statistics key = {.version_id = version_id};
    if (merge->count == 0)
        return NULL;
    return bsearch(&key, merge->versions, merge->count, sizeof(key), compare_versions);
}

/* Every version that is merged or asked for, in the order in which rows are read and written. */
static status collect_versions(struct merge *merge, struct arena *arena)
{
    const struct registry_statistics *request = merge->request;
    size_t most = (size_t)request->delta_count + request->count;
    size_t kept = 0;
    if (most == 0)
        return OK;
    struct version_statistics *versions = arena_alloc_array(arena, most, sizeof(*versions));
    if (versions == NULL)
        return error_set(merge->error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory to merge statistics");
    for (size_t i = 0; i < most; i++) {
        versions[i] = (struct version_statistics){
            .version_id = i < request->delta_count ? request->deltas[i].version_id
                                                   : request->version_ids[i - request->delta_count],
        };
        statistics_init(&versions[i].statistics);
    }
    qsort(versions, most, sizeof(*versions), compare_versions);
    for (size_t i = 0; i < most; i++) {
        if (kept == 0 || versions[kept - 1].version_id != versions[i].version_id)
            versions[kept++] = versions[i];
    }
    merge->versions = versions;
    merge->count = kept;
    return OK;
}

static bool read_count(const struct sql_value *column, uint64_t *out)
{
    int64_t count;
    if (!sql_as_integer(column, &count) || count < 0)
        return false;
    *out = (uint64_t)count;
    return true;
}

static double read_real(const struct sql_value *column, double absent)
{
    if (column->type == SQL_INTEGER)
        return (double)column->integer;
    return column->type == SQL_REAL ? column->real : absent;
}

static status receive_version(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct merge *merge = user;
    int64_t id;
    ASSERT(count == COLUMN_COUNT);
    if (!sql_as_integer(&columns[COLUMN_VERSION_ID], &id))
        return error_set(error, STATUS_INTERNAL, "registry", "unreadable feature version");
    struct version_statistics *version = find_version(merge, (uint64_t)id);
    if (version == NULL)
        return OK; /* between two that were asked for */
    version->is_known = true;
    if (columns[COLUMN_VALUE_COUNT].type == SQL_NULL)
        return OK; /* nothing counted yet */
    struct statistics *statistics = &version->statistics;
    if (!read_count(&columns[COLUMN_VALUE_COUNT], &statistics->count) ||
        !read_count(&columns[COLUMN_NULL_COUNT], &statistics->null_count))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the registry's table feature_statistics has an unreadable row");
    statistics->min = read_real(&columns[COLUMN_MIN], 0);
    statistics->max = read_real(&columns[COLUMN_MAX], 0);
    statistics->mean = read_real(&columns[COLUMN_MEAN], 0);
    statistics->m2 = read_real(&columns[COLUMN_M2], INFINITY);
    const struct sql_value *last = &columns[COLUMN_LAST_EVENT_TIME];
    if (last->type == SQL_INTEGER && last->integer >= CLOCK_MIN_US && last->integer <= CLOCK_MAX_US)
        statistics->last_event_time_us = last->integer;
    return OK;
}

/* One question whatever their number: rows between the first and the last. */
static status load_versions(struct merge *merge)
{
    struct sql_receiver receiver = {receive_version, merge};
    if (merge->count == 0)
        return OK;
    return sql_run(merge->connection, SQL_STATISTICS_GET, &receiver, merge->error,
                   sql_integer((int64_t)merge->versions[0].version_id),
                   sql_integer((int64_t)merge->versions[merge->count - 1].version_id));
}

static struct sql_value real_of(double number)
{
    return isfinite(number) ? sql_real(number) : sql_null();
}

static void write_row(const struct version_statistics *version, struct sql_value *columns)
{
    const struct statistics *s = &version->statistics;
    columns[COLUMN_VERSION_ID] = sql_integer((int64_t)version->version_id);
    columns[COLUMN_VALUE_COUNT] = sql_integer((int64_t)s->count);
    columns[COLUMN_NULL_COUNT] = sql_integer((int64_t)s->null_count);
    columns[COLUMN_MIN] = real_of(s->min);
    columns[COLUMN_MAX] = real_of(s->max);
    columns[COLUMN_MEAN] = real_of(s->mean);
    columns[COLUMN_M2] = real_of(s->m2);
    columns[COLUMN_LAST_EVENT_TIME] = s->last_event_time_us == STATISTICS_NO_EVENT
                                          ? sql_null()
                                          : sql_integer(s->last_event_time_us);
}

/* Many rows per statement, as the database may be far away and others wait for its lock; what is
 * left of the last one is null. */
static status put_changed(struct merge *merge)
{
    struct sql_value values[SQL_STATISTICS_PUT_PARAMETERS] = {0};
    size_t rows = 0;
    for (size_t i = 0; i < merge->count; i++) {
        if (!merge->versions[i].has_changed)
            continue;
        write_row(&merge->versions[i], &values[rows++ * COLUMN_COUNT]);
        if (rows < SQL_STATISTICS_PUT_ROWS)
            continue;
        TRY(sql_run_values(merge->connection, SQL_STATISTICS_PUT, NULL, merge->error, values,
                           ARRAY_LEN(values)));
        memset(values, 0, sizeof(values));
        rows = 0;
    }
    if (rows == 0)
        return OK;
    return sql_run_values(merge->connection, SQL_STATISTICS_PUT, NULL, merge->error, values,
                          ARRAY_LEN(values));
}

static status put_deltas(struct merge *merge)
{
    const struct registry_statistics *request = merge->request;
    for (uint32_t i = 0; i < request->delta_count; i++) {
        struct version_statistics *version = find_version(merge, request->deltas[i].version_id);
        if (!version->is_known)
            continue;
        statistics_merge(&version->statistics, &request->deltas[i].delta);
        version->has_changed = true;
    }
    return put_changed(merge);
}

static status note_merge(struct merge *merge, bool is_first, int64_t now_us)
{
    struct sql_time now;
    struct sql_time oldest;
    TRY(sql_run(merge->connection, SQL_MERGE_PUT, NULL, merge->error,
                sql_text(merge->request->source), sql_integer((int64_t)merge->request->number),
                sql_time_of(now_us, &now)));
    if (!is_first)
        return OK;
    return sql_run(merge->connection, SQL_MERGES_FORGET, NULL, merge->error,
                   sql_time_of(now_us - MERGES_KEPT_US, &oldest));
}

static status merge_once(struct merge *merge, int64_t now_us)
{
    const struct registry_statistics *request = merge->request;
    struct sql_one_integer last = {0};
    struct sql_receiver receiver = {sql_receive_integer, &last};
    TRY(sql_run(merge->connection, SQL_MERGE_GET, &receiver, merge->error,
                sql_text(request->source)));
    if (last.found && (uint64_t)last.value >= request->number)
        return OK;
    TRY(put_deltas(merge));
    return note_merge(merge, !last.found, now_us);
}

status sql_statistics_merge(struct sql_connection *connection, struct arena *arena, int64_t now_us,
                            const struct registry_statistics *statistics, struct error *error)
{
    struct merge merge = {.connection = connection, .request = statistics, .error = error};
    ASSERT(statistics->delta_count == 0 ||
           (statistics->source.len > 0 && statistics->source.len <= REGISTRY_SOURCE_MAX));
    TRY(collect_versions(&merge, arena));
    TRY(load_versions(&merge));
    if (statistics->delta_count > 0)
        TRY(merge_once(&merge, now_us));
    for (uint32_t i = 0; i < statistics->count; i++)
        statistics->out[i] = find_version(&merge, statistics->version_ids[i])->statistics;
    return OK;
}

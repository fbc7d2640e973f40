#include "registry/sql_rows.h"

#include <inttypes.h>
#include <math.h>

#include "base/assert.h"
#include "base/memory.h"
#include "model/limits.h"

enum feature_column {
    FEATURE_ID,
    FEATURE_NAME,
    FEATURE_DESCRIPTION,
    FEATURE_DATA_TYPE,
    FEATURE_ENTITY,
    FEATURE_GROUP,
    FEATURE_IS_NULLABLE,
    FEATURE_SOURCE,
    FEATURE_TRANSFORMATION,
    FEATURE_MIN_VALUE,
    FEATURE_MAX_VALUE,
    FEATURE_MEAN_VALUE,
    FEATURE_STD_DEV,
    FEATURE_TTL_SECONDS,
    FEATURE_TAGS,
    FEATURE_CREATED_AT,
    FEATURE_UPDATED_AT,
    FEATURE_ACTIVE_VERSION,
    FEATURE_COLUMN_COUNT,
};

enum version_column {
    VERSION_FEATURE_ID,
    VERSION_ID,
    VERSION_NUMBER,
    VERSION_DATA_TYPE,
    VERSION_DIMENSION,
    VERSION_DEAD_BEFORE,
    VERSION_CREATED_AT,
    VERSION_COLUMN_COUNT,
};

struct sql_value sql_time_of(int64_t us, struct sql_time *room)
{
    return sql_text(str_of(room->text, clock_format_rfc3339(us, room->text)));
}

struct sql_value sql_optional_text(const struct optional_str *text)
{
    return text->present ? sql_text(text->text) : sql_null();
}

struct sql_value sql_optional_real(const struct optional_double *number)
{
    return number->present ? sql_real(number->value) : sql_null();
}

bool sql_as_integer(const struct sql_value *column, int64_t *out)
{
    switch (column->type) {
    case SQL_NULL:
        *out = 0;
        return true;
    case SQL_INTEGER:
        *out = column->integer;
        return true;
    case SQL_REAL:
        if (!(fabs(column->real) < 0x1p62) || column->real != floor(column->real))
            return false;
        *out = (int64_t)column->real;
        return true;
    default:
        return false;
    }
}

str sql_as_text(const struct sql_value *column)
{
    return column->type == SQL_TEXT ? column->text : str_of(NULL, 0);
}

bool sql_read_time(const struct sql_value *column, int64_t *out_us)
{
    char with_offset[64];
    if (column->type == SQL_INTEGER)
        return !__builtin_mul_overflow(column->integer, 1000000, out_us) &&
               *out_us >= CLOCK_MIN_US && *out_us <= CLOCK_MAX_US;
    if (column->type == SQL_REAL && fabs(column->real) < 6e10) {
        *out_us = llround(column->real * 1e6);
        return true;
    }
    str text = sql_as_text(column);
    if (clock_parse_rfc3339(text, out_us))
        return true;
    if (text.len == 0 || text.len >= sizeof(with_offset))
        return false;
    memcpy(with_offset, text.data, text.len);
    with_offset[text.len] = 'Z';
    return clock_parse_rfc3339(str_of(with_offset, text.len + 1), out_us);
}

int64_t sql_as_time(const struct sql_value *column)
{
    int64_t us;
    return sql_read_time(column, &us) ? us : 0;
}

static struct optional_str as_optional_text(const struct sql_value *column)
{
    return (struct optional_str){.present = column->type == SQL_TEXT, .text = sql_as_text(column)};
}

static struct optional_double as_optional_real(const struct sql_value *column)
{
    if (column->type == SQL_INTEGER)
        return (struct optional_double){.present = true, .value = (double)column->integer};
    if (column->type == SQL_REAL && isfinite(column->real))
        return (struct optional_double){.present = true, .value = column->real};
    return (struct optional_double){0};
}

static status unreadable(struct error *error, str feature, const char *column)
{
    return error_set(error, STATUS_INTERNAL, "registry",
                     "the registry's row of feature '%.*s' has an unreadable %s", STR_ARG(feature),
                     column);
}

/* Of JSON: other writers leave NULL, JSON's null, or spaces. */
static bool is_object(str json)
{
    size_t i = 0;
    while (i < json.len && (unsigned char)json.data[i] <= ' ')
        i++;
    return i < json.len && json.data[i] == '{';
}

status sql_read_feature(const struct sql_value *columns, unsigned count,
                        struct catalog_builder_feature *out, struct error *error)
{
    int64_t is_nullable;
    int64_t active;
    ASSERT(count == FEATURE_COLUMN_COUNT);
    str name = sql_as_text(&columns[FEATURE_NAME]);
    struct catalog_builder_feature feature = {
        .definition =
            {
                .name = name,
                .entity = sql_as_text(&columns[FEATURE_ENTITY]),
                .description = as_optional_text(&columns[FEATURE_DESCRIPTION]),
                .feature_group = as_optional_text(&columns[FEATURE_GROUP]),
                .source = as_optional_text(&columns[FEATURE_SOURCE]),
                .transformation = as_optional_text(&columns[FEATURE_TRANSFORMATION]),
                .min_value = as_optional_real(&columns[FEATURE_MIN_VALUE]),
                .max_value = as_optional_real(&columns[FEATURE_MAX_VALUE]),
                .mean_value = as_optional_real(&columns[FEATURE_MEAN_VALUE]),
                .std_dev = as_optional_real(&columns[FEATURE_STD_DEV]),
                .tags_json = sql_as_text(&columns[FEATURE_TAGS]),
            },
        .created_at_us = sql_as_time(&columns[FEATURE_CREATED_AT]),
        .updated_at_us = sql_as_time(&columns[FEATURE_UPDATED_AT]),
    };
    if (!sql_as_integer(&columns[FEATURE_ID], &feature.id))
        return unreadable(error, name, "id");
    if (!data_type_parse(sql_as_text(&columns[FEATURE_DATA_TYPE]), &feature.definition.data_type))
        return unreadable(error, name, "data_type");
    if (!sql_as_integer(&columns[FEATURE_IS_NULLABLE], &is_nullable))
        return unreadable(error, name, "is_nullable");
    if (!sql_as_integer(&columns[FEATURE_TTL_SECONDS], &feature.definition.ttl_seconds) ||
        feature.definition.ttl_seconds < 0 || feature.definition.ttl_seconds > LIMIT_TTL_SECONDS)
        return unreadable(error, name, "ttl_seconds");
    if (!sql_as_integer(&columns[FEATURE_ACTIVE_VERSION], &active) || active < 1 ||
        active > INT32_MAX)
        return unreadable(error, name, "active_version");
    feature.definition.is_nullable =
        is_nullable != 0 || columns[FEATURE_IS_NULLABLE].type == SQL_NULL;
    feature.active_version = (uint32_t)active;
    if (!is_object(feature.definition.tags_json))
        feature.definition.tags_json = STR("{}");
    *out = feature;
    return OK;
}

status sql_read_version(const struct sql_value *columns, unsigned count,
                        struct sql_version_row *out, struct error *error)
{
    int64_t id;
    int64_t number;
    int64_t dimension;
    struct sql_version_row row = {0};
    ASSERT(count == VERSION_COLUMN_COUNT);
    if (!sql_as_integer(&columns[VERSION_FEATURE_ID], &row.feature_id) ||
        !sql_as_integer(&columns[VERSION_ID], &id) || id < 1 ||
        !sql_as_integer(&columns[VERSION_NUMBER], &number) || number < 1 || number > INT32_MAX ||
        !sql_as_integer(&columns[VERSION_DIMENSION], &dimension) || dimension < 0 ||
        dimension > LIMIT_DIMENSION || columns[VERSION_DEAD_BEFORE].type != SQL_INTEGER ||
        !data_type_parse(sql_as_text(&columns[VERSION_DATA_TYPE]), &row.version.data_type))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the registry's table feature_versions has an unreadable row of feature "
                         "id %" PRId64,
                         row.feature_id);
    row.version.id = (uint64_t)id;
    row.version.number = (uint32_t)number;
    row.version.dimension = (uint32_t)dimension;
    row.version.dead_before_us = columns[VERSION_DEAD_BEFORE].integer;
    row.version.created_at_us = sql_as_time(&columns[VERSION_CREATED_AT]);
    *out = row;
    return OK;
}

struct feature_load {
    struct arena *arena;
    struct catalog_builder_feature feature;
    bool found;
    struct catalog_builder_version *versions; /* of the arena, `capacity` of them */
    uint32_t count;
    uint32_t capacity;
};

static bool keep_text(struct arena *arena, str *text)
{
    return arena_copy_str(arena, *text, text);
}

static bool keep_optional(struct arena *arena, struct optional_str *text)
{
    return !text->present || keep_text(arena, &text->text);
}

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory to read the registry");
}

static status receive_feature(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct feature_load *load = user;
    struct feature_definition *definition = &load->feature.definition;
    TRY(sql_read_feature(columns, count, &load->feature, error));
    load->found = true;
    if (!keep_text(load->arena, &definition->name) ||
        !keep_text(load->arena, &definition->entity) ||
        !keep_text(load->arena, &definition->tags_json) ||
        !keep_optional(load->arena, &definition->description) ||
        !keep_optional(load->arena, &definition->feature_group) ||
        !keep_optional(load->arena, &definition->source) ||
        !keep_optional(load->arena, &definition->transformation))
        return no_memory(error);
    return OK;
}

static status receive_version(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct feature_load *load = user;
    struct sql_version_row row;
    TRY(sql_read_version(columns, count, &row, error));
    if (load->count == load->capacity) {
        uint32_t capacity = load->capacity ? load->capacity * 2 : 4;
        struct catalog_builder_version *versions =
            arena_alloc_array(load->arena, capacity, sizeof(*versions));
        if (versions == NULL)
            return no_memory(error);
        if (load->count > 0)
            memcpy(versions, load->versions, load->count * sizeof(*versions));
        load->versions = versions;
        load->capacity = capacity;
    }
    load->versions[load->count++] = row.version;
    return OK;
}

status sql_load_feature(struct sql_connection *connection, enum sql_statement statement,
                        struct sql_value key, struct arena *arena,
                        struct catalog_builder_feature *out, bool *found, struct error *error)
{
    struct feature_load load = {.arena = arena};
    struct sql_receiver features = {receive_feature, &load};
    struct sql_receiver versions = {receive_version, &load};
    TRY(sql_run(connection, statement, &features, error, key));
    *found = load.found;
    if (!load.found)
        return OK;
    TRY(sql_run(connection, SQL_VERSIONS_BY_FEATURE, &versions, error,
                sql_integer(load.feature.id)));
    load.feature.versions = load.versions;
    load.feature.version_count = load.count;
    for (uint32_t i = 0; i < load.count; i++) {
        if (load.versions[i].number != load.feature.active_version)
            continue;
        load.feature.definition.data_type = load.versions[i].data_type;
        load.feature.definition.dimension = load.versions[i].dimension;
    }
    *out = load.feature;
    return OK;
}

status sql_receive_integer(void *one_integer, const struct sql_value *columns, unsigned count,
                           struct error *error)
{
    struct sql_one_integer *out = one_integer;
    if (count < 1 || !sql_as_integer(&columns[0], &out->value))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the registry answered no number where one was asked for");
    out->found = columns[0].type != SQL_NULL;
    return OK;
}

#include "server/data_tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/limits.h"

struct schema {
    uint64_t version_id;
    enum data_type data_type;
    uint32_t dimension;
    struct data_check_entity *entity;
    const struct data_check_file *file; /* the last that named it */
    bool is_registered;
};

static PRINTF_LIKE(2, 3) status malformed(struct data_tally *tally, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tally->reason, sizeof(tally->reason), format, arguments);
    va_end(arguments);
    return status_of(STATUS_MALFORMED);
}

void data_tally_init(struct data_tally *tally, struct data_check *check,
                     const struct catalog *catalog)
{
    *tally = (struct data_tally){.check = check, .catalog = catalog};
    hash_map_init(&tally->schemas);
    hash_map_init(&tally->entities);
}

void data_tally_fini(struct data_tally *tally)
{
    hash_map_fini(&tally->schemas);
    hash_map_fini(&tally->entities);
}

void data_tally_begin(struct data_tally *tally, struct data_check_file *file)
{
    tally->file = file;
    tally->ended = false;
}

/* The list stays in order of name. */
static void link_entity(struct data_check *check, struct data_check_entity *entity)
{
    struct data_check_entity **at = &check->entities;
    while (*at != NULL && str_compare((*at)->name, entity->name) < 0)
        at = &(*at)->next;
    entity->next = *at;
    *at = entity;
}

static struct data_check_entity *entity_of(struct data_tally *tally, str name)
{
    struct arena *arena = &tally->check->arena;
    struct data_check_entity *entity = hash_map_get(&tally->entities, name);
    if (entity != NULL)
        return entity;
    entity = arena_alloc_zero(arena, sizeof(*entity));
    if (entity == NULL || !arena_copy_str(arena, name, &entity->name) ||
        !hash_map_put(&tally->entities, entity->name, entity))
        return NULL;
    entity->newest_event_us = INT64_MIN;
    link_entity(tally->check, entity);
    return entity;
}

static struct schema *schema_of(const struct data_tally *tally, uint64_t version_id)
{
    return hash_map_get(&tally->schemas, str_of((const char *)&version_id, sizeof(version_id)));
}

/* As recovery sees it: a version that is not registered any more is dropped, one of another type is
 * damage. */
static status compare_with_registry(struct data_tally *tally, const struct log_schema *logged,
                                    struct schema *schema)
{
    const struct catalog_feature *feature =
        tally->catalog ? catalog_find_feature(tally->catalog, logged->feature) : NULL;
    for (uint32_t i = 0; feature != NULL && i < feature->version_count; i++) {
        const struct catalog_version *version = &feature->versions[i];
        if (version->id != logged->version_id)
            continue;
        if (version->data_type != logged->data_type)
            return malformed(tally, "feature version %" PRIu64 " is %s here and %s in the registry",
                             logged->version_id, data_type_name(logged->data_type),
                             data_type_name(version->data_type));
        schema->is_registered = true;
    }
    return OK;
}

static status add_schema(struct data_tally *tally, const struct log_schema *logged)
{
    struct schema *schema = schema_of(tally, logged->version_id);
    struct data_check_entity *entity = entity_of(tally, logged->entity);
    if (entity == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    if (schema != NULL) {
        schema->file = tally->file;
        return schema->data_type == logged->data_type && schema->entity == entity
                   ? OK
                   : malformed(tally, "feature version %" PRIu64 " is another one elsewhere",
                               logged->version_id);
    }
    schema = arena_alloc_zero(&tally->check->arena, sizeof(*schema));
    if (schema == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    *schema = (struct schema){
        .version_id = logged->version_id,
        .data_type = logged->data_type,
        .dimension = logged->dimension,
        .entity = entity,
        .file = tally->file,
    };
    TRY(compare_with_registry(tally, logged, schema));
    return hash_map_put(&tally->schemas,
                        str_of((const char *)&schema->version_id, sizeof(schema->version_id)),
                        schema)
               ? OK
               : status_of(STATUS_OUT_OF_MEMORY);
}

static status check_cell(struct data_tally *tally, const struct log_cell *cell,
                         struct data_check_entity **entity)
{
    const struct schema *schema = schema_of(tally, cell->version_id);
    const struct value *value = &cell->value;
    if (schema == NULL || schema->file != tally->file)
        return malformed(tally,
                         "a value of feature version %" PRIu64 ", which the file does not "
                         "describe",
                         cell->version_id);
    if (value->type != schema->data_type)
        return malformed(tally, "a value of feature version %" PRIu64 " that is no %s",
                         cell->version_id, data_type_name(schema->data_type));
    if (value->type == DATA_TYPE_EMBEDDING && !value->is_null && !cell->is_erased &&
        schema->dimension != 0 && value->embedding.dimension != schema->dimension)
        return malformed(tally, "an embedding of %u numbers instead of %u",
                         value->embedding.dimension, schema->dimension);
    if (*entity != NULL && *entity != schema->entity)
        return malformed(tally, "a row with features of two entities");
    *entity = schema->entity;
    if (cell->is_erased)
        return OK;
    tally->file->values++;
    tally->check->unregistered_values += tally->catalog != NULL && !schema->is_registered;
    if (cell->event_time_us > schema->entity->newest_event_us)
        schema->entity->newest_event_us = cell->event_time_us;
    return OK;
}

/* `entity` is NULL if the record does not say it: then its cells do. */
static status check_row(struct data_tally *tally, struct log_row *row, uint64_t lsn,
                        struct data_check_entity *entity)
{
    struct log_cell cell;
    enum log_next next;
    if (row->entity_id.len == 0 || row->entity_id.len > LIMIT_ENTITY_ID_BYTES)
        return malformed(tally, "an entity id of %zu bytes", row->entity_id.len);
    while ((next = log_cell_next(row, &cell)) == LOG_NEXT)
        TRY(check_cell(tally, &cell, &entity));
    if (next == LOG_NEXT_DAMAGED)
        return malformed(tally, "a row whose values do not decode");
    tally->file->rows++;
    tally->check->rows++;
    if (entity != NULL && tally->file->is_snapshot)
        entity->snapshot_rows++;
    if (entity != NULL && !tally->file->is_snapshot && lsn > tally->after_lsn)
        entity->log_rows++;
    return OK;
}

static status check_rows(struct data_tally *tally, str payload, uint64_t lsn,
                         struct data_check_entity *entity)
{
    struct log_row row;
    enum log_next next;
    while ((next = log_row_next(&payload, &row)) == LOG_NEXT)
        TRY(check_row(tally, &row, lsn, entity));
    return next == LOG_NEXT_END ? OK : malformed(tally, "a row that does not decode");
}

static status check_snapshot_rows(struct data_tally *tally, str payload)
{
    size_t name_len = payload.len > 0 ? (unsigned char)payload.data[0] : 0;
    if (name_len == 0 || payload.len < 1 + name_len)
        return malformed(tally, "rows without the name of their entity");
    struct data_check_entity *entity = entity_of(tally, str_of(payload.data + 1, name_len));
    if (entity == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    return check_rows(tally, str_of(payload.data + 1 + name_len, payload.len - 1 - name_len), 0,
                      entity);
}

static status check_erase(struct data_tally *tally, const struct log_record *record)
{
    struct log_erase erase;
    enum log_next next;
    str payload = record->payload;
    while ((next = log_erase_next(&payload, &erase)) == LOG_NEXT) {
        struct data_check_entity *entity = entity_of(tally, erase.entity);
        if (entity == NULL)
            return status_of(STATUS_OUT_OF_MEMORY);
        entity->log_erasures += record->lsn > tally->after_lsn;
    }
    return next == LOG_NEXT_END ? OK : malformed(tally, "an erasure that does not decode");
}

static void count_record(struct data_tally *tally, const struct log_record *record)
{
    tally->file->records++;
    tally->file->last_lsn = record->lsn;
    tally->check->log_records += record->lsn > tally->after_lsn;
}

static status check_statistics(struct data_tally *tally, str payload)
{
    struct log_statistics statistics;
    while (log_statistics_next(&payload, &statistics)) {
    }
    return payload.len == 0 ? OK : malformed(tally, "statistics that do not decode");
}

static status check_end(struct data_tally *tally, str payload)
{
    if (!log_snapshot_end_decode(payload, &tally->end))
        return malformed(tally, "an end that does not decode");
    if (tally->end.row_count != tally->file->rows)
        return malformed(tally, "its end says %" PRIu64 " rows, it has %" PRIu64,
                         tally->end.row_count, tally->file->rows);
    tally->ended = true;
    tally->file->last_lsn = tally->end.end_lsn;
    return OK;
}

status data_tally_record(struct data_tally *tally, const struct log_record *record)
{
    struct log_schema schema;
    struct log_group group;
    bool is_snapshot = tally->file->is_snapshot;
    if (tally->ended)
        return malformed(tally, "a record after its end");
    switch (record->type) {
    case LOG_SCHEMA:
        return log_schema_decode(record->payload, &schema)
                   ? add_schema(tally, &schema)
                   : malformed(tally, "a schema that does not decode");
    case LOG_GROUP:
        if (!is_snapshot)
            return log_group_decode(record->payload, &group)
                       ? OK
                       : malformed(tally, "a group that does not decode");
        break;
    case LOG_WRITE:
        if (is_snapshot)
            break;
        count_record(tally, record);
        return check_rows(tally, record->payload, record->lsn, NULL);
    case LOG_ERASE:
        if (is_snapshot)
            break;
        count_record(tally, record);
        return check_erase(tally, record);
    case LOG_SNAPSHOT_STATISTICS:
        if (is_snapshot)
            return check_statistics(tally, record->payload);
        break;
    case LOG_SNAPSHOT_ROWS:
        if (is_snapshot)
            return check_snapshot_rows(tally, record->payload);
        break;
    case LOG_SNAPSHOT_END:
        if (is_snapshot)
            return check_end(tally, record->payload);
        break;
    }
    return malformed(tally, "a record of an unknown kind (%u)", (unsigned)record->type);
}

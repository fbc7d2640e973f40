#include "log/log_record.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "log/log_bytes.h"
#include "log/log_crc.h"
#include "model/limits.h"

#define GROUP_BYTES 24u
#define STATISTICS_BYTES 64u
#define SNAPSHOT_END_BYTES 24u

uint32_t log_record_crc(uint64_t identity, const char *record, size_t payload_len)
{
    uint32_t crc = crc32c(0, &identity, sizeof(identity));
    crc = crc32c(crc, record + LOG_CRC_END, LOG_RECORD_HEADER_BYTES - LOG_CRC_END + payload_len);
    return crc32c(crc, record, sizeof(uint32_t));
}

size_t log_record_begin(struct buffer *out, enum log_record_type type, uint64_t lsn)
{
    size_t begin = out->len;
    char *at = buffer_reserve(out, LOG_RECORD_HEADER_BYTES);
    if (at == NULL)
        return begin;
    at = put_u64(at, 0);
    at = put_u64(at, lsn);
    put_u8(at, (uint8_t)type);
    buffer_commit(out, LOG_RECORD_HEADER_BYTES);
    return begin;
}

void log_record_end(struct buffer *out, size_t begin, uint64_t identity)
{
    if (out->failed)
        return;
    char *record = out->data + begin;
    size_t payload_len = out->len - begin - LOG_RECORD_HEADER_BYTES;
    ASSERT(payload_len > 0);
    if (payload_len > LOG_PAYLOAD_MAX) {
        out->failed = true;
        return;
    }
    put_u32(record, (uint32_t)payload_len);
    put_u32(record + sizeof(uint32_t), log_record_crc(identity, record, payload_len));
}

void log_group_encode(struct buffer *out, const struct log_group *group)
{
    char *at = buffer_reserve(out, GROUP_BYTES);
    if (at == NULL)
        return;
    at = put_u64(at, group->identity);
    at = put_u64(at, group->synced_lsn);
    put_i64(at, group->clock_us);
    buffer_commit(out, GROUP_BYTES);
}

bool log_group_decode(str payload, struct log_group *out)
{
    if (payload.len != GROUP_BYTES)
        return false;
    *out = (struct log_group){
        .identity = get_u64(payload.data),
        .synced_lsn = get_u64(payload.data + 8),
        .clock_us = get_i64(payload.data + 16),
    };
    return true;
}

/* A name, after its length in one byte. */
static char *put_name(char *at, str name)
{
    ASSERT(name.len <= LIMIT_NAME_BYTES);
    at = put_u8(at, (uint8_t)name.len);
    return put_bytes(at, name.data, name.len);
}

static bool take_name(str *from, str *out)
{
    uint8_t len;
    str rest = *from;
    if (!take_u8(&rest, &len) || len == 0 || len > LIMIT_NAME_BYTES ||
        !take_bytes(&rest, len, &out->data))
        return false;
    out->len = len;
    *from = rest;
    return true;
}

struct log_schema log_schema_of(const struct catalog_version *version)
{
    return (struct log_schema){
        .version_id = version->id,
        .data_type = version->data_type,
        .dimension = version->dimension,
        .number = version->number,
        .feature = version->feature->definition.name,
        .entity = version->entity->name,
    };
}

void log_schema_encode(struct buffer *out, const struct log_schema *schema)
{
    size_t len = 8 + 1 + 4 + 4 + 1 + schema->feature.len + 1 + schema->entity.len;
    char *at = buffer_reserve(out, len);
    if (at == NULL)
        return;
    at = put_u64(at, schema->version_id);
    at = put_u8(at, (uint8_t)schema->data_type);
    at = put_u32(at, schema->dimension);
    at = put_u32(at, schema->number);
    at = put_name(at, schema->feature);
    put_name(at, schema->entity);
    buffer_commit(out, len);
}

bool log_schema_decode(str payload, struct log_schema *out)
{
    struct log_schema schema;
    uint8_t type;
    if (!take_u64(&payload, &schema.version_id) || !take_u8(&payload, &type) ||
        !take_u32(&payload, &schema.dimension) || !take_u32(&payload, &schema.number) ||
        !take_name(&payload, &schema.feature) || !take_name(&payload, &schema.entity))
        return false;
    if (payload.len != 0 || schema.version_id == 0 || type >= DATA_TYPE_COUNT ||
        schema.dimension > LIMIT_DIMENSION)
        return false;
    schema.data_type = (enum data_type)type;
    *out = schema;
    return true;
}

size_t log_erase_begin(struct buffer *out, str entity, str entity_id, int64_t erased_until_us,
                       uint32_t version_count)
{
    size_t begin = out->len;
    char *at = buffer_reserve(out, 1 + entity.len + LOG_VARINT_MAX + entity_id.len + 8 +
                                       LOG_VARINT_MAX * (size_t)(2 + version_count));
    if (at == NULL)
        return begin;
    char *end = put_name(at, entity);
    end = put_varint(end, entity_id.len);
    end = put_bytes(end, entity_id.data, entity_id.len);
    end = put_i64(end, erased_until_us);
    end = put_varint(end, version_count);
    buffer_commit(out, (size_t)(end - at));
    return begin;
}

void log_erase_version(struct buffer *out, uint64_t version_id)
{
    char *at = buffer_reserve(out, LOG_VARINT_MAX);
    if (at != NULL)
        buffer_commit(out, (size_t)(put_varint(at, version_id) - at));
}

void log_erase_end(struct buffer *out, size_t begin)
{
    if (out->failed)
        return;
    size_t size = out->len - begin;
    size_t size_len = varint_len(size);
    if (buffer_reserve(out, size_len) == NULL)
        return;
    char *erase = out->data + begin;
    memmove(erase + size_len, erase, size);
    put_varint(erase, size);
    buffer_commit(out, size_len);
}

/* Exactly `count` version ids, of which 0 (all) stands alone. */
static bool versions_are_whole(str versions, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t version_id;
        if (!take_varint(&versions, &version_id) || (version_id == 0 && count != 1))
            return false;
    }
    return versions.len == 0;
}

static bool take_erase(str from, struct log_erase *out)
{
    struct log_erase erase;
    uint64_t id_len;
    uint64_t count;
    if (!take_name(&from, &erase.entity) || !take_varint(&from, &id_len) || id_len == 0 ||
        id_len > LIMIT_ENTITY_ID_BYTES ||
        !take_bytes(&from, (size_t)id_len, &erase.entity_id.data) ||
        !take_i64(&from, &erase.erased_until_us) || !take_varint(&from, &count))
        return false;
    if (count == 0 || count > from.len || !versions_are_whole(from, count))
        return false;
    erase.entity_id.len = (size_t)id_len;
    erase.version_count = (uint32_t)count;
    erase.version_ids = from;
    *out = erase;
    return true;
}

enum log_next log_erase_next(str *payload, struct log_erase *out)
{
    str rest = *payload;
    uint64_t size;
    str erase;
    if (rest.len == 0)
        return LOG_NEXT_END;
    if (!take_varint(&rest, &size) || size > rest.len)
        return LOG_NEXT_DAMAGED;
    erase.len = (size_t)size;
    if (!take_bytes(&rest, erase.len, &erase.data) || !take_erase(erase, out))
        return LOG_NEXT_DAMAGED;
    *payload = rest;
    return LOG_NEXT;
}

bool log_erase_next_version(struct log_erase *erase, uint64_t *version_id)
{
    if (erase->version_count == 0)
        return false;
    bool is_there = take_varint(&erase->version_ids, version_id);
    ASSERT(is_there);
    erase->version_count--;
    return true;
}

void log_statistics_encode(struct buffer *out, const struct log_statistics *statistics)
{
    const struct statistics *numbers = &statistics->statistics;
    char *at = buffer_reserve(out, STATISTICS_BYTES);
    if (at == NULL)
        return;
    at = put_u64(at, statistics->version_id);
    at = put_u64(at, numbers->count);
    at = put_u64(at, numbers->null_count);
    at = put_f64(at, numbers->min);
    at = put_f64(at, numbers->max);
    at = put_f64(at, numbers->mean);
    at = put_f64(at, numbers->m2);
    put_i64(at, numbers->last_event_time_us);
    buffer_commit(out, STATISTICS_BYTES);
}

bool log_statistics_next(str *payload, struct log_statistics *out)
{
    const char *at;
    if (!take_bytes(payload, STATISTICS_BYTES, &at))
        return false;
    *out = (struct log_statistics){
        .version_id = get_u64(at),
        .statistics = {
            .count = get_u64(at + 8),
            .null_count = get_u64(at + 16),
            .min = get_f64(at + 24),
            .max = get_f64(at + 32),
            .mean = get_f64(at + 40),
            .m2 = get_f64(at + 48),
            .last_event_time_us = get_i64(at + 56),
        },
    };
    return true;
}

void log_snapshot_rows_begin(struct buffer *out, str entity)
{
    char *at = buffer_reserve(out, 1 + entity.len);
    if (at == NULL)
        return;
    put_name(at, entity);
    buffer_commit(out, 1 + entity.len);
}

bool log_snapshot_rows_decode(str *payload, str *entity)
{
    return take_name(payload, entity);
}

void log_snapshot_end_encode(struct buffer *out, const struct log_snapshot_end *end)
{
    char *at = buffer_reserve(out, SNAPSHOT_END_BYTES);
    if (at == NULL)
        return;
    at = put_u64(at, end->end_lsn);
    at = put_u64(at, end->row_count);
    put_i64(at, end->clock_us);
    buffer_commit(out, SNAPSHOT_END_BYTES);
}

bool log_snapshot_end_decode(str payload, struct log_snapshot_end *out)
{
    if (payload.len != SNAPSHOT_END_BYTES)
        return false;
    *out = (struct log_snapshot_end){
        .end_lsn = get_u64(payload.data),
        .row_count = get_u64(payload.data + 8),
        .clock_us = get_i64(payload.data + 16),
    };
    return true;
}

#include "log/log_row.h"

#include <math.h>

#include "base/assert.h"
#include "base/clock.h"
#include "log/log_bytes.h"
#include "model/limits.h"

#define FLAG_ERASED 0x01u

#define HEAD_TYPE 0x07u
#define HEAD_NULL 0x08u
#define HEAD_CELL_ERASED 0x10u
#define HEAD_EVENT_TIME 0x20u
#define HEAD_KNOWN (HEAD_TYPE | HEAD_NULL | HEAD_CELL_ERASED | HEAD_EVENT_TIME)

#define CELL_BYTES_MIN 2u
#define FIXED_BYTES_MAX LOG_VARINT_MAX /* a number, or the length of a longer value */
#define HEAD_BYTES_MAX (1 + LOG_VARINT_MAX + 8) /* head, version id, event time */
/* What follows the size, without id and cells. */
#define ROW_BYTES_MAX (1 + LOG_VARINT_MAX + 8 + 8 + LOG_VARINT_MAX)

#define TYPES_WITH_BYTES                                                                           \
    (1u << DATA_TYPE_STRING | 1u << DATA_TYPE_JSON | 1u << DATA_TYPE_EMBEDDING)

static inline bool has_bytes(const struct value *value)
{
    return (TYPES_WITH_BYTES >> value->type & 1) != 0;
}

static inline size_t value_size_max(const struct value *value)
{
    return FIXED_BYTES_MAX + (has_bytes(value) ? value_bytes(value) : 0);
}

size_t log_cell_size_max(const struct value *value)
{
    return HEAD_BYTES_MAX + value_size_max(value);
}

/* A row of plain values, bounded too high by a factor of about two, still gets the one byte that its
 * size needs; where the guess is wrong the row is moved once. */
static size_t guess_size_len(size_t size_max)
{
    return size_max < 256 ? 1 : varint_len(size_max);
}

void log_row_begin(struct log_row_encoder *encoder, struct buffer *out, str entity_id,
                   int64_t event_time_us, int64_t erased_until_us, uint32_t cell_count,
                   size_t size_max)
{
    size_t bytes_max = ROW_BYTES_MAX + entity_id.len + size_max;
    *encoder = (struct log_row_encoder){
        .out = out,
        .begin = out->len,
        .event_time_us = event_time_us,
        .size_len = (uint8_t)guess_size_len(bytes_max),
    };
    char *at = buffer_reserve(out, LOG_VARINT_MAX + bytes_max);
    if (at == NULL)
        return;
    bool is_erased = erased_until_us != LOG_ROW_NOT_ERASED;
    at += encoder->size_len;
    at = put_u8(at, is_erased ? FLAG_ERASED : 0);
    at = put_varint(at, entity_id.len);
    at = put_bytes(at, entity_id.data, entity_id.len);
    at = put_i64(at, event_time_us);
    if (is_erased)
        at = put_i64(at, erased_until_us);
    at = put_varint(at, cell_count);
    out->len = (size_t)(at - out->data);
}

/* A text or an embedding; apart, so that the short way of the others stays short. */
__attribute__((noinline)) static char *put_long_value(const struct buffer *out, char *at,
                                                      const struct value *value)
{
    ASSERT(out->capacity - (size_t)(at - out->data) >= value_size_max(value));
    if (value->type == DATA_TYPE_EMBEDDING) {
        at = put_varint(at, value->embedding.dimension);
        return put_bytes(at, value->embedding.data,
                         value->embedding.dimension * sizeof(*value->embedding.data));
    }
    at = put_varint(at, value->text.len);
    return put_bytes(at, value->text.data, value->text.len);
}

static inline char *put_value(const struct buffer *out, char *at, const struct value *value)
{
    if (has_bytes(value))
        return put_long_value(out, at, value);
    if (value->type == DATA_TYPE_BOOLEAN)
        return put_u8(at, value->boolean);
    ASSERT(value->type < DATA_TYPE_COUNT);
    return put_i64(at, value->integer); /* float and timestamp lie there too, with the same size */
}

void log_row_cell(struct log_row_encoder *encoder, const struct log_cell *cell)
{
    struct buffer *out = encoder->out;
    if (unlikely(out->failed))
        return;
    bool has_value = !cell->value.is_null && !cell->is_erased;
    bool has_time = cell->event_time_us != encoder->event_time_us;
    unsigned head = (unsigned)cell->value.type;
    if (has_time)
        head |= HEAD_EVENT_TIME;
    if (!has_value)
        head |= cell->is_erased ? HEAD_CELL_ERASED : HEAD_NULL;
    /* Else log_row_begin() was told too little. */
    ASSERT(out->capacity - out->len >= HEAD_BYTES_MAX + FIXED_BYTES_MAX);
    char *at = out->data + out->len;
    at = put_u8(at, (uint8_t)head);
    at = put_varint(at, cell->version_id);
    if (has_time)
        at = put_i64(at, cell->event_time_us);
    if (has_value)
        at = put_value(out, at, &cell->value);
    out->len = (size_t)(at - out->data);
}

void log_row_end(struct log_row_encoder *encoder)
{
    struct buffer *out = encoder->out;
    if (out->failed)
        return;
    size_t guessed = encoder->size_len;
    char *row = out->data + encoder->begin;
    size_t size = out->len - encoder->begin - guessed;
    size_t needed = varint_len(size);
    if (unlikely(needed != guessed)) {
        /* Room for the longest size was reserved beyond what the row takes. */
        memmove(row + needed, row + guessed, size);
        out->len = encoder->begin + needed + size;
    }
    put_varint(row, size);
}

/* Fields are set one by one: a struct put together and then copied would make the copy wait for its
 * parts. */
static bool take_row(str row, struct log_row *out)
{
    uint8_t flags;
    uint64_t id_len;
    uint64_t cell_count;
    if (!take_u8(&row, &flags) || (flags & ~FLAG_ERASED) != 0 || !take_varint(&row, &id_len) ||
        id_len == 0 || id_len > LIMIT_ENTITY_ID_BYTES)
        return false;
    out->entity_id.len = (size_t)id_len;
    out->erased_until_us = LOG_ROW_NOT_ERASED;
    if (!take_bytes(&row, out->entity_id.len, &out->entity_id.data) ||
        !take_i64(&row, &out->event_time_us) ||
        ((flags & FLAG_ERASED) && !take_i64(&row, &out->erased_until_us)) ||
        !take_varint(&row, &cell_count) || cell_count > row.len / CELL_BYTES_MIN ||
        cell_count > UINT32_MAX)
        return false;
    out->cell_count = (uint32_t)cell_count;
    out->cells = row;
    return true;
}

enum log_next log_row_next(str *payload, struct log_row *out)
{
    str rest = *payload;
    uint64_t size;
    str row;
    if (rest.len == 0)
        return LOG_NEXT_END;
    if (!take_varint(&rest, &size) || size > rest.len)
        return LOG_NEXT_DAMAGED;
    row.len = (size_t)size;
    if (!take_bytes(&rest, row.len, &row.data) || !take_row(row, out))
        return LOG_NEXT_DAMAGED;
    *payload = rest;
    return LOG_NEXT;
}

static bool take_text(str *from, str *out)
{
    uint64_t len;
    if (!take_varint(from, &len) || len > LIMIT_TEXT_BYTES ||
        !take_bytes(from, (size_t)len, &out->data))
        return false;
    out->len = (size_t)len;
    return true;
}

static bool take_embedding(str *from, struct value_embedding *out)
{
    uint64_t dimension;
    const char *at;
    if (!take_varint(from, &dimension) || dimension > LIMIT_DIMENSION ||
        !take_bytes(from, (size_t)dimension * sizeof(*out->data), &at))
        return false;
    out->data = (const float *)(const void *)at; /* unaligned, as its readers know */
    out->dimension = (uint32_t)dimension;
    return true;
}

static bool time_is_in_bounds(int64_t us)
{
    return us >= CLOCK_MIN_US && us <= CLOCK_MAX_US;
}

/* What other code relies on (finite, in bounds) is asked again: the file may be anybody's. */
static bool take_value(str *from, struct value *value)
{
    uint8_t byte;
    switch (value->type) {
    case DATA_TYPE_INT:
        return take_i64(from, &value->integer);
    case DATA_TYPE_FLOAT:
        return take_f64(from, &value->real) && isfinite(value->real);
    case DATA_TYPE_BOOLEAN:
        if (!take_u8(from, &byte) || byte > 1)
            return false;
        value->boolean = byte != 0;
        return true;
    case DATA_TYPE_TIMESTAMP:
        return take_i64(from, &value->timestamp_us) && time_is_in_bounds(value->timestamp_us);
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        return take_text(from, &value->text);
    case DATA_TYPE_EMBEDDING:
        return take_embedding(from, &value->embedding);
    case DATA_TYPE_COUNT:
        break;
    }
    return false;
}

enum log_next log_cell_next(struct log_row *row, struct log_cell *out)
{
    uint8_t head;
    str rest = row->cells;
    if (row->cell_count == 0)
        return rest.len == 0 ? LOG_NEXT_END : LOG_NEXT_DAMAGED;
    out->event_time_us = row->event_time_us;
    if (!take_u8(&rest, &head) || (head & ~HEAD_KNOWN) != 0 ||
        (head & HEAD_TYPE) >= DATA_TYPE_COUNT || !take_varint(&rest, &out->version_id) ||
        ((head & HEAD_EVENT_TIME) && !take_i64(&rest, &out->event_time_us)))
        return LOG_NEXT_DAMAGED;
    out->is_erased = (head & HEAD_CELL_ERASED) != 0;
    out->value.type = (enum data_type)(head & HEAD_TYPE);
    out->value.is_null = (head & (HEAD_NULL | HEAD_CELL_ERASED)) != 0;
    if (out->is_erased ? (head & HEAD_NULL) != 0 : !time_is_in_bounds(out->event_time_us))
        return LOG_NEXT_DAMAGED;
    if (!out->value.is_null && !take_value(&rest, &out->value))
        return LOG_NEXT_DAMAGED;
    row->cells = rest;
    row->cell_count--;
    return LOG_NEXT;
}

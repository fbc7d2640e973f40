#include "codec/flatbuffer_read.h"

#include "base/assert.h"

#define VTABLE_HEADER_BYTES 4u /* its own size and the table's, 16 bits each */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken as they lie in memory");

static bool is_inside(const struct flatbuffer *buffer, uint64_t at, uint64_t bytes)
{
    return at <= buffer->bytes.len && bytes <= buffer->bytes.len - at;
}

static uint16_t load_u16(const struct flatbuffer *buffer, uint32_t at)
{
    uint16_t value;
    memcpy(&value, buffer->bytes.data + at, sizeof(value));
    return value;
}

static uint32_t load_u32(const struct flatbuffer *buffer, uint32_t at)
{
    uint32_t value;
    memcpy(&value, buffer->bytes.data + at, sizeof(value));
    return value;
}

/* Where the offset at `at` (in the buffer) points: `bytes` are there. 0: damaged. */
static uint32_t follow(struct flatbuffer *buffer, uint32_t at, uint32_t bytes)
{
    uint64_t target = (uint64_t)at + load_u32(buffer, at);
    if (target > at && is_inside(buffer, target, bytes))
        return (uint32_t)target;
    buffer->is_damaged = true;
    return 0;
}

/* The offset at `at` leads to a table. */
static struct flatbuffer_table table_at(struct flatbuffer *buffer, uint32_t at)
{
    struct flatbuffer_table table = {.buffer = buffer, .at = follow(buffer, at, sizeof(int32_t))};
    if (table.at == 0)
        return table;
    int64_t vtable = (int64_t)table.at - (int32_t)load_u32(buffer, table.at);
    if (vtable >= 0 && is_inside(buffer, (uint64_t)vtable, VTABLE_HEADER_BYTES)) {
        table.vtable = (uint32_t)vtable;
        table.vtable_bytes = load_u16(buffer, table.vtable);
        table.bytes = load_u16(buffer, table.vtable + 2);
        if (table.vtable_bytes >= VTABLE_HEADER_BYTES && table.bytes >= sizeof(int32_t) &&
            is_inside(buffer, table.vtable, table.vtable_bytes) &&
            is_inside(buffer, table.at, table.bytes))
            return table;
    }
    buffer->is_damaged = true;
    return (struct flatbuffer_table){.buffer = buffer};
}

struct flatbuffer_table flatbuffer_root(struct flatbuffer *buffer)
{
    ASSERT(buffer->bytes.len <= INT32_MAX);
    if (is_inside(buffer, 0, sizeof(uint32_t)))
        return table_at(buffer, 0);
    buffer->is_damaged = true;
    return (struct flatbuffer_table){.buffer = buffer};
}

/* Where the field's `bytes` are; 0: there is none. */
static uint32_t find(const struct flatbuffer_table *table, uint32_t field, uint32_t bytes)
{
    uint32_t entry = VTABLE_HEADER_BYTES + field * 2;
    if (table->at == 0 || entry + 2 > table->vtable_bytes)
        return 0;
    uint32_t offset = load_u16(table->buffer, table->vtable + entry);
    if (offset == 0)
        return 0;
    if (offset >= sizeof(int32_t) && offset + bytes <= table->bytes)
        return table->at + offset;
    table->buffer->is_damaged = true;
    return 0;
}

int64_t flatbuffer_int(const struct flatbuffer_table *table, uint32_t field, uint32_t bytes,
                       int64_t fallback)
{
    uint32_t at = find(table, field, bytes);
    int64_t value = 0;
    if (at == 0)
        return fallback;
    memcpy(&value, table->buffer->bytes.data + at, bytes);
    unsigned unused_bits = 64 - bytes * 8;
    return (int64_t)((uint64_t)value << unused_bits) >> unused_bits;
}

struct flatbuffer_table flatbuffer_child(const struct flatbuffer_table *table, uint32_t field)
{
    uint32_t at = find(table, field, sizeof(uint32_t));
    return at ? table_at(table->buffer, at) : (struct flatbuffer_table){.buffer = table->buffer};
}

struct flatbuffer_vector flatbuffer_vector(const struct flatbuffer_table *table, uint32_t field,
                                           uint32_t element_bytes)
{
    struct flatbuffer_vector vector = {.buffer = table->buffer};
    uint32_t at = find(table, field, sizeof(uint32_t));
    uint32_t start = at ? follow(table->buffer, at, sizeof(uint32_t)) : 0;
    if (start == 0)
        return vector;
    uint32_t count = load_u32(table->buffer, start);
    if (is_inside(table->buffer, (uint64_t)start + 4, (uint64_t)count * element_bytes)) {
        vector.at = start + 4;
        vector.count = count;
    } else {
        table->buffer->is_damaged = true;
    }
    return vector;
}

str flatbuffer_string(const struct flatbuffer_table *table, uint32_t field)
{
    struct flatbuffer_vector vector = flatbuffer_vector(table, field, 1);
    return vector.count ? str_of(table->buffer->bytes.data + vector.at, vector.count) : (str){0};
}

struct flatbuffer_table flatbuffer_item(const struct flatbuffer_vector *vector, uint32_t index)
{
    ASSERT(index < vector->count);
    return table_at(vector->buffer, vector->at + index * 4);
}

int64_t flatbuffer_word(const struct flatbuffer_vector *vector, uint64_t index)
{
    int64_t value;
    memcpy(&value, vector->buffer->bytes.data + vector->at + index * sizeof(value), sizeof(value));
    return value;
}

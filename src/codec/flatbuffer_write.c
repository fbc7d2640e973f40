#include "codec/flatbuffer_write.h"

#include "base/assert.h"

#define OFFSET_BYTES 4u
#define VTABLE_HEAD_BYTES 4u /* its size, the table's size */
#define VTABLE_ENTRY_BYTES 2u

static size_t here(const struct flatbuffer_writer *writer)
{
    return writer->out->len - writer->start;
}

static size_t round_up(size_t size, size_t alignment)
{
    return (size + alignment - 1) & ~(alignment - 1);
}

/* Zeros up to a multiple. */
static void align(struct flatbuffer_writer *writer, size_t alignment)
{
    static const char ZEROS[8];
    buffer_append(writer->out, ZEROS, round_up(here(writer), alignment) - here(writer));
}

static void append_number(struct flatbuffer_writer *writer, uint64_t number, size_t bytes)
{
    buffer_append(writer->out, &number, bytes);
}

static void put(struct flatbuffer_writer *writer, size_t place, uint64_t number, size_t bytes)
{
    if (!writer->out->failed)
        memcpy(writer->out->data + writer->start + place, &number, bytes);
}

static void refer(struct flatbuffer_writer *writer, size_t from, size_t to)
{
    put(writer, from, to - from, OFFSET_BYTES);
}

void flatbuffer_write_begin(struct flatbuffer_writer *writer, struct buffer *out)
{
    writer->out = out;
    writer->start = out->len;
    append_number(writer, 0, OFFSET_BYTES);
}

/* Where the fields will stand in the table at `table`, and the table's size. */
static size_t lay_out(struct flatbuffer_field *fields, uint32_t count, size_t table)
{
    size_t at = table + OFFSET_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        fields[i].place = round_up(at, fields[i].bytes);
        at = fields[i].place + fields[i].bytes;
    }
    return at - table;
}

/* A vtable, which says where each field is, just before its table. */
void flatbuffer_write_table(struct flatbuffer_writer *writer, size_t from,
                            struct flatbuffer_field *fields, uint32_t count)
{
    uint16_t entries[FLATBUFFER_FIELDS_MAX] = {0};
    uint16_t entry_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(fields[i].number < FLATBUFFER_FIELDS_MAX);
        if (fields[i].number >= entry_count)
            entry_count = (uint16_t)(fields[i].number + 1);
    }
    align(writer, VTABLE_ENTRY_BYTES);
    size_t vtable = here(writer);
    size_t vtable_bytes = VTABLE_HEAD_BYTES + (size_t)entry_count * VTABLE_ENTRY_BYTES;
    size_t table = round_up(vtable + vtable_bytes, OFFSET_BYTES);
    size_t table_bytes = lay_out(fields, count, table);
    for (uint32_t i = 0; i < count; i++)
        entries[fields[i].number] = (uint16_t)(fields[i].place - table);
    append_number(writer, vtable_bytes, 2);
    append_number(writer, table_bytes, 2);
    buffer_append(writer->out, entries, (size_t)entry_count * VTABLE_ENTRY_BYTES);
    align(writer, OFFSET_BYTES);
    append_number(writer, table - vtable, OFFSET_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        align(writer, fields[i].bytes);
        append_number(writer, (uint64_t)fields[i].value, fields[i].bytes);
    }
    refer(writer, from, table);
}

void flatbuffer_write_string(struct flatbuffer_writer *writer, size_t from, str text)
{
    align(writer, OFFSET_BYTES);
    refer(writer, from, here(writer));
    append_number(writer, text.len, OFFSET_BYTES);
    buffer_append_str(writer->out, text);
    buffer_append_char(writer->out, '\0');
}

size_t flatbuffer_write_vector(struct flatbuffer_writer *writer, size_t from, uint32_t count,
                               uint32_t element_bytes)
{
    size_t bytes = (size_t)count * element_bytes;
    align(writer, OFFSET_BYTES);
    if (element_bytes >= 8 && here(writer) % 8 == 0) /* the elements come after the count */
        append_number(writer, 0, OFFSET_BYTES);
    refer(writer, from, here(writer));
    append_number(writer, count, OFFSET_BYTES);
    size_t first = here(writer);
    char *elements = buffer_reserve(writer->out, bytes);
    if (elements) {
        memset(elements, 0, bytes);
        buffer_commit(writer->out, bytes);
    }
    return first;
}

void flatbuffer_write_word(struct flatbuffer_writer *writer, size_t place, int64_t word)
{
    put(writer, place, (uint64_t)word, sizeof(word));
}

size_t flatbuffer_write_end(struct flatbuffer_writer *writer)
{
    align(writer, 8);
    return here(writer);
}

/* Private to codec: reads FlatBuffers made by others, trusting nothing. Every table, string and
 * vector is checked to lie in the buffer before it is looked at. Reading never reports: what is
 * damaged reads as absent and marks the buffer, and the owner asks once at the end. Nothing needs
 * to be aligned. Fields go by their number in the schema file. Format: "FlatBuffers internals" of
 * flatbuffers.dev; numbers are little endian. */
#ifndef FEATURED_CODEC_FLATBUFFER_READ_H
#define FEATURED_CODEC_FLATBUFFER_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct flatbuffer {
    str bytes; /* less than 2 GiB */
    bool is_damaged;
};

/* One that is absent has no fields. */
struct flatbuffer_table {
    struct flatbuffer *buffer;
    uint32_t at; /* 0: absent */
    uint32_t bytes;
    uint32_t vtable;
    uint32_t vtable_bytes;
};

struct flatbuffer_vector {
    struct flatbuffer *buffer;
    uint32_t at; /* of the first element */
    uint32_t count;
};

struct flatbuffer_table flatbuffer_root(struct flatbuffer *buffer);
static inline bool flatbuffer_is_there(const struct flatbuffer_table *table)
{
    return table->at != 0;
}
/* A signed number of 1, 2, 4 or 8 bytes, `fallback` where there is none. */
int64_t flatbuffer_int(const struct flatbuffer_table *table, uint32_t field, uint32_t bytes,
                       int64_t fallback);
struct flatbuffer_table flatbuffer_child(const struct flatbuffer_table *table, uint32_t field);
/* Empty where there is none. */
str flatbuffer_string(const struct flatbuffer_table *table, uint32_t field);
struct flatbuffer_vector flatbuffer_vector(const struct flatbuffer_table *table, uint32_t field,
                                           uint32_t element_bytes);
/* Of a vector of offsets (elements of 4 bytes); index < count. */
struct flatbuffer_table flatbuffer_item(const struct flatbuffer_vector *vector, uint32_t index);
/* The index-th 64-bit word of a vector of structs that consist of such words. */
int64_t flatbuffer_word(const struct flatbuffer_vector *vector, uint64_t index);

#endif

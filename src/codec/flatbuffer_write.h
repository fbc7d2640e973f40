/* Private to codec: writes FlatBuffers from front to back: a table first, then what it refers to,
 * which points back to the place that refers to it. Fields go by their number in the schema file.
 * Format: "FlatBuffers internals" of flatbuffers.dev; numbers are little endian. */
#ifndef FEATURED_CODEC_FLATBUFFER_WRITE_H
#define FEATURED_CODEC_FLATBUFFER_WRITE_H

#include "base/buffer.h"

/* Places are bytes from the start of the FlatBuffer. It is aligned as its start will be. */
struct flatbuffer_writer {
    struct buffer *out; /* if it fails, so does everything after: the owner asks it at the end */
    size_t start;
};

#define FLATBUFFER_FIELDS_MAX 8u
#define FLATBUFFER_ROOT 0u /* the place that refers to the root table */

struct flatbuffer_field {
    uint16_t number;
    uint16_t bytes; /* 1, 2, 4 or 8; 4 for what refers to something */
    int64_t value;  /* 0 for what refers to something */
    size_t place;   /* out */
};

void flatbuffer_write_begin(struct flatbuffer_writer *writer, struct buffer *out);
/* A table that `from` refers to, with these fields and no others. */
void flatbuffer_write_table(struct flatbuffer_writer *writer, size_t from,
                            struct flatbuffer_field *fields, uint32_t count);
void flatbuffer_write_string(struct flatbuffer_writer *writer, size_t from, str text);
/* Elements of zero bytes, aligned to 8 if they are as large, else to 4; the place of the first. */
size_t flatbuffer_write_vector(struct flatbuffer_writer *writer, size_t from, uint32_t count,
                               uint32_t element_bytes);
/* The 8 bytes at a place. */
void flatbuffer_write_word(struct flatbuffer_writer *writer, size_t place, int64_t word);
/* Pads to a multiple of 8; the size of the whole. */
size_t flatbuffer_write_end(struct flatbuffer_writer *writer);

#endif

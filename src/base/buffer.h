/* A growing run of bytes with a limit. Appending never reports: a failure (no memory, over the
 * limit) makes the buffer `failed`, further appends do nothing, and the owner asks once at the end.
 * One owner, one thread. */
#ifndef FEATURED_BASE_BUFFER_H
#define FEATURED_BASE_BUFFER_H

#include "base/compiler.h"
#include "base/status.h"
#include "base/str.h"

struct buffer {
    char *data;
    size_t len;
    size_t capacity;
    size_t limit; /* bytes; appending beyond fails */
    bool failed;
};

/* Holds nothing until the first append. */
void buffer_init(struct buffer *buffer, size_t limit);
/* Frees what it holds; the buffer may be used again after buffer_init(). */
void buffer_fini(struct buffer *buffer);
/* Empties it and clears `failed`; keeps its memory if that is at most `keep_bytes`. */
void buffer_reset(struct buffer *buffer, size_t keep_bytes);
/* Room for `len` more bytes at the end, or NULL; buffer_commit() then says how many were used. */
char *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_append_slow(struct buffer *buffer, const void *data, size_t len);
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_append_uint64(struct buffer *buffer, uint64_t value);
void buffer_append_int64(struct buffer *buffer, int64_t value);
/* Removes `len` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t len);
/* OK, or OUT_OF_MEMORY if an append failed. */
MUST_CHECK status buffer_status(const struct buffer *buffer);

static inline void buffer_commit(struct buffer *buffer, size_t len)
{
    buffer->len += len;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    if (likely(buffer->capacity - buffer->len >= len && len > 0 && !buffer->failed)) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
    } else if (len > 0) {
        buffer_append_slow(buffer, data, len);
    }
}

static inline void buffer_append_str(struct buffer *buffer, str s)
{
    buffer_append(buffer, s.data, s.len);
}

static inline void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

static inline str buffer_str(const struct buffer *buffer)
{
    return str_of(buffer->data, buffer->len);
}

#endif

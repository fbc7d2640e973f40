#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

#define BUFFER_FIRST_BYTES 256

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_fini(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){.limit = buffer->limit};
}

void buffer_reset(struct buffer *buffer, size_t keep_bytes)
{
    buffer->len = 0;
    buffer->failed = false;
    if (buffer->capacity > keep_bytes)
        buffer_fini(buffer);
}

static size_t next_capacity(const struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_BYTES;
    while (capacity < needed)
        capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
    return capacity;
}

char *buffer_reserve(struct buffer *buffer, size_t len)
{
    size_t needed;
    if (buffer->failed)
        return NULL;
    if (__builtin_add_overflow(buffer->len, len, &needed) || needed > buffer->limit) {
        buffer->failed = true;
        return NULL;
    }
    if (needed > buffer->capacity) {
        size_t capacity = next_capacity(buffer, needed);
        char *data = memory_realloc(buffer->data, capacity);
        if (data == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->len;
}

void buffer_append_slow(struct buffer *buffer, const void *data, size_t len)
{
    char *at = buffer_reserve(buffer, len);
    if (at == NULL)
        return;
    memcpy(at, data, len);
    buffer->len += len;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    char *at = buffer_reserve(buffer, (size_t)len + 1);
    if (at == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(at, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buffer->len += (size_t)len;
}

void buffer_append_uint64(struct buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void buffer_append_int64(struct buffer *buffer, int64_t value)
{
    if (value < 0)
        buffer_append_char(buffer, '-');
    buffer_append_uint64(buffer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    ASSERT(len <= buffer->len);
    buffer->len -= len;
    if (buffer->len)
        memmove(buffer->data, buffer->data + len, buffer->len);
}

status buffer_status(const struct buffer *buffer)
{
    return buffer->failed ? status_of(STATUS_OUT_OF_MEMORY) : OK;
}

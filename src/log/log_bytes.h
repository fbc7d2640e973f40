/* Integers as they stand in files: little-endian, unaligned; and a cursor that decodes them with
 * bounds. Private to the log room. */
#ifndef FEATURED_LOG_LOG_BYTES_H
#define FEATURED_LOG_LOG_BYTES_H

#include "base/compiler.h"
#include "base/str.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "memory order is file order");

#define LOG_VARINT_MAX 10u

/* Each stores at `at` and returns what follows. */
static inline char *put_u8(char *at, uint8_t value)
{
    *at = (char)value;
    return at + 1;
}

static inline char *put_u32(char *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static inline char *put_u64(char *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static inline char *put_i64(char *at, int64_t value)
{
    return put_u64(at, (uint64_t)value);
}

static inline char *put_f64(char *at, double value)
{
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static inline char *put_bytes(char *at, const void *data, size_t len)
{
    if (len > 0)
        memcpy(at, data, len);
    return at + len;
}

static inline char *put_varint(char *at, uint64_t value)
{
    while (unlikely(value >= 0x80)) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at = (char)value;
    return at + 1;
}

static inline size_t varint_len(uint64_t value)
{
    size_t len = 1;
    while ((value >>= 7) != 0)
        len++;
    return len;
}

static inline uint32_t get_u32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t get_u64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline int64_t get_i64(const char *at)
{
    return (int64_t)get_u64(at);
}

static inline double get_f64(const char *at)
{
    double value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* Takes from the front of *from; false if there is too little, or a varint of over 64 bits. */
MUST_CHECK static inline bool take_bytes(str *from, size_t len, const char **out)
{
    if (unlikely(from->len < len))
        return false;
    *out = from->data;
    from->data += len;
    from->len -= len;
    return true;
}

MUST_CHECK static inline bool take_u8(str *from, uint8_t *out)
{
    const char *at;
    if (!take_bytes(from, 1, &at))
        return false;
    *out = (uint8_t)*at;
    return true;
}

MUST_CHECK static inline bool take_u32(str *from, uint32_t *out)
{
    const char *at;
    if (!take_bytes(from, sizeof(*out), &at))
        return false;
    *out = get_u32(at);
    return true;
}

MUST_CHECK static inline bool take_u64(str *from, uint64_t *out)
{
    const char *at;
    if (!take_bytes(from, sizeof(*out), &at))
        return false;
    *out = get_u64(at);
    return true;
}

MUST_CHECK static inline bool take_i64(str *from, int64_t *out)
{
    uint64_t value;
    if (!take_u64(from, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

MUST_CHECK static inline bool take_f64(str *from, double *out)
{
    const char *at;
    if (!take_bytes(from, sizeof(*out), &at))
        return false;
    *out = get_f64(at);
    return true;
}

MUST_CHECK static inline bool take_varint(str *from, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < LOG_VARINT_MAX && i < from->len; i++) {
        uint8_t byte = (uint8_t)from->data[i];
        if (i == LOG_VARINT_MAX - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (likely(byte < 0x80)) {
            from->data += i + 1;
            from->len -= i + 1;
            *out = value;
            return true;
        }
    }
    return false;
}

#endif

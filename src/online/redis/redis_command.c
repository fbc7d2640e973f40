#include "online/redis/redis_command.h"

#include <stdio.h>
#include <string.h>

#define CRC_POLYNOMIAL 0x1021u

static uint16_t crc16(str text)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < text.len; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)((unsigned char)text.data[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000u ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1);
    }
    return crc;
}

uint32_t redis_slot(str key)
{
    const char *open = memchr(key.data, '{', key.len);
    const char *end = key.data + key.len;
    const char *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
    if (close && close > open + 1)
        key = str_of(open + 1, (size_t)(close - open - 1));
    return crc16(key) % REDIS_SLOTS;
}

#define HEAD_BYTES 32u /* "$18446744073709551615\r\n" and the CRLF behind the argument */

bool redis_format(struct arena *arena, const str *arguments, uint32_t count, str *out)
{
    size_t capacity = HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++)
        capacity += arguments[i].len + HEAD_BYTES;
    char *start = arena_alloc(arena, capacity);
    if (start == NULL)
        return false;
    char *at = start + snprintf(start, HEAD_BYTES, "*%u\r\n", count);
    for (uint32_t i = 0; i < count; i++) {
        at += snprintf(at, HEAD_BYTES, "$%zu\r\n", arguments[i].len);
        memcpy(at, arguments[i].data, arguments[i].len);
        at += arguments[i].len;
        memcpy(at, "\r\n", 2);
        at += 2;
    }
    *out = str_of(start, (size_t)(at - start));
    return true;
}

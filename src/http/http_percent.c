#include "http/http_private.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int decode_at(str text, size_t i)
{
    int high = text.len - i > 2 ? hex_value(text.data[i + 1]) : -1;
    int low = text.len - i > 2 ? hex_value(text.data[i + 2]) : -1;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool http_percent_is_valid(str text)
{
    const char *at = text.data;
    const char *found;
    size_t left = text.len;
    while (left > 0 && (found = memchr(at, '%', left)) != NULL) {
        if (decode_at(text, (size_t)(found - text.data)) < 0)
            return false;
        left -= (size_t)(found + 1 - at);
        at = found + 1;
    }
    return true;
}

static bool needs_decoding(str text, bool plus_is_space)
{
    return text.len && (memchr(text.data, '%', text.len) ||
                        (plus_is_space && memchr(text.data, '+', text.len)));
}

bool http_percent_decode(str text, bool plus_is_space, struct arena *arena, str *out)
{
    if (!needs_decoding(text, plus_is_space)) {
        *out = text;
        return true;
    }
    char *decoded = arena_alloc(arena, text.len);
    if (decoded == NULL)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int byte = decode_at(text, i);
            if (byte < 0)
                return false;
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        decoded[len++] = c;
    }
    *out = str_of(decoded, len);
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void http_percent_encode(struct buffer *out, str text)
{
    static const char HEX[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_unreserved(text.data[i]))
            buffer_append_char(out, text.data[i]);
        else
            buffer_append(out, (char[]){'%', HEX[c >> 4], HEX[c & 15]}, 3);
    }
}

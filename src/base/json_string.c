#include "base/json_string.h"

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static void append_escaped(struct buffer *out, unsigned char c)
{
    static const char HEX[] = "0123456789abcdef";
    char code[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]};
    switch (c) {
    case '"':
    case '\\':
        buffer_append(out, (char[]){'\\', (char)c}, 2);
        break;
    case '\n':
        buffer_append(out, "\\n", 2);
        break;
    case '\r':
        buffer_append(out, "\\r", 2);
        break;
    case '\t':
        buffer_append(out, "\\t", 2);
        break;
    default:
        buffer_append(out, code, sizeof(code));
    }
}

/* A byte's high bit is set where the byte is below 0x20, a quote or a backslash (and, harmlessly, sometimes
 * above one of those). */
static inline uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quotes = word ^ ones * '"';
    uint64_t slashes = word ^ ones * '\\';
    uint64_t low = (word - ones * 0x20) & ~word;
    return (low | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes)) & (ones * 0x80);
}

size_t json_plain_len(str text)
{
    size_t len = 0;
    uint64_t word;
    for (; text.len - len >= sizeof(word); len += sizeof(word)) {
        memcpy(&word, text.data + len, sizeof(word));
        if (special_bytes(word))
            break;
    }
    while (len < text.len && !needs_escape((unsigned char)text.data[len]))
        len++;
    return len;
}

void json_append_string(struct buffer *out, str text)
{
    buffer_append_char(out, '"');
    for (;;) {
        size_t plain = json_plain_len(text);
        buffer_append(out, text.data ? text.data : "", plain);
        if (plain == text.len)
            break;
        append_escaped(out, (unsigned char)text.data[plain]);
        text = str_of(text.data + plain + 1, text.len - plain - 1);
    }
    buffer_append_char(out, '"');
}

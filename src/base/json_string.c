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

void json_append_string(struct buffer *out, str text)
{
    size_t plain_from = 0;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (!needs_escape((unsigned char)text.data[i]))
            continue;
        buffer_append(out, text.data + plain_from, i - plain_from);
        append_escaped(out, (unsigned char)text.data[i]);
        plain_from = i + 1;
    }
    buffer_append(out, text.data ? text.data + plain_from : "", text.len - plain_from);
    buffer_append_char(out, '"');
}

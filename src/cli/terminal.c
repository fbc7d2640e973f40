#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is(int fd)
{
    return isatty(fd) == 1;
}

unsigned terminal_width(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static bool has_colors(int fd)
{
    const char *off = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return terminal_is(fd) && (off == NULL || off[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

const char *terminal_style(int fd, enum terminal_style style)
{
    static const char *const SEQUENCES[] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m",
        [STYLE_RED] = "\033[31m",  [STYLE_DIM] = "\033[2m",    [STYLE_BOLD] = "\033[1m",
    };
    return has_colors(fd) ? SEQUENCES[style] : "";
}

void terminal_append_safe(struct buffer *out, str text)
{
    bool is_utf8 = str_is_utf8(text);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        unsigned char next = i + 1 < text.len ? (unsigned char)text.data[i + 1] : 0;
        if (c < 0x20 || c == 0x7f) {
            buffer_append_format(out, "\\u%04x", c);
        } else if (c >= 0x80 && !is_utf8) {
            buffer_append_format(out, "\\x%02x", c);
        } else if (c == 0xc2 && next >= 0x80 && next < 0xa0) { /* U+0080 … U+009F */
            buffer_append_format(out, "\\u%04x", next);
            i++;
        } else {
            buffer_append_char(out, (char)c);
        }
    }
}

size_t terminal_columns(str text)
{
    size_t columns = 0;
    for (size_t i = 0; i < text.len; i++)
        columns += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return columns;
}

void terminal_append_count(struct buffer *out, uint64_t count)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buffer_append_char(out, ',');
        buffer_append_char(out, digits[i]);
    }
}

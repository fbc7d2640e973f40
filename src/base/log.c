#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_LINE_MAX 2048

static const char *const LEVEL_NAMES[] = {"debug", "info", "warn", "error"};
static _Atomic int least_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

bool log_parse_level(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(LEVEL_NAMES); i++) {
        if (strcmp(text, LEVEL_NAMES[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    if (!log_enabled(level))
        return;
    size_t len = clock_format_rfc3339(clock_wall_us(), line);
    len += (size_t)snprintf(line + len, sizeof(line) - len, " %s event=%s", LEVEL_NAMES[level],
                            event);
    if (format[0] != '\0') {
        line[len++] = ' ';
        va_list arguments;
        va_start(arguments, format);
        int wrote = vsnprintf(line + len, sizeof(line) - len - 1, format, arguments);
        va_end(arguments);
        if (wrote > 0)
            len += (size_t)wrote < sizeof(line) - len - 1 ? (size_t)wrote : sizeof(line) - len - 2;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    }
    line[len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

/* One line per event on standard error: time, level, event, then key=value pairs that the caller
 * formats. Safe from any thread (a line is one write). Entity ids and values are never logged at
 * info. Only api, server and thread mains log. */
#ifndef FEATURED_BASE_LOG_H
#define FEATURED_BASE_LOG_H

#include "base/compiler.h"
#include "base/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
bool log_parse_level(const char *text, enum log_level *out);
bool log_enabled(enum log_level level);
/* log_event(LOG_INFO, "listening", "address=%s", text); `format` may be "". */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#endif

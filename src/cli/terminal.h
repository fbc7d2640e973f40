/* What standard output and standard error are: a person's terminal, or a file or pipe that gets
 * plain text. NO_COLOR (not empty) and TERM=dumb switch colours off. */
#ifndef FEATURED_CLI_TERMINAL_H
#define FEATURED_CLI_TERMINAL_H

#include <stdbool.h>

#include "base/buffer.h"

bool terminal_is(int fd);
/* Columns, 80 if nobody says. */
unsigned terminal_width(int fd);
/* An ANSI sequence that starts a style, or "" where colours are off. */
enum terminal_style { STYLE_PLAIN, STYLE_GREEN, STYLE_YELLOW, STYLE_RED, STYLE_DIM, STYLE_BOLD };
const char *terminal_style(int fd, enum terminal_style style);

/* Text of others made harmless: control characters (escape sequences among them) as \u001b, and in
 * what is not UTF-8 every byte beyond ASCII as \xff. */
void terminal_append_safe(struct buffer *out, str text);
/* How many columns it takes: one for each character (wide ones are not known here). */
size_t terminal_columns(str text);
/* "1,234,567" */
void terminal_append_count(struct buffer *out, uint64_t count);

#endif

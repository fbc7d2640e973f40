/* The texts made from the table of commands: overview, help of one command. man.h and completion.c
 * make the man page and the shell's completion from the same table. */
#ifndef FEATURED_CLI_HELP_H
#define FEATURED_CLI_HELP_H

#include <stdio.h>

#include "base/buffer.h"
#include "cli/cli.h"

#define HELP_WIDTH 80u /* columns: what every terminal has */
#define HELP_BYTES_MAX ((size_t)1 << 20)

void help_print_overview(FILE *to);
/* On standard output. */
void help_print_command(const struct cli_command *command);

/* Writes what was made, or says that memory ran out. */
void help_print_and_free(struct buffer *text, FILE *to);

/* "featured serve [OPTION...] FILE..." */
void help_append_usage(struct buffer *out, const struct cli_command *command);
/* Appends text broken between words at HELP_WIDTH; every line is indented by `indent`, of which the
 * first line already has `used`. Ends with a line feed. */
void help_append_wrapped(struct buffer *out, const char *text, size_t indent, size_t used);
/* What follows an option's own sentence: its default, its choices, its environment variable. */
void help_append_option_notes(struct buffer *out, const struct cli_option *option);

#endif

/* The command line: one table of commands, from which dispatch, `--help`, the man page and the
 * shell completion are made. A command is a `struct cli_command` in its own file; its run function
 * gets the arguments from the command's name on and returns the exit status. Single-threaded until
 * a command starts threads of its own. */
#ifndef FEATURED_CLI_CLI_H
#define FEATURED_CLI_CLI_H

#include <stddef.h>

#include "base/compiler.h"
#include "cli/option.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE =
        2, /* the command line, a setting or an input file's text is wrong: nothing was done */
};

struct cli_command {
    const char *name;
    const char *summary;  /* one line, no full stop */
    const char *operands; /* "FILE..." for the usage line; "" if it takes none */
    int operands_min;
    int operands_max;        /* -1: any number */
    const char *description; /* paragraphs, separated by an empty line */
    const char *examples;    /* lines "command\tcomment", NULL if there are none */
    const struct cli_option *options;
    size_t option_count; /* at most CLI_OPTIONS_MAX */
    int (*run)(int argc, char **argv);
};

/* Everything: what main() calls. */
int cli_main(int argc, char **argv);

/* All commands in the order of the help text; NULL after the last. */
extern const struct cli_command *const CLI_COMMANDS[];
/* NULL if there is none. */
const struct cli_command *cli_find_command(const char *name);
/* Says so, with the nearest; returns CLI_USAGE. */
int cli_refuse_unknown_command(const char *name);

/* `featured NAME: message` on standard error, with a line feed; `command` NULL: only `featured:`.
 */
void cli_complain(const struct cli_command *command, const char *format, ...) PRINTF_LIKE(2, 3);

extern const struct cli_command CLI_SERVE;
extern const struct cli_command CLI_APPLY;
extern const struct cli_command CLI_INGEST;
extern const struct cli_command CLI_COPY;
extern const struct cli_command CLI_GET;
extern const struct cli_command CLI_SIMULATE;
extern const struct cli_command CLI_BENCH;
extern const struct cli_command CLI_HEALTH;
extern const struct cli_command CLI_CHECK;
extern const struct cli_command CLI_BACKUP;
extern const struct cli_command CLI_COMPLETION;
extern const struct cli_command CLI_HELP;
extern const struct cli_command CLI_VERSION;

/* What CLI_SERVE runs: parses with serve_options_parse(), serves until told to stop. */
int cli_serve(int argc, char **argv);

#endif

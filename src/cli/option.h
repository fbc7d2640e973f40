/* Options by table. An option is `--name VALUE`, `--name=VALUE` or, for a switch, `--name`; one
 * that is a setting is also the environment variable FEATURED_NAME and a line of the env file. A
 * flag wins over the environment, the environment over the env file; an empty variable counts as
 * absent. */
#ifndef FEATURED_CLI_OPTION_H
#define FEATURED_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cli/env_file.h"

#define CLI_OPTIONS_MAX 32u  /* of one command; its table is fixed at compile time */
#define CLI_VARIABLE_MAX 64u /* "FEATURED_" and the longest option name */

struct cli_command;

struct cli_option {
    const char *name;     /* without the dashes */
    const char *value;    /* what the help calls its value; NULL: a switch */
    const char *help;     /* a sentence or two */
    const char *fallback; /* the value when nothing sets it; NULL: none */
    const char *choices;  /* the accepted words, separated by '|'; NULL: anything */
    bool setting;
    const char *also; /* of a setting: a variable other programs use, read after its own; or NULL */
};

/* Where a value came from: the earlier wins. */
enum cli_origin {
    CLI_ORIGIN_NONE, /* nobody gave one: the fallback */
    CLI_ORIGIN_FLAG,
    CLI_ORIGIN_ENVIRONMENT,
    CLI_ORIGIN_FILE,
};

/* Of every command that talks to a server. */
#define CLI_OPTION_SERVER                                                                          \
    {                                                                                              \
        .name = "server", .value = "URL", .fallback = "http://127.0.0.1:8000", .setting = true,    \
        .help = "The running server to talk to."                                                   \
    }
#define CLI_OPTION_ENV_FILE                                                                        \
    {                                                                                              \
        .name = "env-file", .value = "FILE", .setting = true,                                      \
        .help = "A file of FEATURED_NAME=value lines, read for settings that neither a flag nor "  \
                "the environment gives. Without this option, .env is read if it is there."         \
    }

/* The parsed command line. Texts are borrowed from argv, the environment and `env_file`. */
struct cli_arguments {
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* by index in the command's table; NULL: not set */
    char sources[CLI_OPTIONS_MAX][128];  /* "--listen", "FEATURED_LISTEN", ".env:3" */
    enum cli_origin origins[CLI_OPTIONS_MAX];
    char **operands; /* the rest, in order; owned array of borrowed texts */
    int operand_count;
    struct env_file env_file;
};

#define CLI_CONTINUE (-1)

/* CLI_CONTINUE, or the exit status: help was asked for and printed, or something is wrong and was
 * said. Only after CLI_CONTINUE is there something to release. */
MUST_CHECK int cli_arguments_parse(const struct cli_command *command, int argc, char **argv,
                                   struct cli_arguments *out);
void cli_arguments_fini(struct cli_arguments *arguments);

/* The value, or the table's fallback (NULL if that is none). `name` is in the command's table. */
const char *cli_argument(const struct cli_arguments *arguments, const char *name);
/* A switch; its text was checked by the parser. */
bool cli_argument_is_on(const struct cli_arguments *arguments, const char *name);
enum cli_origin cli_argument_origin(const struct cli_arguments *arguments, const char *name);
/* A variable that is no option's, from the environment or the env file; NULL if it is not there or
 * empty. */
const char *cli_variable(const struct cli_arguments *arguments, const char *name,
                         enum cli_origin from);
/* Says that the value of an option is wrong, where it came from and what is accepted; returns
 * CLI_USAGE. */
int cli_argument_refuse(const struct cli_arguments *arguments, const char *name,
                        const char *accepted);
/* A whole number in the bounds, or false after saying what is accepted. The option has a value. */
MUST_CHECK bool cli_argument_uint64(const struct cli_arguments *arguments, const char *name,
                                    uint64_t least, uint64_t most, uint64_t *out);

/* "FEATURED_MAX_MEMORY" of "max-memory". */
void cli_variable_name(const char *option, char out[CLI_VARIABLE_MAX]);

#endif

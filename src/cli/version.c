#include <stdio.h>

#include "cli/cli.h"

static int run(int argc, char **argv);

const struct cli_command CLI_VERSION = {
    .name = "version",
    .summary = "print the version",
    .operands = "",
    .description = "Prints the version of this program.",
    .run = run,
};

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    int result = cli_arguments_parse(&CLI_VERSION, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    printf("featured %s\n", FEATURED_VERSION);
    cli_arguments_fini(&arguments);
    return CLI_OK;
}

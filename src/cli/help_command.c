#include "cli/cli.h"
#include "cli/help.h"
#include "cli/man.h"

static const struct cli_option OPTIONS[] = {
    {.name = "man", .help = "Print the manual page featured(1), as roff, for man(1)."},
};

static int run(int argc, char **argv);

const struct cli_command CLI_HELP = {
    .name = "help",
    .summary = "explain a command, or list them all",
    .operands = "[COMMAND]",
    .operands_max = 1,
    .description = "Shows what `featured COMMAND --help` shows, or without a command all of them.",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct buffer page;
    int result = cli_arguments_parse(&CLI_HELP, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    result = CLI_OK;
    if (cli_argument_is_on(&arguments, "man")) {
        buffer_init(&page, HELP_BYTES_MAX);
        man_append_page(&page);
        help_print_and_free(&page, stdout);
    } else if (arguments.operand_count == 0) {
        help_print_overview(stdout);
    } else {
        const struct cli_command *command = cli_find_command(arguments.operands[0]);
        if (command != NULL)
            help_print_command(command);
        else
            result = cli_refuse_unknown_command(arguments.operands[0]);
    }
    cli_arguments_fini(&arguments);
    return result;
}

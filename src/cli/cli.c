#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/suggest.h"

const struct cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++) {
        if (strcmp(CLI_COMMANDS[i]->name, name) == 0)
            return CLI_COMMANDS[i];
    }
    return NULL;
}

void cli_complain(const struct cli_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "featured%s%s: ", command ? " " : "", command ? command->name : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

int cli_refuse_unknown_command(const char *name)
{
    struct suggestion near = suggestion_of(str_from_cstr(name));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        suggestion_offer(&near, str_from_cstr(CLI_COMMANDS[i]->name));
    const char *kind = name[0] == '-' ? "option" : "command";
    if (near.best.len > 0)
        cli_complain(NULL, "unknown %s '%s'; did you mean '%.*s'? `featured help` lists them all",
                     kind, name, STR_ARG(near.best));
    else
        cli_complain(NULL, "unknown %s '%s'; `featured help` lists them all", kind, name);
    return CLI_USAGE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        help_print_overview(stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help_print_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct cli_command *command = cli_find_command(name);
    if (command == NULL)
        return cli_refuse_unknown_command(name);
    return command->run(argc - 1, argv + 1);
}

int cli_main(int argc, char **argv)
{
    int result = dispatch(argc, argv);
    /* A full disk behind `featured get … >file` must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_complain(NULL, "cannot write to standard output");
        return result == CLI_OK ? CLI_FAILED : result;
    }
    return result;
}

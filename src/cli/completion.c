/* `featured completion bash`: a script for the shell, from the same table as the help. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/help.h"

static int run(int argc, char **argv);

const struct cli_command CLI_COMPLETION = {
    .name = "completion",
    .summary = "print a completion script for the shell",
    .operands = "bash",
    .operands_min = 1,
    .operands_max = 1,
    .description = "Prints a script that teaches bash the commands and options of featured.",
    .examples = "source <(featured completion bash)\tcompletion in this shell\n"
                "featured completion bash >/etc/bash_completion.d/featured\tin every new one",
    .run = run,
};

static bool names_a_file(const struct cli_option *option)
{
    return option->value && (!strcmp(option->value, "FILE") || !strcmp(option->value, "DIR"));
}

/* case "$previous": what may follow an option that takes a value. */
static void append_values(struct buffer *out, const struct cli_command *command)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct cli_option *option = &command->options[i];
        if (option->value == NULL)
            continue;
        buffer_append_format(out, "            %s,--%s) ", command->name, option->name);
        if (option->choices != NULL) {
            buffer_append_str(out, STR("words=\""));
            for (const char *at = option->choices; *at != '\0'; at++)
                buffer_append_char(out, *at == '|' ? ' ' : *at);
            buffer_append_str(out, STR("\" ;;\n"));
        } else {
            buffer_append_format(out, "%s ;;\n", names_a_file(option) ? "files=1" : "return");
        }
    }
}

static void append_options(struct buffer *out, const struct cli_command *command)
{
    buffer_append_format(out, "            %s) words=\"", command->name);
    for (size_t i = 0; i < command->option_count; i++)
        buffer_append_format(out, "--%s ", command->options[i].name);
    buffer_append_str(out, STR("--help\" ;;\n"));
}

static void append_script(struct buffer *out)
{
    buffer_append_str(out,
                      STR("# bash completion of featured " FEATURED_VERSION "\n"
                          "_featured()\n{\n"
                          "    local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" files=\"\"\n"
                          "    local previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                          "    local command=\"${COMP_WORDS[1]}\"\n"
                          "    COMPREPLY=()\n"
                          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\""));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        buffer_append_format(out, "%s ", CLI_COMMANDS[i]->name);
    buffer_append_str(out, STR("--help --version\"\n    else\n"
                               "        case \"$command,$previous\" in\n"));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        append_values(out, CLI_COMMANDS[i]);
    buffer_append_str(out, STR("        esac\n"
                               "        case \"$words$files,$current,$command\" in\n"
                               "            ,-*,*)\n"
                               "        case \"$command\" in\n"));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        append_options(out, CLI_COMMANDS[i]);
    buffer_append_str(out, STR("        esac ;;\n"
                               "            ,*,help) words=\""));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        buffer_append_format(out, "%s ", CLI_COMMANDS[i]->name);
    buffer_append_str(out, STR("\" ;;\n"
                               "            ,*,completion) words=\"bash\" ;;\n"
                               "            ,*,apply|,*,ingest) files=1 ;;\n"
                               "        esac\n"
                               "    fi\n"
                               "    if [ -n \"$files\" ]; then\n"
                               "        compopt -o filenames 2>/dev/null\n"
                               "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                               "    else\n"
                               "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
                               "\"$current\")\n"
                               "    fi\n}\n"
                               "complete -F _featured featured\n"));
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct buffer script;
    int result = cli_arguments_parse(&CLI_COMPLETION, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    result = CLI_OK;
    if (strcmp(arguments.operands[0], "bash") == 0) {
        buffer_init(&script, HELP_BYTES_MAX);
        append_script(&script);
        help_print_and_free(&script, stdout);
    } else {
        cli_complain(&CLI_COMPLETION, "no completion for '%s'; there is one for bash",
                     arguments.operands[0]);
        result = CLI_USAGE;
    }
    cli_arguments_fini(&arguments);
    return result;
}

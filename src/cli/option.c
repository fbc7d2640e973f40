#include "cli/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/suggest.h"

#define DEFAULT_ENV_FILE ".env"
#define VARIABLE_PREFIX "FEATURED_"

void cli_variable_name(const char *option, char out[CLI_VARIABLE_MAX])
{
    int len = snprintf(out, CLI_VARIABLE_MAX, VARIABLE_PREFIX "%s", option);
    ASSERT(len > 0 && len < (int)CLI_VARIABLE_MAX);
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '-')
            *at = '_';
        else if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - ('a' - 'A'));
    }
}

static size_t find_option(const struct cli_command *command, str name)
{
    size_t i = 0;
    while (i < command->option_count && !str_eq(name, str_from_cstr(command->options[i].name)))
        i++;
    return i;
}

static bool parse_switch(const char *text, bool *out)
{
    static const char *const ON[] = {"true", "1", "yes", "on"};
    static const char *const OFF[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(ON); i++) {
        if (strcmp(text, ON[i]) == 0 || strcmp(text, OFF[i]) == 0) {
            *out = strcmp(text, ON[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool is_choice(const char *choices, const char *text)
{
    str rest = str_from_cstr(choices);
    while (rest.len > 0) {
        str word = str_split(rest, '|', &rest);
        if (str_eq(word, str_from_cstr(text)))
            return true;
    }
    return false;
}

int cli_argument_refuse(const struct cli_arguments *arguments, const char *name,
                        const char *accepted)
{
    size_t i = find_option(arguments->command, str_from_cstr(name));
    ASSERT(i < arguments->command->option_count);
    cli_complain(arguments->command, "%s '%s': %s",
                 arguments->values[i] ? arguments->sources[i] : name,
                 arguments->values[i] ? arguments->values[i] : "", accepted);
    return CLI_USAGE;
}

/* Sets option `i` and checks what the table alone can check. */
static int set_value(struct cli_arguments *arguments, size_t i, const char *value,
                     const char *source, enum cli_origin origin)
{
    const struct cli_option *option = &arguments->command->options[i];
    bool on;
    arguments->values[i] = value;
    arguments->origins[i] = origin;
    snprintf(arguments->sources[i], sizeof(arguments->sources[i]), "%s", source);
    if (option->value == NULL && !parse_switch(value, &on))
        return cli_argument_refuse(arguments, option->name, "expected true or false");
    if (option->choices != NULL && !is_choice(option->choices, value)) {
        char accepted[160];
        snprintf(accepted, sizeof(accepted), "expected one of %s", option->choices);
        return cli_argument_refuse(arguments, option->name, accepted);
    }
    return CLI_CONTINUE;
}

static int refuse_unknown_option(const struct cli_command *command, str name)
{
    struct suggestion near = suggestion_of(name);
    for (size_t i = 0; i < command->option_count; i++)
        suggestion_offer(&near, str_from_cstr(command->options[i].name));
    suggestion_offer(&near, STR("help"));
    if (near.best.len > 0)
        cli_complain(command,
                     "unknown option '--%.*s'; did you mean '--%.*s'? "
                     "`featured %s --help` lists them all",
                     STR_ARG(name), STR_ARG(near.best), command->name);
    else
        cli_complain(command, "unknown option '--%.*s'; `featured %s --help` lists them all",
                     STR_ARG(name), command->name);
    return CLI_USAGE;
}

/* argv[*at] starts with two dashes and is longer; *at moves on when the value is the next one. */
static int take_long_option(struct cli_arguments *arguments, int argc, char **argv, int *at)
{
    const struct cli_command *command = arguments->command;
    const char *text = argv[*at] + 2;
    const char *equals = strchr(text, '=');
    str name = equals ? str_of(text, (size_t)(equals - text)) : str_from_cstr(text);
    char source[128];
    if (equals == NULL && str_eq(name, STR("help"))) {
        help_print_command(command);
        return CLI_OK;
    }
    size_t i = find_option(command, name);
    if (i == command->option_count)
        return refuse_unknown_option(command, name);
    const char *value = equals ? equals + 1 : "true";
    if (equals == NULL && command->options[i].value != NULL) {
        if (*at + 1 >= argc) {
            cli_complain(command, "--%s needs a value: --%s %s", command->options[i].name,
                         command->options[i].name, command->options[i].value);
            return CLI_USAGE;
        }
        value = argv[++*at];
    }
    snprintf(source, sizeof(source), "--%s", command->options[i].name);
    return set_value(arguments, i, value, source, CLI_ORIGIN_FLAG);
}

static int take_command_line(struct cli_arguments *arguments, int argc, char **argv)
{
    bool options_ended = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        int result = CLI_CONTINUE;
        if (options_ended || text[0] != '-' || text[1] == '\0') {
            arguments->operands[arguments->operand_count++] = argv[i];
        } else if (strcmp(text, "--") == 0) {
            options_ended = true;
        } else if (text[1] == '-') {
            result = take_long_option(arguments, argc, argv, &i);
        } else if (strcmp(text, "-h") == 0) {
            help_print_command(arguments->command);
            result = CLI_OK;
        } else {
            cli_complain(arguments->command,
                         "unknown option '%s': options are written out, as in --help; "
                         "what starts with a dash and is no option goes after `--`",
                         text);
            result = CLI_USAGE;
        }
        if (result != CLI_CONTINUE)
            return result;
    }
    return CLI_CONTINUE;
}

static int check_operand_count(const struct cli_arguments *arguments)
{
    const struct cli_command *command = arguments->command;
    if (arguments->operand_count < command->operands_min) {
        cli_complain(command, "%s is missing: featured %s %s", command->operands, command->name,
                     command->operands);
        return CLI_USAGE;
    }
    if (command->operands_max >= 0 && arguments->operand_count > command->operands_max) {
        cli_complain(command, "unexpected '%s'; see `featured %s --help`",
                     arguments->operands[command->operands_max], command->name);
        return CLI_USAGE;
    }
    return CLI_CONTINUE;
}

static const struct env_line *find_line(const struct cli_arguments *arguments, const char *name)
{
    const struct env_line *line = env_file_find(&arguments->env_file, name);
    return line && line->value[0] ? line : NULL;
}

const char *cli_variable(const struct cli_arguments *arguments, const char *name,
                         enum cli_origin from)
{
    if (from == CLI_ORIGIN_FILE) {
        const struct env_line *line = find_line(arguments, name);
        return line ? line->value : NULL;
    }
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* The option's own variable, else the one that other programs use; NULL: neither is there. */
static const char *take_variable(const struct cli_arguments *arguments,
                                 const struct cli_option *option, enum cli_origin from,
                                 char name[CLI_VARIABLE_MAX])
{
    cli_variable_name(option->name, name);
    const char *value = cli_variable(arguments, name, from);
    if (value == NULL && option->also) {
        snprintf(name, CLI_VARIABLE_MAX, "%s", option->also);
        value = cli_variable(arguments, name, from);
    }
    return value;
}

static int take_environment(struct cli_arguments *arguments)
{
    const struct cli_command *command = arguments->command;
    char variable[CLI_VARIABLE_MAX];
    for (size_t i = 0; i < command->option_count; i++) {
        if (!command->options[i].setting || arguments->values[i] != NULL)
            continue;
        const char *value =
            take_variable(arguments, &command->options[i], CLI_ORIGIN_ENVIRONMENT, variable);
        if (value == NULL)
            continue;
        int result = set_value(arguments, i, value, variable, CLI_ORIGIN_ENVIRONMENT);
        if (result != CLI_CONTINUE)
            return result;
    }
    return CLI_CONTINUE;
}

/* An env file is shared by all commands and with other programs: other programs' names are theirs,
 * a FEATURED_ name that no command knows is a mistake. */
static int check_env_names(const struct cli_arguments *arguments)
{
    for (uint32_t line = 0; line < arguments->env_file.count; line++) {
        const struct env_line *found = &arguments->env_file.lines[line];
        char variable[CLI_VARIABLE_MAX];
        bool known = false;
        char best[CLI_VARIABLE_MAX] = "";
        if (strncmp(found->name, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) != 0)
            continue;
        struct suggestion near =
            suggestion_of(str_from_cstr(found->name + strlen(VARIABLE_PREFIX)));
        for (size_t c = 0; CLI_COMMANDS[c] != NULL && !known; c++) {
            for (size_t i = 0; i < CLI_COMMANDS[c]->option_count && !known; i++) {
                if (!CLI_COMMANDS[c]->options[i].setting)
                    continue;
                unsigned before = near.distance;
                cli_variable_name(CLI_COMMANDS[c]->options[i].name, variable);
                known = strcmp(variable, found->name) == 0;
                suggestion_offer(&near, str_from_cstr(variable + strlen(VARIABLE_PREFIX)));
                if (near.distance < before)
                    strcpy(best, variable);
            }
        }
        if (known)
            continue;
        cli_complain(arguments->command, "%s:%u: unknown setting %s%s%s%s",
                     arguments->env_file.path, found->line, found->name,
                     best[0] ? "; did you mean " : "", best, best[0] ? "?" : "");
        return CLI_USAGE;
    }
    return CLI_CONTINUE;
}

static int take_env_file(struct cli_arguments *arguments)
{
    const struct cli_command *command = arguments->command;
    size_t own = find_option(command, STR("env-file"));
    struct error error;
    char variable[CLI_VARIABLE_MAX];
    if (own == command->option_count)
        return CLI_CONTINUE;
    const char *path = arguments->values[own] ? arguments->values[own] : DEFAULT_ENV_FILE;
    error_clear(&error);
    status loaded = env_file_load(path, &arguments->env_file, &error);
    if (loaded.code == STATUS_NOT_FOUND && arguments->values[own] == NULL)
        return CLI_CONTINUE;
    if (!status_is_ok(loaded)) {
        cli_complain(command, "%s", error.detail[0] ? error.detail : status_name(loaded.code));
        return CLI_USAGE;
    }
    int result = check_env_names(arguments);
    for (size_t i = 0; i < command->option_count && result == CLI_CONTINUE; i++) {
        if (!command->options[i].setting || arguments->values[i] != NULL)
            continue;
        const char *value =
            take_variable(arguments, &command->options[i], CLI_ORIGIN_FILE, variable);
        if (value == NULL)
            continue;
        char source[128];
        snprintf(source, sizeof(source), "%.60s:%u: %s", path, find_line(arguments, variable)->line,
                 variable);
        result = set_value(arguments, i, value, source, CLI_ORIGIN_FILE);
    }
    return result;
}

int cli_arguments_parse(const struct cli_command *command, int argc, char **argv,
                        struct cli_arguments *out)
{
    ASSERT(command->option_count <= CLI_OPTIONS_MAX && argc >= 1);
    memset(out, 0, sizeof(*out));
    out->command = command;
    out->operands = memory_alloc_array((size_t)argc, sizeof(*out->operands));
    if (out->operands == NULL) {
        cli_complain(command, "out of memory");
        return CLI_FAILED;
    }
    int result = take_command_line(out, argc, argv);
    if (result == CLI_CONTINUE)
        result = check_operand_count(out);
    if (result == CLI_CONTINUE)
        result = take_environment(out);
    if (result == CLI_CONTINUE)
        result = take_env_file(out);
    if (result != CLI_CONTINUE)
        cli_arguments_fini(out);
    return result;
}

void cli_arguments_fini(struct cli_arguments *arguments)
{
    memory_free(arguments->operands);
    arguments->operands = NULL;
    env_file_fini(&arguments->env_file);
}

const char *cli_argument(const struct cli_arguments *arguments, const char *name)
{
    size_t i = find_option(arguments->command, str_from_cstr(name));
    ASSERT(i < arguments->command->option_count);
    return arguments->values[i] ? arguments->values[i] : arguments->command->options[i].fallback;
}

enum cli_origin cli_argument_origin(const struct cli_arguments *arguments, const char *name)
{
    size_t i = find_option(arguments->command, str_from_cstr(name));
    ASSERT(i < arguments->command->option_count);
    return arguments->origins[i];
}

bool cli_argument_is_on(const struct cli_arguments *arguments, const char *name)
{
    const char *text = cli_argument(arguments, name);
    bool on = false;
    bool is_switch = text == NULL || parse_switch(text, &on);
    ASSERT(is_switch);
    return on;
}

bool cli_argument_uint64(const struct cli_arguments *arguments, const char *name, uint64_t least,
                         uint64_t most, uint64_t *out)
{
    const char *text = cli_argument(arguments, name);
    uint64_t value;
    char accepted[96];
    ASSERT(text != NULL);
    if (str_to_uint64(str_from_cstr(text), &value) && value >= least && value <= most) {
        *out = value;
        return true;
    }
    if (most == UINT64_MAX)
        snprintf(accepted, sizeof(accepted), "expected a whole number, at least %llu",
                 (unsigned long long)least);
    else
        snprintf(accepted, sizeof(accepted), "expected a whole number from %llu to %llu",
                 (unsigned long long)least, (unsigned long long)most);
    (void)cli_argument_refuse(arguments, name, accepted);
    return false;
}

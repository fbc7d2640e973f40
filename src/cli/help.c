#include "cli/help.h"

#include <string.h>

#define COMMAND_INDENT 15u
#define OPTION_INDENT 8u

void help_print_and_free(struct buffer *text, FILE *to)
{
    if (status_is_ok(buffer_status(text)))
        fwrite(text->data, 1, text->len, to);
    else
        cli_complain(NULL, "out of memory");
    buffer_fini(text);
}

static void append_spaces(struct buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_char(out, ' ');
}

void help_append_wrapped(struct buffer *out, const char *text, size_t indent, size_t used)
{
    size_t column = used;
    str rest = str_from_cstr(text);
    while (rest.len > 0) {
        str word = str_split(rest, ' ', &rest);
        if (column > indent && column + 1 + word.len > HELP_WIDTH) {
            buffer_append_char(out, '\n');
            column = 0;
        }
        if (column > indent) {
            buffer_append_char(out, ' ');
            column++;
        } else if (column < indent) {
            append_spaces(out, indent - column);
            column = indent;
        }
        buffer_append_str(out, word);
        column += word.len;
    }
    buffer_append_char(out, '\n');
}

static void append_paragraphs(struct buffer *out, const char *text)
{
    str rest = str_from_cstr(text);
    char paragraph[2048];
    while (rest.data != NULL && rest.len > 0) {
        const char *gap = memmem(rest.data, rest.len, "\n\n", 2);
        size_t len = gap ? (size_t)(gap - rest.data) : rest.len;
        size_t copied = len < sizeof(paragraph) - 1 ? len : sizeof(paragraph) - 1;
        memcpy(paragraph, rest.data, copied);
        paragraph[copied] = '\0';
        help_append_wrapped(out, paragraph, 0, 0);
        rest = gap ? str_of(gap + 2, rest.len - len - 2) : (str){0};
        if (rest.len > 0)
            buffer_append_char(out, '\n');
    }
}

void help_append_usage(struct buffer *out, const struct cli_command *command)
{
    buffer_append_format(out, "featured %s", command->name);
    if (command->option_count > 0)
        buffer_append_str(out, STR(" [OPTION...]"));
    if (command->operands[0] != '\0')
        buffer_append_format(out, " %s", command->operands);
}

void help_append_option_notes(struct buffer *out, const struct cli_option *option)
{
    char variable[CLI_VARIABLE_MAX];
    if (option->choices != NULL) {
        str rest = str_from_cstr(option->choices);
        buffer_append_str(out, STR(" One of"));
        while (rest.len > 0) {
            str word = str_split(rest, '|', &rest);
            buffer_append_format(out, " %.*s%s", STR_ARG(word), rest.len ? "," : ".");
        }
    }
    if (option->fallback != NULL)
        buffer_append_format(out, " Default: %s.", option->fallback);
    if (option->setting) {
        cli_variable_name(option->name, variable);
        buffer_append_format(out, " Environment: %s%s%s.", variable, option->also ? " or " : "",
                             option->also ? option->also : "");
    }
}

static void append_option(struct buffer *out, const struct cli_option *option)
{
    struct buffer text;
    buffer_init(&text, HELP_BYTES_MAX);
    buffer_append_format(out, "  --%s%s%s\n", option->name, option->value ? " " : "",
                         option->value ? option->value : "");
    buffer_append_format(&text, "%s", option->help);
    help_append_option_notes(&text, option);
    buffer_append_char(&text, '\0');
    if (status_is_ok(buffer_status(&text)))
        help_append_wrapped(out, text.data, OPTION_INDENT, 0);
    buffer_fini(&text);
}

static void append_examples(struct buffer *out, const char *examples)
{
    str rest = str_from_cstr(examples);
    buffer_append_str(out, STR("\nExamples:\n"));
    while (rest.len > 0) {
        str comment;
        str command = str_split(str_split(rest, '\n', &rest), '\t', &comment);
        buffer_append_format(out, "  %.*s\n", STR_ARG(command));
        if (comment.len > 0)
            buffer_append_format(out, "        %.*s\n", STR_ARG(comment));
    }
}

void help_print_command(const struct cli_command *command)
{
    struct buffer out;
    buffer_init(&out, HELP_BYTES_MAX);
    buffer_append_str(&out, STR("Usage: "));
    help_append_usage(&out, command);
    buffer_append_str(&out, STR("\n\n"));
    append_paragraphs(&out, command->description);
    buffer_append_str(&out, STR("\nOptions:\n"));
    for (size_t i = 0; i < command->option_count; i++)
        append_option(&out, &command->options[i]);
    buffer_append_str(&out, STR("  -h, --help\n        Show this text.\n"));
    if (command->examples != NULL)
        append_examples(&out, command->examples);
    help_print_and_free(&out, stdout);
}

void help_print_overview(FILE *to)
{
    struct buffer out;
    buffer_init(&out, HELP_BYTES_MAX);
    buffer_append_str(&out, STR("featured " FEATURED_VERSION ", a real-time feature store\n\n"
                                "Usage: featured COMMAND [OPTION...]\n\nCommands:\n"));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++) {
        size_t before = out.len;
        buffer_append_format(&out, "  %-*s", (int)COMMAND_INDENT - 2, CLI_COMMANDS[i]->name);
        help_append_wrapped(&out, CLI_COMMANDS[i]->summary, COMMAND_INDENT, out.len - before);
    }
    buffer_append_str(&out, STR("\n`featured COMMAND --help` shows the options of a command; "
                                "`featured help --man`\nprints the manual page.\n"));
    help_print_and_free(&out, to);
}

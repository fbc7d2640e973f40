#include "cli/man.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/help.h"

/* Text for roff: backslashes and dashes spelled, no line that begins like a request. An empty line
 * becomes a paragraph. */
static void append_text(struct buffer *out, str text)
{
    bool line_starts = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (line_starts && (c == '.' || c == '\''))
            buffer_append_str(out, STR("\\&"));
        if (c == '\n' && i + 1 < text.len && text.data[i + 1] == '\n') {
            buffer_append_str(out, STR("\n.PP"));
        } else if (c == '\\') {
            buffer_append_str(out, STR("\\e"));
        } else if (c == '-') {
            buffer_append_str(out, STR("\\-"));
        } else if (c == '`') {
            buffer_append_str(out, STR("\\(ga"));
        } else {
            buffer_append_char(out, c);
        }
        line_starts = c == '\n';
    }
}

static void append_cstr(struct buffer *out, const char *text)
{
    append_text(out, str_from_cstr(text));
}

static void append_option(struct buffer *out, const struct cli_option *option)
{
    struct buffer notes;
    buffer_init(&notes, HELP_BYTES_MAX);
    buffer_append_str(out, STR(".TP\n\\fB\\-\\-"));
    append_cstr(out, option->name);
    buffer_append_str(out, STR("\\fR"));
    if (option->value != NULL) {
        buffer_append_str(out, STR(" \\fI"));
        append_cstr(out, option->value);
        buffer_append_str(out, STR("\\fR"));
    }
    buffer_append_char(out, '\n');
    append_cstr(out, option->help);
    help_append_option_notes(&notes, option);
    append_text(out, buffer_str(&notes));
    buffer_append_char(out, '\n');
    buffer_fini(&notes);
}

static void append_examples(struct buffer *out, const char *examples)
{
    str rest = str_from_cstr(examples);
    while (rest.len > 0) {
        str comment;
        str command = str_split(str_split(rest, '\n', &rest), '\t', &comment);
        buffer_append_str(out, STR(".TP\n\\fB"));
        append_text(out, command);
        buffer_append_str(out, STR("\\fR\n"));
        append_text(out, comment);
        buffer_append_char(out, '\n');
    }
}

static void append_command(struct buffer *out, const struct cli_command *command)
{
    struct buffer usage;
    buffer_init(&usage, HELP_BYTES_MAX);
    help_append_usage(&usage, command);
    buffer_append_str(out, STR(".SS \""));
    append_text(out, buffer_str(&usage));
    buffer_append_str(out, STR("\"\n"));
    append_cstr(out, command->description);
    buffer_append_char(out, '\n');
    for (size_t i = 0; i < command->option_count; i++)
        append_option(out, &command->options[i]);
    buffer_fini(&usage);
}

static const char CLOSING[] =
    ".SH ENVIRONMENT\n"
    "A setting is a flag, an environment variable and a line of the env file, in that order of\n"
    "precedence; an empty variable counts as absent. Of two variables in one place the one that\n"
    "begins with FEATURED_ counts.\n"
    ".TP\n.B FEATURED_\\fINAME\\fR\nThe option \\fB\\-\\-\\fIname\\fR, in capitals, dashes as\n"
    "underscores; the options above name theirs.\n"
    ".TP\n.B NO_COLOR\nIf set and not empty, no colours on a terminal.\n"
    ".SH FILES\n.TP\n.I .env\nThe env file that is read if it is there and "
    "\\fB\\-\\-env\\-file\\fR "
    "names no other.\n"
    ".TP\n.I ./featured\\-data\nThe data directory of \\fBfeatured serve\\fR.\n"
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nDone.\n"
    ".TP\n.B 1\nFailed; standard error says why.\n"
    ".TP\n.B 2\nThe command line, a setting or a definition file is wrong; nothing was done.\n";

void man_append_page(struct buffer *out)
{
    buffer_append_str(
        out, STR(".TH FEATURED 1 \"\" \"featured " FEATURED_VERSION "\" \"User Commands\"\n"
                 ".SH NAME\nfeatured \\- real\\-time feature store\n"
                 ".SH SYNOPSIS\n.B featured\n.I COMMAND\n[\\fIOPTION\\fR...]\n"
                 ".SH DESCRIPTION\n"
                 "Keeps machine\\-learning features fresh and hands them to models in\n"
                 "microseconds. \\fBfeatured serve\\fR is the server; the other commands "
                 "talk to\na running one.\n.SH COMMANDS\n"));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++)
        append_command(out, CLI_COMMANDS[i]);
    buffer_append(out, CLOSING, strlen(CLOSING));
    buffer_append_str(out, STR(".SH EXAMPLES\n"));
    for (size_t i = 0; CLI_COMMANDS[i] != NULL; i++) {
        if (CLI_COMMANDS[i]->examples != NULL)
            append_examples(out, CLI_COMMANDS[i]->examples);
    }
}

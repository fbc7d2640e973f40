#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/man.h"

/* The program's own table, without the server behind `serve`. */
int cli_serve(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return CLI_OK;
}

static void is_sentence(const char *text)
{
    size_t len = strlen(text);
    assert_true(len > 1 && text[len - 1] == '.');
    assert_null(strstr(text, "  "));
}

static void the_table_is_whole(void **state)
{
    (void)state;
    for (size_t c = 0; CLI_COMMANDS[c] != NULL; c++) {
        const struct cli_command *command = CLI_COMMANDS[c];
        assert_ptr_equal(cli_find_command(command->name), command);
        assert_non_null(command->run);
        assert_non_null(command->operands);
        is_sentence(command->description);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        assert_true(command->option_count <= CLI_OPTIONS_MAX);
        for (size_t i = 0; i < command->option_count; i++) {
            const struct cli_option *option = &command->options[i];
            char variable[CLI_VARIABLE_MAX];
            cli_variable_name(option->name, variable);
            is_sentence(option->help);
            assert_string_not_equal(option->name, "help");
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(option->name, command->options[j].name);
        }
    }
    assert_null(cli_find_command("serv"));
    assert_null(cli_find_command(""));
}

static void words_are_wrapped(void **state)
{
    struct buffer out;
    (void)state;
    buffer_init(&out, 10000);
    help_append_wrapped(&out,
                        "one two three four five six seven eight nine ten eleven twelve thirteen "
                        "fourteen fifteen",
                        4, 0);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data,
                        "    one two three four five six seven eight nine ten eleven twelve "
                        "thirteen\n    fourteen fifteen\n");
    buffer_fini(&out);
}

/* Every command and option is in the page, and no line of text can pass for a request of roff. */
static void the_man_page_names_everything(void **state)
{
    static const char *const REQUESTS[] = {".TH ", ".SH ", ".SS ", ".TP", ".PP", ".B ", ".I "};
    struct buffer page;
    (void)state;
    buffer_init(&page, HELP_BYTES_MAX);
    man_append_page(&page);
    assert_false(page.failed);
    str rest = buffer_str(&page);
    while (rest.len > 0) {
        str line = str_split(rest, '\n', &rest);
        bool known = line.len == 0 || (line.data[0] != '.' && line.data[0] != '\'');
        for (size_t i = 0; i < ARRAY_LEN(REQUESTS) && !known; i++)
            known = str_starts_with(line, str_from_cstr(REQUESTS[i]));
        assert_true(known);
    }
    assert_true(str_contains(buffer_str(&page), STR("\\fB\\-\\-max\\-memory\\fR \\fISIZE\\fR")));
    assert_true(str_contains(buffer_str(&page), STR("FEATURED_MAX_MEMORY")));
    assert_true(str_contains(buffer_str(&page), STR(".SS \"featured ingest")));
    buffer_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(words_are_wrapped),
        cmocka_unit_test(the_man_page_names_everything),
    };
    return cmocka_run_group_tests_name("help", tests, NULL, NULL);
}

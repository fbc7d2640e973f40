#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

static const struct cli_option OPTIONS[] = {
    {.name = "listen", .value = "ADDRESS", .fallback = ":1", .setting = true, .help = "h"},
    {.name = "max-rows", .value = "N", .setting = true, .also = "TRY_ROWS", .help = "h"},
    {.name = "color", .value = "WHAT", .fallback = "red", .choices = "red|green", .help = "h"},
    {.name = "strict", .setting = true, .help = "h"},
    {.name = "yes", .help = "h"},
    CLI_OPTION_ENV_FILE,
};

static const struct cli_command COMMAND = {
    .name = "try",
    .summary = "s",
    .operands = "ONE [TWO]",
    .operands_min = 1,
    .operands_max = 2,
    .description = "d",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
};

/* In place of the program's own table. */
const struct cli_command *const CLI_COMMANDS[] = {&COMMAND, NULL};

static struct cli_arguments arguments;

#define PARSE(...)                                                                                 \
    parse((const char *const[]){"try", __VA_ARGS__},                                               \
          ARRAY_LEN(((const char *const[]){"try", __VA_ARGS__})))

static int parse(const char *const *argv, size_t argc)
{
    static char *copy[16];
    assert_true(argc < ARRAY_LEN(copy));
    for (size_t i = 0; i < argc; i++)
        copy[i] = (char *)(uintptr_t)argv[i];
    return cli_arguments_parse(&COMMAND, (int)argc, copy, &arguments);
}

static void refused(int result)
{
    assert_int_equal(result, CLI_USAGE);
}

static void options_and_operands_mix(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a", "--listen", ":2", "--max-rows=5", "--yes", "b"), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "listen"), ":2");
    assert_string_equal(cli_argument(&arguments, "max-rows"), "5");
    assert_true(cli_argument_is_on(&arguments, "yes"));
    assert_false(cli_argument_is_on(&arguments, "strict"));
    assert_string_equal(cli_argument(&arguments, "color"), "red");
    assert_int_equal(arguments.operand_count, 2);
    assert_string_equal(arguments.operands[0], "a");
    assert_string_equal(arguments.operands[1], "b");
    cli_arguments_fini(&arguments);
}

static void a_dash_and_what_follows_two_are_operands(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-", "--", "--yes"), CLI_CONTINUE);
    assert_string_equal(arguments.operands[0], "-");
    assert_string_equal(arguments.operands[1], "--yes");
    assert_false(cli_argument_is_on(&arguments, "yes"));
    cli_arguments_fini(&arguments);
}

static void the_last_of_a_repeated_option_counts(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a", "--strict", "--strict=false", "--listen=:2", "--listen="),
                     CLI_CONTINUE);
    assert_false(cli_argument_is_on(&arguments, "strict"));
    assert_string_equal(cli_argument(&arguments, "listen"), "");
    cli_arguments_fini(&arguments);
}

static void wrong_command_lines_are_refused(void **state)
{
    (void)state;
    refused(PARSE("a", "--lisen", ":2"));
    refused(PARSE("a", "--listen"));
    refused(PARSE("a", "-x"));
    refused(PARSE("a", "--color", "blue"));
    refused(PARSE("a", "--strict=maybe"));
    refused(PARSE("a", "b", "c"));
    refused(PARSE("--yes"));
    refused(PARSE("a", "--"
                       "=x"));
}

static void help_ends_with_success(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help"), CLI_OK);
    assert_int_equal(PARSE("a", "-h"), CLI_OK);
}

static void write_env_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void a_flag_beats_the_environment_which_beats_the_file(void **state)
{
    char path[] = "/tmp/test_option_XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_env_file(path, "FEATURED_LISTEN=:3\nFEATURED_MAX_ROWS=3\nFEATURED_STRICT=yes\n"
                         "FEATURED_COLOR_OF_OTHERS_=1\nOTHER=1\n");
    setenv("FEATURED_LISTEN", ":2", 1);
    setenv("FEATURED_MAX_ROWS", "", 1);
    refused(PARSE("a", "--env-file", path)); /* a FEATURED_ name that nobody knows */
    write_env_file(path, "FEATURED_LISTEN=:3\nFEATURED_MAX_ROWS=3\nFEATURED_STRICT=yes\nOTHER=1\n");
    assert_int_equal(PARSE("a", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "listen"), ":2");
    assert_string_equal(cli_argument(&arguments, "max-rows"), "3");
    assert_true(cli_argument_is_on(&arguments, "strict"));
    cli_arguments_fini(&arguments);
    assert_int_equal(PARSE("a", "--listen=:1", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "listen"), ":1");
    cli_arguments_fini(&arguments);
    write_env_file(path, "FEATURED_STRICT=perhaps\n");
    refused(PARSE("a", "--env-file", path));
    unlink(path);
    refused(PARSE("a", "--env-file", path)); /* named, and not there */
    unsetenv("FEATURED_LISTEN");
    unsetenv("FEATURED_MAX_ROWS");
}

/* Of one place its own name counts, then the other one; an earlier place beats both. */
static void a_variable_of_other_programs_is_read_too(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof(path), "/tmp/featured-also-%ld.env", (long)getpid());
    write_env_file(path, "TRY_ROWS=3\nOTHER=x\nNOTHING=\n");
    assert_int_equal(PARSE("a", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "max-rows"), "3");
    assert_int_equal(cli_argument_origin(&arguments, "max-rows"), CLI_ORIGIN_FILE);
    assert_int_equal(cli_argument_origin(&arguments, "env-file"), CLI_ORIGIN_FLAG);
    assert_int_equal(cli_argument_origin(&arguments, "listen"), CLI_ORIGIN_NONE);
    assert_string_equal(cli_variable(&arguments, "OTHER", CLI_ORIGIN_FILE), "x");
    assert_null(cli_variable(&arguments, "NOTHING", CLI_ORIGIN_FILE));
    assert_null(cli_variable(&arguments, "OTHER", CLI_ORIGIN_ENVIRONMENT));
    cli_arguments_fini(&arguments);
    write_env_file(path, "TRY_ROWS=3\nFEATURED_MAX_ROWS=4\n");
    assert_int_equal(PARSE("a", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "max-rows"), "4");
    cli_arguments_fini(&arguments);
    setenv("TRY_ROWS", "5", 1);
    assert_int_equal(PARSE("a", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "max-rows"), "5");
    assert_int_equal(cli_argument_origin(&arguments, "max-rows"), CLI_ORIGIN_ENVIRONMENT);
    cli_arguments_fini(&arguments);
    setenv("FEATURED_MAX_ROWS", "6", 1);
    assert_int_equal(PARSE("a", "--env-file", path), CLI_CONTINUE);
    assert_string_equal(cli_argument(&arguments, "max-rows"), "6");
    cli_arguments_fini(&arguments);
    unsetenv("TRY_ROWS");
    unsetenv("FEATURED_MAX_ROWS");
    unlink(path);
}

static void what_is_no_setting_is_not_in_the_environment(void **state)
{
    (void)state;
    setenv("FEATURED_YES", "1", 1);
    assert_int_equal(PARSE("a"), CLI_CONTINUE);
    assert_false(cli_argument_is_on(&arguments, "yes"));
    cli_arguments_fini(&arguments);
    unsetenv("FEATURED_YES");
}

static void numbers_are_held_to_their_bounds(void **state)
{
    uint64_t number = 7;
    (void)state;
    assert_int_equal(PARSE("a", "--max-rows", "12"), CLI_CONTINUE);
    assert_true(cli_argument_uint64(&arguments, "max-rows", 1, 12, &number));
    assert_int_equal(number, 12);
    assert_false(cli_argument_uint64(&arguments, "max-rows", 13, UINT64_MAX, &number));
    assert_false(cli_argument_uint64(&arguments, "max-rows", 1, 11, &number));
    assert_int_equal(number, 12);
    cli_arguments_fini(&arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_mix),
        cmocka_unit_test(a_dash_and_what_follows_two_are_operands),
        cmocka_unit_test(the_last_of_a_repeated_option_counts),
        cmocka_unit_test(wrong_command_lines_are_refused),
        cmocka_unit_test(help_ends_with_success),
        cmocka_unit_test(a_flag_beats_the_environment_which_beats_the_file),
        cmocka_unit_test(a_variable_of_other_programs_is_read_too),
        cmocka_unit_test(what_is_no_setting_is_not_in_the_environment),
        cmocka_unit_test(numbers_are_held_to_their_bounds),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}

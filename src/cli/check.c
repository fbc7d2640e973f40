/* `featured check`: whether a data directory is whole, without a server and changing nothing. */
#include <stdio.h>

#include "cli/check_report.h"
#include "cli/cli.h"
#include "cli/progress.h"

#define REPORT_BYTES_MAX ((size_t)256 << 20)

static const struct cli_option OPTIONS[] = {
    {.name = "json", .help = "Print one JSON object instead of the tables."},
};

static int run(int argc, char **argv);

const struct cli_command CLI_CHECK = {
    .name = "check",
    .summary = "verify a data directory, or a backup of one",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .description =
        "Reads the registry, every snapshot and every log segment to its last value and says what "
        "is in them. Changes nothing. A server may be using the directory: then the end of the log "
        "may be a group that it is just writing.\n\n"
        "Exit status 1 means damage: standard error names file and offset, and what to do. A torn "
        "tail is no damage: it is what a crash leaves of writes that were not acknowledged.",
    .examples = "featured check ./featured-data\ta data directory\n"
                "featured check --json /backup/monday\tfor a program",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

static void show_progress(void *user, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows)
{
    struct progress *progress = user;
    progress->total_bytes = bytes_total;
    progress_update(progress, bytes_done, rows);
}

static int print_report(const char *path, const struct data_check *check, bool as_json)
{
    struct buffer report;
    buffer_init(&report, REPORT_BYTES_MAX);
    if (as_json)
        check_report_append_json(&report, path, check);
    else
        check_report_append(&report, path, check);
    if (!status_is_ok(buffer_status(&report))) {
        cli_complain(&CLI_CHECK, "out of memory");
        buffer_fini(&report);
        return CLI_FAILED;
    }
    fwrite(report.data, 1, report.len, stdout);
    buffer_fini(&report);
    str rest = buffer_str(&check->problems);
    while (rest.len > 0) {
        str line = str_split(rest, '\n', &rest);
        cli_complain(&CLI_CHECK, "%.*s", STR_ARG(line));
    }
    return check->problem_count == 0 ? CLI_OK : CLI_FAILED;
}

static int check_directory(const char *path, bool as_json)
{
    struct progress progress;
    struct data_check check;
    struct error error;
    struct data_check_options options = {
        .path = path, .progress = show_progress, .user = &progress};
    int result = CLI_FAILED;
    error_clear(&error);
    progress_start(&progress, path, 0);
    status checked = data_check_run(&options, &check, &error);
    progress_clear(&progress);
    if (status_is_ok(checked)) {
        result = print_report(path, &check, as_json);
    } else {
        cli_complain(&CLI_CHECK, "%s", error.detail);
        result = checked.code == STATUS_NOT_FOUND ? CLI_USAGE : CLI_FAILED;
    }
    data_check_fini(&check);
    return result;
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    int result = cli_arguments_parse(&CLI_CHECK, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    result = check_directory(arguments.operands[0], cli_argument_is_on(&arguments, "json"));
    cli_arguments_fini(&arguments);
    return result;
}

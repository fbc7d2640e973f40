/* `featured backup`: a consistent copy of a data directory, also of a running server. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/check_report.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "server/data_backup.h"

static const struct cli_option OPTIONS[] = {
    {.name = "data",
     .value = "DATA",
     .fallback = "./featured-data",
     .setting = true,
     .help = "The data directory to copy. Its server may be running."},
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_BACKUP = {
    .name = "backup",
    .summary = "copy a data directory while its server runs",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .description =
        "Copies definitions and values to DIR, which must not be there or be empty. Every row that "
        "was acknowledged before the command began is in the copy. The copy is verified, as "
        "`featured check` does, before it gets its name: until then it is DIR.new.\n\n"
        "DIR is a data directory: `featured serve --data DIR` serves what is in it.",
    .examples = "featured backup --data /var/lib/featured /backup/monday\tfrom a running server",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

struct shown {
    struct progress progress;
    bool verifies;
};

static void show_progress(void *user, enum data_backup_phase phase, uint64_t bytes_done,
                          uint64_t bytes_total, uint64_t rows)
{
    struct shown *shown = user;
    if (phase == DATA_BACKUP_VERIFIES && !shown->verifies) {
        progress_clear(&shown->progress);
        progress_start(&shown->progress, "verifying", bytes_total);
        shown->verifies = true;
    }
    shown->progress.total_bytes = bytes_total;
    progress_update(&shown->progress, bytes_done, rows);
}

static void print_summary(const char *to, const struct data_check *check)
{
    struct buffer line;
    uint64_t log_rows;
    uint64_t rows = check_report_rows(check, &log_rows);
    buffer_init(&line, 8192);
    buffer_append_format(&line, "%s: ", to);
    terminal_append_count(&line, rows);
    buffer_append_str(&line, STR(" rows in the snapshot, "));
    terminal_append_count(&line, log_rows);
    buffer_append_format(&line,
                         " written since, up to LSN %" PRIu64 "; %u features; verified\n"
                         "To restore: featured serve --data %s\n",
                         check->last_lsn, check->features, to);
    fwrite(line.data, 1, line.len, stdout);
    buffer_fini(&line);
}

static int back_up(const char *data, const char *to)
{
    struct shown shown = {0};
    struct data_check check;
    struct error error;
    struct data_backup_options options = {
        .data = data, .to = to, .progress = show_progress, .user = &shown};
    error_clear(&error);
    progress_start(&shown.progress, "copying", 0);
    shown.progress.hides_rows = true;
    status made = data_backup_run(&options, &check, &error);
    progress_clear(&shown.progress);
    if (status_is_ok(made))
        print_summary(to, &check);
    else
        cli_complain(&CLI_BACKUP, "%s", error.detail);
    data_check_fini(&check);
    if (status_is_ok(made))
        return CLI_OK;
    return made.code == STATUS_CONFLICT || made.code == STATUS_INVALID ? CLI_USAGE : CLI_FAILED;
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    int result = cli_arguments_parse(&CLI_BACKUP, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    result = back_up(cli_argument(&arguments, "data"), arguments.operands[0]);
    cli_arguments_fini(&arguments);
    return result;
}

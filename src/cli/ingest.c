/* `featured ingest`: rows from files or standard input into a running server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/ingest_redis.h"
#include "cli/ingest_result.h"
#include "cli/ingest_source.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/units.h"

#define TARGET_BYTES_MAX ((size_t)1 << 20)
#define MESSAGES_BYTES_MAX ((size_t)16 << 20)
#define PART_BYTES_MIN 1024u

static const struct cli_option OPTIONS[] = {
    {.name = "format",
     .value = "FORMAT",
     .choices = "ndjson|csv|arrow",
     .help = "What the rows are written in. Without this option, the file's name says it: .csv, "
             ".ndjson or .jsonl, .arrow or .arrows."},
    {.name = "entity",
     .value = "NAME",
     .help = "The entity whose rows these are, where the names of the features leave it open."},
    {.name = "id-column",
     .value = "NAME",
     .help = "CSV and Arrow: the column with the entity ids. Without this option, entity_id."},
    {.name = "timestamp-column",
     .value = "NAME",
     .help =
         "CSV and Arrow: the column with the event times. Without this option, event_timestamp if "
         "there is such a column; else values are true as of now."},
    {.name = "columns",
     .value = "A,B,...",
     .help = "CSV and Arrow: take only these columns. Without this option, all, and one that is no "
             "feature is an error."},
    {.name = "on-error",
     .value = "WHAT",
     .fallback = "stop",
     .choices = "stop|skip",
     .help = "At a bad row: stop (the rows before it stay), or skip it and go on."},
    {.name = "part-size",
     .value = "SIZE",
     .fallback = "64MiB",
     .help = "A large file is sent in parts of about this size, cut between rows."},
    {.name = "from-redis",
     .value = "URL",
     .setting = true,
     .help = "In place of files: take over the string keys ID:FEATURE of a Redis or Valkey "
             "(redis://, rediss://, redis-cluster:// or unix://), JSON values with the life they "
             "have left."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_INGEST = {
    .name = "ingest",
    .summary = "load rows of feature values from files or standard input",
    .operands = "FILE...",
    .operands_max = -1,
    .description =
        "Streams the files to the server in bounded memory and shows how far it is, how fast, and "
        "the time left. FILE - is standard input (give --format).\n\n"
        "A line of NDJSON is {\"entity_id\":\"u1\",\"features\":{\"age\":25}} and may have "
        "\"event_timestamp\":\"2026-01-02T03:04:05Z\"; a CSV file has a header line that names "
        "entity_id, event_timestamp (optional) and features; an Arrow IPC stream or file has "
        "columns of these names. Rows that are refused are named with file and line (of Arrow, "
        "row), and make the exit status 1. Sending a file again whose rows carry event times is "
        "harmless.\n\n"
        "With --from-redis the values of a feature store that keeps each one under a string key "
        "ID:FEATURE are taken over while it goes on: the features have to be registered here, and "
        "a value with N seconds left to live there has N seconds left here. Ctrl-C ends it "
        "cleanly; running it again is harmless.",
    .examples = "featured ingest events.ndjson\ta file\n"
                "featured ingest --id-column tailnum --on-error skip flights.csv\ta CSV file with "
                "its own id column\n"
                "zcat events.gz | featured ingest --format ndjson -\ta stream\n"
                "featured ingest --from-redis redis://10.0.0.7:6379/0\tthe values of another "
                "feature store",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

struct ingest {
    const struct cli_arguments *arguments;
    struct client *client;
    struct client_answer answer;
    struct buffer target;
    struct buffer messages;
    uint64_t part_bytes;
    struct ingest_source source;
    struct progress progress;
    struct ingest_result result; /* of the file at hand */
    struct error error;
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len &&
           str_eq_nocase(str_of(text + len - end_len, end_len), str_of(end, end_len));
}

static bool choose_format(const struct cli_arguments *arguments, const char *path,
                          enum ingest_format *out)
{
    const char *given = cli_argument(arguments, "format");
    if (given != NULL)
        *out = strcmp(given, "csv") == 0     ? INGEST_CSV
               : strcmp(given, "arrow") == 0 ? INGEST_ARROW
                                             : INGEST_NDJSON;
    else if (ends_with(path, ".csv"))
        *out = INGEST_CSV;
    else if (ends_with(path, ".arrow") || ends_with(path, ".arrows"))
        *out = INGEST_ARROW;
    else if (ends_with(path, ".ndjson") || ends_with(path, ".jsonl"))
        *out = INGEST_NDJSON;
    else
        return false;
    return true;
}

/* Either files, or a Redis. */
static bool check_operands(const struct cli_arguments *arguments)
{
    const char *redis = cli_argument(arguments, "from-redis");
    if (redis == NULL && arguments->operand_count == 0)
        cli_complain(&CLI_INGEST, "FILE... is missing: featured ingest FILE..., or featured ingest "
                                  "--from-redis URL");
    else if (redis != NULL && arguments->operand_count > 0)
        cli_complain(&CLI_INGEST, "give files or --from-redis, not both");
    else
        return true;
    return false;
}

static bool check_formats(const struct cli_arguments *arguments)
{
    enum ingest_format format;
    for (int i = 0; i < arguments->operand_count; i++) {
        if (choose_format(arguments, arguments->operands[i], &format))
            continue;
        cli_complain(&CLI_INGEST,
                     "the name of %s does not say its format: give --format ndjson, "
                     "--format csv or --format arrow",
                     strcmp(arguments->operands[i], "-") ? arguments->operands[i]
                                                         : "standard input");
        return false;
    }
    return true;
}

/* Commas stay as they are: they separate, no name holds one. */
static void build_target(struct ingest *ingest)
{
    static const struct {
        const char *option;
        const char *parameter;
    } PARAMETERS[] = {
        {"on-error", "on_error"},   {"entity", "entity"},
        {"id-column", "id_column"}, {"timestamp-column", "timestamp_column"},
        {"columns", "columns"},
    };
    buffer_append_str(&ingest->target, STR("/features/ingest/bulk"));
    for (size_t i = 0; i < ARRAY_LEN(PARAMETERS); i++) {
        str rest = str_from_cstr(cli_argument(ingest->arguments, PARAMETERS[i].option));
        if (rest.len == 0)
            continue;
        buffer_append_format(&ingest->target, "%c%s=", i == 0 ? '?' : '&', PARAMETERS[i].parameter);
        while (rest.len > 0) {
            client_append_encoded(&ingest->target, str_split(rest, ',', &rest));
            if (rest.len > 0)
                buffer_append_char(&ingest->target, ',');
        }
    }
    buffer_append_char(&ingest->target, '\0');
}

static void tick(void *context)
{
    struct ingest *ingest = context;
    progress_update(&ingest->progress, ingest->source.bytes, ingest->source.rows);
}

static ssize_t read_piece(void *context, char *to, size_t room)
{
    struct ingest *ingest = context;
    return ingest_source_read(&ingest->source, to, room);
}

/* What was said so far of rows that were refused. */
static void print_messages(struct ingest *ingest)
{
    if (ingest->messages.len == 0)
        return;
    progress_clear(&ingest->progress);
    fwrite(ingest->messages.data, 1, ingest->messages.len, stderr);
    buffer_reset(&ingest->messages, SIZE_MAX);
}

static status send_parts(struct ingest *ingest)
{
    const struct client_upload upload = {.read = read_piece, .tick = tick, .context = ingest};
    static const char *const TYPES[] = {[INGEST_NDJSON] = "application/x-ndjson",
                                        [INGEST_CSV] = "text/csv",
                                        [INGEST_ARROW] = "application/vnd.apache.arrow.stream"};
    const char *type = TYPES[ingest->source.format];
    while (!ingest->result.stopped && ingest_source_next_part(&ingest->source)) {
        status sent =
            client_upload(ingest->client, ingest->target.failed ? NULL : ingest->target.data, type,
                          &upload, &ingest->answer, &ingest->error);
        if (ingest->source.read_errno != 0)
            return error_set(&ingest->error, STATUS_IO, "file", "cannot read on: %s",
                             strerror(ingest->source.read_errno));
        TRY(sent);
        status added = ingest_result_add(&ingest->result, &ingest->answer, &ingest->source,
                                         &ingest->messages, &ingest->error);
        print_messages(ingest);
        TRY(added);
    }
    return OK;
}

static void print_summary(const struct ingest *ingest)
{
    struct buffer line;
    const struct ingest_result *result = &ingest->result;
    double seconds = (double)ingest->progress.elapsed_ns / 1e9;
    double rate = seconds > 0 ? (double)result->rows_accepted / seconds : 0;
    buffer_init(&line, 4096);
    buffer_append_format(&line, "%s: ", ingest->source.name);
    terminal_append_count(&line, result->rows_accepted);
    buffer_append_str(&line, STR(" rows ingested ("));
    terminal_append_count(&line, result->values_written);
    buffer_append_str(&line, STR(" values"));
    if (result->values_late > 0) {
        buffer_append_str(&line, STR(", "));
        terminal_append_count(&line, result->values_late);
        buffer_append_str(&line, STR(" of them late"));
    }
    buffer_append_str(&line, STR(")"));
    if (result->rows_rejected > 0) {
        buffer_append_str(&line, STR(", "));
        terminal_append_count(&line, result->rows_rejected);
        buffer_append_str(&line, STR(" rejected"));
    }
    buffer_append_format(&line, " in %.1f s, ", seconds);
    terminal_append_count(&line, (uint64_t)rate);
    buffer_append_str(&line, STR(" rows/s\n"));
    fwrite(line.data, 1, line.len, stdout);
    fflush(stdout);
    buffer_fini(&line);
}

static void print_rejections(const struct ingest *ingest)
{
    const struct ingest_result *result = &ingest->result;
    if (result->rows_rejected > result->errors_said)
        fprintf(stderr, "%s: … and %" PRIu64 " more rows rejected\n", ingest->source.name,
                result->rows_rejected - result->errors_said);
    if (result->stopped)
        cli_complain(&CLI_INGEST,
                     "stopped at the first bad row; the %" PRIu64 " rows before it are "
                     "ingested. --on-error skip goes on",
                     result->rows_accepted);
}

static int ingest_file(struct ingest *ingest, const char *path)
{
    enum ingest_format format;
    bool known = choose_format(ingest->arguments, path, &format);
    ingest->result = (struct ingest_result){0};
    if (!known || !status_is_ok(ingest_source_open(&ingest->source, path, format,
                                                   ingest->part_bytes, &ingest->error))) {
        cli_complain(&CLI_INGEST, "%s", ingest->error.detail);
        return CLI_FAILED;
    }
    progress_start(&ingest->progress, ingest->source.name, ingest->source.total_bytes);
    ingest->progress.then = "waiting for the server";
    status sent = send_parts(ingest);
    progress_clear(&ingest->progress);
    if (status_is_ok(sent) || ingest->result.rows_accepted > 0)
        print_summary(ingest);
    print_rejections(ingest);
    if (!status_is_ok(sent))
        cli_complain(&CLI_INGEST, "%s: %s%s", ingest->source.name, ingest->error.detail,
                     sent.code == STATUS_TOO_LARGE && !strstr(ingest->error.detail, "batches")
                         ? "; give a smaller --part-size, or the server a larger --max-bulk-bytes"
                         : "");
    ingest_source_close(&ingest->source);
    return status_is_ok(sent) && ingest->result.rows_rejected == 0 && !ingest->result.stopped
               ? CLI_OK
               : CLI_FAILED;
}

/* One file after the other; the first that does not go through whole ends it, unless bad rows are
 * to be skipped. */
static int ingest_files(struct ingest *ingest)
{
    bool skips = strcmp(cli_argument(ingest->arguments, "on-error"), "skip") == 0;
    int result = CLI_OK;
    for (int i = 0; i < ingest->arguments->operand_count; i++) {
        if (ingest_file(ingest, ingest->arguments->operands[i]) == CLI_OK)
            continue;
        result = CLI_FAILED;
        if (!skips || ingest->answer.http_status == 0)
            break;
    }
    return result;
}

static bool take_part_size(struct ingest *ingest)
{
    const char *text = cli_argument(ingest->arguments, "part-size");
    if (units_parse_size(str_from_cstr(text), &ingest->part_bytes) &&
        ingest->part_bytes >= PART_BYTES_MIN)
        return true;
    (void)cli_argument_refuse(ingest->arguments, "part-size", UNITS_SIZE_ACCEPTED ", at least 1k");
    return false;
}

static int ingest_arguments(struct ingest *ingest)
{
    const char *redis = cli_argument(ingest->arguments, "from-redis");
    if (!check_operands(ingest->arguments) || !take_part_size(ingest))
        return CLI_USAGE;
    if (!status_is_ok(client_create(cli_argument(ingest->arguments, "server"), &ingest->client,
                                    &ingest->error))) {
        cli_complain(&CLI_INGEST, "%s", ingest->error.detail);
        return CLI_USAGE;
    }
    if (redis != NULL)
        return ingest_from_redis(redis, ingest->client);
    if (!check_formats(ingest->arguments))
        return CLI_USAGE;
    build_target(ingest);
    return ingest_files(ingest);
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct ingest ingest = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_INGEST, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&ingest.error);
    client_answer_init(&ingest.answer);
    buffer_init(&ingest.target, TARGET_BYTES_MAX);
    buffer_init(&ingest.messages, MESSAGES_BYTES_MAX);
    result = ingest_arguments(&ingest);
    buffer_fini(&ingest.messages);
    buffer_fini(&ingest.target);
    client_answer_fini(&ingest.answer);
    client_destroy(ingest.client);
    cli_arguments_fini(&arguments);
    return result;
}

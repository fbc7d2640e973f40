/* `featured copy`: all values from one store to another, verified. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/copy_definitions.h"
#include "cli/copy_http.h"
#include "cli/copy_redis.h"
#include "cli/copy_run.h"
#include "cli/interrupt.h"
#include "cli/redis_masters.h"
#include "cli/registered_fetch.h"

#define MESSAGES_BYTES_MAX ((size_t)16 << 20)

static const struct cli_option OPTIONS[] = {
    {.name = "from",
     .value = "URL",
     .setting = true,
     .help = "Where the values are: a running server (http://) or a store in Redis or Valkey "
             "(redis://, rediss://, redis-cluster://, unix://)."},
    {.name = "to",
     .value = "URL",
     .setting = true,
     .help = "Where they go: the same kinds of URL."},
    {.name = "state",
     .value = "FILE",
     .help = "Keep in this file how far the copy is. Interrupted, the same command goes on there; "
             "when all is done the file is removed."},
    {.name = "no-definitions",
     .help = "Between two servers: do not create the features that the second one lacks. Their "
             "values are left out."},
    {.name = "verify", .help = "Copy nothing: only compare the two sides."},
    {.name = "no-verify", .help = "Do not compare the two sides afterwards."},
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_COPY = {
    .name = "copy",
    .summary = "copy all values from one store to another, verified",
    .operands = "",
    .description =
        "Copies every value with its event time between two running servers, two stores in Redis, "
        "or one of each, while both go on serving. The newest event wins at the target as always: "
        "doing it again is harmless. Of the layout user:ID:features any Redis can be the source, "
        "also one that another program has filled.\n\n"
        "Afterwards both sides are read and compared, by the number of ids and values and a "
        "checksum for each entity. Exit status 1: something was left out, refused, differs, or "
        "the copy was interrupted; standard error names the first of what it is about.",
    .examples = "featured copy --from http://old:8000 --to http://new:8000\tfrom server to server\n"
                "featured copy --from redis://10.0.0.7/0 --to http://127.0.0.1:8000 --state "
                "copy.state\tresumable\n"
                "featured copy --verify --from http://a:8000 --to http://b:8000\tonly compare",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

/* One side as it is opened. */
struct side {
    struct client *client; /* of a server */
    struct registered registered;
    struct copy_end *end;
};

struct copy {
    const struct cli_arguments *arguments;
    struct side from;
    struct side to;
    struct client_answer answer;
    struct copy_state state;
    struct error error;
};

static status open_side(struct copy *copy, struct side *side, const char *url)
{
    if (redis_masters_is_url(url))
        return copy_redis_open(url, &side->end, &copy->error);
    TRY(client_create(url, &side->client, &copy->error));
    TRY(registered_fetch_features(&side->registered, side->client, &copy->answer, &copy->error));
    return copy_http_open(side->client, &side->registered, &side->end, &copy->error);
}

static void close_side(struct side *side)
{
    if (side->end != NULL)
        side->end->driver->close(side->end);
    registered_fini(&side->registered);
    client_destroy(side->client);
}

static status make_definitions(struct copy *copy)
{
    struct copy_definitions made = {0};
    if (copy->from.client == NULL || copy->to.client == NULL ||
        cli_argument_is_on(copy->arguments, "no-definitions") ||
        cli_argument_is_on(copy->arguments, "verify"))
        return OK;
    buffer_init(&made.messages, MESSAGES_BYTES_MAX);
    status result = copy_definitions(&copy->from.registered, &copy->to.registered, copy->to.client,
                                     &made, &copy->error);
    if (made.messages.len > 0)
        fwrite(made.messages.data, 1, made.messages.len, stderr);
    buffer_fini(&made.messages);
    if (made.created > 0)
        printf("%" PRIu32 " feature%s registered\n", made.created, made.created == 1 ? "" : "s");
    fflush(stdout);
    if (!status_is_ok(result) || made.created == 0)
        return result;
    registered_fini(&copy->to.registered);
    registered_init(&copy->to.registered);
    return registered_fetch_features(&copy->to.registered, copy->to.client, &copy->answer,
                                     &copy->error);
}

static const struct registered *definitions_of(const struct copy *copy)
{
    if (copy->to.client != NULL)
        return &copy->to.registered;
    return copy->from.client != NULL ? &copy->from.registered : NULL;
}

static status carry_out(struct copy *copy, bool *fine)
{
    const struct copy_run run = {.from = copy->from.end,
                                 .to = copy->to.end,
                                 .definitions = definitions_of(copy),
                                 .state = &copy->state};
    bool whole = true;
    bool same = true;
    *fine = false;
    TRY(copy_state_load(&copy->state, &copy->error));
    if (!copy->state.is_copied && !cli_argument_is_on(copy->arguments, "verify")) {
        TRY(make_definitions(copy));
        TRY(copy_run_rows(&run, &whole, &copy->error));
    }
    if (!interrupt_asked() && !cli_argument_is_on(copy->arguments, "no-verify"))
        TRY(copy_run_verify(&run, &same, &copy->error));
    if (interrupt_asked())
        return OK;
    copy_state_remove(&copy->state);
    *fine = whole && same;
    return OK;
}

static int copy_sides(struct copy *copy)
{
    const char *state_path = cli_argument_is_on(copy->arguments, "verify")
                                 ? NULL
                                 : cli_argument(copy->arguments, "state");
    bool fine = false;
    status result = open_side(copy, &copy->from, cli_argument(copy->arguments, "from"));
    if (status_is_ok(result))
        result = open_side(copy, &copy->to, cli_argument(copy->arguments, "to"));
    if (status_is_ok(result)) {
        interrupt_watch();
        copy_state_init(&copy->state, state_path, copy->from.end->name, copy->to.end->name);
        result = carry_out(copy, &fine);
        copy_state_fini(&copy->state);
    }
    if (!status_is_ok(result))
        cli_complain(&CLI_COPY, "%s", copy->error.detail);
    else if (interrupt_asked())
        cli_complain(&CLI_COPY, state_path ? "interrupted; the same command goes on where it was"
                                           : "interrupted; --state FILE would let it go on");
    if (result.code == STATUS_INVALID)
        return CLI_USAGE;
    return status_is_ok(result) && fine ? CLI_OK : CLI_FAILED;
}

static bool check_urls(const struct cli_arguments *arguments)
{
    const char *from = cli_argument(arguments, "from");
    const char *to = cli_argument(arguments, "to");
    if (from == NULL || to == NULL)
        cli_complain(&CLI_COPY, "--%s is missing: featured copy --from URL --to URL",
                     from == NULL ? "from" : "to");
    else if (strcmp(from, to) == 0)
        cli_complain(&CLI_COPY, "--from and --to are the same");
    else if (cli_argument_is_on(arguments, "verify") && cli_argument_is_on(arguments, "no-verify"))
        cli_complain(&CLI_COPY, "give --verify or --no-verify, not both");
    else
        return true;
    return false;
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct copy copy = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_COPY, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&copy.error);
    client_answer_init(&copy.answer);
    registered_init(&copy.from.registered);
    registered_init(&copy.to.registered);
    result = check_urls(&arguments) ? copy_sides(&copy) : CLI_USAGE;
    close_side(&copy.from);
    close_side(&copy.to);
    client_answer_fini(&copy.answer);
    cli_arguments_fini(&arguments);
    return result;
}

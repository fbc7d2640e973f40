/* `featured health`: what a container's health check or a script asks, without another program. */
#include <stdio.h>
#include <yyjson.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/units.h"

#define LINE_MAX_BYTES 4096u
#define TIMEOUT_MS_MAX INT64_C(600000)

static const struct cli_option OPTIONS[] = {
    {.name = "live",
     .help = "Ask whether the process lives, not whether it is ready. A server that recovers, or "
             "waits for its store, lives."},
    {.name = "timeout",
     .value = "TIME",
     .fallback = "3s",
     .help = "A server that has not answered by then is not well: 500ms, 10s; a bare number counts "
             "milliseconds."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_HEALTH = {
    .name = "health",
    .summary = "ask a server whether it is ready",
    .operands = "",
    .description =
        "Prints ready, and exits with status 0, if requests can be served: the data directory is "
        "recovered, or the store in Redis answers. Lines below say what is amiss all the same: the "
        "registry (definitions cannot be changed) or ingestion (nothing can be written). Else the "
        "exit status is 1 and standard error says why.",
    .examples = "featured health\tis the server of this machine ready?\n"
                "featured health --live --timeout 1s\tdoes it live?",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

/* {"status":"ready","ingestion":"why not"} as lines. False if it is no such answer. */
static bool append_answer(struct buffer *out, const struct buffer *body)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_doc *document = yyjson_read(body->data, body->len, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *state = yyjson_obj_get(root, "status");
    bool fine = yyjson_is_str(state);
    if (fine) {
        terminal_append_safe(out, str_of(yyjson_get_str(state), yyjson_get_len(state)));
        buffer_append_char(out, '\n');
        yyjson_obj_foreach(root, index, count, key, value)
        {
            if (value == state || !yyjson_is_str(value))
                continue;
            terminal_append_safe(out, str_of(yyjson_get_str(key), yyjson_get_len(key)));
            buffer_append_str(out, STR(": "));
            terminal_append_safe(out, str_of(yyjson_get_str(value), yyjson_get_len(value)));
            buffer_append_char(out, '\n');
        }
    }
    yyjson_doc_free(document);
    return fine && !out->failed;
}

static int print_answer(const struct client *client, const struct client_answer *answer)
{
    struct buffer text;
    buffer_init(&text, LINE_MAX_BYTES);
    bool fine = append_answer(&text, &answer->body);
    if (fine)
        fwrite(text.data, 1, text.len, stdout);
    else
        cli_complain(&CLI_HEALTH, "what answers at %s is no featured", client_server(client));
    buffer_fini(&text);
    return fine ? CLI_OK : CLI_FAILED;
}

static int ask(const struct cli_arguments *arguments, struct client *client)
{
    struct client_answer answer;
    struct error error;
    int result = CLI_FAILED;
    error_clear(&error);
    client_answer_init(&answer);
    const char *target = cli_argument_is_on(arguments, "live") ? "/health" : "/ready";
    if (status_is_ok(client_request_ok(client, "GET", target, (str){0}, &answer, &error)))
        result = print_answer(client, &answer);
    else
        cli_complain(&CLI_HEALTH, "%s", error.detail);
    client_answer_fini(&answer);
    return result;
}

static int connect_and_ask(const struct cli_arguments *arguments)
{
    struct client *client;
    struct error error;
    int64_t timeout_ms;
    if (!units_parse_duration_ms(str_from_cstr(cli_argument(arguments, "timeout")), 1,
                                 &timeout_ms) ||
        timeout_ms < 1 || timeout_ms > TIMEOUT_MS_MAX)
        return cli_argument_refuse(arguments, "timeout", "expected a time such as 3s, 10m at most");
    error_clear(&error);
    if (!status_is_ok(client_create(cli_argument(arguments, "server"), &client, &error))) {
        cli_complain(&CLI_HEALTH, "%s", error.detail);
        return CLI_USAGE;
    }
    client_set_timeout(client, timeout_ms);
    int result = ask(arguments, client);
    client_destroy(client);
    return result;
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    int result = cli_arguments_parse(&CLI_HEALTH, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    result = connect_and_ask(&arguments);
    cli_arguments_fini(&arguments);
    return result;
}

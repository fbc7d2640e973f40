/* `featured get`: what a model would get for one entity id, as a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"
#include "cli/terminal.h"

#define TARGET_BYTES_MAX ((size_t)1 << 20)

static const struct cli_option OPTIONS[] = {
    {.name = "entity",
     .value = "NAME",
     .help = "The kind of thing that ID is. Without this option, it follows from the features; "
             "without these, everything that any entity has under this id."},
    {.name = "service",
     .value = "NAME",
     .help = "The features of this feature service, in its order: a model's input vector."},
    {.name = "json", .help = "The server's answer as it is, with values and metadata."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_GET = {
    .name = "get",
    .summary = "show what a model would get for an entity id",
    .operands = "ID [FEATURE...]",
    .operands_min = 1,
    .operands_max = -1,
    .description =
        "Prints the newest values that are alive, with the time each became true and its status: "
        "PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE (past its TTL) or NOT_REGISTERED. Without "
        "features, all that are held under this id. The exit status is 1 if nothing is held, or a "
        "feature is not registered.",
    .examples = "featured get user_123\teverything about user_123\n"
                "featured get user_123 user_age user_city\ttwo features\n"
                "featured get --service fraud_v3 --json user_123\ta model's input as JSON",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

struct get {
    const struct cli_arguments *arguments;
    struct client *client;
    struct client_answer answer;
    struct buffer target;
    struct error error;
};

static void append_parameter(struct buffer *out, const char *parameter, const char *value)
{
    if (value == NULL)
        return;
    buffer_append_format(out, "&%s=", parameter);
    client_append_encoded(out, str_from_cstr(value));
}

static void build_target(struct get *get)
{
    buffer_append_str(&get->target, STR("/features/online/"));
    client_append_encoded(&get->target, str_from_cstr(get->arguments->operands[0]));
    buffer_append_str(&get->target, STR("?metadata=true"));
    append_parameter(&get->target, "entity", cli_argument(get->arguments, "entity"));
    append_parameter(&get->target, "feature_service", cli_argument(get->arguments, "service"));
    for (int i = 1; i < get->arguments->operand_count; i++)
        append_parameter(&get->target, "feature_names", get->arguments->operands[i]);
    buffer_append_char(&get->target, '\0');
}

/* A text without its quotes, null as nothing, the rest as JSON. */
static void add_value(struct table *table, yyjson_val *value)
{
    size_t len;
    if (yyjson_is_null(value)) {
        table_add(table, (str){0});
    } else if (yyjson_is_str(value) || yyjson_is_raw(value)) {
        table_add(table, str_of(unsafe_yyjson_get_str(value), unsafe_yyjson_get_len(value)));
    } else {
        char *json = yyjson_val_write(value, 0, &len);
        table_add(table, json ? str_of(json, len) : STR("?"));
        free(json);
    }
}

static void add_text(struct table *table, yyjson_val *value)
{
    table_add(table, str_of(yyjson_get_str(value), yyjson_get_len(value)));
}

/* CLI_FAILED if a feature is not registered. */
static int fill_table(struct table *table, yyjson_val *root)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_val *metadata = yyjson_obj_get(root, "metadata");
    int result = CLI_OK;
    table_add(table, STR("FEATURE"));
    table_add(table, STR("VALUE"));
    table_add(table, STR("EVENT TIME"));
    table_add(table, STR("STATUS"));
    yyjson_obj_foreach(yyjson_obj_get(root, "features"), index, count, key, value)
    {
        yyjson_val *about = yyjson_obj_getn(metadata, yyjson_get_str(key), yyjson_get_len(key));
        yyjson_val *state = yyjson_obj_get(about, "status");
        add_text(table, key);
        add_value(table, value);
        add_text(table, yyjson_obj_get(about, "event_timestamp"));
        add_text(table, state);
        if (yyjson_equals_str(state, "NOT_REGISTERED"))
            result = CLI_FAILED;
    }
    return result;
}

static int print_table(const struct get *get, yyjson_val *root)
{
    struct table table;
    struct buffer text;
    bool on_terminal = terminal_is(STDOUT_FILENO);
    table_init(&table, 4, on_terminal ? terminal_width(STDOUT_FILENO) / 2 : 0);
    buffer_init(&text, CLIENT_ANSWER_BYTES_MAX * 2);
    int result = fill_table(&table, root);
    table_append(&table, &text, terminal_style(STDOUT_FILENO, STYLE_BOLD),
                 terminal_style(STDOUT_FILENO, STYLE_PLAIN));
    if (yyjson_obj_size(yyjson_obj_get(root, "features")) == 0) {
        cli_complain(&CLI_GET, "nothing is held under '%s'", get->arguments->operands[0]);
        result = CLI_FAILED;
    } else if (table.text.failed || text.failed) {
        cli_complain(&CLI_GET, "out of memory");
        result = CLI_FAILED;
    } else {
        fwrite(text.data, 1, text.len, stdout);
    }
    buffer_fini(&text);
    table_fini(&table);
    return result;
}

static int print_answer(const struct get *get)
{
    const struct buffer *body = &get->answer.body;
    if (cli_argument_is_on(get->arguments, "json")) {
        fwrite(body->data, 1, body->len, stdout);
        putchar('\n');
        return CLI_OK;
    }
    /* numbers stay the text that the server wrote */
    yyjson_doc *document = yyjson_read(body->data, body->len, YYJSON_READ_NUMBER_AS_RAW);
    int result = CLI_FAILED;
    if (document == NULL)
        cli_complain(&CLI_GET, "the server's answer is no JSON");
    else
        result = print_table(get, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return result;
}

static int get_and_print(struct get *get)
{
    if (get->arguments->operand_count > 1 && cli_argument(get->arguments, "service") != NULL) {
        cli_complain(&CLI_GET, "give features or --service, not both");
        return CLI_USAGE;
    }
    if (get->arguments->operands[0][0] == '\0') {
        cli_complain(&CLI_GET, "ID is empty");
        return CLI_USAGE;
    }
    if (!status_is_ok(
            client_create(cli_argument(get->arguments, "server"), &get->client, &get->error))) {
        cli_complain(&CLI_GET, "%s", get->error.detail);
        return CLI_USAGE;
    }
    build_target(get);
    if (!status_is_ok(client_request_ok(get->client, "GET",
                                        get->target.failed ? NULL : get->target.data, (str){0},
                                        &get->answer, &get->error))) {
        cli_complain(&CLI_GET, "%s", get->error.detail);
        return CLI_FAILED;
    }
    return print_answer(get);
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct get get = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_GET, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&get.error);
    client_answer_init(&get.answer);
    buffer_init(&get.target, TARGET_BYTES_MAX);
    result = get_and_print(&get);
    buffer_fini(&get.target);
    client_answer_fini(&get.answer);
    client_destroy(get.client);
    cli_arguments_fini(&arguments);
    return result;
}

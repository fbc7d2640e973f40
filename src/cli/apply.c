/* `featured apply`: definition files, the plan, the question, the changes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/definition_file.h"
#include "cli/file.h"
#include "cli/plan.h"
#include "cli/plan_text.h"
#include "cli/registered.h"
#include "cli/registered_fetch.h"
#include "cli/terminal.h"

#define TARGET_BYTES_MAX 4096u
#define TEXT_BYTES_MAX ((size_t)256 << 20)

static const struct cli_option OPTIONS[] = {
    {.name = "yes", .help = "Make the changes without asking."},
    {.name = "dry-run", .help = "Show the plan and change nothing."},
    {.name = "activate",
     .help =
         "Where a data type differs, make the version with the new type the active one: the one "
         "that the bare name means. Without this option it can be filled first, as name@2."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_APPLY = {
    .name = "apply",
    .summary = "define features and feature services from YAML files",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = -1,
    .description =
        "Compares the definitions in the files with those of the server, shows what would be "
        "created (+), changed (~) and left (=), asks, and makes the changes. What is not in the "
        "files is not touched: nothing is ever deleted. A second run changes nothing.\n\n"
        "A file holds `features`, `feature_services`, and `entities` (features grouped by entity). "
        "A feature has name, data_type and entity, and may have ttl (1h, 7d) or ttl_seconds, "
        "description, feature_group, source, transformation, is_nullable, dimension and tags. A "
        "feature service has name and features, and may have description and tags. FILE - is "
        "standard input.",
    .examples = "featured apply features.yaml\tshow the plan, ask, go on\n"
                "featured apply --yes features/*.yaml\tfor scripts\n"
                "featured apply --dry-run features.yaml\tonly the plan",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

struct apply {
    const struct cli_arguments *arguments;
    struct client *client;
    struct client_answer answer;
    struct buffer target; /* of the request at hand, terminated */
    struct buffer body;
    struct definition_set set;
    struct registered registered;
    struct plan plan;
    struct error error;
};

static int fail(const struct apply *apply)
{
    cli_complain(&CLI_APPLY, "%s", apply->error.detail);
    return CLI_FAILED;
}

static int load_files(struct apply *apply)
{
    const struct cli_arguments *arguments = apply->arguments;
    struct buffer text;
    bool fine = true;
    for (int i = 0; i < arguments->operand_count; i++) {
        const char *path = arguments->operands[i];
        buffer_init(&text, DEFINITION_FILE_BYTES_MAX);
        status read = file_read(path, &text, &apply->error);
        if (status_is_ok(read))
            fine &= definition_set_add(&apply->set, strcmp(path, "-") ? path : "standard input",
                                       buffer_str(&text));
        buffer_fini(&text);
        if (!status_is_ok(read))
            return fail(apply);
    }
    if (fine)
        return CLI_OK;
    fwrite(apply->set.errors.data, 1, apply->set.errors.len, stderr);
    cli_complain(&CLI_APPLY, "%zu mistake%s in the definitions; nothing was changed",
                 apply->set.error_count, apply->set.error_count == 1 ? "" : "s");
    return CLI_USAGE;
}

/* "/features/definitions/" and the encoded name, and what follows it; NULL without memory. */
static const char *target_of(struct apply *apply, const char *path, str name, const char *tail)
{
    buffer_reset(&apply->target, SIZE_MAX);
    buffer_append_str(&apply->target, str_from_cstr(path));
    client_append_encoded(&apply->target, name);
    buffer_append(&apply->target, tail, strlen(tail) + 1);
    return apply->target.failed ? NULL : apply->target.data;
}

static status fetch_services(struct apply *apply)
{
    if (apply->set.service_count == 0)
        return OK;
    TRY(client_request_ok(apply->client, "GET", "/feature-services", (str){0}, &apply->answer,
                          &apply->error));
    return registered_add_services(&apply->registered, buffer_str(&apply->answer.body),
                                   &apply->error);
}

static status fetch_versions(struct apply *apply)
{
    for (size_t i = 0; i < apply->set.feature_count; i++) {
        const struct feature_definition *wanted = &apply->set.features[i].definition;
        struct registered_feature *current = registered_feature(&apply->registered, wanted->name);
        if (!plan_needs_versions(wanted, current))
            continue;
        TRY(client_request_ok(apply->client, "GET",
                              target_of(apply, "/features/definitions/", wanted->name, ""),
                              (str){0}, &apply->answer, &apply->error));
        TRY(registered_set_versions(&apply->registered, current, buffer_str(&apply->answer.body),
                                    &apply->error));
    }
    return OK;
}

static bool print_plan(struct apply *apply)
{
    struct buffer text;
    buffer_init(&text, TEXT_BYTES_MAX);
    plan_append_text(&text, &apply->plan, STDOUT_FILENO);
    bool fine = !text.failed;
    if (fine && text.len > 0)
        fwrite(text.data, 1, text.len, stdout);
    fflush(stdout);
    buffer_fini(&text);
    return fine;
}

/* CLI_CONTINUE to go on. */
static int ask(const struct apply *apply)
{
    char line[16];
    size_t count = apply->plan.change_count;
    if (cli_argument_is_on(apply->arguments, "yes"))
        return CLI_CONTINUE;
    if (!terminal_is(STDIN_FILENO)) {
        cli_complain(&CLI_APPLY,
                     "nobody to ask: standard input is no terminal; give --yes to make the "
                     "%zu change%s, or --dry-run to only see the plan",
                     count, count == 1 ? "" : "s");
        return CLI_USAGE;
    }
    printf("\nMake %zu change%s at %s? [y/N] ", count, count == 1 ? "" : "s",
           client_server(apply->client));
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y'))
        return CLI_CONTINUE;
    printf("Nothing was changed.\n");
    return CLI_FAILED;
}

static status activate(struct apply *apply, const struct plan_item *item)
{
    str name = item->feature->definition.name;
    buffer_reset(&apply->body, SIZE_MAX);
    buffer_append_format(&apply->body, "{\"version\":%" PRIu32 "}", item->version);
    return client_request_ok(apply->client, "POST",
                             target_of(apply, "/features/definitions/", name, "/activate"),
                             buffer_str(&apply->body), &apply->answer, &apply->error);
}

static status make_change(struct apply *apply, struct plan_item *item)
{
    buffer_reset(&apply->body, SIZE_MAX);
    if (item->service != NULL) {
        plan_append_service_json(&apply->body, &item->service->definition);
        return client_request_ok(
            apply->client, "PUT",
            target_of(apply, "/feature-services/", item->service->definition.name, ""),
            buffer_str(&apply->body), &apply->answer, &apply->error);
    }
    if (item->put) {
        plan_append_feature_json(&apply->body, &item->feature->definition);
        TRY(client_request_ok(
            apply->client, "PUT",
            target_of(apply, "/features/definitions/", item->feature->definition.name, ""),
            buffer_str(&apply->body), &apply->answer, &apply->error));
        /* somebody else may have made a version since the plan: the answer knows */
        yyjson_doc *answer = yyjson_read(apply->answer.body.data, apply->answer.body.len, 0);
        uint64_t version = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(answer), "version"));
        yyjson_doc_free(answer);
        if (version > 0 && version <= UINT32_MAX)
            item->version = (uint32_t)version;
    }
    return item->activate ? activate(apply, item) : OK;
}

static int make_changes(struct apply *apply)
{
    size_t made = 0;
    for (size_t i = 0; i < apply->plan.count; i++) {
        struct plan_item *item = &apply->plan.items[i];
        const struct definition_place *place =
            item->feature ? &item->feature->place : &item->service->place;
        if (!item->put && !item->activate)
            continue;
        if (!status_is_ok(make_change(apply, item))) {
            cli_complain(&CLI_APPLY, "%s:%u: %s", place->file, place->line, apply->error.detail);
            cli_complain(&CLI_APPLY,
                         "%zu of %zu changes were made; run it again when this is put right", made,
                         apply->plan.change_count);
            return CLI_FAILED;
        }
        made++;
    }
    printf("%zu change%s made.\n", made, made == 1 ? "" : "s");
    return CLI_OK;
}

static int compare_and_change(struct apply *apply)
{
    bool activates = cli_argument_is_on(apply->arguments, "activate");
    if (!status_is_ok(client_create(cli_argument(apply->arguments, "server"), &apply->client,
                                    &apply->error))) {
        (void)fail(apply);
        return CLI_USAGE;
    }
    if (!status_is_ok(registered_fetch_features(&apply->registered, apply->client, &apply->answer,
                                                &apply->error)) ||
        !status_is_ok(fetch_services(apply)) || !status_is_ok(fetch_versions(apply)))
        return fail(apply);
    if (!plan_make(&apply->set, &apply->registered, activates, &apply->plan) ||
        !print_plan(apply)) {
        cli_complain(&CLI_APPLY, "out of memory");
        return CLI_FAILED;
    }
    if (apply->plan.refused_count > 0) {
        cli_complain(&CLI_APPLY, "the plan cannot be carried out; nothing was changed");
        return CLI_FAILED;
    }
    if (apply->plan.change_count == 0) {
        printf("Nothing to change.\n");
        return CLI_OK;
    }
    if (cli_argument_is_on(apply->arguments, "dry-run")) {
        printf("%zu change%s to make; nothing was changed (--dry-run).\n", apply->plan.change_count,
               apply->plan.change_count == 1 ? "" : "s");
        return CLI_OK;
    }
    int answer = ask(apply);
    return answer == CLI_CONTINUE ? make_changes(apply) : answer;
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct apply apply = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_APPLY, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&apply.error);
    definition_set_init(&apply.set);
    registered_init(&apply.registered);
    client_answer_init(&apply.answer);
    buffer_init(&apply.target, TARGET_BYTES_MAX);
    buffer_init(&apply.body, TEXT_BYTES_MAX);
    result = load_files(&apply);
    if (result == CLI_OK)
        result = compare_and_change(&apply);
    buffer_fini(&apply.body);
    buffer_fini(&apply.target);
    client_answer_fini(&apply.answer);
    registered_fini(&apply.registered);
    definition_set_fini(&apply.set);
    client_destroy(apply.client);
    cli_arguments_fini(&arguments);
    return result;
}

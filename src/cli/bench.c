/* `featured bench`: load on a running server, and how long its answers took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/bench_features.h"
#include "cli/bench_options.h"
#include "cli/bench_report.h"
#include "cli/bench_run.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

#define PATTERN_MAX 256
#define DEFAULT_IDS_LAST 99999
#define FAILED_SHARE 0.01 /* of requests: beyond, the figures are those of a server in trouble */
#define PAGE_BYTES_MAX ((size_t)4 << 20)

struct bench {
    const struct cli_arguments *arguments;
    struct bench_options options;
    struct client *client;
    struct bench_features features;
    struct bench_ids ids;
    char ids_name[PATTERN_MAX];
    struct bench_workload workload;
    struct bench_result *result;
    struct error error;
};

static struct bench_page page_of(int fd)
{
    const char *codes[] = {getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")};
    bool blocks = false;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i] == NULL || codes[i][0] == '\0')
            continue;
        blocks = strcasestr(codes[i], "utf-8") != NULL || strcasestr(codes[i], "utf8") != NULL;
        break;
    }
    return (struct bench_page){.columns = terminal_is(fd) ? terminal_width(fd) : 100,
                               .blocks = blocks && terminal_is(fd),
                               .bold = terminal_style(fd, STYLE_BOLD),
                               .yellow = terminal_style(fd, STYLE_YELLOW),
                               .red = terminal_style(fd, STYLE_RED),
                               .green = terminal_style(fd, STYLE_GREEN),
                               .plain = terminal_style(fd, STYLE_PLAIN)};
}

static status use_pattern(struct bench *bench, const char *pattern)
{
    snprintf(bench->ids_name, sizeof(bench->ids_name), "%s", pattern);
    return bench_ids_set_pattern(&bench->ids, str_from_cstr(pattern), &bench->error);
}

static status use_file(struct bench *bench, const char *path)
{
    struct buffer text;
    buffer_init(&text, BENCH_ID_FILE_BYTES_MAX);
    status result = file_read(path, &text, &bench->error);
    if (status_is_ok(result))
        result = bench_ids_add_lines(&bench->ids, buffer_str(&text), path, &bench->error);
    buffer_fini(&text);
    snprintf(bench->ids_name, sizeof(bench->ids_name), "%s", path);
    return result;
}

/* What was asked for; else the users that --setup has loaded; else ids that the server says it
 * has; else a guess. */
static status choose_ids(struct bench *bench)
{
    char pattern[PATTERN_MAX];
    if (bench->options.id_file != NULL)
        return use_file(bench, bench->options.id_file);
    if (bench->options.ids != NULL)
        return use_pattern(bench, bench->options.ids);
    if (bench->features.users > 0) {
        snprintf(pattern, sizeof(pattern), "user_{0..%llu}",
                 (unsigned long long)bench->features.users - 1);
        return use_pattern(bench, pattern);
    }
    TRY(bench_features_sample_ids(&bench->features, bench->client, &bench->ids, &bench->error));
    snprintf(bench->ids_name, sizeof(bench->ids_name), "the first that the server lists");
    if (bench->ids.count > 0)
        return OK;
    snprintf(pattern, sizeof(pattern), "%.*s_{0..%d}", STR_ARG(bench->features.entity),
             DEFAULT_IDS_LAST);
    return use_pattern(bench, pattern);
}

static status probe(struct bench *bench)
{
    uint64_t read = 0, with_values = 0;
    if (bench->options.shares[BENCH_SINGLE] + bench->options.shares[BENCH_BATCH] == 0)
        return OK;
    TRY(bench_features_probe(&bench->features, bench->client, &bench->ids, &read, &with_values,
                             &bench->error));
    if (with_values < read)
        cli_complain(&CLI_BENCH,
                     "note: %llu of %llu ids that were tried have no value of these features: "
                     "%s",
                     (unsigned long long)(read - with_values), (unsigned long long)read,
                     bench->features.users > 0 && bench->options.ids == NULL &&
                             bench->options.id_file == NULL
                         ? "those of --setup live for an hour; give --setup again"
                         : "--ids or --id-file say which ids there are");
    return OK;
}

/* What a model reads may only be overwritten by who says so. */
static status check_writes(struct bench *bench)
{
    if (bench->options.shares[BENCH_INGEST] == 0 || bench->features.are_ours ||
        bench->options.write_existing)
        return OK;
    return error_set(&bench->error, STATUS_CONFLICT, "workload",
                     "ingest would write made-up values into features that are not the bench's "
                     "own: give --setup, or --write-existing if that is what you want");
}

static status prepare(struct bench *bench, const struct bench_target *target)
{
    const struct bench_options *options = &bench->options;
    if (options->setup)
        TRY(bench_features_set_up(bench->client, options->users, &bench->error));
    TRY(bench_features_choose(&bench->features, bench->client, options->features, options->entity,
                              &bench->error));
    TRY(check_writes(bench));
    TRY(choose_ids(bench));
    TRY(probe(bench));
    bench->workload = (struct bench_workload){.batch_size = options->batch_size,
                                              .tensors = options->tensors,
                                              .is_zipf = options->is_zipf,
                                              .zipf_exponent = options->zipf_exponent,
                                              .seed = options->seed,
                                              .entity = bench->features.entity,
                                              .features = bench->features.chosen,
                                              .feature_count = bench->features.count,
                                              .ids = &bench->ids};
    memcpy(bench->workload.shares, options->shares, sizeof(options->shares));
    status prepared = bench_workload_prepare(&bench->workload, str_from_cstr(target->host),
                                             str_from_cstr(target->path));
    return status_is_ok(prepared)
               ? OK
               : error_set(&bench->error, prepared.code, "bench", "out of memory");
}

static void describe_features(const struct bench_features *features, char out[BENCH_TEXT_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < features->count && used < BENCH_TEXT_MAX - 1; i++) {
        int len = snprintf(out + used, BENCH_TEXT_MAX - used, "%s%.*s", i > 0 ? "," : "",
                           STR_ARG(features->chosen[i].name));
        used += len > 0 ? (size_t)len : 0;
    }
}

static void describe(const struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    struct bench_result *result = bench->result;
    snprintf(result->server, sizeof(result->server), "%s", client_server(bench->client));
    snprintf(result->entity, sizeof(result->entity), "%.*s", STR_ARG(bench->features.entity));
    snprintf(result->mix, sizeof(result->mix), "%s", options->mix);
    snprintf(result->ids, sizeof(result->ids), "%s", bench->ids_name);
    if (options->is_zipf)
        snprintf(result->distribution, sizeof(result->distribution), "zipf %g",
                 options->zipf_exponent);
    else
        snprintf(result->distribution, sizeof(result->distribution), "uniform");
    describe_features(&bench->features, result->features);
    result->tensors = options->tensors;
    result->precise = options->precise && options->rate > 0;
    result->rate = options->rate;
    result->connections = options->connections;
    result->threads = options->threads;
    result->batch_size = options->batch_size;
    result->id_count = bench->ids.count;
    result->seed = options->seed;
    result->warmup_seconds = (double)options->warmup_ms / 1000;
}

static int write_svg(const struct bench *bench, const char *title, const char *subtitle,
                     const struct bench_series *series, size_t count)
{
    const char *path = bench->options.svg;
    struct buffer text;
    buffer_init(&text, PAGE_BYTES_MAX);
    bench_svg_append(&text, title, subtitle, series, count);
    FILE *file = text.failed ? NULL : fopen(path, "we");
    bool written = file != NULL && fwrite(text.data, 1, text.len, file) == text.len;
    if (file != NULL)
        written = fclose(file) == 0 && written;
    buffer_fini(&text);
    if (written)
        return CLI_OK;
    cli_complain(&CLI_BENCH, "cannot write %s", path);
    return CLI_FAILED;
}

static int draw_result(const struct bench *bench)
{
    const struct bench_result *result = bench->result;
    struct bench_series series[BENCH_SERIES_MAX];
    char subtitle[BENCH_TEXT_MAX * 2];
    size_t count = 0;
    for (int i = 0; i < BENCH_KINDS; i++) {
        if (result->latency[i].count > 0)
            series[count++] = (struct bench_series){BENCH_KIND_NAMES[i], &result->latency[i]};
    }
    if (result->rate > 0)
        snprintf(subtitle, sizeof(subtitle),
                 "%.0f requests/s answered of %.0f/s asked (open loop), %llu connections, %s",
                 bench_result_rate(result), result->rate, (unsigned long long)result->connections,
                 result->distribution);
    else
        snprintf(subtitle, sizeof(subtitle), "%.0f requests/s, closed loop, %llu connections, %s",
                 bench_result_rate(result), (unsigned long long)result->connections,
                 result->distribution);
    return write_svg(bench, "Latency by percentile", subtitle, series, count);
}

static int print_page(struct buffer *page)
{
    bool fine = !page->failed && fwrite(page->data, 1, page->len, stdout) == page->len &&
                fflush(stdout) == 0;
    buffer_fini(page);
    if (fine)
        return CLI_OK;
    cli_complain(&CLI_BENCH, "cannot write the result");
    return CLI_FAILED;
}

static int report(const struct bench *bench)
{
    const struct bench_result *result = bench->result;
    const struct bench_page page = page_of(STDOUT_FILENO);
    struct buffer text;
    buffer_init(&text, PAGE_BYTES_MAX);
    if (bench->options.json)
        bench_result_append_json(result, &text);
    else
        bench_report_append(result, &page, &text);
    int outcome = print_page(&text);
    if (outcome == CLI_OK && bench->options.svg != NULL)
        outcome = draw_result(bench);
    if (outcome == CLI_OK && result->answers_in_time == 0 && !result->interrupted) {
        cli_complain(&CLI_BENCH, "no request was answered well");
        outcome = CLI_FAILED;
    } else if (outcome == CLI_OK && bench_result_error_share(result) > FAILED_SHARE) {
        cli_complain(&CLI_BENCH, "%.1f %% of the requests failed",
                     bench_result_error_share(result) * 100);
        outcome = CLI_FAILED;
    }
    return outcome;
}

static int tear_down(struct bench *bench)
{
    uint64_t deleted = 0;
    if (!status_is_ok(bench_features_tear_down(bench->client, &deleted, &bench->error))) {
        cli_complain(&CLI_BENCH, "%s", bench->error.detail);
        return CLI_FAILED;
    }
    fprintf(stderr,
            "%llu features of the feature group " BENCH_GROUP " deleted, with their values\n",
            (unsigned long long)deleted);
    return CLI_OK;
}

static status measure(struct bench *bench, const struct bench_target *target)
{
    const struct bench_options *options = &bench->options;
    const struct bench_run run = {.target = *target,
                                  .workload = &bench->workload,
                                  .threads = options->threads,
                                  .connections = options->connections,
                                  .rate = options->rate,
                                  .warmup_ns = options->warmup_ms * 1000000,
                                  .duration_ns = options->duration_ms * 1000000,
                                  .timeout_ns = options->timeout_ms * 1000000,
                                  .is_precise = options->precise,
                                  .shows_progress = terminal_is(STDERR_FILENO)};
    describe(bench);
    return bench_run(&run, bench->result, &bench->error);
}

static int load(struct bench *bench)
{
    struct bench_target target;
    status done = bench_target_find(client_server(bench->client), &target, &bench->error);
    if (status_is_ok(done))
        done = prepare(bench, &target);
    if (status_is_ok(done) && interrupt_asked())
        done = error_set(&bench->error, STATUS_IO, "bench", "interrupted before the load began");
    if (status_is_ok(done))
        done = measure(bench, &target);
    if (status_is_ok(done))
        return report(bench);
    cli_complain(&CLI_BENCH, "%s", bench->error.detail);
    return done.code == STATUS_CONFLICT ? CLI_USAGE : CLI_FAILED;
}

static int load_and_clean(struct bench *bench)
{
    bench_features_init(&bench->features);
    bench_ids_init(&bench->ids);
    bench->result = memory_alloc_zero(sizeof(*bench->result));
    int outcome = CLI_FAILED;
    if (bench->result != NULL)
        outcome = load(bench);
    else
        cli_complain(&CLI_BENCH, "out of memory");
    bench_workload_fini(&bench->workload);
    memory_free(bench->result);
    bench_ids_fini(&bench->ids);
    bench_features_fini(&bench->features);
    return outcome;
}

static status read_result(struct bench *bench, const char *path, struct bench_result *out)
{
    struct buffer text;
    buffer_init(&text, BENCH_FILE_BYTES_MAX);
    status result = file_read(path, &text, &bench->error);
    if (status_is_ok(result))
        result = bench_result_parse(out, buffer_str(&text), path, &bench->error);
    buffer_fini(&text);
    return result;
}

static int show_difference(struct bench *bench, const struct bench_result *results)
{
    char **files = bench->arguments->operands;
    const struct bench_page page = page_of(STDOUT_FILENO);
    const struct bench_series series[] = {{files[0], &results[0].all}, {files[1], &results[1].all}};
    struct buffer text;
    buffer_init(&text, PAGE_BYTES_MAX);
    bool fine =
        bench_compare_append(&results[0], &results[1], bench->options.tolerance, &page, &text);
    int outcome = print_page(&text);
    if (outcome == CLI_OK && bench->options.svg != NULL)
        outcome = write_svg(bench, "Latency by percentile", "before and after", series, 2);
    return outcome == CLI_OK && !fine ? CLI_FAILED : outcome;
}

static int compare(struct bench *bench)
{
    struct bench_result *results = memory_alloc_array(2, sizeof(*results));
    int outcome = CLI_USAGE;
    if (results == NULL) {
        cli_complain(&CLI_BENCH, "out of memory");
        return CLI_FAILED;
    }
    if (status_is_ok(read_result(bench, bench->arguments->operands[0], &results[0])) &&
        status_is_ok(read_result(bench, bench->arguments->operands[1], &results[1])))
        outcome = show_difference(bench, results);
    else
        cli_complain(&CLI_BENCH, "%s", bench->error.detail);
    memory_free(results);
    return outcome;
}

static int run_bench(struct bench *bench)
{
    if (!bench_options_take(bench->arguments, &bench->options))
        return CLI_USAGE;
    if (bench->options.compare)
        return compare(bench);
    if (!status_is_ok(client_create(cli_argument(bench->arguments, "server"), &bench->client,
                                    &bench->error))) {
        cli_complain(&CLI_BENCH, "%s", bench->error.detail);
        return CLI_USAGE;
    }
    interrupt_watch();
    int outcome = CLI_OK;
    if (bench->options.setup || !bench->options.teardown)
        outcome = load_and_clean(bench);
    if (bench->options.teardown) {
        int removed = tear_down(bench);
        outcome = outcome == CLI_OK ? removed : outcome;
    }
    return outcome;
}

int cli_bench(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct bench state = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_BENCH, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&state.error);
    result = run_bench(&state);
    client_destroy(state.client);
    cli_arguments_fini(&arguments);
    return result;
}

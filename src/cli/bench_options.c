#include "cli/bench_options.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/bench_ids.h"
#include "cli/bench_loop.h"
#include "cli/bench_run.h"
#include "cli/cli.h"
#include "cli/units.h"
#include "model/limits.h"

#define RATE_MAX 10000000u
#define DURATION_MAX_MS INT64_C(86400000)
#define ZIPF_MAX 10.0
#define TOLERANCE_MAX_PERCENT 1000.0

static const struct cli_option OPTIONS[] = {
    {.name = "rate",
     .value = "N",
     .fallback = "1000",
     .help = "Requests per second, due at even distances whatever the server does (open loop); 0: "
             "each connection sends its next request when the last is answered (closed loop), "
             "which shows how much the server can take."},
    {.name = "connections", .value = "N", .fallback = "64", .help = "How many are kept open."},
    {.name = "threads",
     .value = "N",
     .fallback = "1",
     .help = "Of the load generator, which share the connections and the rate."},
    {.name = "precise",
     .help = "Open loop: wait for due times busily, which takes a core for each thread and sends "
             "within a few microseconds instead of some fifty."},
    {.name = "duration", .value = "TIME", .fallback = "5s", .help = "What is measured: 30s, 5m."},
    {.name = "warmup",
     .value = "TIME",
     .fallback = "1s",
     .help = "Load before that which does not count."},
    {.name = "timeout",
     .value = "TIME",
     .fallback = "5s",
     .help = "After which a request is given up, and how long answers are waited for at the end."},
    {.name = "workload",
     .value = "MIX",
     .fallback = "single",
     .help = "single (one id per request), batch (many), ingest (one row), or a mix with shares: "
             "single=8,batch=1,ingest=1."},
    {.name = "batch", .value = "N", .fallback = "50", .help = "Ids per batch request."},
    {.name = "tensors", .help = "Read .npy tensors (application/x-npy) instead of JSON."},
    {.name = "entity",
     .value = "NAME",
     .help = "Read the features of this entity. Without this option, those of --setup, or of the "
             "entity that has the most."},
    {.name = "features",
     .value = "A,B,...",
     .help = "Read these features. Without this option, the first 20 by name."},
    {.name = "ids",
     .value = "PATTERN",
     .help = "The ids: 'user_{0..99999}'. Without this option, the users of --setup, or the first "
             "10,000 that the server lists."},
    {.name = "id-file", .value = "FILE", .help = "The ids, one a line; - is standard input."},
    {.name = "distribution",
     .value = "NAME",
     .fallback = "uniform",
     .choices = "uniform|zipf",
     .help = "How often each id is asked for: all alike, or the first most, the k-th k^S times as "
             "rarely."},
    {.name = "zipf", .value = "S", .fallback = "0.99", .help = "The exponent of zipf."},
    {.name = "seed",
     .value = "N",
     .fallback = "1",
     .help = "Start of the random numbers: the same seed asks for the same."},
    {.name = "setup",
     .help = "First define four features of the bench's own (user_age, user_clicks_30d, "
             "user_purchases_7d, user_avg_session_time) and load users."},
    {.name = "users", .value = "N", .fallback = "100000", .help = "How many --setup loads."},
    {.name = "teardown",
     .help = "Remove the features of --setup and their values; with --setup after the load, else "
             "without any load."},
    {.name = "write-existing",
     .help = "Let ingest write made-up values into features that are not of --setup."},
    {.name = "json", .help = "Print the result as JSON, for programs and for --compare."},
    {.name = "svg", .value = "FILE", .help = "Write a chart of latency by percentile."},
    {.name = "compare",
     .help =
         "No load: compare two files that --json printed; exit status 1 if the second is worse."},
    {.name = "tolerance",
     .value = "PERCENT",
     .fallback = "10",
     .help = "How much worse is still the same."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

const struct cli_command CLI_BENCH = {
    .name = "bench",
    .summary = "put load on a server: throughput, percentiles, a histogram",
    .operands = "[BEFORE.json AFTER.json]",
    .operands_max = 2,
    .description =
        "Reads registered features at a fixed rate for a few seconds and shows how long the "
        "answers "
        "took, to p99.99. Latency counts from when a request was due, not from when it could be "
        "sent, so that a server that stands still cannot hide it (no coordinated omission). "
        "Nothing is written unless --setup or --workload ask for it.\n\n"
        "Says when the load generator itself was too slow. Ctrl-C ends it early and shows what "
        "there is. The exit status is 1 if more than one request in a hundred failed.",
    .examples = "featured bench --setup\tmake features and users of its own, then read them\n"
                "featured bench --rate 0 --connections 16\thow much can it take?\n"
                "featured bench --rate 20000 --duration 1m --svg latency.svg\tand how steadily?\n"
                "featured bench --workload single=9,ingest=1 --json > a.json\tfor programs\n"
                "featured bench --compare a.json b.json --tolerance 5\tdid it get slower?\n"
                "featured bench --teardown\tremove what --setup made",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = cli_bench,
};

static bool take_number(const struct cli_arguments *arguments, const char *name, double least,
                        double most, const char *accepted, double *out)
{
    const char *text = cli_argument(arguments, name);
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        cli_argument_refuse(arguments, name, accepted);
        return false;
    }
    *out = value;
    return true;
}

static bool take_uint32(const struct cli_arguments *arguments, const char *name, uint32_t least,
                        uint32_t most, uint32_t *out)
{
    uint64_t value;
    if (!cli_argument_uint64(arguments, name, least, most, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool take_duration(const struct cli_arguments *arguments, const char *name, int64_t least,
                          int64_t *out)
{
    int64_t ms;
    if (!units_parse_duration_ms(str_from_cstr(cli_argument(arguments, name)), 1000, &ms) ||
        ms < least || ms > DURATION_MAX_MS) {
        cli_argument_refuse(arguments, name, "expected a time such as 500ms, 30s or 5m, up to 1d");
        return false;
    }
    *out = ms;
    return true;
}

static bool take_load(const struct cli_arguments *arguments, struct bench_options *out)
{
    return take_number(arguments, "rate", 0, RATE_MAX,
                       "expected requests per second, 0 to 10000000", &out->rate) &&
           take_uint32(arguments, "threads", 1, BENCH_THREADS_MAX, &out->threads) &&
           take_uint32(arguments, "connections", out->threads, BENCH_CONNECTIONS_MAX,
                       &out->connections) &&
           take_duration(arguments, "duration", 1, &out->duration_ms) &&
           take_duration(arguments, "warmup", 0, &out->warmup_ms) &&
           take_duration(arguments, "timeout", 1, &out->timeout_ms);
}

static bool take_workload(const struct cli_arguments *arguments, struct bench_options *out)
{
    out->mix = cli_argument(arguments, "workload");
    if (!bench_workload_parse_mix(str_from_cstr(out->mix), out->shares)) {
        cli_argument_refuse(arguments, "workload", BENCH_MIX_ACCEPTED);
        return false;
    }
    return take_uint32(arguments, "batch", 1, LIMIT_READ_IDS, &out->batch_size) &&
           take_number(arguments, "zipf", 0.01, ZIPF_MAX, "expected an exponent, 0.01 to 10",
                       &out->zipf_exponent) &&
           cli_argument_uint64(arguments, "seed", 0, UINT64_MAX, &out->seed) &&
           cli_argument_uint64(arguments, "users", 1, BENCH_IDS_MAX, &out->users) &&
           take_number(arguments, "tolerance", 0, TOLERANCE_MAX_PERCENT,
                       "expected percent, 0 to 1000", &out->tolerance);
}

static bool fits_together(const struct cli_arguments *arguments, const struct bench_options *out)
{
    const char *wrong = NULL;
    if (out->compare && arguments->operand_count != 2)
        wrong = "--compare takes two files: featured bench --compare BEFORE.json AFTER.json";
    else if (!out->compare && arguments->operand_count > 0)
        wrong = "files are for --compare; see `featured bench --help`";
    else if (out->ids != NULL && out->id_file != NULL)
        wrong = "give --ids or --id-file, not both";
    if (wrong != NULL)
        cli_complain(&CLI_BENCH, "%s", wrong);
    return wrong == NULL;
}

bool bench_options_take(const struct cli_arguments *arguments, struct bench_options *out)
{
    *out = (struct bench_options){
        .compare = cli_argument_is_on(arguments, "compare"),
        .setup = cli_argument_is_on(arguments, "setup"),
        .teardown = cli_argument_is_on(arguments, "teardown"),
        .write_existing = cli_argument_is_on(arguments, "write-existing"),
        .precise = cli_argument_is_on(arguments, "precise"),
        .json = cli_argument_is_on(arguments, "json"),
        .tensors = cli_argument_is_on(arguments, "tensors"),
        .is_zipf = strcmp(cli_argument(arguments, "distribution"), "zipf") == 0,
        .entity = cli_argument(arguments, "entity"),
        .features = cli_argument(arguments, "features"),
        .ids = cli_argument(arguments, "ids"),
        .id_file = cli_argument(arguments, "id-file"),
        .svg = cli_argument(arguments, "svg"),
    };
    if (!take_load(arguments, out) || !take_workload(arguments, out) ||
        !fits_together(arguments, out))
        return false;
    out->tolerance /= 100;
    return true;
}

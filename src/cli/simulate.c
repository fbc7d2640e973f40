/* `featured simulate`: a live pipeline for trying things out. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/bulk_sender.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/interrupt.h"

#define BATCH_ROWS 500u
#define USERS_MAX UINT64_C(1000000000)
#define NS_PER_SECOND INT64_C(1000000000)
#define READY_WAIT_NS (60 * NS_PER_SECOND)

static const struct cli_option OPTIONS[] = {
    {.name = "users", .value = "N", .fallback = "100000", .help = "How many users there are."},
    {.name = "batches",
     .value = "N",
     .help = "Stop after so many batches of updates. Without this option, never."},
    {.name = "rate",
     .value = "N",
     .fallback = "5000",
     .help =
         "Updates per second; 0 is as fast as the server takes them. Loading the users first is "
         "always as fast."},
    {.name = "seed",
     .value = "N",
     .help = "Start of the random numbers, for the same values again. Without this option, the "
             "clock."},
    CLI_OPTION_SERVER,
    CLI_OPTION_ENV_FILE,
};

static int run(int argc, char **argv);

const struct cli_command CLI_SIMULATE = {
    .name = "simulate",
    .summary = "a live pipeline: load users, then update them for ever",
    .operands = "",
    .description =
        "Registers the features age (int), purchase_count_30d (float) and preferred_category "
        "(string) of the entity user where they are not there, ingests all users (user00001, "
        "user00002, ...) in batches of 500, and then updates 500 users at random again and again, "
        "with one line per batch. SIGINT (Ctrl-C) and SIGTERM end it after the batch at hand, with "
        "exit status 0.",
    .examples = "featured simulate\t100,000 users, endless updates\n"
                "featured simulate --users 1000 --batches 10 --rate 0\ta short one",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = run,
};

struct simulate {
    const struct cli_arguments *arguments;
    struct client *client;
    struct client_answer answer;
    struct bulk_sender sender;
    uint64_t users;
    uint64_t batches; /* UINT64_MAX: endless */
    uint64_t rate;
    uint64_t random;
    struct error error;
};

/* SplitMix64 (Steele, Lea, Flood 2014): a few lines, any seed will do. */
static uint64_t next_random(struct simulate *simulate)
{
    uint64_t z = simulate->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t random_below(struct simulate *simulate, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)next_random(simulate) * bound) >> 64);
}

static const struct {
    const char *name;
    const char *data_type;
    const char *description;
} FEATURES[] = {
    {"age", "int", "Age in years (featured simulate)"},
    {"purchase_count_30d", "float", "Purchases in the last 30 days (featured simulate)"},
    {"preferred_category", "string", "Category bought most (featured simulate)"},
};

/* 409 is as good: it is there. If its type is another, ingesting says so. */
static status register_features(struct simulate *simulate)
{
    char body[512];
    for (size_t i = 0; i < ARRAY_LEN(FEATURES); i++) {
        int len = snprintf(body, sizeof(body),
                           "{\"name\":\"%s\",\"data_type\":\"%s\",\"entity\":\"user\","
                           "\"description\":\"%s\",\"tags\":{\"origin\":\"simulate\"}}",
                           FEATURES[i].name, FEATURES[i].data_type, FEATURES[i].description);
        status answered =
            client_request_ok(simulate->client, "POST", "/register", str_of(body, (size_t)len),
                              &simulate->answer, &simulate->error);
        if (!status_is_ok(answered) && answered.code != STATUS_CONFLICT)
            return answered;
    }
    return OK;
}

static void append_row(struct simulate *simulate, uint64_t user)
{
    static const char *const CATEGORIES[] = {"electronics", "books",  "fashion", "home",
                                             "sports",      "beauty", "grocery", "toys"};
    buffer_append_format(&simulate->sender.rows,
                         "{\"entity\":\"user\",\"entity_id\":\"user%05" PRIu64
                         "\",\"features\":{\"age\":%" PRIu64 ",\"purchase_count_30d\":%" PRIu64
                         ".0,\"preferred_category\":\"%s\"}}\n",
                         user, 18 + random_below(simulate, 63), random_below(simulate, 51),
                         CATEGORIES[random_below(simulate, ARRAY_LEN(CATEGORIES))]);
}

static status send_batch(struct simulate *simulate, uint64_t rows, uint64_t unique_users)
{
    struct bulk_sender *sender = &simulate->sender;
    TRY(bulk_sender_flush(sender, &simulate->error));
    if (sender->result.rows_rejected > 0)
        return error_set(&simulate->error, STATUS_INVALID, "rows",
                         "the server refuses the rows; are age, purchase_count_30d and "
                         "preferred_category registered as int, float and string of user? %.*s",
                         STR_ARG(buffer_str(&sender->messages)));
    printf("Ingested/Updated %" PRIu64 " features. Total unique users: %" PRIu64 "\n", rows,
           unique_users);
    fflush(stdout);
    return OK;
}

static void sleep_until(int64_t monotonic_ns)
{
    struct timespec until = {.tv_sec = monotonic_ns / NS_PER_SECOND,
                             .tv_nsec = monotonic_ns % NS_PER_SECOND};
    while (!interrupt_asked() &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

/* A server that starts at the same time (compose, a script) is waited for once it can be reached.
 */
static status wait_until_ready(struct simulate *simulate)
{
    int64_t give_up = clock_monotonic_ns() + READY_WAIT_NS;
    for (;;) {
        status answered = client_request_ok(simulate->client, "GET", "/ready", (str){0},
                                            &simulate->answer, &simulate->error);
        if (simulate->answer.http_status != 503 || interrupt_asked() ||
            clock_monotonic_ns() > give_up)
            return answered;
        sleep_until(clock_monotonic_ns() + NS_PER_SECOND / 2);
    }
}

static status load_users(struct simulate *simulate)
{
    uint64_t done = 0;
    while (done < simulate->users && !interrupt_asked()) {
        uint64_t rows = simulate->users - done < BATCH_ROWS ? simulate->users - done : BATCH_ROWS;
        for (uint64_t i = 1; i <= rows; i++)
            append_row(simulate, done + i);
        done += rows;
        TRY(send_batch(simulate, rows, done));
    }
    return OK;
}

static status update_users(struct simulate *simulate)
{
    int64_t next = clock_monotonic_ns();
    for (uint64_t made = 0; made < simulate->batches && !interrupt_asked(); made++) {
        for (uint64_t i = 0; i < BATCH_ROWS; i++)
            append_row(simulate, 1 + random_below(simulate, simulate->users));
        TRY(send_batch(simulate, BATCH_ROWS, simulate->users));
        if (simulate->rate == 0 || made + 1 == simulate->batches)
            continue;
        next += (int64_t)(BATCH_ROWS * (uint64_t)NS_PER_SECOND / simulate->rate);
        /* behind by more than a second: the rate cannot be had, and is not caught up with */
        if (next < clock_monotonic_ns() - NS_PER_SECOND)
            next = clock_monotonic_ns();
        sleep_until(next);
    }
    return OK;
}

static status simulate_pipeline(struct simulate *simulate)
{
    TRY(wait_until_ready(simulate));
    TRY(register_features(simulate));
    TRY(load_users(simulate));
    return update_users(simulate);
}

static bool take_numbers(struct simulate *simulate)
{
    const struct cli_arguments *arguments = simulate->arguments;
    simulate->batches = UINT64_MAX;
    simulate->random = (uint64_t)clock_wall_us();
    return cli_argument_uint64(arguments, "users", 1, USERS_MAX, &simulate->users) &&
           cli_argument_uint64(arguments, "rate", 0, USERS_MAX, &simulate->rate) &&
           (cli_argument(arguments, "batches") == NULL ||
            cli_argument_uint64(arguments, "batches", 0, UINT64_MAX, &simulate->batches)) &&
           (cli_argument(arguments, "seed") == NULL ||
            cli_argument_uint64(arguments, "seed", 0, UINT64_MAX, &simulate->random));
}

static int run(int argc, char **argv)
{
    struct cli_arguments arguments;
    struct simulate simulate = {.arguments = &arguments};
    int result = cli_arguments_parse(&CLI_SIMULATE, argc, argv, &arguments);
    if (result != CLI_CONTINUE)
        return result;
    error_clear(&simulate.error);
    client_answer_init(&simulate.answer);
    result = CLI_USAGE;
    if (take_numbers(&simulate)) {
        interrupt_watch();
        status done =
            client_create(cli_argument(&arguments, "server"), &simulate.client, &simulate.error);
        bulk_sender_init(&simulate.sender, simulate.client);
        result = status_is_ok(done) ? CLI_OK : CLI_USAGE;
        if (status_is_ok(done) && !status_is_ok(simulate_pipeline(&simulate)))
            result = CLI_FAILED;
        if (result != CLI_OK)
            cli_complain(&CLI_SIMULATE, "%s", simulate.error.detail);
        bulk_sender_fini(&simulate.sender);
    }
    client_answer_fini(&simulate.answer);
    client_destroy(simulate.client);
    cli_arguments_fini(&arguments);
    return result;
}

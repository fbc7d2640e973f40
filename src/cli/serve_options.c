#include "cli/serve_options.h"

#include <stdio.h>
#include <string.h>

#include "cli/serve_urls.h"

#define MIN_MEMORY_BYTES                                                                           \
    (UINT64_C(16) << 20)                       /* below, not even the empty tables and queues fit  \
                                                */
#define TIMEOUT_MS_MAX INT64_C(86400000)       /* a day: longer is a slip of the unit */
#define PERIOD_MS_MAX INT64_C(3155760000000)   /* 100 years: times stay far from overflow */
#define REDIS_TIMEOUT_MS_MAX INT64_C(60000)    /* longer than any client waits */
#define MIN_SEGMENT_BYTES (UINT64_C(64) << 10) /* below, the log is mostly file headers */
#define MIN_SNAPSHOT_LOG_BYTES (UINT64_C(64) << 10)

/* The fallbacks of the limits are those of http/http_limits.h; a test holds them together. */
static const struct cli_option OPTIONS[] = {
    {.name = "listen",
     .value = "HOST:PORT",
     .fallback = "127.0.0.1:8000",
     .setting = true,
     .help = "The address to listen on. Port 0 takes a free one; without a host (:8000) the server "
             "listens on every address of the machine. The line on standard output that says the "
             "server is ready names the address."},
    {.name = "data",
     .value = "DIR",
     .fallback = "./featured-data",
     .setting = true,
     .help = "The data directory; made if it is not there. One server at a time uses it. With both "
             "--database-url and --redis-url there is none."},
    {.name = "database-url",
     .value = "URL",
     .setting = true,
     .also = "DATABASE_URL",
     .help = "Keep definitions in this PostgreSQL database (postgresql://USER@HOST/DATABASE), "
             "shared by all servers that name it. Without this option, or if it is empty, in the "
             "data directory. A password belongs into the variable or a file, not on a command "
             "line."},
    {.name = "redis-url",
     .value = "URL",
     .setting = true,
     .also = "REDIS_URL",
     .help = "Keep values in this Redis, Valkey or cluster of either (redis://HOST:PORT/DATABASE, "
             "rediss:// over TLS, unix:///PATH, redis-cluster://HOST:PORT,HOST:PORT), shared by "
             "all servers that name it and the same registry. They are as durable as it is set up "
             "to keep them. Without this option, or if it is empty, in this process. REDIS_HOST, "
             "REDIS_PORT, REDIS_PASSWORD and REDIS_DB are read too. A password belongs into a "
             "variable or a file, not on a command line."},
    {.name = "redis-read-from",
     .value = "WHICH",
     .fallback = "master",
     .setting = true,
     .choices = "master|replica",
     .help = "In a cluster, which nodes values are read from: replicas share the work, and may "
             "answer what was true a moment ago."},
    {.name = "redis-timeout",
     .value = "DURATION",
     .fallback = "1s",
     .setting = true,
     .help = "What Redis has not answered after this time is answered 503 (200ms, 1s)."},
    {.name = "redis-max-pending",
     .value = "N",
     .fallback = "10000",
     .setting = true,
     .help = "Commands that may wait for an answer of Redis, for each event loop, at least 2000; "
             "further requests are answered 503 at once."},
    {.name = "fsync",
     .value = "WHEN",
     .fallback = "always",
     .setting = true,
     .choices = "always|interval|never",
     .help = "When what was written is forced to the disk: before it is acknowledged; once per "
             "--fsync-interval-ms; or when the system likes. The end of the process alone "
             "(kill -9) loses nothing under any of them, the loss of power does under the last "
             "two."},
    {.name = "fsync-interval-ms",
     .value = "MS",
     .fallback = "1000",
     .setting = true,
     .help = "With --fsync interval: the most that a loss of power can cost."},
    {.name = "snapshot-interval",
     .value = "DURATION",
     .fallback = "1h",
     .setting = true,
     .help = "Write a snapshot after this time if anything was written (90s, 15m, 1h, 7d); 0: "
             "never by time. A snapshot shortens the next start and lets old log segments go."},
    {.name = "snapshot-log-bytes",
     .value = "SIZE",
     .fallback = "256MiB",
     .setting = true,
     .help = "Write a snapshot when the log has grown by this much since the last one, or by the "
             "last one's size if that is more."},
    {.name = "log-segment-bytes",
     .value = "SIZE",
     .fallback = "64MiB",
     .setting = true,
     .help = "The size of one file of the log; at least 64KiB."},
    {.name = "log-retention",
     .value = "DURATION",
     .fallback = "0",
     .setting = true,
     .help = "Keep log segments for this time (12h, 7d) although a snapshot holds what is in "
             "them; 0: not at all."},
    {.name = "recover",
     .value = "WHAT",
     .choices = "truncate",
     .help = "Once, after a start that failed because the log or a snapshot is damaged: go on "
             "without what follows the damage. Take a copy of the directory first. No setting: "
             "it would hide the next damage."},
    {.name = "threads",
     .value = "N",
     .setting = true,
     .help = "Event loops. Without this option, one for each core."},
    {.name = "max-memory",
     .value = "SIZE",
     .setting = true,
     .help = "Memory of the online store (8GiB, 512MiB). Beyond it writes get a clear error; "
             "nothing is evicted. Without this option, 70 % of the machine's memory or of the "
             "control group's limit."},
    {.name = "max-header-bytes",
     .value = "SIZE",
     .fallback = "16KiB",
     .setting = true,
     .help = "Request line and headers of one request together; more is answered 431."},
    {.name = "max-body-bytes",
     .value = "SIZE",
     .fallback = "16MiB",
     .setting = true,
     .help = "A JSON body; more is answered 413."},
    {.name = "max-bulk-bytes",
     .value = "SIZE",
     .fallback = "1GiB",
     .setting = true,
     .help = "The body of one bulk ingestion, which is streamed; more is answered 413."},
    {.name = "max-connections",
     .value = "N",
     .fallback = "10000",
     .setting = true,
     .help = "Connections at once; further ones wait to be accepted."},
    {.name = "idle-timeout-ms",
     .value = "MS",
     .fallback = "75000",
     .setting = true,
     .help = "A connection without a request is closed after so many milliseconds. This and the "
             "other times are also taken with a unit: 75s, 2m."},
    {.name = "read-timeout-ms",
     .value = "MS",
     .fallback = "30000",
     .setting = true,
     .help = "The time from the first byte of a request to its last; then 408. A streamed body "
             "starts it again with each piece."},
    {.name = "write-timeout-ms",
     .value = "MS",
     .fallback = "30000",
     .setting = true,
     .help = "A client that takes nothing of its answer for so long is cut off."},
    {.name = "drain-timeout-ms",
     .value = "MS",
     .fallback = "10000",
     .setting = true,
     .help = "On SIGTERM or SIGINT, requests under way get so long to finish."},
    {.name = "cors-origin",
     .value = "ORIGIN",
     .setting = true,
     .help = "Let pages of this origin (https://example.org, or * for any) call the API from a "
             "browser. Without this option, none."},
    {.name = "strict",
     .setting = true,
     .help = "Treat every request as if it said strict=true: unknown fields and names are errors."},
    {.name = "log-level",
     .value = "LEVEL",
     .fallback = "info",
     .setting = true,
     .choices = "debug|info|warn|error",
     .help = "The least important lines to log on standard error."},
    CLI_OPTION_ENV_FILE,
};

const struct cli_command CLI_SERVE = {
    .name = "serve",
    .summary = "run the server",
    .operands = "",
    .description =
        "Runs the feature store: definitions in SQLite, the newest values in memory and, before "
        "they are acknowledged, in a log on disk; HTTP and JSON on one address. Nothing else "
        "needs to be installed or started. SIGTERM and SIGINT end it after the requests under "
        "way; SIGUSR1 asks for a snapshot.\n\n"
        "With --database-url and --redis-url any number of servers share definitions in "
        "PostgreSQL and values in Redis or Valkey, and keep nothing themselves.\n\n"
        "A start brings back what the data directory holds; until then requests are answered 503 "
        "and GET /ready says how far it is.",
    .examples =
        "featured serve\ton http://127.0.0.1:8000, data in ./featured-data\n"
        "featured serve --listen :8000 --max-memory 8GiB\ton every address, memory bounded\n"
        "featured serve --redis-url redis://cache.internal:6379\tvalues in Redis\n"
        "FEATURED_LISTEN=127.0.0.1:0 featured serve\ton a free port, by the environment",
    .options = OPTIONS,
    .option_count = ARRAY_LEN(OPTIONS),
    .run = cli_serve,
};

static bool take_size(const struct cli_arguments *arguments, const char *name, uint64_t least,
                      uint64_t *out)
{
    uint64_t bytes;
    const char *text = cli_argument(arguments, name);
    if (!units_parse_size(str_from_cstr(text), &bytes)) {
        (void)cli_argument_refuse(arguments, name, UNITS_SIZE_ACCEPTED);
        return false;
    }
    if (bytes < least || bytes > INT64_MAX) {
        char accepted[64];
        snprintf(accepted, sizeof(accepted), "expected at least %llu bytes",
                 (unsigned long long)least);
        (void)cli_argument_refuse(arguments, name, accepted);
        return false;
    }
    *out = bytes;
    return true;
}

static bool take_timeout(const struct cli_arguments *arguments, const char *name, int64_t least,
                         int64_t *out)
{
    int64_t ms;
    const char *text = cli_argument(arguments, name);
    if (units_parse_duration_ms(str_from_cstr(text), 1, &ms) && ms >= least &&
        ms <= TIMEOUT_MS_MAX) {
        *out = ms;
        return true;
    }
    (void)cli_argument_refuse(arguments, name,
                              least > 0 ? "expected milliseconds or 30s, 2m; from 1 ms to a day"
                                        : "expected milliseconds or 30s, 2m; at most a day");
    return false;
}

/* A bare number counts seconds. */
static bool take_period(const struct cli_arguments *arguments, const char *name, int64_t *out)
{
    int64_t ms;
    const char *text = cli_argument(arguments, name);
    if (units_parse_duration_ms(str_from_cstr(text), 1000, &ms) && ms <= PERIOD_MS_MAX) {
        *out = ms;
        return true;
    }
    (void)cli_argument_refuse(arguments, name, "expected a time such as 90s, 15m, 12h or 7d, or 0");
    return false;
}

static enum log_fsync fsync_of(const char *word)
{
    if (strcmp(word, "always") == 0)
        return LOG_FSYNC_ALWAYS;
    return strcmp(word, "interval") == 0 ? LOG_FSYNC_INTERVAL : LOG_FSYNC_NEVER;
}

/* The words were checked by the table. */
static bool take_durability(const struct cli_arguments *arguments, struct serve_options *out)
{
    out->server.fsync = fsync_of(cli_argument(arguments, "fsync"));
    out->server.recover_truncate = cli_argument(arguments, "recover") != NULL;
    return take_timeout(arguments, "fsync-interval-ms", 1, &out->server.fsync_interval_ms) &&
           take_period(arguments, "snapshot-interval", &out->server.snapshot_interval_ms) &&
           take_period(arguments, "log-retention", &out->server.log_retention_ms) &&
           take_size(arguments, "snapshot-log-bytes", MIN_SNAPSHOT_LOG_BYTES,
                     &out->server.snapshot_log_bytes) &&
           take_size(arguments, "log-segment-bytes", MIN_SEGMENT_BYTES,
                     &out->server.log_segment_bytes);
}

static bool take_limits(const struct cli_arguments *arguments, struct http_limits *out)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    uint64_t header_bytes, body_bytes, connections;
    if (!take_size(arguments, "max-header-bytes", 1024, &header_bytes) ||
        !take_size(arguments, "max-body-bytes", 1024, &body_bytes) ||
        !take_size(arguments, "max-bulk-bytes", 1024, &limits.bulk_body_bytes) ||
        !take_timeout(arguments, "idle-timeout-ms", 1, &limits.idle_timeout_ms) ||
        !take_timeout(arguments, "read-timeout-ms", 1, &limits.read_timeout_ms) ||
        !take_timeout(arguments, "write-timeout-ms", 1, &limits.write_timeout_ms) ||
        !cli_argument_uint64(arguments, "max-connections", 1, 1000000, &connections))
        return false;
    limits.header_bytes = (size_t)header_bytes;
    limits.body_bytes = (size_t)body_bytes;
    limits.connections = (uint32_t)connections;
    *out = limits;
    return true;
}

static bool take_resources(const struct cli_arguments *arguments, struct serve_options *out)
{
    uint64_t threads = serve_default_threads();
    out->server.max_memory_bytes = serve_default_memory_bytes();
    if (cli_argument(arguments, "threads") != NULL &&
        !cli_argument_uint64(arguments, "threads", 1, SERVER_THREADS_MAX, &threads))
        return false;
    out->server.threads = (unsigned)threads;
    return cli_argument(arguments, "max-memory") == NULL ||
           take_size(arguments, "max-memory", MIN_MEMORY_BYTES, &out->server.max_memory_bytes);
}

/* An origin is scheme://host[:port], without a path: a browser compares it letter by letter. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    if (strcmp(text, "*") == 0)
        return true;
    if (host == NULL || host == text || host[3] == '\0' || strchr(host + 3, '/') != NULL)
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == ',')
            return false;
    }
    return true;
}

/* What one request reads at a time: below it a large batch would never be answered. */
#define REDIS_PENDING_MIN 2000

static bool take_redis(const struct cli_arguments *arguments, struct serve_options *out)
{
    int64_t ms;
    uint64_t pending;
    const char *timeout = cli_argument(arguments, "redis-timeout");
    if (!units_parse_duration_ms(str_from_cstr(timeout), 1000, &ms) || ms < 1 ||
        ms > REDIS_TIMEOUT_MS_MAX) {
        (void)cli_argument_refuse(arguments, "redis-timeout",
                                  "expected a time such as 200ms or 1s; from 1ms to 1m");
        return false;
    }
    if (!cli_argument_uint64(arguments, "redis-max-pending", REDIS_PENDING_MIN, 1000000, &pending))
        return false;
    out->server.redis_read_from_replica =
        strcmp(cli_argument(arguments, "redis-read-from"), "replica") == 0;
    out->server.redis_timeout_ms = ms;
    out->server.redis_max_pending = (uint32_t)pending;
    return true;
}

/* What somebody took the trouble to set, and will not get. */
static void note_ignored(const struct cli_arguments *arguments, struct serve_options *out)
{
    static const struct {
        const char *name;
        bool with_redis, with_database; /* ignored then; both: only with both */
    } SETTINGS[] = {
        {"data", true, true},
        {"fsync", true, false},
        {"fsync-interval-ms", true, false},
        {"snapshot-interval", true, false},
        {"snapshot-log-bytes", true, false},
        {"log-segment-bytes", true, false},
        {"log-retention", true, false},
        {"recover", true, false},
        {"max-memory", true, false},
        {"redis-read-from", false, false},
        {"redis-timeout", false, false},
        {"redis-max-pending", false, false},
    };
    bool has_redis = out->server.redis_url != NULL;
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(SETTINGS); i++) {
        if (SETTINGS[i].with_redis != has_redis ||
            (SETTINGS[i].with_database && out->server.database_url == NULL) ||
            cli_argument_origin(arguments, SETTINGS[i].name) == CLI_ORIGIN_NONE)
            continue;
        int added = snprintf(out->ignored_text + len, sizeof(out->ignored_text) - len, "%s--%s",
                             len ? " " : "", SETTINGS[i].name);
        len += (size_t)added;
    }
    out->server.ignored = len ? out->ignored_text : NULL;
}

static bool take_texts(const struct cli_arguments *arguments, struct serve_options *out)
{
    const char *listen = cli_argument(arguments, "listen");
    if (!units_parse_address(str_from_cstr(listen), out->host_text, &out->server.port)) {
        (void)cli_argument_refuse(arguments, "listen", UNITS_ADDRESS_ACCEPTED);
        return false;
    }
    out->server.host = out->host_text[0] ? out->host_text : "::";
    out->server.data_dir = cli_argument(arguments, "data");
    if (out->server.data_dir[0] == '\0') {
        (void)cli_argument_refuse(arguments, "data", "expected a directory");
        return false;
    }
    if (!serve_take_database_url(arguments, out) || !serve_take_redis_url(arguments, out))
        return false;
    out->server.cors_origin = cli_argument(arguments, "cors-origin");
    if (out->server.cors_origin != NULL && !is_origin(out->server.cors_origin)) {
        (void)cli_argument_refuse(arguments, "cors-origin",
                                  "expected an origin such as https://example.org, or *");
        return false;
    }
    out->server.strict = cli_argument_is_on(arguments, "strict");
    return log_parse_level(cli_argument(arguments, "log-level"), &out->log_level);
}

int serve_options_parse(int argc, char **argv, struct serve_options *out)
{
    memset(out, 0, sizeof(*out));
    int result = cli_arguments_parse(&CLI_SERVE, argc, argv, &out->arguments);
    if (result != CLI_CONTINUE)
        return result;
    const struct cli_arguments *arguments = &out->arguments;
    if (take_texts(arguments, out) && take_redis(arguments, out) &&
        take_resources(arguments, out) && take_durability(arguments, out) &&
        take_limits(arguments, &out->server.limits) &&
        take_timeout(arguments, "drain-timeout-ms", 0, &out->server.drain_timeout_ms)) {
        note_ignored(arguments, out);
        return CLI_CONTINUE;
    }
    cli_arguments_fini(&out->arguments);
    return CLI_USAGE;
}

void serve_options_fini(struct serve_options *options)
{
    cli_arguments_fini(&options->arguments);
}

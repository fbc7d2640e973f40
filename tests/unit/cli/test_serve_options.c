#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/serve_options.h"

const struct cli_command *const CLI_COMMANDS[] = {&CLI_SERVE, NULL};

int cli_serve(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return CLI_OK;
}

static struct serve_options options;

#define PARSE(...)                                                                                 \
    parse((const char *const[]){"serve", __VA_ARGS__},                                             \
          ARRAY_LEN(((const char *const[]){"serve", __VA_ARGS__})))

static int parse(const char *const *argv, size_t argc)
{
    static char *copy[40];
    static char texts[40][128]; /* URLs are overwritten, which literals do not bear */
    assert_true(argc < ARRAY_LEN(copy));
    for (size_t i = 0; i < argc; i++) {
        copy[i] = (char *)(uintptr_t)argv[i];
        if (strchr(argv[i], '=') && argv[i][0] == '-') {
            snprintf(texts[i], sizeof(texts[i]), "%s", argv[i]);
            copy[i] = texts[i];
        }
    }
    return serve_options_parse((int)argc, copy, &options);
}

static void nothing_said_gives_the_defaults(void **state)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    (void)state;
    assert_int_equal(PARSE("--"), CLI_CONTINUE);
    assert_string_equal(options.server.host, "127.0.0.1");
    assert_int_equal(options.server.port, 8000);
    assert_string_equal(options.server.data_dir, "./featured-data");
    assert_int_equal(options.server.threads, serve_default_threads());
    assert_int_equal(options.server.max_memory_bytes, serve_default_memory_bytes());
    /* the texts of the table say the same as http/http_limits.h */
    assert_int_equal(options.server.limits.header_bytes, limits.header_bytes);
    assert_int_equal(options.server.limits.target_bytes, limits.target_bytes);
    assert_int_equal(options.server.limits.body_bytes, limits.body_bytes);
    assert_int_equal(options.server.limits.bulk_body_bytes, limits.bulk_body_bytes);
    assert_int_equal(options.server.limits.idle_timeout_ms, limits.idle_timeout_ms);
    assert_int_equal(options.server.limits.read_timeout_ms, limits.read_timeout_ms);
    assert_int_equal(options.server.limits.write_timeout_ms, limits.write_timeout_ms);
    assert_int_equal(options.server.limits.connections, limits.connections);
    assert_int_equal(options.server.drain_timeout_ms, 10000);
    assert_int_equal(options.server.fsync, LOG_FSYNC_ALWAYS);
    assert_int_equal(options.server.fsync_interval_ms, 1000);
    assert_int_equal(options.server.snapshot_interval_ms, 3600000);
    assert_int_equal(options.server.snapshot_log_bytes, 256 << 20);
    assert_int_equal(options.server.log_segment_bytes, LOG_SEGMENT_BYTES_DEFAULT);
    assert_int_equal(options.server.log_retention_ms, 0);
    assert_false(options.server.recover_truncate);
    assert_null(options.server.cors_origin);
    assert_null(options.server.database_url);
    assert_null(options.server.redis_url);
    assert_int_equal(options.server.redis_timeout_ms, 1000);
    assert_int_equal(options.server.redis_max_pending, 10000);
    assert_false(options.server.redis_read_from_replica);
    assert_null(options.server.ignored);
    assert_false(options.server.strict);
    assert_int_equal(options.log_level, LOG_INFO);
    serve_options_fini(&options);
}

static void every_option_arrives(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--listen=[::1]:0", "--data", "/x", "--threads=3", "--max-memory=1GiB",
                           "--max-header-bytes=8k", "--max-body-bytes=1M", "--max-bulk-bytes=2G",
                           "--max-connections=5", "--idle-timeout-ms=2s", "--read-timeout-ms=3000",
                           "--write-timeout-ms=1m", "--drain-timeout-ms=0",
                           "--cors-origin=https://a.example:8443", "--strict", "--log-level=debug",
                           "--fsync=never", "--fsync-interval-ms=5s", "--snapshot-interval=90",
                           "--snapshot-log-bytes=1M", "--log-segment-bytes=64KiB",
                           "--log-retention=7d", "--recover=truncate", "--redis-timeout=250ms",
                           "--redis-max-pending=2007", "--redis-read-from=replica"),
                     CLI_CONTINUE);
    assert_string_equal(options.server.host, "::1");
    assert_int_equal(options.server.port, 0);
    assert_string_equal(options.server.data_dir, "/x");
    assert_int_equal(options.server.threads, 3);
    assert_int_equal(options.server.max_memory_bytes, UINT64_C(1) << 30);
    assert_int_equal(options.server.limits.header_bytes, 8192);
    assert_int_equal(options.server.limits.body_bytes, 1 << 20);
    assert_int_equal(options.server.limits.bulk_body_bytes, UINT64_C(2) << 30);
    assert_int_equal(options.server.limits.connections, 5);
    assert_int_equal(options.server.limits.idle_timeout_ms, 2000);
    assert_int_equal(options.server.limits.read_timeout_ms, 3000);
    assert_int_equal(options.server.limits.write_timeout_ms, 60000);
    assert_int_equal(options.server.drain_timeout_ms, 0);
    assert_string_equal(options.server.cors_origin, "https://a.example:8443");
    assert_true(options.server.strict);
    assert_int_equal(options.log_level, LOG_DEBUG);
    assert_int_equal(options.server.fsync, LOG_FSYNC_NEVER);
    assert_int_equal(options.server.fsync_interval_ms, 5000);
    assert_int_equal(options.server.snapshot_interval_ms, 90000);
    assert_int_equal(options.server.snapshot_log_bytes, 1 << 20);
    assert_int_equal(options.server.log_segment_bytes, 64 << 10);
    assert_int_equal(options.server.log_retention_ms, INT64_C(7) * 86400000);
    assert_true(options.server.recover_truncate);
    assert_int_equal(options.server.redis_timeout_ms, 250);
    assert_int_equal(options.server.redis_max_pending, 2007);
    assert_true(options.server.redis_read_from_replica);
    serve_options_fini(&options);
}

static void the_database_url_is_hidden(void **state)
{
    char url[] = "postgresql://u:secret@db/features";
    char wrong[] = "postgresql://u:se/cret@db/features";
    (void)state;
    assert_int_equal(PARSE("--database-url", url), CLI_CONTINUE);
    assert_string_equal(options.server.database_url, "postgresql://u:secret@db/features");
    assert_string_equal(url, "*********************************");
    serve_options_fini(&options);
    assert_int_equal(PARSE("--database-url", wrong), CLI_USAGE);
    assert_null(strstr(wrong, "cret"));
}

static void the_redis_url_is_hidden(void **state)
{
    char url[] = "rediss://u:secret@cache:6380/3";
    char wrong[] = "redis://u:sec@ret@cache";
    (void)state;
    assert_int_equal(PARSE("--redis-url", url), CLI_CONTINUE);
    assert_string_equal(url, "******************************");
    assert_string_equal(options.server.redis_url->password, "secret");
    assert_string_equal(options.server.redis_url->seeds[0].host, "cache");
    assert_int_equal(options.server.redis_url->seeds[0].port, 6380);
    assert_int_equal(options.server.redis_url->database, 3);
    assert_true(options.server.redis_url->is_tls);
    serve_options_fini(&options);
    assert_int_equal(PARSE("--redis-url", wrong), CLI_USAGE);
    assert_null(strstr(wrong, "sec"));
}

static void forget_redis(void)
{
    static const char *const NAMES[] = {"FEATURED_REDIS_URL", "REDIS_URL",      "REDIS_HOST",
                                        "REDIS_PORT",         "REDIS_PASSWORD", "REDIS_DB"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        unsetenv(NAMES[i]);
}

static void assert_redis(const char *host, uint16_t port, const char *password, uint32_t database)
{
    assert_int_equal(PARSE("--env-file=/dev/null"), CLI_CONTINUE);
    assert_non_null(options.server.redis_url);
    assert_string_equal(options.server.redis_url->seeds[0].host, host);
    assert_int_equal(options.server.redis_url->seeds[0].port, port);
    assert_string_equal(options.server.redis_url->password, password);
    assert_int_equal(options.server.redis_url->database, database);
    serve_options_fini(&options);
}

static void redis_is_found_by_the_names_of_other_programs(void **state)
{
    (void)state;
    setenv("REDIS_HOST", "ten", 1);
    assert_redis("ten", 6379, "", 0);
    setenv("REDIS_PORT", "7000", 1);
    setenv("REDIS_PASSWORD", "a/b@c:%", 1);
    setenv("REDIS_DB", "5", 1);
    assert_redis("ten", 7000, "a/b@c:%", 5);
    assert_string_equal(getenv("REDIS_PASSWORD"), "*******");
    unsetenv("REDIS_PASSWORD");
    setenv("REDIS_PORT", "tcp://10.0.0.1:7001", 1); /* as Kubernetes has it */
    setenv("REDIS_HOST", "fe80::1", 1);
    assert_redis("fe80::1", 7001, "", 5);
    setenv("REDIS_DB", "five", 1);
    assert_int_equal(PARSE("--env-file=/dev/null"), CLI_USAGE);
    setenv("REDIS_URL", "redis://nine:9", 1); /* of both forms the URL */
    assert_redis("nine", 9, "", 0);
    setenv("FEATURED_REDIS_URL", "redis://eight:8", 1);
    assert_redis("eight", 8, "", 0);
    assert_int_equal(PARSE("--env-file=/dev/null", "--redis-url=redis://seven"), CLI_CONTINUE);
    assert_string_equal(options.server.redis_url->seeds[0].host, "seven");
    serve_options_fini(&options);
    setenv("REDIS_URL", "redis://nine:9", 1);
    assert_int_equal(PARSE("--env-file=/dev/null", "--redis-url="), CLI_CONTINUE);
    assert_null(options.server.redis_url);
    serve_options_fini(&options);
    forget_redis();
}

static void the_environment_beats_the_file_in_either_form(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof(path), "/tmp/featured-serve-%ld.env", (long)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("REDIS_URL=redis://file\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(PARSE("--env-file", path), CLI_CONTINUE);
    assert_string_equal(options.server.redis_url->seeds[0].host, "file");
    serve_options_fini(&options);
    setenv("REDIS_HOST", "environment", 1);
    assert_int_equal(PARSE("--env-file", path), CLI_CONTINUE);
    assert_string_equal(options.server.redis_url->seeds[0].host, "environment");
    serve_options_fini(&options);
    forget_redis();
    unlink(path);
}

static void the_database_is_found_by_its_usual_name(void **state)
{
    (void)state;
    setenv("DATABASE_URL", "postgresql://u@db/features", 1);
    assert_int_equal(PARSE("--"), CLI_CONTINUE);
    assert_string_equal(options.server.database_url, "postgresql://u@db/features");
    serve_options_fini(&options);
    char of_sqlalchemy[] = "postgresql+asyncpg://u@db/features";
    assert_int_equal(PARSE("--database-url", of_sqlalchemy), CLI_CONTINUE);
    assert_string_equal(options.server.database_url, "postgresql://u@db/features");
    serve_options_fini(&options);
    char unknown[] = "mysql+asyncpg://u@db/features";
    assert_int_equal(PARSE("--database-url", unknown), CLI_USAGE);
    setenv("DATABASE_URL", "mysql://u@db/features", 1);
    assert_int_equal(PARSE("--"), CLI_USAGE);
    assert_int_equal(PARSE("--database-url="), CLI_CONTINUE);
    assert_null(options.server.database_url);
    serve_options_fini(&options);
    unsetenv("DATABASE_URL");
}

static void settings_without_a_meaning_are_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--redis-url=redis://a", "--fsync=always", "--max-memory=1G",
                           "--data=/x", "--redis-timeout=1s"),
                     CLI_CONTINUE);
    assert_string_equal(options.server.ignored, "--fsync --max-memory");
    serve_options_fini(&options);
    setenv("FEATURED_FSYNC", "never", 1);
    assert_int_equal(PARSE("--redis-url=redis://a", "--database-url=postgresql://b/c", "--data=/x"),
                     CLI_CONTINUE);
    assert_string_equal(options.server.ignored, "--data --fsync");
    serve_options_fini(&options);
    unsetenv("FEATURED_FSYNC");
    assert_int_equal(PARSE("--redis-timeout=1s", "--fsync=never"), CLI_CONTINUE);
    assert_string_equal(options.server.ignored, "--redis-timeout");
    serve_options_fini(&options);
}

static void each_word_of_fsync(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--fsync", "interval", "--snapshot-interval=0"), CLI_CONTINUE);
    assert_int_equal(options.server.fsync, LOG_FSYNC_INTERVAL);
    assert_int_equal(options.server.snapshot_interval_ms, 0);
    serve_options_fini(&options);
    assert_int_equal(PARSE("--fsync", "always"), CLI_CONTINUE);
    assert_int_equal(options.server.fsync, LOG_FSYNC_ALWAYS);
    serve_options_fini(&options);
}

/* A variable that stays set would cut at every damage to come. */
static void recover_is_no_setting(void **state)
{
    (void)state;
    setenv("FEATURED_RECOVER", "truncate", 1);
    assert_int_equal(PARSE("--"), CLI_CONTINUE);
    assert_false(options.server.recover_truncate);
    unsetenv("FEATURED_RECOVER");
    serve_options_fini(&options);
}

static void no_host_is_every_address(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--listen", ":8000"), CLI_CONTINUE);
    assert_string_equal(options.server.host, "::");
    serve_options_fini(&options);
}

static void wrong_values_are_refused(void **state)
{
    static const char *const CASES[] = {
        "--listen=8000",
        "--listen=h:99999",
        "--data=",
        "--threads=0",
        "--threads=129",
        "--threads=two",
        "--max-memory=1k",
        "--max-memory=lots",
        "--max-header-bytes=10",
        "--max-body-bytes=x",
        "--max-bulk-bytes=0",
        "--max-connections=0",
        "--idle-timeout-ms=0",
        "--read-timeout-ms=-1",
        "--write-timeout-ms=2d",
        "--drain-timeout-ms=x",
        "--cors-origin=a b",
        "--cors-origin=https://a/b",
        "--log-level=loud",
        "--strict=2",
        "operand",
        "--fsync=sometimes",
        "--fsync=",
        "--fsync-interval-ms=0",
        "--recover=all",
        "--recover=",
        "--snapshot-interval=soon",
        "--log-retention=-1",
        "--log-retention=200y",
        "--snapshot-log-bytes=1k",
        "--log-segment-bytes=65535",
        "--redis-url=http://a",
        "--redis-read-from=slave",
        "--redis-timeout=0",
        "--redis-timeout=2m",
        "--redis-max-pending=1999",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(PARSE(CASES[i]), CLI_USAGE);
}

static void defaults_fit_the_machine(void **state)
{
    (void)state;
    assert_true(serve_default_threads() >= 1);
    assert_true(serve_default_memory_bytes() >= UINT64_C(16) << 20);
    assert_true(serve_default_memory_bytes() < UINT64_C(1) << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_gives_the_defaults),
        cmocka_unit_test(every_option_arrives),
        cmocka_unit_test(the_database_url_is_hidden),
        cmocka_unit_test(the_redis_url_is_hidden),
        cmocka_unit_test(redis_is_found_by_the_names_of_other_programs),
        cmocka_unit_test(the_environment_beats_the_file_in_either_form),
        cmocka_unit_test(the_database_is_found_by_its_usual_name),
        cmocka_unit_test(settings_without_a_meaning_are_named),
        cmocka_unit_test(each_word_of_fsync),
        cmocka_unit_test(recover_is_no_setting),
        cmocka_unit_test(no_host_is_every_address),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(defaults_fit_the_machine),
    };
    return cmocka_run_group_tests_name("serve_options", tests, NULL, NULL);
}

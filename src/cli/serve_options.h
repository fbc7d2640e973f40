/* The settings of `featured serve`, from flags, environment and env file. */
#ifndef FEATURED_CLI_SERVE_OPTIONS_H
#define FEATURED_CLI_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/units.h"
#include "http/http_limits.h"
#include "log/log_writer.h"

#define SERVE_THREADS_MAX 128u
#define SERVE_URL_MAX 4096u

struct serve_options {
    const char *host; /* an address or a name; never empty: "::" stands for every address */
    uint16_t port;    /* 0: a free one */
    const char *data_dir;
    const char *database_url; /* NULL: the registry is in the data directory */
    unsigned threads;
    uint64_t max_memory_bytes;
    enum log_fsync fsync;
    int64_t fsync_interval_ms;
    int64_t snapshot_interval_ms; /* 0: not by time */
    uint64_t snapshot_log_bytes;
    uint64_t log_segment_bytes;
    int64_t log_retention_ms;
    bool recover_truncate;
    struct http_limits limits;
    int64_t drain_timeout_ms;
    const char *cors_origin; /* NULL: CORS is off */
    bool strict;
    enum log_level log_level;
    /* what the texts above point into */
    char host_text[UNITS_HOST_MAX];
    char database_url_text[SERVE_URL_MAX]; /* with a password, perhaps: never shown */
    struct cli_arguments arguments;
};

/* CLI_CONTINUE, or the exit status with which to end (see cli_arguments_parse()). The texts point
 * into *out, argv and the environment: *out must stay where it is. */
MUST_CHECK int serve_options_parse(int argc, char **argv, struct serve_options *out);
void serve_options_fini(struct serve_options *options);

/* 70 % of the machine's memory, or of the control group's limit where that is lower. */
uint64_t serve_default_memory_bytes(void);
/* The cores this process may run on. */
unsigned serve_default_threads(void);

#endif

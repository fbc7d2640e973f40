/* The settings of `featured serve`, from flags, environment and env file. */
#ifndef FEATURED_CLI_SERVE_OPTIONS_H
#define FEATURED_CLI_SERVE_OPTIONS_H

#include <stdint.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/units.h"
#include "server/server.h"

#define SERVE_URL_MAX 4096u
#define SERVE_IGNORED_MAX 256u

struct serve_options {
    struct server_options server; /* `host` is never empty: "::" stands for every address */
    enum log_level log_level;
    /* what the texts above point into */
    char host_text[UNITS_HOST_MAX];
    char database_url_text[SERVE_URL_MAX]; /* with a password, perhaps: never shown */
    struct redis_url redis_url;            /* the same */
    char ignored_text[SERVE_IGNORED_MAX];
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

#include "cli/cli.h"

const struct cli_command *const CLI_COMMANDS[] = {
    &CLI_SERVE,  &CLI_APPLY, &CLI_INGEST, &CLI_COPY,       &CLI_GET,  &CLI_SIMULATE, &CLI_BENCH,
    &CLI_HEALTH, &CLI_CHECK, &CLI_BACKUP, &CLI_COMPLETION, &CLI_HELP, &CLI_VERSION,  NULL,
};

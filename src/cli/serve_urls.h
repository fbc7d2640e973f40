/* Where `featured serve` finds its stores: checked at once, and hidden, as URLs hold passwords and
 * the command line and environment of a process can be read by others. */
#ifndef FEATURED_CLI_SERVE_URLS_H
#define FEATURED_CLI_SERVE_URLS_H

#include "cli/serve_options.h"

/* False after saying what is wrong. */
MUST_CHECK bool serve_take_database_url(const struct cli_arguments *arguments,
                                        struct serve_options *out);
/* --redis-url, or what REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and REDIS_DB say together. */
MUST_CHECK bool serve_take_redis_url(const struct cli_arguments *arguments,
                                     struct serve_options *out);

#endif

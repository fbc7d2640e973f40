/* `featured ingest --from-redis`: takes over string keys "ID:FEATURE" with JSON values and native
 * expiry, as the first of the replaced services keeps them, with their remaining life. */
#ifndef FEATURED_CLI_INGEST_REDIS_H
#define FEATURED_CLI_INGEST_REDIS_H

#include "cli/client.h"

/* Says what it does and what became of it; returns the exit status. */
int ingest_from_redis(const char *url, struct client *client);

#endif

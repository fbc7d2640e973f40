/* A Redis or Valkey, or a cluster of either, as one side of a copy: hashes {entity}:{id}:features,
 * with event times beside the values (spec/redis-layout.md) or without, as others write them. */
#ifndef FEATURED_CLI_COPY_REDIS_H
#define FEATURED_CLI_COPY_REDIS_H

#include "cli/copy_row.h"

MUST_CHECK status copy_redis_open(const char *url, struct copy_end **out, struct error *error);

#endif

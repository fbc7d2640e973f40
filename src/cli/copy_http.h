/* A running server as one side of a copy: read by GET /features/export, written by bulk ingestion.
 */
#ifndef FEATURED_CLI_COPY_HTTP_H
#define FEATURED_CLI_COPY_HTTP_H

#include "cli/client.h"
#include "cli/copy_row.h"
#include "cli/registered.h"

/* Its definitions are borrowed, and have to be there before it is read: their entities are. */
MUST_CHECK status copy_http_open(struct client *client, const struct registered *definitions,
                                 struct copy_end **out, struct error *error);

#endif

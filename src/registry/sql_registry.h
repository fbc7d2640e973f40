/* The registry over any SQL connection: its thread, group commit, and the publishing of images.
 *
 * The thread takes all requests that wait, runs them in one transaction (each under a savepoint, so
 * each keeps its own outcome), builds the next image inside that transaction, commits, publishes,
 * then answers. So nothing is committed that cannot be served, and a thousand requests that arrive
 * together cost one fsync and one image. */
#ifndef FEATURED_REGISTRY_SQL_REGISTRY_H
#define FEATURED_REGISTRY_SQL_REGISTRY_H

#include "registry/registry.h"
#include "registry/sql.h"
#include "runtime/store_clock.h"

/* Takes the connection over, also on failure; its schema stands. Publishes the first image. */
MUST_CHECK status sql_registry_open(const char *driver_name, struct sql_connection *connection,
                                    struct epoch *epoch, struct store_clock *clock,
                                    struct catalog_ref *catalog, struct registry **out,
                                    struct error *error);

#endif

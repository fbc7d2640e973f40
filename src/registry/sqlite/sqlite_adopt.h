/* Taking over the `features` table of another service. */
#ifndef FEATURED_REGISTRY_SQLITE_SQLITE_ADOPT_H
#define FEATURED_REGISTRY_SQLITE_SQLITE_ADOPT_H

#include "registry/sqlite/sqlite_connection.h"

/* What that table is called from then on. */
#define SQLITE_ADOPTED_TABLE "features_before_featured"

/* Inside a migration's transaction, our tables being there and empty: copies the rows with their
 * ids, each as version 1. Rows that we could not serve are refused, all in one error that names
 * their ids and columns; the caller rolls back. */
MUST_CHECK status sqlite_adopt_features(struct sqlite_connection *connection, struct error *error);

#endif

/* The registry's tables in SQLite, made and changed by numbered migrations. */
#ifndef FEATURED_REGISTRY_SQLITE_SQLITE_SCHEMA_H
#define FEATURED_REGISTRY_SQLITE_SQLITE_SCHEMA_H

#include "registry/sqlite/sqlite_connection.h"

/* Applies what is missing, each migration in a transaction of its own. A database of a newer
 * release is refused. A table `features` with the columns of a plain feature registry (design.md
 * §7) that is not ours yet is adopted: its rows are copied with their ids, each as version 1; the
 * old table stays as `features_before_featured`. */
MUST_CHECK status sqlite_schema_migrate(struct sqlite_connection *connection, struct error *error);

#endif

/* The registry's tables in PostgreSQL, made and changed by numbered migrations. */
#ifndef FEATURED_REGISTRY_POSTGRES_POSTGRES_SCHEMA_H
#define FEATURED_REGISTRY_POSTGRES_POSTGRES_SCHEMA_H

#include "registry/postgres/postgres_connection.h"

#define POSTGRES_IDENTITY_MAX 40 /* a UUID, and a terminator */

/* Applies what is missing in the connection's current schema, each migration in a transaction of
 * its own; servers that start together take their turns by an advisory lock. A database of a newer
 * release is refused. A table `features` that is not ours yet is adopted (postgres_adopt.h). */
MUST_CHECK status postgres_schema_migrate(struct postgres_connection *connection,
                                          struct error *error);
/* Which registry this is, whatever the database is called and wherever it runs. */
MUST_CHECK status postgres_schema_identity(struct postgres_connection *connection,
                                           char out[POSTGRES_IDENTITY_MAX], struct error *error);

#endif

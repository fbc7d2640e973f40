/* What PostgreSQL's failures mean, in words for whoever runs it. */
#ifndef FEATURED_REGISTRY_POSTGRES_POSTGRES_FAILURE_H
#define FEATURED_REGISTRY_POSTGRES_POSTGRES_FAILURE_H

#include <libpq-fe.h>

#include "base/error.h"

/* Of a statement: by its SQLSTATE. CONFLICT and INVALID: the values were refused. */
status postgres_failure_of(const PGresult *result, const PGconn *pg, struct error *error);
/* Of the connection, or of making one. */
status postgres_failure_lost(const PGconn *pg, struct error *error);
/* The session is over, or another server should be asked, or it has forgotten what was prepared. */
bool postgres_failure_ends_connection(const PGresult *result);

#endif

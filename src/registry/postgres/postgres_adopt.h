/* Taking over the `features` table of another service, in place, so that it can go on using it.
 * All inside one migration's transaction: whoever refuses leaves everything as it was. */
#ifndef FEATURED_REGISTRY_POSTGRES_POSTGRES_ADOPT_H
#define FEATURED_REGISTRY_POSTGRES_POSTGRES_ADOPT_H

#include "registry/postgres/postgres_connection.h"

/* Before our other tables are made: checks the table's columns and every row, and adds what ours
 * has more. Refused: columns missing or of another type, rows that we could not serve, all in one
 * error that names their ids and columns. */
MUST_CHECK status postgres_adopt_prepare(struct postgres_connection *connection,
                                         struct error *error);
/* After: each row becomes version 1 of its feature. */
MUST_CHECK status postgres_adopt_finish(struct postgres_connection *connection,
                                        struct error *error);

#endif

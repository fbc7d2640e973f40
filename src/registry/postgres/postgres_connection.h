/* registry/sql.h over one connection to PostgreSQL. Nothing waits without end: every wait for the
 * server is bounded by the connection's patience, after which the connection is given up. */
#ifndef FEATURED_REGISTRY_POSTGRES_POSTGRES_CONNECTION_H
#define FEATURED_REGISTRY_POSTGRES_POSTGRES_CONNECTION_H

#include <libpq-fe.h>

#include "base/buffer.h"
#include "registry/sql.h"

/* What servers tell each other on when the catalog has a new revision. */
#define POSTGRES_CHANNEL "featured_catalog"

struct postgres_connection {
    struct sql_connection connection; /* first */
    char *url;                        /* with a password, perhaps: never shown */
    PGconn *pg;                       /* NULL: not connected */
    bool serves;                      /* statements are prepared, also after a reconnect */
    int64_t patience_ms;              /* the longest silence of the server */
    int64_t change_end_ns;            /* of a transaction that changes something; 0: none */
    struct buffer scratch;            /* parameters as text */
};

/* Connects. The schema is next (postgres_schema.h), then postgres_connection_prepare(). */
MUST_CHECK status postgres_connection_open(const char *url, struct postgres_connection **out,
                                           struct error *error);
MUST_CHECK status postgres_connection_prepare(struct postgres_connection *self,
                                              struct error *error);
/* Takes NULL. */
void postgres_connection_close(struct postgres_connection *self);

/* For a while, as a migration needs: how long the server may be silent or wait for locks. 0: as
 * always. */
MUST_CHECK status postgres_connection_be_patient(struct postgres_connection *self,
                                                 int64_t patience_ms, struct error *error);
/* One statement, run once, with parameters $1, $2, …; `receiver` may be NULL. */
MUST_CHECK status postgres_connection_run(struct postgres_connection *self, const char *sql,
                                          const struct sql_value *parameters, unsigned count,
                                          const struct sql_receiver *receiver, struct error *error);
/* One or more statements without parameters. */
MUST_CHECK status postgres_connection_script(struct postgres_connection *self, const char *sql,
                                             struct error *error);
/* The first column of the last row; 0 if there is none. */
MUST_CHECK status postgres_connection_integer(struct postgres_connection *self, const char *sql,
                                              int64_t *out, struct error *error);

#endif

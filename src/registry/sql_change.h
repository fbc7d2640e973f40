/* One change of the registry, inside a transaction that somebody else begins and commits: read what
 * is there, decide (model/definition_change.h), write. */
#ifndef FEATURED_REGISTRY_SQL_CHANGE_H
#define FEATURED_REGISTRY_SQL_CHANGE_H

#include "registry/registry.h"
#include "registry/sql.h"

struct sql_change_outcome {
    bool catalog_changed;
    bool ttl_changed; /* of the feature request->id */
    int64_t old_ttl_us;
};

/* Refusals (CONFLICT, INVALID, NOT_FOUND) leave nothing behind that the caller's savepoint does not
 * undo. On success request->id and its other results are set. `arena` is for what is read. */
MUST_CHECK status sql_change_apply(struct sql_connection *connection, struct arena *arena,
                                   int64_t now_us, struct registry_request *request,
                                   struct sql_change_outcome *outcome, struct error *error);

#endif

/* Statistics that several servers share: what each has counted is merged into one row per feature
 * version, inside a transaction that somebody else begins and commits and that excludes all other
 * writers (sql.h, begin). */
#ifndef FEATURED_REGISTRY_SQL_STATISTICS_H
#define FEATURED_REGISTRY_SQL_STATISTICS_H

#include "base/arena.h"
#include "registry/registry.h"
#include "registry/sql.h"

/* Merges the deltas, unless (source, number) or a later number was merged before, and reads what is
 * asked for. A merge whose commit got no answer can therefore be sent again. `arena` is for what is
 * read. */
MUST_CHECK status sql_statistics_merge(struct sql_connection *connection, struct arena *arena,
                                       int64_t now_us, const struct registry_statistics *statistics,
                                       struct error *error);

#endif

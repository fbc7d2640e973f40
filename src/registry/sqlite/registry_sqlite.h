/* The embedded registry: one SQLite file in WAL mode (synchronous=FULL, busy timeout 5 s), opened
 * and migrated on the calling thread, then served by a thread of its own. */
#ifndef FEATURED_REGISTRY_SQLITE_REGISTRY_SQLITE_H
#define FEATURED_REGISTRY_SQLITE_REGISTRY_SQLITE_H

#include "registry/registry.h"
#include "runtime/store_clock.h"

/* Creates the file if it is not there, runs `PRAGMA quick_check` and the migrations, and publishes
 * the first catalog image in `catalog`. The pointers must outlive the registry; the clock is the
 * one that the online store measures TTL by. The error says which file and what to do. */
MUST_CHECK status registry_sqlite_open(const char *path, struct epoch *epoch,
                                       struct store_clock *clock, struct catalog_ref *catalog,
                                       struct registry **out, struct error *error);

#endif

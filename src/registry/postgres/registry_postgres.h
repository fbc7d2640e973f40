/* The registry that servers share: one PostgreSQL database (13 or later), opened and migrated on
 * the calling thread, then served by a thread of its own. */
#ifndef FEATURED_REGISTRY_POSTGRES_REGISTRY_POSTGRES_H
#define FEATURED_REGISTRY_POSTGRES_REGISTRY_POSTGRES_H

#include "registry/postgres/postgres_schema.h"
#include "registry/postgres/postgres_url.h"
#include "registry/registry.h"
#include "runtime/store_clock.h"

/* Connects, runs the migrations and publishes the first catalog image in `catalog`. The pointers
 * must outlive the registry; the clock is the one that the online store measures TTL by. The error
 * says which database and what to do, never the password. `identity` tells this registry from every
 * other. */
MUST_CHECK status registry_postgres_open(const char *url, struct epoch *epoch,
                                         struct store_clock *clock, struct catalog_ref *catalog,
                                         char identity[POSTGRES_IDENTITY_MAX],
                                         struct registry **out, struct error *error);

#endif

/* The embedded online store: rows in sharded hash tables, one writer thread (design.md §2, §5). */
#ifndef FEATURED_ONLINE_ENGINE_ENGINE_H
#define FEATURED_ONLINE_ENGINE_ENGINE_H

#include "online/online.h"
#include "runtime/store_clock.h"

struct engine_options {
    struct epoch *epoch;
    const struct catalog_ref *catalog;
    uint64_t max_memory_bytes;
    struct store_clock *clock; /* the process's; outlives the store */
};

/* Starts the writer and maintenance threads. */
MUST_CHECK status engine_open(const struct engine_options *options, struct online_store **out,
                              struct error *error);

#endif

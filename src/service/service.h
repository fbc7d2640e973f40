/* The use cases over the ports: define, ingest, retrieve, describe. Knows nothing of HTTP or JSON and
 * of no driver. One object per process, shared by every loop, immutable after start but for its
 * counters. */
#ifndef FEATURED_SERVICE_SERVICE_H
#define FEATURED_SERVICE_SERVICE_H

#include <stdatomic.h>

#include "model/catalog.h"
#include "online/online.h"
#include "registry/registry.h"

#define SERVICE_LOOPS_MAX 128

/* Written by one loop, read by whoever answers /metrics. */
struct service_counters {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t entities_read;
    _Atomic uint64_t values_read;
    _Atomic uint64_t names_unregistered; /* asked for, but nobody registered them */
};

struct service {
    struct registry *registry;
    struct online_store *online;
    const struct catalog_ref *catalog;
    struct service_counters counters[SERVICE_LOOPS_MAX]; /* by loop index */
};

/* For a counter that only the calling thread writes. */
static inline void service_count(_Atomic uint64_t *counter, uint64_t add)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + add, memory_order_relaxed);
}

/* The present image; holds until the caller's next quiescent state. */
static inline const struct catalog *service_catalog(const struct service *service)
{
    return catalog_current(service->catalog);
}

/* OUT_OF_MEMORY, of a request. */
status service_out_of_memory(struct error *error);
/* OK, or why definitions cannot be changed; values are served as they were defined last. */
MUST_CHECK status service_check_definitions(struct service *service, struct error *error);
/* OK, or why values can neither be read nor written. */
MUST_CHECK status service_check_values(struct service *service, struct error *error);
/* OK, or why values cannot be written although they can be read. */
MUST_CHECK status service_check_ingestion(struct service *service, struct error *error);

#endif

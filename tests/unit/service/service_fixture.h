/* A service over a real engine: the engine's fixture without a registry. */
#ifndef FEATURED_TESTS_SERVICE_FIXTURE_H
#define FEATURED_TESTS_SERVICE_FIXTURE_H

#include "engine_fixture.h"

#include "base/arena.h"
#include "base/memory.h"
#include "service/service.h"

struct service_fixture {
    struct fixture *store;
    struct service service;
    struct arena arena;
    struct error error;
};

static inline struct service_fixture *service_fixture_open(void)
{
    /* The service's counters fill cache lines of their own. */
    struct service_fixture *f = memory_alloc_aligned(CACHE_LINE_BYTES, sizeof(*f));
    assert_non_null(f);
    memset(f, 0, sizeof(*f));
    f->store = fixture_open(0);
    f->service.online = f->store->store;
    f->service.catalog = &f->store->catalog;
    arena_init(&f->arena, 1 << 24);
    return f;
}

static inline void service_fixture_close(struct service_fixture *f)
{
    arena_fini(&f->arena);
    fixture_close(f->store);
    memory_free(f);
}

static inline str feature_name(struct service_fixture *f, uint32_t feature)
{
    return str_from_cstr(f->store->features[feature].name);
}

#endif

/* The registry port: where definitions live. A driver (registry/sqlite, registry/postgres) owns one
 * thread, on which all SQL runs; event loops never wait for it.
 *
 * A request is owned by the caller until its `done` has been called, on the loop it names, once.
 * What it points to (names, definitions) must live as long. Changes are serialised: each takes the
 * next catalog revision in its own transaction, then the new image is published in `catalog`, and
 * only then `done` is called, so the caller reads its own writes. */
#ifndef FEATURED_REGISTRY_REGISTRY_H
#define FEATURED_REGISTRY_REGISTRY_H

#include "base/error.h"
#include "model/catalog.h"
#include "model/definition.h"
#include "model/statistics.h"
#include "runtime/loop.h"

enum registry_operation {
    REGISTRY_REGISTER_FEATURE, /* definition; CONFLICT if the name is known */
    REGISTRY_PUT_FEATURE, /* definition; creates, changes, or makes a new version (design.md §7) */
    REGISTRY_DELETE_FEATURE,   /* id; CONFLICT naming the services that use it unless force */
    REGISTRY_ACTIVATE_VERSION, /* name, version */
    REGISTRY_CREATE_SERVICE,   /* service; CONFLICT if the name is known */
    REGISTRY_PUT_SERVICE,      /* service; creates or replaces, resolving its names anew */
    REGISTRY_DELETE_SERVICE,   /* name */
    REGISTRY_STATISTICS,       /* statistics: merges, then reads; no new revision */
    REGISTRY_REFRESH,          /* the image is as new as the database was when this was submitted */
};

/* Statistics that several servers share (design.md §7): what each has seen since its last merge. */
struct registry_statistics_delta {
    uint64_t version_id; /* unknown ones (dropped meanwhile) are passed over */
    struct statistics delta;
};

struct registry_statistics {
    const struct registry_statistics_delta *deltas; /* all or nothing, and at most once for each */
    uint32_t delta_count;                           /* (source, number) */
    str source;      /* who merges: at most REGISTRY_SOURCE_MAX bytes */
    uint64_t number; /* grows by one with each; a request sent again has the same */
    const uint64_t *version_ids;
    uint32_t count;
    struct statistics *out; /* of each of them, after the merge; of unknown ones empty */
};

#define REGISTRY_SOURCE_MAX 64u

struct registry_request {
    struct loop_task task; /* private; first */
    enum registry_operation operation;
    struct loop *loop; /* where `done` runs */
    void (*done)(struct registry_request *request);
    void *user;

    /* in */
    const struct feature_definition *definition;
    const struct service_definition *service;
    const struct registry_statistics *statistics;
    int64_t feature_id;
    str name;
    uint32_t version;
    bool force;

    /* out, when done */
    status status;
    struct error error;      /* if status is not OK */
    int64_t id;              /* of the feature or service registered or changed */
    uint32_t version_number; /* the one that the definition describes (register, put) */
    bool created;            /* put: it was not there before */
    /* of the service created or put */
    int64_t created_at_us;
    int64_t updated_at_us;
    uint32_t *member_versions; /* caller's, one per feature, or NULL: the version each one means */
    bool new_version;          /* put: the type changed, version_number has yet to be activated */
};

#define REGISTRY_LOOKS_PER_SECOND 100

struct registry {
    const struct registry_driver *driver;
};

struct registry_driver {
    const char *name; /* "sqlite", "postgresql" */
    /* Other servers change it too: a name that the image does not know may have been registered a
     * moment ago. REGISTRY_REFRESH finds out; all who wait share one look, of which there are at
     * most REGISTRY_LOOKS_PER_SECOND. */
    bool is_shared;
    void (*submit)(struct registry *registry, struct registry_request *request);
    /* Any thread: OK, or what is wrong, for /ready. */
    status (*check)(struct registry *registry, struct error *error) MUST_CHECK;
    /* Finishes what was submitted (its answers are posted), ends the thread, frees the catalog's
     * image and the registry. Nobody may read the catalog any more. */
    void (*close)(struct registry *registry);
};

static inline void registry_submit(struct registry *registry, struct registry_request *request)
{
    registry->driver->submit(registry, request);
}

#endif

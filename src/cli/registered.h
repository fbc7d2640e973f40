/* What the server has: definitions from GET /features, feature services from GET /feature-services,
 * and the versions of single features. One owner; texts live in the arena. */
#ifndef FEATURED_CLI_REGISTERED_H
#define FEATURED_CLI_REGISTERED_H

#include "base/arena.h"
#include "base/error.h"
#include "base/hash_map.h"
#include "model/definition.h"

struct registered_version {
    uint32_t number;
    enum data_type data_type;
    uint32_t dimension;
};

struct registered_feature {
    struct feature_definition definition;      /* type and dimension are the active version's */
    uint32_t active;                           /* its number */
    const struct registered_version *versions; /* NULL until registered_set_versions() */
    uint32_t version_count;
};

struct registered_service {
    struct service_definition definition;
    const str *resolved; /* "name@2", as many as it has features */
};

struct registered {
    struct arena arena;
    struct hash_map features;
    struct hash_map services;
};

void registered_init(struct registered *registered);
void registered_fini(struct registered *registered);

/* One page; *next_cursor is empty on the last. INTERNAL if the answer is not what the API promises.
 */
MUST_CHECK status registered_add_features(struct registered *registered, str json, str *next_cursor,
                                          struct error *error);
MUST_CHECK status registered_add_services(struct registered *registered, str json,
                                          struct error *error);
/* From GET /features/definitions/{name}. */
MUST_CHECK status registered_set_versions(struct registered *registered,
                                          struct registered_feature *feature, str json,
                                          struct error *error);

struct registered_feature *registered_feature(const struct registered *registered, str name);
const struct registered_service *registered_service(const struct registered *registered, str name);

#endif

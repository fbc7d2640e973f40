/* The versions that the catalog has, by id: what recovery asks of every cell. Filled once; then the
 * map is read by many threads, the statistics are pass one's alone. */
#ifndef FEATURED_ONLINE_ENGINE_RECOVERY_VERSIONS_H
#define FEATURED_ONLINE_ENGINE_RECOVERY_VERSIONS_H

#include "log/log_row.h"
#include "model/catalog.h"
#include "model/statistics.h"
#include "online/engine/statistics_store.h"

struct recovery_version {
    const struct catalog_version *version; /* of an image that is kept meanwhile */
    struct statistics statistics;
};

struct recovery_versions {
    struct recovery_version *list;
    uint32_t *index; /* number in `list` + 1 by hash of the id; 0: free */
    uint32_t count;
    uint32_t index_mask;
};

/* False without memory. */
MUST_CHECK bool recovery_versions_init(struct recovery_versions *versions,
                                       const struct catalog *catalog);
void recovery_versions_fini(struct recovery_versions *versions);
/* NULL: the catalog has it no longer. */
struct recovery_version *recovery_versions_find(const struct recovery_versions *versions,
                                                uint64_t version_id);
/* The statistics of those that have any; false without memory. */
MUST_CHECK bool recovery_versions_statistics(const struct recovery_versions *versions,
                                             struct statistics_store *out);

/* Whether a value of this version may look like the cell's. NULL: yes; else why not. */
const char *recovery_cell_mismatch(const struct catalog_version *version,
                                   const struct log_cell *cell);

#endif

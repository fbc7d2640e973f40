/* Live statistics by version id. Owned by the writer. An entry that was only reserved has count 0
 * and is as good as absent. */
#ifndef FEATURED_ONLINE_ENGINE_STATISTICS_STORE_H
#define FEATURED_ONLINE_ENGINE_STATISTICS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "log/log_record.h"

struct statistics_entry {
    uint64_t version_id; /* 0: free (SQL ids start at 1) */
    struct statistics statistics;
};

struct statistics_store {
    struct statistics_entry *entries;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};

void statistics_store_init(struct statistics_store *store);
void statistics_store_fini(struct statistics_store *store);
/* Makes sure that the version has an entry; false without memory. */
MUST_CHECK bool statistics_store_reserve(struct statistics_store *store, uint64_t version_id);
struct statistics *statistics_store_find(const struct statistics_store *store,
                                         uint64_t version_id); /* NULL: none */
uint64_t statistics_store_memory_bytes(const struct statistics_store *store);
/* Those that hold something; memory_free(). NULL without memory. */
MUST_CHECK struct log_statistics *statistics_store_copy(const struct statistics_store *store,
                                                        uint32_t *count);

#endif

/* What the writer puts into the log: a record for each record of a request, one for an erasure, and
 * before them the feature versions that the present segment does not know yet. The inverse is
 * recovery's. The writer's thread.
 *
 * What fails leaves nothing of the record in the log's open group (schemas at most): UNAVAILABLE as
 * log_writer_begin(), OUT_OF_MEMORY. */
#ifndef FEATURED_ONLINE_ENGINE_JOURNAL_H
#define FEATURED_ONLINE_ENGINE_JOURNAL_H

#include "log/log_writer.h"
#include "online/online.h"

/* Rows first … end - 1, which hold a cell and whose event times are given. `clock_us`: the group's,
 * for its first record. *last_lsn moves to the LSN that the record gets. */
MUST_CHECK status journal_write(struct log_writer *log, const struct catalog *catalog,
                                const struct online_write *write, uint32_t first, uint32_t end,
                                int64_t clock_us, uint64_t *last_lsn, struct error *error);
/* The targets that are in the catalog, of which there is one: all in one record, so that an erasure
 * over several entities is kept whole or not at all. `erased_until_us` is the group's clock. */
MUST_CHECK status journal_erase(struct log_writer *log, const struct catalog *catalog,
                                const struct online_erase *erase, int64_t erased_until_us,
                                uint64_t *last_lsn, struct error *error);

#endif

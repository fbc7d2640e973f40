#include "snapshot_bed.h"

#include "base/memory.h"
#include "log/log_scan.h"

void bed_open(struct bed *bed)
{
    bed->sim = sim_files_create(1, DATA);
    bed->fixture = fixture_open_on(sim_files_system(bed->sim), DATA, LOG_FSYNC_ALWAYS);
}

void bed_close(struct bed *bed)
{
    fixture_close(bed->fixture);
    sim_files_destroy(bed->sim);
}

void kill_and_start(struct bed *bed)
{
    fixture_kill(bed->fixture, &bed->sim);
    assert_true(status_is_ok(fixture_start(bed->fixture)));
}

uint32_t list(struct bed *bed, const char *folder, const char *suffix, uint64_t *first)
{
    uint64_t *lsns;
    uint32_t count;
    assert_true(status_is_ok(
        log_list_files(sim_files_system(bed->sim), folder, suffix, &lsns, &count, NULL)));
    if (count > 0)
        *first = lsns[0];
    memory_free(lsns);
    return count;
}

uint32_t snapshots(struct bed *bed, uint64_t *lsn)
{
    return list(bed, DATA "/snapshot", LOG_SNAPSHOT_SUFFIX, lsn);
}

uint32_t unfinished(struct bed *bed)
{
    uint64_t lsn = 0;
    return list(bed, DATA "/snapshot", LOG_SNAPSHOT_SUFFIX LOG_NEW_SUFFIX, &lsn);
}

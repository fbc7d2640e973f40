/* What the tests of snapshots share: a store on a simulated file system, and a look into its
 * folders. */
#ifndef FEATURED_TESTS_SNAPSHOT_BED_H
#define FEATURED_TESTS_SNAPSHOT_BED_H

#include "engine_fixture.h"
#include "sim_files.h"

#define DATA "data"

struct bed {
    struct sim_files *sim;
    struct fixture *fixture;
};

void bed_open(struct bed *bed); /* without features */
void bed_close(struct bed *bed);
/* The process is killed; another finds its files, or only its snapshot. */
void kill_and_start(struct bed *bed);

/* How many files there are; *first, the LSN of the first, is left alone if there is none. */
uint32_t list(struct bed *bed, const char *folder, const char *suffix, uint64_t *first);
uint32_t snapshots(struct bed *bed, uint64_t *lsn);
uint32_t unfinished(struct bed *bed);

#endif

/* A file system in memory for tests: it fails the n-th call, runs out of space, and after a
 * simulated power loss or kill -9 gives what a disk could hold.
 *
 * For each file it keeps what was synced and, in order, every change since; for each folder the
 * names that were synced and every creation, renaming and removal since. Nothing is assumed beyond
 * POSIX: syncing a file does not make its name stay, and after a failed sync its changes may be
 * gone though the next sync succeeds.
 *
 * Any thread; one lock. Allocates with malloc(), so memory_fail_after() does not reach it. */
#ifndef FEATURED_TESTS_SIM_FILES_H
#define FEATURED_TESTS_SIM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

struct sim_files;

enum sim_call {
    SIM_OPEN,
    SIM_READ,
    SIM_WRITE,
    SIM_ALLOCATE,
    SIM_TRUNCATE,
    SIM_SIZE,
    SIM_SYNC,
    SIM_RENAME,
    SIM_REMOVE,
    SIM_MAKE_DIRECTORY,
    SIM_SYNC_DIRECTORY,
    SIM_LIST,
    SIM_ANY, /* each of them */
    SIM_CALL_COUNT,
};

const char *sim_call_name(enum sim_call kind);

/* With one empty folder, `directory`, that stays. `seed` decides what part of a failed write was
 * written, and what a failed sync kept. */
struct sim_files *sim_files_create(uint64_t seed, const char *directory);
/* Files still open go with it: close them before. NULL is fine. */
void sim_files_destroy(struct sim_files *sim);
struct file_system *sim_files_system(struct sim_files *sim);

/* The `nth` call (1: the next) of this kind fails with `error`; with `for_good` each later one too.
 * 0: none. Replaces what was asked before. */
void sim_files_fail(struct sim_files *sim, enum sim_call kind, uint64_t nth, int error,
                    bool for_good);
uint64_t sim_files_failures(struct sim_files *sim); /* made by that, so far */
uint64_t sim_files_calls(struct sim_files *sim, enum sim_call kind);
/* Bytes that all files together may have; UINT64_MAX at first. */
void sim_files_set_space(struct sim_files *sim, uint64_t bytes);
uint64_t sim_files_used(struct sim_files *sim);
/* How long a sync takes; what is written meanwhile is not part of it. 0 at first. */
void sim_files_set_sync_us(struct sim_files *sim, unsigned sync_us);

/* In the middle of the `nth` changing call (1: the next) everything stops: see sim_files_freeze().
 */
void sim_files_crash_at(struct sim_files *sim, uint64_t nth);
/* From now on calls of threads that still run fail with EIO and change nothing. */
void sim_files_freeze(struct sim_files *sim);
bool sim_files_is_frozen(struct sim_files *sim);

/* Counts calls. What was written while this was n is durable as soon as sim_files_unsynced() of its
 * folder is greater than n. */
uint64_t sim_files_sequence(struct sim_files *sim);
/* Of the oldest change of a file in `directory`, or of its names (removals aside), that is not sure
 * to stay; UINT64_MAX: there is none. */
uint64_t sim_files_unsynced(struct sim_files *sim, const char *directory);

/* Freezes `sim`; gives what the next process finds. The power loss: each change that was not synced
 * is kept, lost or (a write) torn, each by chance. The kill: all changes are there, and as little
 * synced as before. The copy: the same without freezing. */
struct sim_files *sim_files_power_loss(struct sim_files *sim, uint64_t seed);
struct sim_files *sim_files_kill(struct sim_files *sim);
struct sim_files *sim_files_copy(struct sim_files *sim);

/* A file's bytes, for free(); NULL if it is not there. */
unsigned char *sim_files_content(struct sim_files *sim, const char *path, size_t *len);
/* Makes or replaces a file; durable. */
void sim_files_put(struct sim_files *sim, const char *path, const void *data, size_t len);
/* One byte of a file that is there, and durable. */
void sim_files_flip(struct sim_files *sim, const char *path, size_t offset, unsigned char bits);

#endif

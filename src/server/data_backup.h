/* A consistent copy of a data directory, by its files, from a running or a stopped server. Every
 * row that was acknowledged before it began is in it.
 *
 * The newest snapshot and all log segments are opened before anything is copied, so that none can
 * be taken away meanwhile. The registry is copied last: it then knows every feature version that
 * the log names. The copy is made under another name, verified as `featured check` does, and only
 * then gets its own. One thread. */
#ifndef FEATURED_SERVER_DATA_BACKUP_H
#define FEATURED_SERVER_DATA_BACKUP_H

#include "server/data_check.h"

enum data_backup_phase { DATA_BACKUP_COPIES, DATA_BACKUP_VERIFIES };

struct data_backup_options {
    const char *data;
    const char *to; /* must not be there, or be empty */
    void (*progress)(void *user, enum data_backup_phase phase, uint64_t bytes_done,
                     uint64_t bytes_total, uint64_t rows);
    void *user;
};

/* What was verified is in *out; data_check_fini() in every case. After a failure nothing is left at
 * `to`. CONFLICT: `to` is in the way; MALFORMED: what was copied is damaged. */
MUST_CHECK status data_backup_run(const struct data_backup_options *options, struct data_check *out,
                                  struct error *error);

#endif

/* The data directory: made if it is not there, locked against a second server, and told apart from
 * every other by the identity in its format file.
 *
 *   format       "featured data directory, format 1\nidentity 0123456789abcdef\n"
 *   lock         held by the server that uses it; names its process
 *   registry.db  definitions, unless they are in PostgreSQL (data_registry.h)
 *   values.redis says that the values are in a Redis (data_values.h)
 *   log/         what was written, by log sequence number (log/log_format.h)
 *   snapshot/    everything up to one log sequence number */
#ifndef FEATURED_SERVER_DATA_DIR_H
#define FEATURED_SERVER_DATA_DIR_H

#include <limits.h>
#include <stddef.h>

#include "base/error.h"

#define DATA_DIR_FORMAT 1u
#define DATA_DIR_FORMAT_FILE "format"
#define DATA_DIR_REGISTRY "registry.db"
#define DATA_DIR_HOLDER_MAX 24

struct data_dir {
    char path[448]; /* leaves room for file names in what the log keeps */
    int lock_fd;    /* -1: not open */
    uint64_t identity;
};

/* Makes what is missing. CONFLICT: another process holds the lock; UNSUPPORTED_MEDIA_TYPE: a newer
 * format; MALFORMED: the format file is damaged, or gone although there is a log. */
MUST_CHECK status data_dir_open(struct data_dir *dir, const char *path, struct error *error);
void data_dir_close(struct data_dir *dir);
/* "PATH/name". */
void data_dir_file(const struct data_dir *dir, const char *name, char out[PATH_MAX]);

/* For those who only look at a directory or make a copy of one. */
/* NOT_FOUND: there is no format file; else as data_dir_open(). */
MUST_CHECK status data_dir_read_format(const char *path, uint64_t *identity, struct error *error);
/* Durable when it returns OK. */
MUST_CHECK status data_dir_write_format(const char *path, uint64_t identity, struct error *error);
/* Whether a server uses it, and the number of its process ("unknown" if it does not say). */
bool data_dir_is_in_use(const char *path, char holder[DATA_DIR_HOLDER_MAX]);
/* A file of one line in it. Not there: "". MALFORMED: it is empty. */
MUST_CHECK status data_dir_read_line(const char *path, const char *name, char *out, size_t size,
                                     struct error *error);
/* The file is whole or not there; durable when it returns OK. */
MUST_CHECK status data_dir_write_line(const char *path, const char *name, const char *line,
                                      struct error *error);
/* fsync of the folder itself. */
MUST_CHECK status data_dir_sync(const char *path, struct error *error);

#endif

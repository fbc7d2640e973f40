/* The data directory: made if it is not there, and locked against a second server. */
#ifndef FEATURED_SERVER_DATA_DIR_H
#define FEATURED_SERVER_DATA_DIR_H

#include <limits.h>

#include "base/error.h"

struct data_dir {
    char path[PATH_MAX - 64]; /* leaves room for file names */
    int lock_fd;              /* -1: not open */
};

MUST_CHECK status data_dir_open(struct data_dir *dir, const char *path, struct error *error);
void data_dir_close(struct data_dir *dir);
/* "PATH/name". */
void data_dir_file(const struct data_dir *dir, const char *name, char out[PATH_MAX]);

#endif

#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"

void data_dir_file(const struct data_dir *dir, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", dir->path, name);
}

/* Like mkdir -p, for the last missing levels. */
static bool make_directories(char *path)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *at = '/';
        if (!made)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static status lock(struct data_dir *dir, struct error *error)
{
    char path[PATH_MAX];
    char holder[32] = "";
    data_dir_file(dir, LOCK_FILE, path);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return error_set(error, STATUS_IO, "io", "cannot open %s: %s; is the directory writable?",
                         path, strerror(errno));
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t len = pread(dir->lock_fd, holder, sizeof(holder) - 1, 0);
        holder[len > 0 ? len : 0] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
        return error_set(error, STATUS_CONFLICT, "locked",
                         "%s is in use by another featured (process %s): end it, or give this one "
                         "another --data",
                         dir->path, holder[0] ? holder : "unknown");
    }
    int len = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, holder, (size_t)len, 0) != len)
        return error_set(error, STATUS_IO, "io", "cannot write %s: %s", path, strerror(errno));
    return OK;
}

status data_dir_open(struct data_dir *dir, const char *path, struct error *error)
{
    dir->lock_fd = -1;
    if (path[0] == '\0' || strlen(path) >= sizeof(dir->path))
        return error_set(error, STATUS_INVALID, "path", "--data: the path is empty or too long");
    snprintf(dir->path, sizeof(dir->path), "%s", path);
    if (!make_directories(dir->path))
        return error_set(error, STATUS_IO, "io", "cannot make the data directory %s: %s",
                         dir->path, strerror(errno));
    status locked = lock(dir, error);
    if (!status_is_ok(locked))
        data_dir_close(dir);
    return locked;
}

void data_dir_close(struct data_dir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    dir->lock_fd = -1;
}

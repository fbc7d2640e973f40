#include "server/data_registry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "server/data_dir.h"

#define SHARED_FILE "registry.shared"

static status io_failure(const char *path, struct error *error)
{
    return error_set(error, STATUS_IO, "io", "cannot read or write %.400s/" SHARED_FILE ": %s",
                     path, strerror(errno));
}

status data_registry_read(const char *path, char out[DATA_REGISTRY_IDENTITY_MAX],
                          struct error *error)
{
    char file[PATH_MAX + 32];
    out[0] = '\0';
    snprintf(file, sizeof(file), "%s/" SHARED_FILE, path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? OK : io_failure(path, error);
    ssize_t len = read(fd, out, DATA_REGISTRY_IDENTITY_MAX - 1);
    status result = len < 0 ? io_failure(path, error) : OK;
    close(fd);
    out[len > 0 ? len : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (status_is_ok(result) && out[0] == '\0')
        return error_set(error, STATUS_MALFORMED, "registry",
                         "%.400s/" SHARED_FILE " is empty: restore it from a backup", path);
    return result;
}

/* Under another name first: the file is whole or not there. */
status data_registry_write(const char *path, const char *identity, struct error *error)
{
    char file[PATH_MAX + 32];
    char fresh[PATH_MAX + 32];
    char line[DATA_REGISTRY_IDENTITY_MAX + 1];
    snprintf(file, sizeof(file), "%s/" SHARED_FILE, path);
    snprintf(fresh, sizeof(fresh), "%s/" SHARED_FILE ".new", path);
    int len = snprintf(line, sizeof(line), "%s\n", identity);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_failure(path, error);
    bool written = write(fd, line, (size_t)len) == len && fsync(fd) == 0;
    status result = written ? OK : io_failure(path, error);
    close(fd);
    if (status_is_ok(result) && rename(fresh, file) != 0)
        result = io_failure(path, error);
    return status_is_ok(result) ? data_dir_sync(path, error) : result;
}

status data_registry_use_own(const char *path, struct error *error)
{
    char identity[DATA_REGISTRY_IDENTITY_MAX];
    TRY(data_registry_read(path, identity, error));
    if (identity[0] == '\0')
        return OK;
    return error_set(error, STATUS_CONFLICT, "registry",
                     "the values in %.400s belong to a registry in PostgreSQL: start with its "
                     "--database-url, or with another --data",
                     path);
}

status data_registry_use_shared(const char *path, const char *identity, struct error *error)
{
    char known[DATA_REGISTRY_IDENTITY_MAX];
    char own[PATH_MAX + 32];
    TRY(data_registry_read(path, known, error));
    if (strcmp(known, identity) == 0)
        return OK;
    if (known[0] != '\0')
        return error_set(error, STATUS_CONFLICT, "registry",
                         "the values in %.400s belong to another registry than the one at "
                         "--database-url: start with that one, or with another --data",
                         path);
    snprintf(own, sizeof(own), "%s/" DATA_DIR_REGISTRY, path);
    if (access(own, F_OK) == 0)
        return error_set(error, STATUS_CONFLICT, "registry",
                         "%.400s has a registry of its own (" DATA_DIR_REGISTRY "), to which its "
                         "values belong: start without --database-url, or with another --data",
                         path);
    return data_registry_write(path, identity, error);
}

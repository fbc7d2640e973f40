#include "server/data_registry.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "server/data_dir.h"

#define SHARED_FILE "registry.shared"

status data_registry_read(const char *path, char out[DATA_REGISTRY_IDENTITY_MAX],
                          struct error *error)
{
    return data_dir_read_line(path, SHARED_FILE, out, DATA_REGISTRY_IDENTITY_MAX, error);
}

status data_registry_write(const char *path, const char *identity, struct error *error)
{
    return data_dir_write_line(path, SHARED_FILE, identity, error);
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

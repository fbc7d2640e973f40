#include "server/data_values.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "log/log_format.h"
#include "log/log_scan.h"
#include "server/data_dir.h"

#define REDIS_FILE "values.redis"

status data_values_read(const char *path, char out[DATA_VALUES_URL_MAX], struct error *error)
{
    return data_dir_read_line(path, REDIS_FILE, out, DATA_VALUES_URL_MAX, error);
}

status data_values_write(const char *path, const char *shown, struct error *error)
{
    return data_dir_write_line(path, REDIS_FILE, shown, error);
}

static status list(const char *path, const char *folder, const char *suffix, uint64_t **numbers,
                   uint32_t *count, struct error *error)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof(directory), "%.4000s/%s", path, folder);
    return log_list_files(file_system_real(), directory, suffix, numbers, count, error);
}

/* A segment that was only made, as at each start, holds zeros behind its header. */
static bool segment_has_records(const char *path, uint64_t first_lsn)
{
    char directory[PATH_MAX];
    char file[PATH_MAX];
    uint32_t length = 0;
    snprintf(directory, sizeof(directory), "%.4000s/" LOG_FOLDER, path);
    log_file_path(directory, first_lsn, LOG_SEGMENT_SUFFIX, file, sizeof(file));
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* whoever reads it says why */
    bool has = pread(fd, &length, sizeof(length), LOG_HEADER_BYTES) == sizeof(length) && length;
    close(fd);
    return has;
}

status data_values_find(const char *path, bool *found, struct error *error)
{
    uint64_t *numbers = NULL;
    uint32_t count = 0;
    TRY(list(path, LOG_SNAPSHOT_FOLDER, LOG_SNAPSHOT_SUFFIX, &numbers, &count, error));
    memory_free(numbers);
    *found = count > 0;
    TRY(list(path, LOG_FOLDER, LOG_SEGMENT_SUFFIX, &numbers, &count, error));
    for (uint32_t i = 0; i < count && !*found; i++)
        *found = segment_has_records(path, numbers[i]);
    memory_free(numbers);
    return OK;
}

status data_values_use_embedded(const char *path, struct error *error)
{
    char noted[DATA_VALUES_URL_MAX];
    TRY(data_values_read(path, noted, error));
    if (noted[0] == '\0')
        return OK;
    return error_set(error, STATUS_CONFLICT, "values",
                     "the values of the features in %.300s are in Redis (%.300s), and would not be "
                     "served: start with --redis-url, or with another --data; or, if they are not "
                     "needed any more, remove %.300s/" REDIS_FILE,
                     path, noted, path);
}

status data_values_use_redis(const char *path, struct error *error)
{
    bool has_own;
    TRY(data_values_find(path, &has_own, error));
    if (!has_own)
        return OK;
    return error_set(error, STATUS_CONFLICT, "values",
                     "%.400s holds values of a server without --redis-url, and they would not be "
                     "served: start with another --data, and copy them with `featured copy` while "
                     "another server serves this directory",
                     path);
}

status data_values_note_redis(const char *path, const char *shown, struct error *error)
{
    char noted[DATA_VALUES_URL_MAX];
    TRY(data_values_read(path, noted, error));
    return strcmp(noted, shown) == 0 ? OK : data_values_write(path, shown, error);
}

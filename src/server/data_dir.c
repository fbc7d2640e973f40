#include "server/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log/log_format.h"

#define LOCK_FILE "lock"
#define FORMAT_LINE "featured data directory, format "
#define IDENTITY_LINE "identity "
#define FORMAT_BYTES_MAX 256u
/* Someone who asks whether the directory is in use holds the lock for a moment. */
#define LOCK_TRIES 10
#define LOCK_RETRY_MS 20

void data_dir_file(const struct data_dir *dir, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", dir->path, name);
}

static status path_of(const char *path, const char *name, char out[PATH_MAX], struct error *error)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", path, name);
    return len > 0 && len < PATH_MAX
               ? OK
               : error_set(error, STATUS_INVALID, "path", "the path %.100s… is too long", path);
}

status data_dir_sync(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return result == 0 ? OK
                       : error_set(error, STATUS_IO, "io", "cannot sync the directory %s: %s", path,
                                   strerror(reason));
}

/* A folder that was made stays after a loss of power once its parent is synced. */
static bool make_directory(char *path, mode_t mode)
{
    struct error ignored;
    char *slash = strrchr(path, '/');
    if (mkdir(path, mode) != 0)
        return errno == EEXIST;
    if (slash == NULL)
        return status_is_ok(data_dir_sync(".", &ignored));
    if (slash == path)
        return status_is_ok(data_dir_sync("/", &ignored));
    *slash = '\0';
    bool synced = status_is_ok(data_dir_sync(path, &ignored));
    *slash = '/';
    return synced;
}

/* Like mkdir -p. */
static bool make_directories(char *path)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        bool made = make_directory(path, 0777);
        *at = '/';
        if (!made)
            return false;
    }
    return make_directory(path, 0700);
}

static void read_holder(int lock_fd, char holder[DATA_DIR_HOLDER_MAX])
{
    ssize_t len = pread(lock_fd, holder, DATA_DIR_HOLDER_MAX - 1, 0);
    holder[len > 0 ? len : 0] = '\0';
    holder[strspn(holder, "0123456789")] = '\0';
    if (holder[0] == '\0')
        strcpy(holder, "unknown");
}

static bool try_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000L};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static status lock(struct data_dir *dir, struct error *error)
{
    char path[PATH_MAX];
    char holder[DATA_DIR_HOLDER_MAX];
    data_dir_file(dir, LOCK_FILE, path);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return error_set(error, STATUS_IO, "io", "cannot open %s: %s; is the directory writable?",
                         path, strerror(errno));
    if (!try_lock(dir->lock_fd)) {
        read_holder(dir->lock_fd, holder);
        return error_set(error, STATUS_CONFLICT, "locked",
                         "%s is in use by another featured (process %s): end it, or give this one "
                         "another --data",
                         dir->path, holder);
    }
    int len = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, holder, (size_t)len, 0) != len)
        return error_set(error, STATUS_IO, "io", "cannot write %s: %s", path, strerror(errno));
    return OK;
}

bool data_dir_is_in_use(const char *path, char holder[DATA_DIR_HOLDER_MAX])
{
    char file[PATH_MAX];
    struct error ignored;
    if (!status_is_ok(path_of(path, LOCK_FILE, file, &ignored)))
        return false;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool in_use = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (in_use)
        read_holder(fd, holder);
    close(fd);
    return in_use;
}

static bool take_line(str *text, str prefix, str *value)
{
    str line = str_split(*text, '\n', text);
    if (!str_starts_with(line, prefix))
        return false;
    *value = str_of(line.data + prefix.len, line.len - prefix.len);
    return true;
}

/* Sixteen hexadecimal digits, and nothing after their line. */
static bool parse_identity(str text, uint64_t *identity)
{
    str digits;
    uint64_t value = 0;
    if (!take_line(&text, STR(IDENTITY_LINE), &digits) || digits.len != 16 || text.len != 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        const char *digit = strchr("0123456789abcdef", digits.data[i]);
        if (digit == NULL || *digit == '\0')
            return false;
        value = value << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    *identity = value;
    return true;
}

static status parse_format(const char *path, str text, uint64_t *identity, struct error *error)
{
    str number;
    uint64_t format = 0;
    bool is_ours = take_line(&text, STR(FORMAT_LINE), &number) && str_to_uint64(number, &format);
    if (is_ours && format > DATA_DIR_FORMAT)
        return error_set(error, STATUS_UNSUPPORTED_MEDIA_TYPE, "format",
                         "%s was written by a newer featured (format %" PRIu64
                         "; this one reads %u): use that version or restore a backup",
                         path, format, DATA_DIR_FORMAT);
    if (!is_ours || format != DATA_DIR_FORMAT || !parse_identity(text, identity))
        return error_set(error, STATUS_MALFORMED, "format",
                         "%s is damaged, or %s is no data directory of featured: restore the file "
                         "from a backup of this directory",
                         path, DATA_DIR_FORMAT_FILE);
    return OK;
}

status data_dir_read_format(const char *path, uint64_t *identity, struct error *error)
{
    char file[PATH_MAX];
    char text[FORMAT_BYTES_MAX];
    TRY(path_of(path, DATA_DIR_FORMAT_FILE, file, error));
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "format",
                         "there is no %s: %s is no data directory of featured", file, path);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return error_set(error, STATUS_IO, "io", "cannot read %s: %s", file, strerror(reason));
    return parse_format(file, str_of(text, (size_t)len), identity, error);
}

/* Under another name first: a format file is whole, or is not there. */
status data_dir_write_format(const char *path, uint64_t identity, struct error *error)
{
    char file[PATH_MAX];
    char fresh[PATH_MAX];
    char text[FORMAT_BYTES_MAX];
    TRY(path_of(path, DATA_DIR_FORMAT_FILE, file, error));
    TRY(path_of(path, DATA_DIR_FORMAT_FILE ".new", fresh, error));
    int len = snprintf(text, sizeof(text), FORMAT_LINE "%u\n" IDENTITY_LINE "%016" PRIx64 "\n",
                       DATA_DIR_FORMAT, identity);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (written && rename(fresh, file) != 0) {
        written = false;
        reason = errno;
    }
    if (!written)
        return error_set(error, STATUS_IO, "io", "cannot write %s: %s", file, strerror(reason));
    return data_dir_sync(path, error);
}

static status line_failure(const char *path, const char *name, struct error *error)
{
    return error_set(error, STATUS_IO, "io", "cannot read or write %.400s/%s: %s", path, name,
                     strerror(errno));
}

status data_dir_read_line(const char *path, const char *name, char *out, size_t size,
                          struct error *error)
{
    char file[PATH_MAX];
    out[0] = '\0';
    TRY(path_of(path, name, file, error));
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? OK : line_failure(path, name, error);
    ssize_t len = read(fd, out, size - 1);
    status result = len < 0 ? line_failure(path, name, error) : OK;
    close(fd);
    out[len > 0 ? len : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (status_is_ok(result) && out[0] == '\0')
        return error_set(error, STATUS_MALFORMED, "format",
                         "%.400s/%s is empty: restore it from a backup", path, name);
    return result;
}

/* Under another name first. */
status data_dir_write_line(const char *path, const char *name, const char *line,
                           struct error *error)
{
    char file[PATH_MAX];
    char fresh[PATH_MAX];
    char fresh_name[64];
    snprintf(fresh_name, sizeof(fresh_name), "%s.new", name);
    TRY(path_of(path, name, file, error));
    TRY(path_of(path, fresh_name, fresh, error));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return line_failure(path, name, error);
    bool written = dprintf(fd, "%s\n", line) == (int)strlen(line) + 1 && fsync(fd) == 0;
    status result = written ? OK : line_failure(path, name, error);
    close(fd);
    if (status_is_ok(result) && rename(fresh, file) != 0)
        result = line_failure(path, name, error);
    return status_is_ok(result) ? data_dir_sync(path, error) : result;
}

static bool has_files(const struct data_dir *dir, const char *name)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool found = false;
    data_dir_file(dir, name, path);
    DIR *folder = opendir(path);
    while (folder != NULL && !found && (entry = readdir(folder)) != NULL)
        found = entry->d_name[0] != '.';
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* A new directory, or one of a version that had neither format nor log. */
static status begin_directory(struct data_dir *dir, struct error *error)
{
    if (has_files(dir, LOG_FOLDER) || has_files(dir, LOG_SNAPSHOT_FOLDER))
        return error_set(error, STATUS_MALFORMED, "format",
                         "%s/" DATA_DIR_FORMAT_FILE " is gone, and what is in " LOG_FOLDER
                         " and " LOG_SNAPSHOT_FOLDER " cannot be told from another directory's: "
                         "restore the file from a backup of this directory",
                         dir->path);
    do { /* 0 stands for any */
        if (getrandom(&dir->identity, sizeof(dir->identity), 0) != (ssize_t)sizeof(dir->identity))
            return error_set(error, STATUS_IO, "io", "cannot get a random number: %s",
                             strerror(errno));
    } while (dir->identity == 0);
    return data_dir_write_format(dir->path, dir->identity, error);
}

static status prepare(struct data_dir *dir, struct error *error)
{
    static const char *const FOLDERS[] = {LOG_FOLDER, LOG_SNAPSHOT_FOLDER};
    char path[PATH_MAX];
    TRY(lock(dir, error));
    status read = data_dir_read_format(dir->path, &dir->identity, error);
    if (read.code == STATUS_NOT_FOUND)
        read = begin_directory(dir, error);
    TRY(read);
    for (size_t i = 0; i < ARRAY_LEN(FOLDERS); i++) {
        data_dir_file(dir, FOLDERS[i], path);
        if (!make_directory(path, 0700))
            return error_set(error, STATUS_IO, "io", "cannot make %s: %s", path, strerror(errno));
    }
    return OK;
}

status data_dir_open(struct data_dir *dir, const char *path, struct error *error)
{
    dir->lock_fd = -1;
    if (path[0] == '\0' || strlen(path) >= sizeof(dir->path))
        return error_set(error, STATUS_INVALID, "path",
                         "--data: the path is empty or longer than %zu bytes",
                         sizeof(dir->path) - 1);
    snprintf(dir->path, sizeof(dir->path), "%s", path);
    if (!make_directories(dir->path))
        return error_set(error, STATUS_IO, "io", "cannot make the data directory %s: %s", dir->path,
                         strerror(errno));
    status prepared = prepare(dir, error);
    if (!status_is_ok(prepared))
        data_dir_close(dir);
    return prepared;
}

void data_dir_close(struct data_dir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    dir->lock_fd = -1;
}

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct file {
    int descriptor;
};

static int open_descriptor(const char *path, int flags)
{
    int descriptor;
    do
        descriptor = open(path, flags | O_CLOEXEC, 0600);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static int real_open(struct file_system *system, const char *path, enum file_mode mode,
                     struct file **out)
{
    static const int FLAGS[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_WRITE] = O_RDWR,
        [FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
    };
    (void)system;
    struct file *file = memory_alloc(sizeof(*file));
    if (file == NULL)
        return ENOMEM;
    file->descriptor = open_descriptor(path, FLAGS[mode]);
    if (file->descriptor < 0) {
        int error = errno;
        memory_free(file);
        return error;
    }
    *out = file;
    return 0;
}

static void real_close(struct file *file)
{
    close(file->descriptor); /* Linux has closed it also after EINTR */
    memory_free(file);
}

static int real_read(struct file *file, void *data, size_t len, uint64_t offset, size_t *out_len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n =
            pread(file->descriptor, (char *)data + done, len - done, (off_t)(offset + done));
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return errno;
    }
    *out_len = done;
    return 0;
}

static int real_write(struct file *file, const void *data, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(file->descriptor, (const char *)data + done, len - done,
                           (off_t)(offset + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return EIO;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

static int real_truncate(struct file *file, uint64_t size_bytes)
{
    while (ftruncate(file->descriptor, (off_t)size_bytes) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static int real_size(struct file *file, uint64_t *out_bytes)
{
    struct stat about;
    if (fstat(file->descriptor, &about) != 0)
        return errno;
    *out_bytes = (uint64_t)about.st_size;
    return 0;
}

static int real_allocate(struct file *file, uint64_t size_bytes)
{
    uint64_t size;
    int error = real_size(file, &size);
    if (error != 0)
        return error;
    if (size_bytes <= size)
        return 0;
    while (fallocate(file->descriptor, 0, (off_t)size, (off_t)(size_bytes - size)) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return real_truncate(file, size_bytes);
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

static int real_sync(struct file *file)
{
    while (fdatasync(file->descriptor) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static int real_rename(struct file_system *system, const char *from, const char *to)
{
    (void)system;
    return rename(from, to) == 0 ? 0 : errno;
}

static int real_remove(struct file_system *system, const char *path)
{
    (void)system;
    return unlink(path) == 0 ? 0 : errno;
}

static int real_make_directory(struct file_system *system, const char *path)
{
    (void)system;
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
}

static int real_sync_directory(struct file_system *system, const char *path)
{
    (void)system;
    int descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
    if (descriptor < 0)
        return errno;
    int error = 0;
    while (error == 0 && fsync(descriptor) != 0)
        if (errno != EINTR)
            error = errno;
    close(descriptor);
    return error == EINVAL ? 0 : error; /* file systems that keep names in order themselves */
}

static int real_list(struct file_system *system, const char *path,
                     void (*found)(void *user, const char *name), void *user)
{
    (void)system;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            found(user, entry->d_name);
    int error = errno;
    closedir(directory);
    return error;
}

struct file_system *file_system_real(void)
{
    static struct file_system real = {
        .open = real_open,
        .close = real_close,
        .read = real_read,
        .write = real_write,
        .allocate = real_allocate,
        .truncate = real_truncate,
        .size = real_size,
        .sync = real_sync,
        .rename = real_rename,
        .remove = real_remove,
        .make_directory = real_make_directory,
        .sync_directory = real_sync_directory,
        .list = real_list,
    };
    return &real;
}

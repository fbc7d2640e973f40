#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_PIECE_BYTES 65536u

static status read_all(const char *path, int fd, struct buffer *out, struct error *error)
{
    char piece[FILE_PIECE_BYTES];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, STATUS_IO, "file", "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            return OK;
        if ((size_t)got > out->limit - out->len)
            return error_set(error, STATUS_TOO_LARGE, "file", "%s is larger than %zu bytes", path,
                             out->limit);
        buffer_append(out, piece, (size_t)got);
        TRY(buffer_status(out));
    }
}

status file_read(const char *path, struct buffer *out, struct error *error)
{
    if (strcmp(path, "-") == 0)
        return read_all("standard input", STDIN_FILENO, out, error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        enum status_code code = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return error_set(error, code, "file", "cannot open %s: %s", path, strerror(errno));
    }
    status result = read_all(path, fd, out, error);
    close(fd);
    return result;
}

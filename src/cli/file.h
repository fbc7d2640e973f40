/* Reading a small file whole: env files, definitions. */
#ifndef FEATURED_CLI_FILE_H
#define FEATURED_CLI_FILE_H

#include "base/buffer.h"
#include "base/error.h"

/* Appends the file's bytes, up to the buffer's limit. `-` is standard input. NOT_FOUND if there is
 * no such file, TOO_LARGE over the limit, IO for the rest; the detail names the file. */
MUST_CHECK status file_read(const char *path, struct buffer *out, struct error *error);

#endif

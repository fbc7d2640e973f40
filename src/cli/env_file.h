/* A file of settings: `NAME=value` lines as shells, Docker and systemd write them. `export ` before
 * the name, single or double quotes round the value, and comments are understood; nothing is
 * expanded. */
#ifndef FEATURED_CLI_ENV_FILE_H
#define FEATURED_CLI_ENV_FILE_H

#include <stdint.h>

#include "base/error.h"

#define ENV_FILE_BYTES_MAX (1u << 20) /* a larger one is no file of settings */

struct env_line {
    const char *name; /* terminated, in the file's text */
    const char *value;
    uint32_t line;
};

/* Owns its text; the lines point into it. */
struct env_file {
    char *path;
    char *text;
    struct env_line *lines;
    uint32_t count;
};

/* NOT_FOUND if there is no such file; MALFORMED names file and line. *out is empty on failure. */
MUST_CHECK status env_file_load(const char *path, struct env_file *out, struct error *error);
/* The same from text that is already read. */
MUST_CHECK status env_file_parse(const char *path, str text, struct env_file *out,
                                 struct error *error);
void env_file_fini(struct env_file *file);
/* The last line of that name (as a shell would have it), or NULL. */
const struct env_line *env_file_find(const struct env_file *file, const char *name);

#endif

/* Files that the binary carries (made by scripts/embed at build time). */
#ifndef FEATURED_SERVER_EMBEDDED_H
#define FEATURED_SERVER_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *begin;
    const char *end;
    const char *name;
    const char *content_type;
};

extern const struct embedded_file embedded_openapi;
extern const struct embedded_file embedded_files[]; /* what /docs shows */
extern const size_t embedded_file_count;

#endif

/* Files, through a table of functions, so that tests can put a file system in their place that fails
 * the n-th call, or loses and tears what was not synced.
 *
 * Every function returns 0 or an errno. A name that was created, renamed or removed is only sure to
 * stay so after sync_directory() of its folder; contents only after sync(). Any thread; one file may
 * be read, written and synced by several threads at once. */
#ifndef FEATURED_BASE_FILE_H
#define FEATURED_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct file; /* an open file, made by a file system */

#define FILE_PATH_MAX 4096 /* bytes of a path, the terminating one included; Linux takes no more */

enum file_mode {
    FILE_READ,   /* must be there; ENOENT */
    FILE_WRITE,  /* must be there; reading and writing */
    FILE_CREATE, /* must not be there: EEXIST; reading and writing; mode 0600 */
};

struct file_system {
    int (*open)(struct file_system *system, const char *path, enum file_mode mode,
                struct file **out) MUST_CHECK;
    void (*close)(struct file *file); /* syncs nothing */
    /* Up to `len` bytes; *out_len is less only at the end of the file. */
    int (*read)(struct file *file, void *data, size_t len, uint64_t offset,
                size_t *out_len) MUST_CHECK;
    /* All of it, or an error: then any part of it may have been written. */
    int (*write)(struct file *file, const void *data, size_t len, uint64_t offset) MUST_CHECK;
    /* Makes the file this long, its new bytes zero and their space taken; ENOSPC. A file system
     * that cannot promise space only makes it long. */
    int (*allocate)(struct file *file, uint64_t size_bytes) MUST_CHECK;
    int (*truncate)(struct file *file, uint64_t size_bytes) MUST_CHECK;
    int (*size)(struct file *file, uint64_t *out_bytes) MUST_CHECK;
    int (*sync)(struct file *file) MUST_CHECK;
    int (*rename)(struct file_system *system, const char *from, const char *to) MUST_CHECK;
    int (*remove)(struct file_system *system, const char *path) MUST_CHECK;
    int (*make_directory)(struct file_system *system, const char *path) MUST_CHECK; /* EEXIST: 0 */
    int (*sync_directory)(struct file_system *system, const char *path) MUST_CHECK;
    /* Calls `found` for each name in the folder, in no order, without "." and "..". */
    int (*list)(struct file_system *system, const char *path,
                void (*found)(void *user, const char *name), void *user) MUST_CHECK;
};

/* The machine's own. Never freed. */
struct file_system *file_system_real(void);

#endif

/* A value too long for a row: immutable bytes shared by the successive versions of a row. The count
 * of holders is the writer's alone and needs no atomics; readers hold a blob by holding its row. */
#ifndef FEATURED_ONLINE_ENGINE_BLOB_H
#define FEATURED_ONLINE_ENGINE_BLOB_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct blob {
    uint32_t holders;
    uint32_t len;
    char bytes[];
};

/* One holder: the caller. Adds what it occupies to *memory_bytes. NULL without memory. */
MUST_CHECK struct blob *blob_create(str bytes, uint64_t *memory_bytes);
void blob_hold(struct blob *blob);
/* Frees it with the last holder and takes what it occupied from *memory_bytes. */
void blob_release(struct blob *blob, uint64_t *memory_bytes);

static inline str blob_str(const struct blob *blob)
{
    return str_of(blob->bytes, blob->len);
}

#endif

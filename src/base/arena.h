/* Memory for one request (or catalog image): many small allocations, one release. Blocks are
 * zeroed only by arena_alloc_zero(). One owner, one thread. */
#ifndef FEATURED_BASE_ARENA_H
#define FEATURED_BASE_ARENA_H

#include "base/compiler.h"
#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at;
    char *end;
    size_t held_bytes;  /* in chunks */
    size_t limit_bytes; /* of all chunks */
};

/* Allocates nothing until the first use. */
void arena_init(struct arena *arena, size_t limit_bytes);
void arena_fini(struct arena *arena);
/* Forgets every allocation; keeps one chunk of the first size, so that the next request needs no
 * malloc. */
void arena_reset(struct arena *arena);
void *arena_alloc_slow(struct arena *arena, size_t size);

#define ARENA_ALIGN 16

/* NULL at the limit or without memory. Aligned to 16 bytes. */
MUST_CHECK static inline void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded = (size + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
    if (likely(rounded >= size && (size_t)(arena->end - arena->at) >= rounded && rounded != 0)) {
        void *block = arena->at;
        arena->at += rounded;
        return block;
    }
    return arena_alloc_slow(arena, size);
}

MUST_CHECK void *arena_alloc_zero(struct arena *arena, size_t size);
/* count × size, checked, zeroed. */
MUST_CHECK void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
/* A copy; false without memory. */
MUST_CHECK bool arena_copy_str(struct arena *arena, str s, str *out);

#endif

#include "base/arena.h"

#include "base/memory.h"

#define ARENA_CHUNK_BYTES ((size_t)8192)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    _Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        memory_free(chunk);
        chunk = next;
    }
}

void arena_fini(struct arena *arena)
{
    free_chunks(arena->chunks);
    arena_init(arena, arena->limit_bytes);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = NULL;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk && !chunk->next && chunk->size == ARENA_CHUNK_BYTES) {
        arena->at = chunk->data;
        return;
    }
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        if (!kept && chunk->size == ARENA_CHUNK_BYTES)
            kept = chunk;
        else
            memory_free(chunk);
        chunk = next;
    }
    arena_init(arena, arena->limit_bytes);
    if (kept) {
        kept->next = NULL;
        arena->chunks = kept;
        arena->at = kept->data;
        arena->end = kept->data + kept->size;
        arena->held_bytes = kept->size;
    }
}

void *arena_alloc_slow(struct arena *arena, size_t size)
{
    size_t rounded;
    if (__builtin_add_overflow(size ? size : 1, ARENA_ALIGN - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    if ((size_t)(arena->end - arena->at) < rounded) {
        size_t chunk_size = rounded > ARENA_CHUNK_BYTES ? rounded : ARENA_CHUNK_BYTES;
        if (arena->held_bytes >= ARENA_CHUNK_BYTES * 16 && chunk_size < arena->held_bytes / 4)
            chunk_size = arena->held_bytes / 4 & ~(size_t)(ARENA_ALIGN - 1);
        if (chunk_size > arena->limit_bytes - arena->held_bytes)
            chunk_size = rounded;
        if (chunk_size > arena->limit_bytes - arena->held_bytes)
            return NULL;
        struct arena_chunk *chunk = memory_alloc(sizeof(*chunk) + chunk_size);
        if (chunk == NULL)
            return NULL;
        chunk->size = chunk_size;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->at = chunk->data;
        arena->end = chunk->data + chunk_size;
        arena->held_bytes += chunk_size;
    }
    void *block = arena->at;
    arena->at += rounded;
    return block;
}

void *arena_alloc_zero(struct arena *arena, size_t size)
{
    void *block = arena_alloc(arena, size);
    if (block)
        memset(block, 0, size);
    return block;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_alloc_zero(arena, bytes);
}

bool arena_copy_str(struct arena *arena, str s, str *out)
{
    char *copy = arena_alloc(arena, s.len ? s.len : 1);
    if (copy == NULL)
        return false;
    if (s.len)
        memcpy(copy, s.data, s.len);
    *out = str_of(copy, s.len);
    return true;
}

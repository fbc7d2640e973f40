/* The heap, with a switch for tests: the n-th allocation from now can be made to fail. Every module
 * allocates here (the online store's rows too), so that a test reaches each failure path. Sizes from
 * outside are multiplied with memory_alloc_array(), which checks for overflow. */
#ifndef FEATURED_BASE_MEMORY_H
#define FEATURED_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* NULL when there is none; never aborts. A size of 0 gives a unique pointer. */
void *memory_alloc(size_t size) MUST_CHECK;
void *memory_alloc_zero(size_t size) MUST_CHECK;
void *memory_alloc_array(size_t count, size_t size) MUST_CHECK; /* zeroed */
void *memory_realloc(void *pointer, size_t size) MUST_CHECK;
void *memory_alloc_aligned(size_t alignment, size_t size) MUST_CHECK;
void memory_free(void *pointer); /* NULL is fine */
/* What the block really occupies, its size class included. */
size_t memory_size(const void *pointer);

/* Tests only: lets `after` allocations (of any thread) pass, fails the next one, then goes on
 * normally. UINT64_MAX: off. */
void memory_fail_after(uint64_t after);
/* Whether it is still to come. */
bool memory_fail_is_ahead(void);

#endif

#include "base/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static _Atomic bool fail_armed;
static _Atomic uint64_t fail_countdown;

void memory_fail_after(uint64_t after)
{
    atomic_store(&fail_countdown, after);
    atomic_store(&fail_armed, after != UINT64_MAX);
}

bool memory_fail_is_ahead(void)
{
    return atomic_load(&fail_armed);
}

static bool must_fail(void)
{
    if (likely(!atomic_load_explicit(&fail_armed, memory_order_relaxed)))
        return false;
    if (atomic_fetch_sub(&fail_countdown, 1) != 0)
        return false;
    atomic_store(&fail_armed, false);
    return true;
}

void *memory_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *memory_alloc_zero(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *memory_alloc_array(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *memory_realloc(void *pointer, size_t size)
{
    return must_fail() ? NULL : realloc(pointer, size ? size : 1);
}

void *memory_alloc_aligned(size_t alignment, size_t size)
{
    void *pointer;
    if (must_fail() || posix_memalign(&pointer, alignment, size ? size : 1) != 0)
        return NULL;
    return pointer;
}

void memory_free(void *pointer)
{
    free(pointer);
}

size_t memory_size(const void *pointer)
{
    return malloc_usable_size((void *)(uintptr_t)pointer);
}

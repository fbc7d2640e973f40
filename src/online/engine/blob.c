#include "online/engine/blob.h"

#include "base/assert.h"
#include "base/memory.h"

struct blob *blob_create(str bytes, uint64_t *memory_bytes)
{
    ASSERT(bytes.len <= UINT32_MAX);
    struct blob *blob = memory_alloc(sizeof(*blob) + bytes.len);
    if (blob == NULL)
        return NULL;
    blob->holders = 1;
    blob->len = (uint32_t)bytes.len;
    memcpy(blob->bytes, bytes.data, bytes.len);
    *memory_bytes += memory_size(blob);
    return blob;
}

void blob_hold(struct blob *blob)
{
    ASSERT(blob->holders > 0 && blob->holders < UINT32_MAX);
    blob->holders++;
}

void blob_release(struct blob *blob, uint64_t *memory_bytes)
{
    ASSERT(blob->holders > 0);
    if (--blob->holders > 0)
        return;
    *memory_bytes -= memory_size(blob);
    memory_free(blob);
}

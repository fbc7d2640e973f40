/* Contents and names: what the calls change, and what an image is made of. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim_files_private.h"

uint64_t sim_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t sim_random_below(uint64_t *state, uint64_t bound)
{
    return (sim_random(state) >> 16) % bound;
}

/* Seeds are small numbers in a row: spread them (splitmix64). */
uint64_t sim_random_seed(uint64_t seed)
{
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) | 1;
}

void *sim_grow(void *data, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return data;
    *capacity = *capacity ? 2 * *capacity : 8;
    data = realloc(data, *capacity * size);
    ASSERT(data);
    return data;
}

void sim_bytes_resize(struct sim_bytes *bytes, size_t len)
{
    if (len > bytes->capacity) {
        bytes->capacity = len + len / 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        ASSERT(bytes->data);
    }
    if (len > bytes->len)
        memset(bytes->data + bytes->len, 0, len - bytes->len);
    bytes->len = len;
}

void sim_bytes_write(struct sim_bytes *bytes, uint64_t offset, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (offset + len > bytes->len)
        sim_bytes_resize(bytes, (size_t)offset + len);
    memcpy(bytes->data + offset, data, len);
}

void sim_bytes_copy(struct sim_bytes *bytes, const struct sim_bytes *from)
{
    *bytes = (struct sim_bytes){0};
    sim_bytes_write(bytes, 0, from->data, from->len);
}

void sim_change_apply(const struct sim_change *change, struct sim_bytes *bytes)
{
    if (change->is_length)
        sim_bytes_resize(bytes, (size_t)change->offset);
    else
        sim_bytes_write(bytes, change->offset, change->data, change->len);
}

void sim_change_add(struct sim_inode *inode, const struct sim_change *change)
{
    inode->changes =
        sim_grow(inode->changes, inode->change_count, &inode->change_capacity, sizeof(*change));
    struct sim_change *own = &inode->changes[inode->change_count++];
    *own = *change;
    if (!change->is_length) {
        own->data = malloc(change->len);
        ASSERT(own->data);
        memcpy(own->data, change->data, change->len);
    }
}

struct sim_inode *sim_inode_create(struct sim_files *sim, bool is_directory)
{
    struct sim_inode *inode = calloc(1, sizeof(*inode));
    ASSERT(inode);
    inode->is_directory = is_directory;
    inode->lost_sequence = UINT64_MAX;
    sim->inodes = sim_grow(sim->inodes, sim->inode_count, &sim->inode_capacity, sizeof(inode));
    sim->inodes[sim->inode_count++] = inode;
    return inode;
}

static struct sim_name *find(const struct sim_names *names, const char *path, size_t len)
{
    for (size_t i = 0; i < names->count; i++)
        if (strncmp(names->data[i].path, path, len) == 0 && names->data[i].path[len] == 0)
            return &names->data[i];
    return NULL;
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *path, size_t len)
{
    const struct sim_name *name = find(names, path, len);
    return name ? name->inode : NULL;
}

void sim_names_put(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    struct sim_name *name = find(names, path, strlen(path));
    if (name == NULL) {
        names->data = sim_grow(names->data, names->count, &names->capacity, sizeof(*name));
        name = &names->data[names->count++];
        name->path = strdup(path);
        ASSERT(name->path);
    }
    name->inode = inode;
}

void sim_names_drop(struct sim_names *names, const char *path)
{
    struct sim_name *name = find(names, path, strlen(path));
    if (name) {
        free(name->path);
        *name = names->data[--names->count];
    }
}

void sim_names_free(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->data[i].path);
    free(names->data);
}

void sim_name_change_apply(const struct sim_name_change *change, struct sim_names *names)
{
    if (change->kind == SIM_NAME_REMOVED) {
        sim_names_drop(names, change->path);
        return;
    }
    if (change->kind == SIM_NAME_RENAMED)
        sim_names_drop(names, change->from);
    sim_names_put(names, change->path, change->inode);
}

void sim_name_change_add(struct sim_files *sim, const struct sim_name_change *change)
{
    sim->name_changes = sim_grow(sim->name_changes, sim->name_change_count,
                                 &sim->name_change_capacity, sizeof(*change));
    struct sim_name_change *own = &sim->name_changes[sim->name_change_count++];
    *own = *change;
    own->path = strdup(change->path);
    own->from = change->from ? strdup(change->from) : NULL;
    ASSERT(own->path);
}

size_t sim_parent_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

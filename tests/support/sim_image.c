/* What the next process finds on the disk. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim_files_private.h"

#define SECTOR_BYTES 512

/* How gentle this power loss is: some keep almost all, some almost nothing. */
struct loss {
    uint64_t random;
    unsigned kept_of_8;  /* changes, of eight */
    bool leaves_garbage; /* in what a lost write made longer: a file system without ordered data */
};

static bool is_kept(struct loss *loss)
{
    return sim_random_below(&loss->random, 8) < loss->kept_of_8;
}

/* The length may be there without the data. */
static void lose_write(struct loss *loss, const struct sim_change *change, struct sim_bytes *out)
{
    size_t end = (size_t)change->offset + change->len;
    if (end <= out->len || sim_random_below(&loss->random, 2))
        return;
    size_t before = out->len;
    sim_bytes_resize(out, end);
    if (loss->leaves_garbage)
        for (size_t i = before > change->offset ? before : (size_t)change->offset; i < end; i++)
            out->data[i] = (unsigned char)(sim_random(&loss->random) >> 56);
}

static void tear_sectors(struct loss *loss, const struct sim_change *change, struct sim_bytes *out)
{
    for (size_t at = 0; at < change->len;) {
        size_t offset = (size_t)change->offset + at;
        size_t len = SECTOR_BYTES - offset % SECTOR_BYTES;
        if (len > change->len - at)
            len = change->len - at;
        struct sim_change piece = {.offset = offset, .len = len, .data = change->data + at};
        if (sim_random_below(&loss->random, 2))
            sim_change_apply(&piece, out);
        else
            lose_write(loss, &piece, out);
        at += len;
    }
}

/* A run of its bytes: the beginning, the end, or some in the middle. */
static void tear_bytes(struct loss *loss, const struct sim_change *change, struct sim_bytes *out)
{
    uint64_t from = sim_random_below(&loss->random, change->len + 1);
    uint64_t to = sim_random_below(&loss->random, change->len + 1);
    if (sim_random_below(&loss->random, 2))
        from = 0;
    if (from < to)
        sim_bytes_write(out, change->offset + from, change->data + from, (size_t)(to - from));
}

static void power_loss_change(struct loss *loss, const struct sim_change *change,
                              struct sim_bytes *out)
{
    uint64_t fate = sim_random_below(&loss->random, 4);
    if (is_kept(loss))
        sim_change_apply(change, out);
    else if (change->is_length)
        return;
    else if (fate == 0)
        tear_bytes(loss, change, out);
    else if (fate == 1)
        tear_sectors(loss, change, out);
    else
        lose_write(loss, change, out);
}

static void power_loss_names(struct loss *loss, const struct sim_files *sim, struct sim_names *out)
{
    for (size_t i = 0; i < sim->synced.count; i++)
        sim_names_put(out, sim->synced.data[i].path, sim->synced.data[i].inode);
    for (size_t i = 0; i < sim->name_change_count; i++)
        if (is_kept(loss))
            sim_name_change_apply(&sim->name_changes[i], out);
}

/* Its folder, and the folder of that, are still there. */
static bool is_reachable(const struct sim_names *names, const char *path)
{
    for (size_t len = sim_parent_len(path); len > 0;) {
        if (sim_names_find(names, path, len) == NULL)
            return false;
        while (len > 0 && path[--len] != '/')
            ;
    }
    return true;
}

static struct sim_files *create_like(const struct sim_files *sim, uint64_t seed)
{
    struct sim_files *out = sim_files_create_empty(seed);
    out->sequence = sim->sequence;
    out->sync_us = sim->sync_us;
    return out;
}

struct sim_files *sim_files_power_loss(struct sim_files *sim, uint64_t seed)
{
    static const unsigned kept_of_8[] = {0, 0, 2, 4, 6, 7, 8};
    struct loss loss = {.random = sim_random_seed(seed)};
    loss.kept_of_8 = kept_of_8[sim_random_below(&loss.random, 7)];
    loss.leaves_garbage = sim_random_below(&loss.random, 4) == 0;
    sim_files_freeze(sim);
    pthread_mutex_lock(&sim->mutex);
    struct sim_files *out = create_like(sim, seed);
    struct sim_names names = {0};
    power_loss_names(&loss, sim, &names);
    for (size_t i = 0; i < names.count; i++) {
        const struct sim_inode *from = names.data[i].inode;
        if (!is_reachable(&names, names.data[i].path))
            continue;
        struct sim_inode *inode = sim_inode_create(out, from->is_directory);
        sim_bytes_copy(&inode->now, &from->synced);
        for (size_t c = 0; c < from->change_count; c++)
            power_loss_change(&loss, &from->changes[c], &inode->now);
        sim_bytes_copy(&inode->synced, &inode->now);
        out->used_bytes += inode->now.len;
        sim_names_put(&out->now, names.data[i].path, inode);
        sim_names_put(&out->synced, names.data[i].path, inode);
    }
    sim_names_free(&names);
    pthread_mutex_unlock(&sim->mutex);
    return out;
}

static struct sim_inode *copy_of(const struct sim_files *from, struct sim_files *to,
                                 const struct sim_inode *inode)
{
    for (size_t i = 0; i < from->inode_count; i++)
        if (from->inodes[i] == inode)
            return to->inodes[i];
    ASSERT(false);
    return NULL;
}

static void copy_inode(struct sim_files *out, const struct sim_inode *from)
{
    struct sim_inode *inode = sim_inode_create(out, from->is_directory);
    sim_bytes_copy(&inode->now, &from->now);
    sim_bytes_copy(&inode->synced, &from->synced);
    for (size_t i = 0; i < from->change_count; i++)
        sim_change_add(inode, &from->changes[i]);
    inode->lost_sequence = from->lost_sequence;
}

struct sim_files *sim_files_copy(struct sim_files *sim)
{
    pthread_mutex_lock(&sim->mutex);
    struct sim_files *out = create_like(sim, sim->random);
    for (size_t i = 0; i < sim->inode_count; i++)
        copy_inode(out, sim->inodes[i]);
    struct sim_names *from[] = {&sim->now, &sim->synced}, *to[] = {&out->now, &out->synced};
    for (size_t n = 0; n < 2; n++)
        for (size_t i = 0; i < from[n]->count; i++)
            sim_names_put(to[n], from[n]->data[i].path, copy_of(sim, out, from[n]->data[i].inode));
    for (size_t i = 0; i < sim->name_change_count; i++) {
        struct sim_name_change change = sim->name_changes[i];
        change.inode = copy_of(sim, out, change.inode);
        sim_name_change_add(out, &change);
    }
    out->used_bytes = sim->used_bytes;
    pthread_mutex_unlock(&sim->mutex);
    return out;
}

struct sim_files *sim_files_kill(struct sim_files *sim)
{
    sim_files_freeze(sim);
    return sim_files_copy(sim);
}

void sim_files_destroy(struct sim_files *sim)
{
    if (sim == NULL)
        return;
    for (size_t i = 0; i < sim->inode_count; i++) {
        struct sim_inode *inode = sim->inodes[i];
        for (size_t c = 0; c < inode->change_count; c++)
            free(inode->changes[c].data);
        free(inode->changes);
        free(inode->now.data);
        free(inode->synced.data);
        free(inode);
    }
    free(sim->inodes);
    sim_names_free(&sim->now);
    sim_names_free(&sim->synced);
    for (size_t i = 0; i < sim->name_change_count; i++) {
        free(sim->name_changes[i].path);
        free(sim->name_changes[i].from);
    }
    free(sim->name_changes);
    pthread_mutex_destroy(&sim->mutex);
    free(sim);
}

unsigned char *sim_files_content(struct sim_files *sim, const char *path, size_t *len)
{
    unsigned char *data = NULL;
    pthread_mutex_lock(&sim->mutex);
    const struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (inode) {
        struct sim_bytes copy;
        sim_bytes_copy(&copy, &inode->now);
        data = copy.data ? copy.data : calloc(1, 1);
        *len = copy.len;
    }
    pthread_mutex_unlock(&sim->mutex);
    return data;
}

void sim_files_put(struct sim_files *sim, const char *path, const void *data, size_t len)
{
    pthread_mutex_lock(&sim->mutex);
    struct sim_inode *old = sim_names_find(&sim->now, path, strlen(path));
    struct sim_inode *inode = sim_inode_create(sim, false);
    sim_bytes_write(&inode->now, 0, data, len);
    sim_bytes_write(&inode->synced, 0, data, len);
    sim->used_bytes += len - (old ? old->now.len : 0);
    sim_names_put(&sim->now, path, inode);
    sim_names_put(&sim->synced, path, inode);
    pthread_mutex_unlock(&sim->mutex);
}

void sim_files_flip(struct sim_files *sim, const char *path, size_t offset, unsigned char bits)
{
    pthread_mutex_lock(&sim->mutex);
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    ASSERT(inode && offset < inode->now.len);
    inode->now.data[offset] ^= bits;
    if (offset < inode->synced.len)
        inode->synced.data[offset] ^= bits;
    pthread_mutex_unlock(&sim->mutex);
}

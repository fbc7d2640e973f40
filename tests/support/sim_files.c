#include "sim_files_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

struct file {
    struct sim_files *sim;
    struct sim_inode *inode;
    bool is_writable;
};

static const char *const call_names[SIM_CALL_COUNT] = {
    [SIM_OPEN] = "open",         [SIM_READ] = "read",
    [SIM_WRITE] = "write",       [SIM_ALLOCATE] = "allocate",
    [SIM_TRUNCATE] = "truncate", [SIM_SIZE] = "size",
    [SIM_SYNC] = "sync",         [SIM_RENAME] = "rename",
    [SIM_REMOVE] = "remove",     [SIM_MAKE_DIRECTORY] = "make_directory",
    [SIM_LIST] = "list",         [SIM_SYNC_DIRECTORY] = "sync_directory",
    [SIM_ANY] = "any",
};

const char *sim_call_name(enum sim_call kind)
{
    return call_names[kind];
}

static struct sim_files *sim_of(struct file_system *system)
{
    return CONTAINER_OF(system, struct sim_files, system);
}

/* Takes the lock and counts the call. Not 0: how it fails. leave() must follow. */
static int enter(struct sim_files *sim, enum sim_call kind)
{
    pthread_mutex_lock(&sim->mutex);
    if (sim->frozen)
        return EIO;
    sim->sequence++;
    sim->calls[kind]++;
    sim->calls[SIM_ANY]++;
    bool changes = kind != SIM_READ && kind != SIM_SIZE && kind != SIM_LIST;
    if (changes && sim->crash_after > 0 && --sim->crash_after == 0)
        sim->crashing = true;
    if ((sim->fault_kind != kind && sim->fault_kind != SIM_ANY) || sim->fault_after == 0 ||
        --sim->fault_after > 0)
        return 0;
    sim->fault_after = sim->fault_for_good ? 1 : 0;
    sim->failures++;
    return sim->fault_error;
}

static int leave(struct sim_files *sim, int result)
{
    if (sim->crashing) { /* it was in the middle of this call */
        sim->crashing = false;
        sim->frozen = true;
        result = EIO;
    }
    pthread_mutex_unlock(&sim->mutex);
    return result;
}

static bool has_parent(struct sim_files *sim, const char *path)
{
    size_t len = sim_parent_len(path);
    struct sim_inode *parent = len ? sim_names_find(&sim->now, path, len) : NULL;
    return len == 0 || (parent && parent->is_directory);
}

static int open_inode(struct sim_files *sim, const char *path, enum file_mode mode,
                      struct sim_inode **out)
{
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (mode != FILE_CREATE) {
        *out = inode;
        return inode == NULL ? ENOENT : inode->is_directory ? EISDIR : 0;
    }
    if (inode)
        return EEXIST;
    if (!has_parent(sim, path))
        return ENOENT;
    inode = sim_inode_create(sim, false);
    sim_names_put(&sim->now, path, inode);
    sim_name_change_add(sim, &(struct sim_name_change){.sequence = sim->sequence,
                                                       .kind = SIM_NAME_MADE,
                                                       .path = (char *)path,
                                                       .inode = inode});
    *out = inode;
    return 0;
}

static int sim_open(struct file_system *system, const char *path, enum file_mode mode,
                    struct file **out)
{
    struct sim_files *sim = sim_of(system);
    struct sim_inode *inode;
    int error = enter(sim, SIM_OPEN);
    if (error == 0)
        error = open_inode(sim, path, mode, &inode);
    error = leave(sim, error);
    if (error)
        return error;
    struct file *file = malloc(sizeof(*file));
    ASSERT(file);
    *file = (struct file){sim, inode, mode != FILE_READ};
    *out = file;
    return 0;
}

static void sim_close(struct file *file)
{
    free(file);
}

static int sim_read(struct file *file, void *data, size_t len, uint64_t offset, size_t *out_len)
{
    int error = enter(file->sim, SIM_READ);
    const struct sim_bytes *now = &file->inode->now;
    if (error == 0) {
        size_t left = offset < now->len ? now->len - (size_t)offset : 0;
        *out_len = len < left ? len : left;
        if (*out_len > 0)
            memcpy(data, now->data + offset, *out_len);
    }
    return leave(file->sim, error);
}

/* What may still be written there: all of `len`, unless space runs out. */
static size_t space_for(struct sim_files *sim, const struct sim_inode *inode, uint64_t offset,
                        size_t len)
{
    uint64_t end = inode->now.len;
    if (sim->used_bytes < sim->space_bytes)
        end += sim->space_bytes - sim->used_bytes;
    if (end < inode->now.len || end >= offset + len)
        return len;
    return end > offset ? (size_t)(end - offset) : 0;
}

/* Both ways to change a file, done and remembered. */
static void change_file(struct sim_files *sim, struct sim_inode *inode, struct sim_change change)
{
    size_t before = inode->now.len;
    change.sequence = sim->sequence;
    sim_change_apply(&change, &inode->now);
    sim_change_add(inode, &change);
    sim->used_bytes += inode->now.len - before;
}

static int sim_write(struct file *file, const void *data, size_t len, uint64_t offset)
{
    struct sim_files *sim = file->sim;
    int error = enter(sim, SIM_WRITE);
    if (sim->frozen)
        return leave(sim, error);
    ASSERT(file->is_writable);
    size_t done = len;
    if (error)
        done = (size_t)sim_random_below(&sim->random, len + 1);
    size_t space = space_for(sim, file->inode, offset, done);
    if (space < done) {
        done = space;
        error = error ? error : ENOSPC;
    }
    if (done > 0)
        change_file(
            sim, file->inode,
            (struct sim_change){.offset = offset, .len = done, .data = (unsigned char *)data});
    return leave(sim, error);
}

static int set_length(struct file *file, enum sim_call kind, uint64_t size_bytes)
{
    struct sim_files *sim = file->sim;
    int error = enter(sim, kind);
    ASSERT(file->is_writable);
    size_t now = file->inode->now.len;
    if (error == 0 && size_bytes > now &&
        space_for(sim, file->inode, now, (size_t)size_bytes - now) < size_bytes - now)
        error = ENOSPC;
    if (error == 0 && !(kind == SIM_ALLOCATE && size_bytes <= now))
        change_file(sim, file->inode, (struct sim_change){.is_length = true, .offset = size_bytes});
    return leave(sim, error);
}

static int sim_allocate(struct file *file, uint64_t size_bytes)
{
    return set_length(file, SIM_ALLOCATE, size_bytes);
}

static int sim_truncate(struct file *file, uint64_t size_bytes)
{
    return set_length(file, SIM_TRUNCATE, size_bytes);
}

static int sim_size(struct file *file, uint64_t *out_bytes)
{
    int error = enter(file->sim, SIM_SIZE);
    if (error == 0)
        *out_bytes = file->inode->now.len;
    return leave(file->sim, error);
}

/* The changes up to that one stay; of a failed sync only some do, by chance, and nothing will ever
 * write the others. */
static void sync_changes(struct sim_files *sim, struct sim_inode *inode, uint64_t sequence,
                         bool failed)
{
    size_t kept = 0;
    for (size_t i = 0; i < inode->change_count; i++) {
        struct sim_change *change = &inode->changes[i];
        if (change->sequence > sequence) {
            inode->changes[kept++] = *change;
            continue;
        }
        if (!failed || sim_random_below(&sim->random, 2))
            sim_change_apply(change, &inode->synced);
        else if (change->sequence < inode->lost_sequence)
            inode->lost_sequence = change->sequence;
        free(change->data);
    }
    inode->change_count = kept;
}

static int sim_sync(struct file *file)
{
    struct sim_files *sim = file->sim;
    int error = enter(sim, SIM_SYNC);
    uint64_t sequence = sim->sequence;
    if (sim->frozen || sim->crashing)
        return leave(sim, EIO);
    if (sim->sync_us > 0) {
        unsigned sync_us = sim->sync_us;
        pthread_mutex_unlock(&sim->mutex);
        usleep(sync_us);
        pthread_mutex_lock(&sim->mutex);
        if (sim->frozen)
            return leave(sim, EIO);
    }
    sync_changes(sim, file->inode, sequence, error != 0);
    return leave(sim, error);
}

static int sim_rename(struct file_system *system, const char *from, const char *to)
{
    struct sim_files *sim = sim_of(system);
    int error = enter(sim, SIM_RENAME);
    struct sim_inode *inode = sim_names_find(&sim->now, from, strlen(from));
    struct sim_inode *replaced = sim_names_find(&sim->now, to, strlen(to));
    if (error == 0 && (inode == NULL || !has_parent(sim, to)))
        error = ENOENT;
    if (error == 0) {
        ASSERT(!inode->is_directory && !(replaced && replaced->is_directory));
        struct sim_name_change change = {.sequence = sim->sequence,
                                         .kind = SIM_NAME_RENAMED,
                                         .path = (char *)to,
                                         .from = (char *)from,
                                         .inode = inode};
        if (replaced)
            sim->used_bytes -= replaced->now.len;
        sim_name_change_add(sim, &change);
        sim_name_change_apply(&change, &sim->now);
    }
    return leave(sim, error);
}

static int sim_remove(struct file_system *system, const char *path)
{
    struct sim_files *sim = sim_of(system);
    int error = enter(sim, SIM_REMOVE);
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (error == 0 && (inode == NULL || inode->is_directory))
        error = inode ? EISDIR : ENOENT;
    if (error == 0) {
        struct sim_name_change change = {.sequence = sim->sequence,
                                         .kind = SIM_NAME_REMOVED,
                                         .path = (char *)path,
                                         .inode = inode};
        sim->used_bytes -= inode->now.len;
        sim_name_change_add(sim, &change);
        sim_name_change_apply(&change, &sim->now);
    }
    return leave(sim, error);
}

static int sim_make_directory(struct file_system *system, const char *path)
{
    struct sim_files *sim = sim_of(system);
    int error = enter(sim, SIM_MAKE_DIRECTORY);
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (error == 0 && inode && !inode->is_directory)
        error = ENOTDIR;
    if (error == 0 && !has_parent(sim, path))
        error = ENOENT;
    if (error == 0 && inode == NULL) {
        inode = sim_inode_create(sim, true);
        sim_names_put(&sim->now, path, inode);
        sim_name_change_add(sim, &(struct sim_name_change){.sequence = sim->sequence,
                                                           .kind = SIM_NAME_MADE,
                                                           .path = (char *)path,
                                                           .inode = inode});
    }
    return leave(sim, error);
}

static bool is_in(const char *path, const char *directory)
{
    size_t len = sim_parent_len(path);
    return len == strlen(directory) && memcmp(path, directory, len) == 0;
}

static bool touches(const struct sim_name_change *change, const char *directory)
{
    return is_in(change->path, directory) || (change->from && is_in(change->from, directory));
}

static int sim_sync_directory(struct file_system *system, const char *path)
{
    struct sim_files *sim = sim_of(system);
    int error = enter(sim, SIM_SYNC_DIRECTORY);
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (error == 0 && (inode == NULL || !inode->is_directory))
        error = ENOENT;
    if (error || sim->crashing)
        return leave(sim, error);
    size_t kept = 0;
    for (size_t i = 0; i < sim->name_change_count; i++) {
        struct sim_name_change *change = &sim->name_changes[i];
        if (!touches(change, path)) {
            sim->name_changes[kept++] = *change;
            continue;
        }
        sim_name_change_apply(change, &sim->synced);
        free(change->path);
        free(change->from);
    }
    sim->name_change_count = kept;
    return leave(sim, 0);
}

static int sim_list(struct file_system *system, const char *path,
                    void (*found)(void *user, const char *name), void *user)
{
    struct sim_files *sim = sim_of(system);
    char **names = NULL;
    size_t count = 0, capacity = 0;
    int error = enter(sim, SIM_LIST);
    struct sim_inode *inode = sim_names_find(&sim->now, path, strlen(path));
    if (error == 0 && (inode == NULL || !inode->is_directory))
        error = ENOENT;
    for (size_t i = 0; error == 0 && i < sim->now.count; i++)
        if (is_in(sim->now.data[i].path, path)) {
            names = sim_grow(names, count, &capacity, sizeof(*names));
            names[count++] = strdup(sim->now.data[i].path + strlen(path) + 1);
        }
    error = leave(sim, error);
    for (size_t i = 0; i < count; i++) { /* unlocked: it may call us */
        if (error == 0)
            found(user, names[i]);
        free(names[i]);
    }
    free(names);
    return error;
}

static const struct file_system sim_calls = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .size = sim_size,
    .sync = sim_sync,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_directory = sim_make_directory,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
};

struct sim_files *sim_files_create_empty(uint64_t seed)
{
    struct sim_files *sim = calloc(1, sizeof(*sim));
    ASSERT(sim);
    sim->system = sim_calls;
    pthread_mutex_init(&sim->mutex, NULL);
    sim->random = sim_random_seed(seed);
    sim->space_bytes = UINT64_MAX;
    return sim;
}

struct sim_files *sim_files_create(uint64_t seed, const char *directory)
{
    struct sim_files *sim = sim_files_create_empty(seed);
    struct sim_inode *inode = sim_inode_create(sim, true);
    sim_names_put(&sim->now, directory, inode);
    sim_names_put(&sim->synced, directory, inode);
    return sim;
}

struct file_system *sim_files_system(struct sim_files *sim)
{
    return &sim->system;
}

uint64_t sim_files_unsynced(struct sim_files *sim, const char *directory)
{
    uint64_t oldest = UINT64_MAX;
    pthread_mutex_lock(&sim->mutex);
    for (size_t i = 0; i < sim->now.count; i++) {
        const struct sim_inode *inode = sim->now.data[i].inode;
        if (!is_in(sim->now.data[i].path, directory))
            continue;
        if (inode->change_count > 0 && inode->changes[0].sequence < oldest)
            oldest = inode->changes[0].sequence;
        if (inode->lost_sequence < oldest)
            oldest = inode->lost_sequence;
    }
    for (size_t i = 0; i < sim->name_change_count; i++) {
        const struct sim_name_change *change = &sim->name_changes[i];
        bool is_own = strcmp(change->path, directory) == 0;
        if ((is_own || touches(change, directory)) && change->kind != SIM_NAME_REMOVED &&
            change->sequence < oldest)
            oldest = change->sequence;
    }
    pthread_mutex_unlock(&sim->mutex);
    return oldest;
}

void sim_files_fail(struct sim_files *sim, enum sim_call kind, uint64_t nth, int error,
                    bool for_good)
{
    pthread_mutex_lock(&sim->mutex);
    sim->fault_kind = kind;
    sim->fault_after = nth;
    sim->fault_error = error;
    sim->fault_for_good = for_good;
    pthread_mutex_unlock(&sim->mutex);
}

void sim_files_crash_at(struct sim_files *sim, uint64_t nth)
{
    pthread_mutex_lock(&sim->mutex);
    sim->crash_after = nth;
    pthread_mutex_unlock(&sim->mutex);
}

void sim_files_freeze(struct sim_files *sim)
{
    pthread_mutex_lock(&sim->mutex);
    sim->frozen = true;
    pthread_mutex_unlock(&sim->mutex);
}

void sim_files_set_space(struct sim_files *sim, uint64_t bytes)
{
    pthread_mutex_lock(&sim->mutex);
    sim->space_bytes = bytes;
    pthread_mutex_unlock(&sim->mutex);
}

void sim_files_set_sync_us(struct sim_files *sim, unsigned sync_us)
{
    pthread_mutex_lock(&sim->mutex);
    sim->sync_us = sync_us;
    pthread_mutex_unlock(&sim->mutex);
}

static uint64_t get(struct sim_files *sim, const uint64_t *number)
{
    pthread_mutex_lock(&sim->mutex);
    uint64_t value = *number;
    pthread_mutex_unlock(&sim->mutex);
    return value;
}

uint64_t sim_files_failures(struct sim_files *sim)
{
    return get(sim, &sim->failures);
}

uint64_t sim_files_calls(struct sim_files *sim, enum sim_call kind)
{
    return get(sim, &sim->calls[kind]);
}

uint64_t sim_files_used(struct sim_files *sim)
{
    return get(sim, &sim->used_bytes);
}

uint64_t sim_files_sequence(struct sim_files *sim)
{
    return get(sim, &sim->sequence);
}

bool sim_files_is_frozen(struct sim_files *sim)
{
    pthread_mutex_lock(&sim->mutex);
    bool frozen = sim->frozen;
    pthread_mutex_unlock(&sim->mutex);
    return frozen;
}

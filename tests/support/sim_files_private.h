/* What the simulated file system is made of; for sim_files.c and sim_image.c. */
#ifndef FEATURED_TESTS_SIM_FILES_PRIVATE_H
#define FEATURED_TESTS_SIM_FILES_PRIVATE_H

#include <pthread.h>

#include "sim_files.h"

struct sim_bytes {
    unsigned char *data;
    size_t len;
    size_t capacity;
};

/* A change of a file that was not synced. */
struct sim_change {
    uint64_t sequence;
    bool is_length; /* the file was made `offset` bytes long; else a write there */
    uint64_t offset;
    size_t len;
    unsigned char *data;
};

struct sim_inode {
    bool is_directory;
    struct sim_bytes now;    /* what a read sees */
    struct sim_bytes synced; /* what stays */
    struct sim_change *changes;
    size_t change_count, change_capacity;
    uint64_t lost_sequence; /* of the first change that a failed sync lost; UINT64_MAX: none */
};

struct sim_name {
    char *path;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name *data;
    size_t count, capacity;
};

enum sim_name_kind { SIM_NAME_MADE, SIM_NAME_RENAMED, SIM_NAME_REMOVED };

/* A change of a folder that was not synced. */
struct sim_name_change {
    uint64_t sequence;
    enum sim_name_kind kind;
    char *path; /* what was made, removed, or the new name */
    char *from; /* RENAMED */
    struct sim_inode *inode;
};

struct sim_files {
    struct file_system system;
    pthread_mutex_t mutex;
    uint64_t random;
    struct sim_inode **inodes; /* all there ever were */
    size_t inode_count, inode_capacity;
    struct sim_names now, synced;
    struct sim_name_change *name_changes;
    size_t name_change_count, name_change_capacity;

    uint64_t sequence;
    uint64_t calls[SIM_CALL_COUNT];
    enum sim_call fault_kind;
    uint64_t fault_after; /* 0: none */
    int fault_error;
    bool fault_for_good;
    uint64_t failures;
    uint64_t crash_after; /* 0: none */
    bool crashing, frozen;
    uint64_t space_bytes, used_bytes;
    unsigned sync_us;
};

/* Not even the root's folder. */
struct sim_files *sim_files_create_empty(uint64_t seed);

/* xorshift64*, never 0. */
uint64_t sim_random(uint64_t *state);
uint64_t sim_random_below(uint64_t *state, uint64_t bound);
uint64_t sim_random_seed(uint64_t seed);

void *sim_grow(void *data, size_t count, size_t *capacity, size_t size);
void sim_bytes_resize(struct sim_bytes *bytes, size_t len);
void sim_bytes_write(struct sim_bytes *bytes, uint64_t offset, const void *data, size_t len);
void sim_bytes_copy(struct sim_bytes *bytes, const struct sim_bytes *from);
void sim_change_apply(const struct sim_change *change, struct sim_bytes *bytes);
void sim_change_add(struct sim_inode *inode, const struct sim_change *change); /* copies */

struct sim_inode *sim_inode_create(struct sim_files *sim, bool is_directory);
struct sim_inode *sim_names_find(const struct sim_names *names, const char *path, size_t len);
void sim_names_put(struct sim_names *names, const char *path, struct sim_inode *inode);
void sim_names_drop(struct sim_names *names, const char *path);
void sim_names_free(struct sim_names *names);
void sim_name_change_apply(const struct sim_name_change *change, struct sim_names *names);
void sim_name_change_add(struct sim_files *sim, const struct sim_name_change *change); /* copies */
/* Length of the folder's part of a path; 0: it is in the root. */
size_t sim_parent_len(const char *path);

#endif

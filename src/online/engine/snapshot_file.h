/* A snapshot being written: records after one another into "….snapshot.new", which gets its name
 * only when all of it is on disk (design.md §6). One thread. */
#ifndef FEATURED_ONLINE_ENGINE_SNAPSHOT_FILE_H
#define FEATURED_ONLINE_ENGINE_SNAPSHOT_FILE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "log/log_reader.h"

struct snapshot_file {
    struct file_system *files;
    struct file *file;
    uint64_t identity;
    uint64_t size_bytes;
    uint64_t synced_bytes;
    char directory[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    char new_path[FILE_PATH_MAX];
};

/* Begins one in `data_directory`, with this header. Afterwards publish or abandon. */
MUST_CHECK status snapshot_file_create(struct snapshot_file *snapshot, struct file_system *files,
                                       const char *data_directory,
                                       const struct log_header *header, struct error *error);
/* Appends whole records and empties the buffer; now and then makes what there is durable, so that
 * the disk is not asked for gigabytes at the end. */
MUST_CHECK status snapshot_file_write(struct snapshot_file *snapshot, struct buffer *records,
                                      struct error *error);
/* Makes it durable and gives it its name. On failure it still has to be abandoned. */
MUST_CHECK status snapshot_file_publish(struct snapshot_file *snapshot, struct error *error);
/* Removes what was written. */
void snapshot_file_abandon(struct snapshot_file *snapshot);

/* Removes every snapshot but the one of `keep_lsn`, durably; best effort, an error is the first
 * failure. */
MUST_CHECK status snapshot_remove_others(struct file_system *files, const char *data_directory,
                                         uint64_t keep_lsn, struct error *error);
/* Removes what a process left that ended while it wrote one. */
MUST_CHECK status snapshot_remove_unfinished(struct file_system *files,
                                             const char *data_directory, struct error *error);

#endif

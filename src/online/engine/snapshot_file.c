#include "online/engine/snapshot_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "log/log_scan.h"

/* Written pages that the disk may hold back; little enough that syncing them does not keep the
 * log's own syncs waiting for long. */
#define SYNC_BYTES (UINT64_C(32) << 20)
#define WRITE_KEEP_BYTES ((size_t)4 << 20)

static status failed(struct error *error, const char *what, const char *path, int code)
{
    return error_set(error, STATUS_IO, "snapshot_write", "%s: cannot %s: %s", path, what,
                     strerror(code));
}

static status folder_of(const char *data_directory, char out[FILE_PATH_MAX],
                        struct error *error)
{
    int len = snprintf(out, FILE_PATH_MAX, "%s/%s", data_directory, LOG_SNAPSHOT_FOLDER);
    if (len < 0 || len >= FILE_PATH_MAX)
        return error_set(error, STATUS_IO, "snapshot_write",
                         "the data directory's path is too long");
    return OK;
}

/* A file that was begun before and left: not one of ours any more. */
static int create_anew(struct snapshot_file *snapshot)
{
    int code = snapshot->files->remove(snapshot->files, snapshot->new_path);
    if (code != 0 && code != ENOENT)
        return code;
    return snapshot->files->open(snapshot->files, snapshot->new_path, FILE_CREATE,
                                 &snapshot->file);
}

status snapshot_file_create(struct snapshot_file *snapshot, struct file_system *files,
                            const char *data_directory, const struct log_header *header,
                            struct error *error)
{
    *snapshot = (struct snapshot_file){.files = files, .identity = header->identity};
    TRY(folder_of(data_directory, snapshot->directory, error));
    log_file_path(snapshot->directory, header->lsn, LOG_SNAPSHOT_SUFFIX, snapshot->path,
                  sizeof(snapshot->path));
    log_file_path(snapshot->directory, header->lsn, LOG_SNAPSHOT_SUFFIX LOG_NEW_SUFFIX,
                  snapshot->new_path, sizeof(snapshot->new_path));
    int code = create_anew(snapshot);
    if (code != 0)
        return failed(error, "create it", snapshot->new_path, code);
    char bytes[LOG_HEADER_BYTES];
    log_header_encode(header, LOG_SNAPSHOT_MAGIC, bytes);
    code = files->write(snapshot->file, bytes, sizeof(bytes), 0);
    if (code != 0) {
        snapshot_file_abandon(snapshot);
        return failed(error, "write it", snapshot->new_path, code);
    }
    snapshot->size_bytes = sizeof(bytes);
    return OK;
}

status snapshot_file_write(struct snapshot_file *snapshot, struct buffer *records,
                           struct error *error)
{
    if (!status_is_ok(buffer_status(records)))
        return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for writing the snapshot");
    if (records->len == 0)
        return OK;
    int code = snapshot->files->write(snapshot->file, records->data, records->len,
                                      snapshot->size_bytes);
    if (code != 0)
        return failed(error, "write it", snapshot->new_path, code);
    snapshot->size_bytes += records->len;
    buffer_reset(records, WRITE_KEEP_BYTES);
    if (snapshot->size_bytes - snapshot->synced_bytes < SYNC_BYTES)
        return OK;
    code = snapshot->files->sync(snapshot->file);
    if (code != 0)
        return failed(error, "sync it", snapshot->new_path, code);
    snapshot->synced_bytes = snapshot->size_bytes;
    return OK;
}

status snapshot_file_publish(struct snapshot_file *snapshot, struct error *error)
{
    struct file_system *files = snapshot->files;
    int code = files->sync(snapshot->file);
    if (code != 0)
        return failed(error, "sync it", snapshot->new_path, code);
    files->close(snapshot->file);
    snapshot->file = NULL;
    code = files->rename(files, snapshot->new_path, snapshot->path);
    if (code != 0)
        return failed(error, "rename it", snapshot->new_path, code);
    code = files->sync_directory(files, snapshot->directory);
    if (code != 0)
        return failed(error, "sync the folder", snapshot->directory, code);
    return OK;
}

void snapshot_file_abandon(struct snapshot_file *snapshot)
{
    if (snapshot->file != NULL)
        snapshot->files->close(snapshot->file);
    snapshot->file = NULL;
    /* What stays because even this fails goes at the next start. */
    (void)!snapshot->files->remove(snapshot->files, snapshot->new_path);
}

/* Removes the files of the folder with this suffix, but for one. */
static status remove_files(struct file_system *files, const char *data_directory,
                           const char *suffix, bool keeps, uint64_t keep_lsn, struct error *error)
{
    uint64_t *lsns;
    uint32_t count;
    char folder[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    TRY(folder_of(data_directory, folder, error));
    TRY(log_list_files(files, folder, suffix, &lsns, &count, error));
    status result = OK;
    for (uint32_t i = 0; i < count; i++) {
        if (keeps && lsns[i] == keep_lsn)
            continue;
        log_file_path(folder, lsns[i], suffix, path, sizeof(path));
        int code = files->remove(files, path);
        if (code != 0 && status_is_ok(result))
            result = failed(error, "remove it", path, code);
    }
    memory_free(lsns);
    return result;
}

status snapshot_remove_others(struct file_system *files, const char *data_directory,
                              uint64_t keep_lsn, struct error *error)
{
    char folder[FILE_PATH_MAX];
    TRY(folder_of(data_directory, folder, error));
    TRY(remove_files(files, data_directory, LOG_SNAPSHOT_SUFFIX, true, keep_lsn, error));
    /* A damaged one that came back after a loss of power would be the newest again. */
    int code = files->sync_directory(files, folder);
    return code == 0 ? OK : failed(error, "sync the folder", folder, code);
}

status snapshot_remove_unfinished(struct file_system *files, const char *data_directory,
                                  struct error *error)
{
    return remove_files(files, data_directory, LOG_SNAPSHOT_SUFFIX LOG_NEW_SUFFIX, false, 0,
                        error);
}

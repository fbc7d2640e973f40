#include "server/registry_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/sql_image.h"
#include "registry/sqlite/sqlite_connection.h"
#include "registry/sqlite/sqlite_schema.h"

#define BUSY_TIMEOUT_MS 5000

static status failure(sqlite3 *database, const char *path, int code, struct error *error)
{
    return error_set(error, STATUS_IO, "registry",
                     "the registry '%s' cannot be read: %s; if it is damaged, restore it from a "
                     "backup",
                     path, database ? sqlite3_errmsg(database) : sqlite3_errstr(code));
}

/* "file:" and the path, with what a URI takes for itself escaped. */
static bool uri_of(const char *path, bool is_immutable, char *out, size_t out_size)
{
    size_t len = (size_t)snprintf(out, out_size, "file:");
    for (const char *at = path; *at; at++) {
        bool is_special = *at == '?' || *at == '#' || *at == '%';
        if (len + 32 > out_size)
            return false;
        len += (size_t)snprintf(out + len, out_size - len, is_special ? "%%%02x" : "%c",
                                (unsigned char)*at);
    }
    snprintf(out + len, out_size - len, "%s", is_immutable ? "?immutable=1" : "");
    return true;
}

/* A file that nobody uses and that has no unmerged write-ahead log is read as it lies there: SQLite
 * would else make files beside it, or fail where it must not. */
static status open_to_read(const char *path, bool in_use, sqlite3 **out, struct error *error)
{
    char wal[PATH_MAX + 8];
    char uri[3 * PATH_MAX];
    struct stat found;
    snprintf(wal, sizeof(wal), "%s-wal", path);
    bool is_immutable = !in_use && (stat(wal, &found) != 0 || found.st_size == 0);
    if (!uri_of(path, is_immutable, uri, sizeof(uri)))
        return error_set(error, STATUS_INVALID, "path", "the path %.100s… is too long", path);
    int code = sqlite3_open_v2(uri, out,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        return OK;
    status failed = failure(*out, path, code, error);
    sqlite3_close(*out);
    return failed;
}

static status check_pages(sqlite3 *database, const char *path, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    status result = OK;
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (code != SQLITE_ROW)
        result = failure(database, path, code, error);
    else if (text == NULL || strcmp(text, "ok") != 0)
        result = error_set(error, STATUS_MALFORMED, "registry",
                           "the registry '%s' is damaged: restore it from a backup (SQLite: %s)",
                           path, text ? text : "");
    sqlite3_finalize(statement);
    return result;
}

static status copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct error *error)
{
    sqlite3_busy_timeout(from, BUSY_TIMEOUT_MS);
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
    int finished = backup ? sqlite3_backup_finish(backup) : code;
    if (code == SQLITE_DONE && finished == SQLITE_OK)
        return OK;
    return error_set(error, STATUS_IO, "registry", "the registry '%s' cannot be copied: %s", path,
                     sqlite3_errstr(finished != SQLITE_OK ? finished : code));
}

/* From a copy in memory, which may be migrated. */
static status load_copy(sqlite3 *from, const char *path, const struct catalog **out,
                        struct error *error)
{
    struct sqlite_connection *copy;
    uint64_t revision;
    TRY(sqlite_connection_open(":memory:", &copy, error));
    status result = copy_pages(from, copy->database, path, error);
    if (status_is_ok(result))
        result = sqlite_schema_migrate(copy, error);
    if (status_is_ok(result))
        result = sqlite_connection_prepare(copy, error);
    if (status_is_ok(result))
        result = sql_image_load_revision(&copy->connection, &revision, error);
    if (status_is_ok(result))
        result = sql_image_build(&copy->connection, NULL, revision, out, NULL, error);
    sqlite_connection_close(copy);
    return result;
}

status registry_file_load(const char *path, bool in_use, const struct catalog **out,
                          struct error *error)
{
    sqlite3 *database = NULL;
    struct error reason;
    error_clear(&reason);
    TRY(open_to_read(path, in_use, &database, error));
    status result = check_pages(database, path, error);
    if (status_is_ok(result)) {
        result = load_copy(database, path, out, &reason);
        if (!status_is_ok(result))
            error_set(error, result.code, "registry", "the registry '%s' cannot be read: %s", path,
                      reason.detail);
    }
    sqlite3_close(database);
    return result;
}

static status sync_file(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced ? OK : error_set(error, STATUS_IO, "io", "cannot sync %s", path);
}

status registry_file_copy(const char *path, bool in_use, const char *to, struct error *error)
{
    sqlite3 *from = NULL;
    sqlite3 *copy = NULL;
    TRY(open_to_read(path, in_use, &from, error));
    int code = sqlite3_open_v2(
        to, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    status result = code == SQLITE_OK ? copy_pages(from, copy, path, error)
                                      : error_set(error, STATUS_IO, "registry",
                                                  "cannot make %s: %s", to, sqlite3_errmsg(copy));
    sqlite3_close(copy);
    sqlite3_close(from);
    return status_is_ok(result) ? sync_file(to, error) : result;
}

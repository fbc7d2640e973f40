#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "log/log_scan.h"

#define DIGITS 20u

void log_file_path(const char *directory, uint64_t lsn, const char *suffix, char *out,
                   size_t out_size)
{
    snprintf(out, out_size, "%s/%020llu%s", directory, (unsigned long long)lsn, suffix);
}

struct listing {
    const char *suffix;
    uint64_t *numbers;
    uint32_t count;
    uint32_t capacity;
    bool failed;
};

static bool parse_name(const char *name, const char *suffix, uint64_t *out)
{
    if (strlen(name) < DIGITS || strcmp(name + DIGITS, suffix) != 0)
        return false;
    for (unsigned i = 0; i < DIGITS; i++)
        if (name[i] < '0' || name[i] > '9')
            return false;
    return str_to_uint64(str_of(name, DIGITS), out);
}

static void found(void *user, const char *name)
{
    struct listing *listing = user;
    uint64_t number;
    if (listing->failed || !parse_name(name, listing->suffix, &number))
        return;
    if (listing->count == listing->capacity) {
        uint32_t capacity = listing->capacity ? listing->capacity * 2 : 16;
        uint64_t *numbers = memory_realloc(listing->numbers, capacity * sizeof(*numbers));
        if (numbers == NULL) {
            listing->failed = true;
            return;
        }
        listing->numbers = numbers;
        listing->capacity = capacity;
    }
    listing->numbers[listing->count++] = number;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

status log_list_files(struct file_system *files, const char *directory, const char *suffix,
                      uint64_t **out, uint32_t *count, struct error *error)
{
    if (strlen(directory) + 1 + LOG_NAME_MAX > FILE_PATH_MAX)
        return error_set(error, STATUS_IO, "log_read",
                         "the path of the folder %.100s… is too long", directory);
    struct listing listing = {.suffix = suffix};
    char text[128];
    int failed = files->list(files, directory, found, &listing);
    if (failed == 0 && listing.failed)
        failed = ENOMEM;
    if (failed != 0 && failed != ENOENT) {
        memory_free(listing.numbers);
        return error_set(error, failed == ENOMEM ? STATUS_OUT_OF_MEMORY : STATUS_IO, "log_read",
                         "the folder %s cannot be read: %s", directory,
                         strerror_r(failed, text, sizeof(text)));
    }
    if (listing.count > 0)
        qsort(listing.numbers, listing.count, sizeof(*listing.numbers), compare);
    *out = listing.numbers;
    *count = listing.count;
    return OK;
}

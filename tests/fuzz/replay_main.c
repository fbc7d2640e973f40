/* Runs a fuzz target over the files of its corpus: the corpus as a unit test, with any compiler. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_BYTES_MAX (16 << 20)

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    uint8_t *data = malloc(FILE_BYTES_MAX);
    size_t size = data ? fread(data, 1, FILE_BYTES_MAX, file) : 0;
    fclose(file);
    if (data == NULL)
        return 1;
    /* Exactly as large as the input, so that a read beyond it is found. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact == NULL) {
        free(data);
        return 1;
    }
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    DIR *directory = opendir(argv[1]);
    if (directory == NULL) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (len < 0 || len >= (int)sizeof(path) || replay_file(path) != 0)
            return 1;
        count++;
    }
    closedir(directory);
    printf("%u files replayed\n", count);
    return count > 0 ? 0 : 1;
}

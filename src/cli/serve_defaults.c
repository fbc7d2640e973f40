/* What the machine, or the container round us, has to offer. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/serve_options.h"

#define MEMORY_SHARE_PERCENT 70u
#define CGROUP_PATH_MAX 4096

unsigned serve_default_threads(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
        return 1;
    int count = CPU_COUNT(&cores);
    return count < 1 ? 1 : (unsigned)count;
}

static uint64_t read_limit(const char *path)
{
    char line[64];
    uint64_t bytes;
    FILE *file = fopen(path, "re");
    bool got = file != NULL && fgets(line, sizeof(line), file) != NULL;
    if (file != NULL)
        fclose(file);
    if (!got)
        return UINT64_MAX;
    line[strcspn(line, "\n")] = '\0';
    return str_to_uint64(str_from_cstr(line), &bytes) ? bytes : UINT64_MAX; /* "max" */
}

/* Version 2: the limits of our group and of all groups above it hold together. */
static uint64_t cgroup2_limit(const char *group)
{
    char path[CGROUP_PATH_MAX + 32];
    char file[CGROUP_PATH_MAX + 64];
    uint64_t least = UINT64_MAX;
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s", strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        snprintf(file, sizeof(file), "%s/memory.max", path);
        uint64_t limit = read_limit(file);
        if (limit < least)
            least = limit;
        char *slash = strrchr(path, '/');
        if (strcmp(path, "/sys/fs/cgroup") == 0 || slash == NULL)
            return least;
        *slash = '\0';
    }
}

static uint64_t cgroup_limit(void)
{
    char line[CGROUP_PATH_MAX];
    uint64_t least = read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"); /* version 1 */
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0 && strstr(line, "/..") == NULL) {
            uint64_t limit = cgroup2_limit(line + 3);
            if (limit < least)
                least = limit;
        }
    }
    if (file != NULL)
        fclose(file);
    return least;
}

uint64_t serve_default_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t bytes =
        pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : UINT64_C(1) << 30;
    uint64_t limit = cgroup_limit();
    return (limit < bytes ? limit : bytes) / 100 * MEMORY_SHARE_PERCENT;
}

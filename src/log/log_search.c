#include "log/log_search.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "log/log_bytes.h"
#include "log/log_crc.h"
#include "log/log_record.h"

#define WINDOW_BYTES ((size_t)1 << 16)
#define GROUP_PAYLOAD_BYTES 24u
#define GROUP_BYTES (LOG_RECORD_HEADER_BYTES + GROUP_PAYLOAD_BYTES)

/* Bytes up to the last that is not zero. */
static size_t used_bytes(const char *data, size_t len)
{
    while (len >= sizeof(uint64_t) && get_u64(data + len - sizeof(uint64_t)) == 0)
        len -= sizeof(uint64_t);
    while (len > 0 && data[len - 1] == 0)
        len--;
    return len;
}

static void look_at(const char *record, uint64_t identity, struct log_search *out)
{
    struct log_group group;
    if (get_u32(record) != GROUP_PAYLOAD_BYTES || record[LOG_TYPE_AT] != LOG_GROUP ||
        get_u32(record + LOG_CRC_AT) != log_record_crc(identity, record, GROUP_PAYLOAD_BYTES) ||
        !log_group_decode(str_of(record + LOG_RECORD_HEADER_BYTES, GROUP_PAYLOAD_BYTES), &group))
        return;
    if (out->synced_lsn < group.synced_lsn)
        out->synced_lsn = group.synced_lsn;
}

/* The identity, which opens a group's payload, is rare: only around it a group is looked for. */
static void look_through(const char *data, size_t len, uint64_t identity, struct log_search *out)
{
    if (len < GROUP_BYTES)
        return;
    const char *at = data + LOG_RECORD_HEADER_BYTES;
    const char *end = data + len - (GROUP_PAYLOAD_BYTES - sizeof(identity));
    while ((at = memmem(at, (size_t)(end - at), &identity, sizeof(identity))) != NULL) {
        look_at(at - LOG_RECORD_HEADER_BYTES, identity, out);
        at++;
    }
}

int log_search(struct file_system *files, struct file *file, uint64_t from, uint64_t identity,
               struct log_search *out)
{
    char *window = memory_alloc(WINDOW_BYTES);
    if (window == NULL)
        return ENOMEM;
    struct log_search found = {.end_offset = from};
    size_t kept = 0; /* a group may lie across two windows */
    int error;
    while (true) {
        size_t len;
        error = files->read(file, window + kept, WINDOW_BYTES - kept, from + kept, &len);
        if (error != 0 || len == 0)
            break;
        len += kept;
        size_t used = used_bytes(window, len);
        if (used > 0) {
            if (from + used > found.end_offset)
                found.end_offset = from + used;
            look_through(window, len, identity, &found);
        }
        kept = len < GROUP_BYTES ? len : GROUP_BYTES - 1;
        memmove(window, window + len - kept, kept);
        from += len - kept;
    }
    memory_free(window);
    if (error == 0)
        *out = found;
    return error;
}

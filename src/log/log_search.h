/* Looks at what lies behind the last record that could be read: whether it is empty, and what it says
 * about how much had been synced. Private to the log room. */
#ifndef FEATURED_LOG_LOG_SEARCH_H
#define FEATURED_LOG_LOG_SEARCH_H

#include "base/file.h"

struct log_search {
    uint64_t end_offset; /* of the last byte that is not zero, + 1; `from` if there is none */
    uint64_t synced_lsn; /* highest of the groups that carry the identity and a right CRC; or 0 */
};

/* Every byte of the file from `from` on may begin a group. Returns an errno. */
MUST_CHECK int log_search(struct file_system *files, struct file *file, uint64_t from,
                          uint64_t identity, struct log_search *out);

#endif

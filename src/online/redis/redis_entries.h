/* The field `__event_times` of a row: who wrote each field, and when (spec/redis-layout.md). One JSON
 * object of strings:
 *
 *   {"clicks":"1700000000000000:7:v","country@2":"1700000000000001:12:n","*":"…:…:x"}
 *
 * Others may write there too: everything is hostile until parsed. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_ENTRIES_H
#define FEATURED_ONLINE_REDIS_REDIS_ENTRIES_H

#include "base/arena.h"

#define REDIS_EVENT_TIMES "__event_times"
#define REDIS_ENTRY_ALL "*" /* stands for every version up to its version id, that are not listed */

enum redis_entry_kind {
    REDIS_ENTRY_NONE,
    REDIS_ENTRY_VALUE,
    REDIS_ENTRY_NULL,
    REDIS_ENTRY_ERASED,  /* up to and including its event time */
    REDIS_ENTRY_DAMAGED, /* it alone cannot be understood; the rest holds nothing */
};

struct redis_entry {
    enum redis_entry_kind kind;
    int64_t event_time_us;
    uint64_t version_id; /* 0: written by somebody who did not know it */
};

struct redis_entries {
    const char *at;
    const char *end;
    struct arena *arena; /* for names with escapes */
    uint32_t count;      /* so far */
};

enum redis_entries_step {
    REDIS_ENTRIES_ONE,
    REDIS_ENTRIES_END,
    REDIS_ENTRIES_DAMAGED, /* the object as a whole cannot be understood */
    REDIS_ENTRIES_NO_MEMORY,
};

void redis_entries_begin(struct redis_entries *entries, str text, struct arena *arena);
/* The next one; its name is borrowed from the text or the arena. A name may come twice: the last one
 * counts. */
MUST_CHECK enum redis_entries_step redis_entries_next(struct redis_entries *entries, str *name,
                                                      struct redis_entry *out);

/* "EVENT_US:VERSION_ID:KIND" */
void redis_entry_parse(str text, struct redis_entry *out);
#define REDIS_ENTRY_TEXT_MAX 48
/* Writes it, not terminated; returns its length. */
size_t redis_entry_format(const struct redis_entry *entry, char out[static REDIS_ENTRY_TEXT_MAX]);

#endif

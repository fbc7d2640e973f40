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

/* Rows of one entity mostly have the same entries in the same order: but for times and kinds the text of one is
 * that of the next. One that was parsed is the pattern for others: the rest is compared, these are read. */
#define REDIS_PATTERN_ENTRIES_MAX 96u /* rows of more are parsed each time */
#define REDIS_PATTERN_BYTES_MAX ((size_t)4 << 10)

struct redis_pattern {
    uint32_t count; /* of entries; 0: there is none */
    uint32_t len;   /* of the text */
    struct {
        uint32_t time_at; /* in the text */
        uint32_t kind_at;
        uint32_t number; /* the entry's for redis_pattern_match() */
        uint64_t version_id;
    } places[REDIS_PATTERN_ENTRIES_MAX];
    char text[REDIS_PATTERN_BYTES_MAX];
    char is_same[REDIS_PATTERN_BYTES_MAX]; /* all bits, of each byte but those of times and kinds */
};

#define REDIS_ENTRY_SKIPPED UINT32_MAX /* an entry's number: it is checked, not given out */
/* The entry that redis_entries_next() has just read from the text, after all that were before it. False: such
 * a row makes no pattern. The pattern is one when this was the last; who stops earlier sets `count` to 0. */
MUST_CHECK bool redis_pattern_add(struct redis_pattern *pattern, str text,
                                  const struct redis_entries *at, const struct redis_entry *entry,
                                  uint32_t number);
/* The text is like the pattern and without damage: entries[number] are set. False: some perhaps too. */
MUST_CHECK bool redis_pattern_match(const struct redis_pattern *pattern, str text,
                                    struct redis_entry *entries);

/* "EVENT_US:VERSION_ID:KIND" */
void redis_entry_parse(str text, struct redis_entry *out);
#define REDIS_ENTRY_TEXT_MAX 48
/* Writes it, not terminated; returns its length. */
size_t redis_entry_format(const struct redis_entry *entry, char out[static REDIS_ENTRY_TEXT_MAX]);

#endif

#include "online/redis/redis_entries.h"

#include <stdio.h>

#include "base/clock.h"

void redis_entries_begin(struct redis_entries *entries, str text, struct arena *arena)
{
    *entries = (struct redis_entries){
        .at = text.data,
        .end = text.data ? text.data + text.len : NULL,
        .arena = arena,
    };
}

static inline void skip_space(struct redis_entries *entries)
{
    while (entries->at < entries->end && (*entries->at == ' ' || *entries->at == '\t' ||
                                          *entries->at == '\n' || *entries->at == '\r'))
        entries->at++;
}

static inline bool take(struct redis_entries *entries, char c)
{
    skip_space(entries);
    if (entries->at == entries->end || *entries->at != c)
        return false;
    entries->at++;
    return true;
}

static bool hex4(const char *at, const char *end, uint32_t *out)
{
    uint32_t code = 0;
    if (end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16)
            return false;
        code = code << 4 | digit;
    }
    *out = code;
    return true;
}

static char *put_utf8(char *at, uint32_t code)
{
    if (code < 0x80) {
        *at++ = (char)code;
        return at;
    }
    if (code < 0x800) {
        *at++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *at++ = (char)(0xe0 | code >> 12);
        *at++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        *at++ = (char)(0xf0 | code >> 18);
        *at++ = (char)(0x80 | (code >> 12 & 0x3f));
        *at++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *at++ = (char)(0x80 | (code & 0x3f));
    return at;
}

/* What follows "\u": one code, or the two halves of a pair. NULL: malformed. */
static const char *take_code(const char *at, const char *end, char **out)
{
    uint32_t code;
    uint32_t low;
    if (!hex4(at, end, &code))
        return NULL;
    at += 4;
    if (code >= 0xdc00 && code <= 0xdfff)
        return NULL;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex4(at + 2, end, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    *out = put_utf8(*out, code);
    return at;
}

/* One escape, behind its backslash; NULL: malformed. It never gets longer. */
static const char *take_escape(const char *at, const char *end, char **out)
{
    static const char PLAIN[] = "\"\\/bfnrt";
    static const char MEANT[] = "\"\\/\b\f\n\r\t";
    if (at == end)
        return NULL;
    if (*at == 'u')
        return take_code(at + 1, end, out);
    const char *found = *at ? strchr(PLAIN, *at) : NULL;
    if (found == NULL)
        return NULL;
    *(*out)++ = MEANT[found - PLAIN];
    return at + 1;
}

static enum redis_entries_step unescape(struct redis_entries *entries, str raw, str *out)
{
    char *text = arena_alloc(entries->arena, raw.len);
    char *to = text;
    const char *at = raw.data;
    const char *end = raw.data + raw.len;
    if (text == NULL)
        return REDIS_ENTRIES_NO_MEMORY;
    while (at != NULL && at < end) {
        if (*at != '\\')
            *to++ = *at++;
        else
            at = take_escape(at + 1, end, &to);
    }
    if (at == NULL)
        return REDIS_ENTRIES_DAMAGED;
    *out = str_of(text, (size_t)(to - text));
    return REDIS_ENTRIES_ONE;
}

/* The closing quote of a string that has escapes, NULL without one. */
static const char *end_of_escaped(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < end ? at : NULL;
}

static enum redis_entries_step take_string(struct redis_entries *entries, str *out)
{
    if (!take(entries, '"'))
        return REDIS_ENTRIES_DAMAGED;
    const char *start = entries->at;
    const char *at = memchr(start, '"', (size_t)(entries->end - start));
    bool has_escape = at && memchr(start, '\\', (size_t)(at - start));
    if (unlikely(has_escape))
        at = end_of_escaped(start, entries->end);
    if (at == NULL)
        return REDIS_ENTRIES_DAMAGED;
    entries->at = at + 1;
    *out = str_of(start, (size_t)(at - start));
    return unlikely(has_escape) ? unescape(entries, *out, out) : REDIS_ENTRIES_ONE;
}

static enum redis_entries_step finish(struct redis_entries *entries)
{
    skip_space(entries);
    return entries->at == entries->end ? REDIS_ENTRIES_END : REDIS_ENTRIES_DAMAGED;
}

enum redis_entries_step redis_entries_next(struct redis_entries *entries, str *name,
                                           struct redis_entry *out)
{
    str value;
    if (entries->count == 0) {
        if (!take(entries, '{'))
            return REDIS_ENTRIES_DAMAGED;
        if (take(entries, '}'))
            return finish(entries);
    } else if (take(entries, '}')) {
        return finish(entries);
    } else if (!take(entries, ',')) {
        return REDIS_ENTRIES_DAMAGED;
    }
    entries->count++;
    enum redis_entries_step step = take_string(entries, name);
    if (step != REDIS_ENTRIES_ONE)
        return step;
    if (!take(entries, ':'))
        return REDIS_ENTRIES_DAMAGED;
    step = take_string(entries, &value);
    if (step == REDIS_ENTRIES_ONE)
        redis_entry_parse(value, out);
    return step;
}

#define SAFE_DIGITS 19 /* of a number that surely fits 64 bits */

/* Eight digits at once, in the lanes of a little-endian word (D. Lemire, "Quickly parsing eight
 * digits", 2018); false if one of them is none. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first digit is the lowest byte");
static inline bool take_eight(const char *at, uint64_t *out)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    uint64_t high = word & UINT64_C(0xf0f0f0f0f0f0f0f0);
    uint64_t above_nine = (word + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0);
    if ((high | above_nine >> 4) != UINT64_C(0x3333333333333333))
        return false;
    word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
    *out = (word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
    return true;
}

/* Decimal digits up to `stop`, no leading zeros; NULL: none, or beyond 64 bits. */
static inline const char *take_digits(const char *at, const char *end, char stop, uint64_t *out)
{
    const char *start = at;
    const char *safe = end - at > SAFE_DIGITS ? at + SAFE_DIGITS : end;
    uint64_t number = 0;
    uint64_t eight;
    unsigned plain;
    while (safe - at >= 8 && take_eight(at, &eight)) {
        number = number * 100000000 + eight;
        at += 8;
    }
    while (at < safe && (plain = (unsigned)(unsigned char)*at - '0') <= 9) {
        number = number * 10 + plain;
        at++;
    }
    for (; at < end && *at != stop; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9 || __builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)digit, &number))
            return NULL;
    }
    if (at == end || at == start || (*start == '0' && at > start + 1))
        return NULL;
    *out = number;
    return at + 1;
}

static enum redis_entry_kind kind_of(char letter)
{
    switch (letter) {
    case 'v':
        return REDIS_ENTRY_VALUE;
    case 'n':
        return REDIS_ENTRY_NULL;
    case 'x':
        return REDIS_ENTRY_ERASED;
    default:
        return REDIS_ENTRY_DAMAGED;
    }
}

void redis_entry_parse(str text, struct redis_entry *out)
{
    const char *end = text.data + text.len;
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t magnitude;
    uint64_t version_id;
    *out = (struct redis_entry){.kind = REDIS_ENTRY_DAMAGED};
    const char *at = take_digits(text.data + negative, end, ':', &magnitude);
    if (at == NULL || magnitude > (uint64_t)INT64_MAX + negative || (negative && magnitude == 0))
        return;
    int64_t event_time_us = (int64_t)(negative ? 0 - magnitude : magnitude);
    if (event_time_us < CLOCK_MIN_US || event_time_us > CLOCK_MAX_US)
        return; /* no date can be told of it */
    at = take_digits(at, end, ':', &version_id);
    if (at == NULL || end - at != 1)
        return;
    out->kind = kind_of(*at);
    out->event_time_us = event_time_us;
    out->version_id = version_id;
}

size_t redis_entry_format(const struct redis_entry *entry, char out[static REDIS_ENTRY_TEXT_MAX])
{
    char kind = entry->kind == REDIS_ENTRY_VALUE ? 'v' : entry->kind == REDIS_ENTRY_NULL ? 'n' : 'x';
    return (size_t)snprintf(out, REDIS_ENTRY_TEXT_MAX, "%lld:%llu:%c",
                            (long long)entry->event_time_us, (unsigned long long)entry->version_id,
                            kind);
}

#define TIME_DIGITS 16 /* of the years 2001 to 2286: rows with others are parsed */
#define TIME_MIN_US INT64_C(1000000000000000)

bool redis_pattern_add(struct redis_pattern *pattern, str text, const struct redis_entries *at,
                       const struct redis_entry *entry, uint32_t number)
{
    uint32_t i = at->count - 1;
    const char *quote = at->at - 1; /* behind "1700000000000000:7:v", if nothing is escaped there */
    const char *open = memrchr(text.data, '"', (size_t)(quote - text.data));
    if (i >= REDIS_PATTERN_ENTRIES_MAX || text.len > REDIS_PATTERN_BYTES_MAX || open == NULL ||
        quote - open < TIME_DIGITS + 4 || open[1 + TIME_DIGITS] != ':' || quote[-2] != ':' ||
        kind_of(quote[-1]) != entry->kind || entry->kind == REDIS_ENTRY_DAMAGED ||
        entry->event_time_us < TIME_MIN_US)
        return false;
    if (i == 0) {
        memcpy(pattern->text, text.data, text.len);
        memset(pattern->is_same, 0xFF, text.len);
    }
    uint32_t time_at = (uint32_t)(open + 1 - text.data);
    uint32_t kind_at = (uint32_t)(quote - 1 - text.data);
    memset(pattern->is_same + time_at, 0, TIME_DIGITS);
    pattern->is_same[kind_at] = 0;
    pattern->places[i].time_at = time_at;
    pattern->places[i].kind_at = kind_at;
    pattern->places[i].number = number;
    pattern->places[i].version_id = entry->version_id;
    pattern->len = (uint32_t)text.len;
    pattern->count = i + 1;
    return true;
}

/* Mostly all entries of a row have one time: its text, and what it says. */
struct last_time {
    const char *at; /* NULL: none yet */
    int64_t time_us;
};

/* Sixteen digits, the first of which is none of a leading zero. */
static inline bool read_time(const char *at, struct last_time *last)
{
    uint64_t high;
    uint64_t low;
    if (last->at && memcmp(at, last->at, TIME_DIGITS) == 0)
        return true;
    if (!take_eight(at, &high) || !take_eight(at + 8, &low))
        return false;
    last->at = at;
    last->time_us = (int64_t)(high * 100000000 + low);
    return last->time_us >= TIME_MIN_US;
}

bool redis_pattern_match(const struct redis_pattern *pattern, str text, struct redis_entry *entries)
{
    struct redis_entry skipped;
    struct last_time last = {0};
    char differs = 0;
    if (pattern->count == 0 || text.len != pattern->len)
        return false;
    for (uint32_t i = 0; i < pattern->len; i++)
        differs |= (char)((text.data[i] ^ pattern->text[i]) & pattern->is_same[i]);
    bool is_alike = differs == 0;
    for (uint32_t i = 0; i < pattern->count && is_alike; i++) {
        uint32_t number = pattern->places[i].number;
        struct redis_entry *entry = number == REDIS_ENTRY_SKIPPED ? &skipped : &entries[number];
        entry->kind = kind_of(text.data[pattern->places[i].kind_at]);
        entry->version_id = pattern->places[i].version_id;
        is_alike = entry->kind != REDIS_ENTRY_DAMAGED &&
                   read_time(text.data + pattern->places[i].time_at, &last);
        entry->event_time_us = last.time_us;
    }
    return is_alike;
}

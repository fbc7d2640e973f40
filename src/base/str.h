/* A borrowed view of bytes: not terminated, may hold NUL. Never owns; its lifetime is the lifetime
 * of what it points into. An empty view may have a NULL pointer. */
#ifndef FEATURED_BASE_STR_H
#define FEATURED_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct str {
    const char *data;
    size_t len;
} str;

#define STR(literal) ((str){"" literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).data ? (s).data : ""

static inline str str_of(const char *data, size_t len)
{
    return (str){data, len};
}

static inline str str_from_cstr(const char *text)
{
    return text ? (str){text, strlen(text)} : (str){NULL, 0};
}

static inline bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_starts_with(str s, str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* Byte order, a prefix before what it begins; < 0, 0 or > 0. */
int str_compare(str a, str b);
/* ASCII letters compare without case; for HTTP tokens and data type names. */
bool str_eq_nocase(str a, str b);
bool str_contains(str haystack, str needle);
/* The part before the first `separator`; *rest gets what follows it (empty if there is none). */
str str_split(str s, char separator, str *rest);
/* Without ASCII space and tab at both ends. */
str str_trim(str s);
/* Decimal, the whole text, no sign but '-', no spaces; false on anything else or overflow. */
bool str_to_int64(str s, int64_t *out);
bool str_to_uint64(str s, uint64_t *out);
/* Well-formed UTF-8: no overlong forms, surrogates or values over U+10FFFF. NUL is allowed. */
bool str_is_utf8(str s);

#endif

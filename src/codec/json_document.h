/* Private to codec: bytes to a tree of yyjson values, and the errors of their shape. Strict RFC
 * 8259 (a leading BOM is skipped); every number stays text (yyjson_is_raw), so that it is read as
 * what it must become, exactly. The tree and its texts live in the arena. */
#ifndef FEATURED_CODEC_JSON_DOCUMENT_H
#define FEATURED_CODEC_JSON_DOCUMENT_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/error.h"

#define JSON_DEPTH_MAX 256 /* of a json value or tags: what other readers take without harm */

/* MALFORMED with the byte offset; TOO_LARGE for the arena; OUT_OF_MEMORY. */
MUST_CHECK status json_parse(str text, struct arena *arena, yyjson_val **root, struct error *error);

static inline str json_text(yyjson_val *value)
{
    return str_of(yyjson_get_str(value), yyjson_get_len(value));
}

static inline str json_number(yyjson_val *value)
{
    return str_of(yyjson_get_raw(value), yyjson_get_len(value));
}

/* Absent or null. */
static inline bool json_is_absent(yyjson_val *value)
{
    return value == NULL || yyjson_is_null(value);
}

/* "an object", "a string", … for messages. */
const char *json_kind(yyjson_val *value);

/* values[i] becomes the member called names[i], or NULL; of members with the same name the last one
 * counts. Unknown members: INVALID if strict, else skipped. */
MUST_CHECK status json_take_members(yyjson_val *object, const str *names, uint32_t count,
                                    bool strict, yyjson_val **values, struct error *error);

/* These set an error whose loc is what it was, and the name or index given (unless empty). */
status json_missing(struct error *error, const char *name);
status json_wrong_kind(struct error *error, const char *type, const char *name,
                       const char *expected, yyjson_val *value);

/* A string member; `required`, or else NULL and null leave *out empty. */
MUST_CHECK status json_take_string(yyjson_val *value, const char *name, bool required, str *out,
                                   struct error *error);
/* A true or false member; absent leaves *out as it is. */
MUST_CHECK status json_take_boolean(yyjson_val *value, const char *name, bool *out,
                                    struct error *error);
/* Strings of an array member, into the arena. More than `limit`: INVALID. */
MUST_CHECK status json_take_strings(yyjson_val *array, const char *name, uint32_t limit,
                                    struct arena *arena, str **out, uint32_t *count,
                                    struct error *error);

enum json_minify_result { JSON_MINIFY_OK, JSON_MINIFY_DEEP, JSON_MINIFY_NOT_FINITE,
                          JSON_MINIFY_NO_MEMORY };
/* The value as minified text in the arena; numbers as they were written. */
MUST_CHECK enum json_minify_result json_minify(yyjson_val *value, struct arena *arena, str *out);

#endif
